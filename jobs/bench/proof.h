/* What makes the figures of a deck worth something: the program computes what it should, in the run that is
 * measured. Checks are kept with what was found and what is allowed; the first that fails is the reason for
 * INVALID.
 *
 * losses      of the first steps, each against what the double-precision build computed (deck.h)
 * repeated    the same steps of a second run from nothing have the same losses; with train.reproducible
 *             not one bit differs, else rounding
 * replicas    all ranks have the same parameters after these steps, bit for bit
 * gradient    <g, v> of backward against the finite difference of the loss along v, see proof.c; as HPCG
 *             tests the symmetry of its operators (Dongarra, Heroux, Luszczek, 2016)
 * ranking     MRR of the validation split after the deck's steps, above that of popularity
 * checkpoint  parameters and moments are read back as they were written */
#ifndef JOBS_BENCH_PROOF_H
#define JOBS_BENCH_PROOF_H
#include "jobs/bench/deck.h"
#include "jobs/bench/measure.h"

enum { PROOF_CHECKS = 8, PROOF_TEXT = 160, PROOF_REASON = PROOF_TEXT + 32 };

struct proof_check {
    const char *name;
    double found, allowed; /* NaN: a check of equality */
    bool passed;
};

struct proof {
    struct proof_check check[PROOF_CHECKS];
    int checks;
    char reason[PROOF_REASON]; /* of the first that failed; "": none has */
};

/* Not collective. `found` must be at most `allowed`. */
void proof_at_most(struct proof *proof, const char *name, double found, double allowed);

/* Not collective. `what` in words if it is not so. */
void proof_equal(struct proof *proof, const char *name, bool equal, const char *what);

/* Collective. The losses of the deck's first steps, of a run from nothing; rank 0 prints them as they are
 * stored. */
CHECKED enum status proof_reference(struct comm *comm, const struct deck *deck,
                                    const struct config *config);

/* Collective. Two runs of the deck's first steps: losses, repeated, replicas and gradient. */
CHECKED enum status proof_of_steps(struct proof *proof, struct comm *comm, const struct deck *deck,
                                   const struct config *config);

/* Collective, after a ranking: ranking. */
CHECKED enum status proof_of_ranking(struct proof *proof, struct bench *bench);

json_t *proof_json(const struct proof *proof); /* the caller's; not collective */
void proof_print(const struct proof *proof);

#endif
