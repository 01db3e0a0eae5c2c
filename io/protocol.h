/* The names of what a figure is: of which domain, how its candidates were chosen, and which figure
 * selects the best epoch. Not collective. */
#ifndef IO_PROTOCOL_H
#define IO_PROTOCOL_H
#include "core/options.h"
#include "io/dataset.h"

enum { PROTOCOL_NAME = 3 * OPTION_NAME, PROTOCOL_CANDIDATES = 48 };

/* Label of a domain: "A" and "B" where the data set's own would be ambiguous beside "all". */
const char *protocol_label(const struct dataset *dataset, int domain);

/* "included" or "excluded". */
const char *protocol_history(bool excluded);

/* "full" or "sampled"; where the user's own items are no candidates, ", history excluded"; where several
 * runs rank together, ", mean of 3 runs". Returns `name`. */
const char *protocol_candidates(bool sampled, bool history_excluded, int runs,
                                char name[PROTOCOL_CANDIDATES]);

/* What selects the best epoch: "mrr of all, full"; "ndcg@10 of food, sampled, history excluded". */
void protocol_select(const struct config *config, const struct dataset *dataset,
                     char name[PROTOCOL_NAME]);

#endif
