/* What is learned from all training sequences at once is given (core/models/fit.h), with those of all
 * ranks. */
#ifndef JOBS_ENGINE_FIT_INPUT_H
#define JOBS_ENGINE_FIT_INPUT_H
#include "core/models/fit.h"
#include "io/dataset.h"

/* Points into itself: not to be copied. */
struct fit_input {
    const struct comm *comm;
    struct collectives collectives;
    struct fit fit;
};

/* Collective. A block of the data set's training sequences is this rank's, of each the last
 * max_len + 1 items. On failure there is nothing to close. */
CHECKED enum status fit_input_read(struct fit_input *input, const struct comm *comm,
                                   const struct dataset *dataset, int64_t max_len);

/* Not collective. The same of sequences that all ranks hold. */
void fit_input_of(struct fit_input *input, const struct comm *comm,
                  const struct sequences *sequences, int64_t max_len);

void fit_input_close(struct fit_input *input);

#endif
