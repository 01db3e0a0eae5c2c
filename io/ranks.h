/* ranks.h5: the rank of every target, so that models can be compared user by user.
 *
 * /SPLIT/user (text, where the data set has it), /SPLIT/target (i32, item),
 * /SPLIT/domain (u8, of the target) and, where they were ranked, /SPLIT/full and /SPLIT/sampled (f64;
 * NaN: the target has no other candidate), one entry per sequence of the split in the data set's order;
 * attribute `history` of these two is "included" or "excluded". Attributes of the file: `epochs`, where
 * each domain's targets were ranked with its own best epoch, says so; `runs`, where several runs' scores
 * were averaged, their number. */
#ifndef IO_RANKS_H
#define IO_RANKS_H
#include "core/options.h"
#include "io/dataset.h"

enum { RANKS_FULL, RANKS_SAMPLED, RANKS_KINDS };

/* Of one split. */
struct ranks {
    int64_t count;             /* targets */
    int32_t *target;           /* [count] */
    uint8_t *domain;           /* [count]: of the target, 0 or 1 */
    double *rank[RANKS_KINDS]; /* [count]; NULL: not ranked so */
    bool excluded;             /* the user's history was no candidate */
    bool per_domain;           /* ranks_read alone: each domain's with its own best epoch */
    int64_t runs;              /* ranks_read alone: that ranked together */
    int64_t users;             /* ranks_read alone: distinct users, and each target's */
    int64_t *user;
};
void ranks_free(struct ranks *ranks); /* safe on a zeroed object; zeroes it. Not collective. */

/* Collective. `split` [SPLITS] is rank 0's; a split without targets is left out. Ranked by `runs` runs
 * together, and where `per_domain` each domain with its own best epoch. */
CHECKED enum status ranks_write(const struct comm *comm, const char *path,
                                const struct dataset *dataset, const struct config *config,
                                int runs, bool per_domain, const struct ranks *split);

/* Not collective. One split of such a file, by one run or by `several` together, of the data set with that
 * content hash; a split that is not there has no targets. Without users' names every target is a user's of
 * its own. STATUS_INPUT for another file. */
CHECKED enum status ranks_read(const char *path, const char *dataset_hash, enum split split,
                               bool several, struct ranks *ranks);

#endif
