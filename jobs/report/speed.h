/* What cdsr bench and slurm/scaling.sh measured, in a page of HTML. Not collective. */
#ifndef JOBS_REPORT_SPEED_H
#define JOBS_REPORT_SPEED_H
#include "core/status.h"
#include <stdio.h>

/* The stages of a step of a bench.json, or speed by ranks of a scaling.json; `k` counts the files of the
 * page. STATUS_INPUT for another file. */
CHECKED enum status speed_print(FILE *file, const char *path, int k);

#endif
