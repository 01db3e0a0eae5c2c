/* Output files of the jobs that make data. Not collective. */
#ifndef JOBS_OUTPUT_H
#define JOBS_OUTPUT_H
#include "core/status.h"
#include <stdbool.h>

/* STATUS_INPUT when `path` exists and `overwrite` is false. */
CHECKED enum status output_check(const char *path, bool overwrite);

#endif
