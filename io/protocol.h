/* The names of what a figure is: of which domain, how its candidates were chosen, and which figure
 * selects the best epoch. Not collective. */
#ifndef IO_PROTOCOL_H
#define IO_PROTOCOL_H
#include "core/options.h"
#include "io/dataset.h"

enum { PROTOCOL_NAME = 3 * OPTION_NAME, PROTOCOL_CANDIDATES = 80 };

/* Label of a domain: "A" and "B" where the data set's own would be ambiguous beside "all". */
const char *protocol_label(const struct dataset *dataset, int domain);

/* "included" or "excluded". */
const char *protocol_history(bool excluded);

/* How a target got its rank. */
struct ranking_protocol {
    bool sampled;          /* candidates */
    bool history_excluded; /* the user's own items are no candidates */
    bool per_domain;       /* each domain's targets are ranked with the best epoch of that domain */
    int runs;              /* that rank together */
};

#define PROTOCOL_PER_DOMAIN "per-domain best epochs"

/* "full" or "sampled", and where it is so ", history excluded", ", " PROTOCOL_PER_DOMAIN, ", mean of 3 runs".
 * Returns `name`. */
const char *protocol_candidates(struct ranking_protocol protocol, char name[PROTOCOL_CANDIDATES]);

/* What selects the best epoch: "mrr of all, full"; "ndcg@10 of food, sampled, history excluded"; "mrr of
 * each domain, full". */
void protocol_select(const struct config *config, const struct dataset *dataset,
                     char name[PROTOCOL_NAME]);

#endif
