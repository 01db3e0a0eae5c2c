/* The positions of a batch that ask for an item, in models that score it from what several streams have
 * had until then: the targets of the mixed stream in training, histories in a ranking. Not collective. */
#ifndef CORE_MODELS_POSITIONS_H
#define CORE_MODELS_POSITIONS_H
#include "core/models/model.h"

/* Position j is about an item of domain[j], and sees tokens lo[s][j] .. hi[s][j] - 1 of stream s, both
 * 0: none. */
struct positions {
    int64_t n;
    int32_t *domain;
    int32_t *lo[STREAMS], *hi[STREAMS];
    bool asked[DOMAINS]; /* may a position that counts be about it? */
};

/* The targets of the mixed stream, of which those of train.target count. Memory is the tape's. */
struct positions positions_of_targets(const struct model *model, struct tape *tape,
                                      const struct batch *batch);

/* Histories that ask for an item of `domain`, one by sample. */
struct positions positions_of_histories(struct tape *tape, const struct batch *batch, int domain);

#endif
