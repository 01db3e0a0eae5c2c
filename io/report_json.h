/* What the log of a run and its results say alike, as JSON. Not collective. */
#ifndef IO_REPORT_JSON_H
#define IO_REPORT_JSON_H
#include "core/metrics.h"
#include "core/options.h"
#include "io/dataset.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

json_t *report_number(double x);       /* null for what JSON cannot hold */
json_t *report_text(const char *text); /* null for what is not printable */
json_t *report_hash(uint64_t hash);    /* 16 hexadecimal digits */

/* {"A": a, "B": b} with the data set's labels; takes both. Of numbers, report_numbers. */
json_t *report_by_domain(const struct dataset *dataset, json_t *a, json_t *b);
json_t *report_numbers(const struct dataset *dataset, const double x[2]);

/* name: version. In bfloat16 also rank 0's kernel, on which the last bits depend. */
json_t *report_program(const struct config *config);

/* processor, cores and kernel of the machine that this rank is on; null for what it does not say. */
json_t *report_machine(void);

/* Metrics of one scorer on one split, by how the candidates were chosen. */
struct report_scores {
    bool has_full, has_sampled;
    struct metrics_table full, sampled;
};

/* {"full": {"A": {...}, "B": {...}, "all": {...}}, "sampled": {...}}, of those there are. */
json_t *report_scores_json(const struct report_scores *scores, const struct dataset *dataset,
                           const struct config *config);

#endif
