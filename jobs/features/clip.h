/* Feature tables made by the encoders of a CLIP model that is at hand. */
#ifndef JOBS_FEATURES_CLIP_H
#define JOBS_FEATURES_CLIP_H
#include "core/status.h"
#include "io/dataset.h"
#include "jobs/features/terms.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct clip_request {
    const char *name;  /* of the table; shorter than FEATURE_NAME */
    const char *model; /* folder of config.json, model.safetensors and, for texts, vocab.json and
                        * merges.txt */
    struct encode_source from; /* texts: titles, with descriptions, or text:NAME */
    const char *pictures;      /* or the folder of KEY.jpg, .jpeg, .png or .webp; NULL: texts */
    double seconds;            /* of processor time at most to read a picture */
    bool bf16;                 /* multiply in bfloat16 */
    int64_t pca; /* reduce to so many principal components of the rows; 0: the rows as they are */
    bool whiten; /* and scale these to variance 1 */
    bool half, overwrite;
};

/* Collective. Each item's text or picture is encoded (core/clip/tower.h) into a row of norm 1 of
 * /features/NAME, with its attributes; items without one, and those whose picture is damaged, are
 * counted, named and marked as missing in /features/NAME_mask. Ranks share the items. A run that ends
 * early leaves the blocks of rows it has made (block_store.h), and the next one goes on; the same rows
 * come from any number of ranks. Prints what came out on rank 0. STATUS_INPUT for a model that is not
 * one, and where no item has anything to encode; STATUS_STOPPED where a request to stop (stop.h) came
 * before the last block. */
CHECKED enum status encode_clip(const struct comm *comm, const struct dataset *dataset,
                                const struct clip_request *request);

#endif
