/* The steps of training, which train takes and bench measures: the share of a global batch,
 * forward, backward with the reduction under way, update.
 *
 * With train.reproducible a step is dealt to REDUCE_SHARES shares instead of one per rank; each
 * has its own forward and backward, and their gradients are joined by mpi/reduce_ordered: losses
 * and parameters have the same bits for 1, 2, 4 and 8 ranks. Some kernels split their sums by
 * threads, so that all runs to be compared need the same number of threads per rank. */
#ifndef JOBS_ENGINE_STEPPER_H
#define JOBS_ENGINE_STEPPER_H
#include "core/phase.h"
#include "io/loader.h"
#include "jobs/engine/run.h"
#include "mpi/reduce.h"
#include "mpi/reduce_ordered.h"

/* What the ranks tell each other once per step. It travels with the sum of the losses, so that it
 * costs no message of its own. Not collective: writes this rank's numbers into zeroed notes, just
 * before they are summed over ranks. */
enum { STEPPER_NOTES = 8 };
typedef void stepper_notes_fn(void *writer, double notes[STEPPER_NOTES]);

struct stepper {
    const struct comm *comm; /* borrowed, as the run */
    struct run *run;
    struct loader loader;
    int shares;          /* of a step that are this rank's */
    struct batch *batch; /* [shares] */
    struct tape tape;
    double own_loss[LOSS_TERMS]; /* this rank's share of the last step's sums */
    struct arena arena;          /* of what is gathered from all ranks for a step */
    int32_t *whole;              /* [whole_count] */
    int64_t whole_count;
    struct whole_states *states; /* [shares] of the step, NULL unless the model reads them */
    struct reduce reduce;
    struct reduce_ordered ordered; /* reproducible: in place of `reduce` */
    stepper_notes_fn *write_notes; /* NULL: there is nothing to tell */
    void *writer;
    double notes[STEPPER_NOTES];               /* sums over ranks, of the last step */
    bool without_reduction, without_optimizer; /* for bench: leave these stages out */
    struct tape_work work[PHASES];             /* of this rank in the last step */
    struct item_grads grads; /* of the last step, until the next one: what comes as rows */
    int64_t touched;         /* parameters here that its gradient moves */
};

/* Collective. STATUS_INPUT when the data set has no training sequences, or when the ranks do not
 * suit train.reproducible. Of a model that is fitted nothing else is opened: there are no steps. */
CHECKED enum status stepper_open(struct stepper *stepper, struct run *run);
void stepper_close(struct stepper *stepper); /* collective; safe on a zeroed object */

/* Not collective. Pack this rank's sequences of step k of the loader's epoch. Returns the number of
 * sequences over all ranks. */
int64_t stepper_load(struct stepper *stepper, int64_t k);

/* Collective. One update, number `step` (1 for the first), at the learning rate `lr` with the loaded
 * sequences. `phases` runs. loss[k] = mean of loss k over its positions in the global batch.
 * STATUS_FAIL when a loss or the norm of train.grad_clip is not finite: parameters and moments stay
 * as they were, and the line names step, rank and the first tensor or loss at fault. */
CHECKED enum status stepper_compute(struct stepper *stepper, int64_t step, double lr,
                                    struct phases *phases, double loss[LOSS_TERMS]);

/* Collective. STATUS_FAIL, with such a line, when a parameter is not finite. */
CHECKED enum status stepper_check(const struct stepper *stepper, int64_t step);

#endif
