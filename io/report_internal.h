/* Shared by the sources of io/report.h: its objects as JSON. Not collective. */
#ifndef IO_REPORT_INTERNAL_H
#define IO_REPORT_INTERNAL_H
#include "io/report.h"
#include <jansson.h>

json_t *report_number(double x);       /* null for what JSON cannot hold */
json_t *report_text(const char *text); /* null for what is not printable */
json_t *report_program(void);          /* name: version */
json_t *report_hash(uint64_t hash);    /* 16 hexadecimal digits */

/* Label of a domain: "A" and "B" where the data set's own would be ambiguous beside "all". */
const char *report_label(const struct dataset *dataset, int domain);

/* {"full": {"A": {...}, "B": {...}, "all": {...}}, "sampled": {...}}, of those there are. */
json_t *report_scores_json(const struct report_scores *scores, const struct dataset *dataset,
                           const struct config *config);

#endif
