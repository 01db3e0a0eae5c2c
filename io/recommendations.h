/* The best items of many users as a file: HDF5, JSON lines or tab-separated text. Not collective
 * but for the end of an HDF5 file. */
#ifndef IO_RECOMMENDATIONS_H
#define IO_RECOMMENDATIONS_H
#include "io/checkpoint.h"
#include "io/dataset.h"
#include "io/output.h"
#include "io/string_list.h"
#include "mpi/comm.h"

struct recommendations {
    const struct string_list *users;
    int64_t k;        /* places per user and domain */
    bool has[2];      /* domains asked for */
    int32_t *item[2]; /* [users, k] best first; -1 where there are fewer */
    float *score[2];  /* [users, k] NaN there, in memory as in an HDF5 file */
    const struct dataset *dataset;
    const struct h5_strings *keys; /* of all items */
    const struct checkpoint_choice *choice; /* [runs] */
    int runs;                               /* whose scores are averaged */
    bool per_domain;                        /* of one of them at least */
};

/* Does the name end in .h5, .jsonl or .tsv? */
bool recommendations_format_known(const char *path);

/* What a file of that name is written as. */
enum output_form recommendations_form(const char *path);

/* Collective; only rank 0 looks at `r`. The file appears whole or not at all.
 *   .tsv: a header, then user, domain, rank, item (key), score
 *   .jsonl: {"user": .., "items": {"A": [{"item": key, "score": ..}, ...], "B": [...]}} per user
 *   .h5: /user, and per domain /top/A/item [users, k], numbers of items in the data set, and
 *        /top/A/score; attributes name the data set, its hashes and the checkpoint, of several runs
 *        one to a line, which attribute `runs` counts; with a best epoch of each domain, which attribute
 *        `epochs` says, the checkpoint is an attribute of /top/A and of /top/B */
CHECKED enum status recommendations_write(const struct comm *comm, const char *path,
                                          const struct recommendations *r);

#endif
