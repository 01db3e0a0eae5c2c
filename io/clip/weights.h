/* The weights of an encoder of CLIP, once on every node. Collective. */
#ifndef IO_CLIP_WEIGHTS_H
#define IO_CLIP_WEIGHTS_H
#include "core/clip/tower.h"
#include "core/status.h"
#include "io/sha256.h"
#include "mpi/shared.h"

struct clip_weights {
    struct shared shared;
    const real *numbers;      /* of clip_layout */
    char sha256[SHA256_TEXT]; /* of the file */
};

/* Collective. The tensors of `shape` from DIRECTORY/model.safetensors. The file's header and the shapes
 * of all of them are checked before memory is asked for. STATUS_INPUT names the tensor that is not
 * there, or has another shape or a number that is not finite, or a rank that has another file. */
CHECKED enum status clip_weights_read(const struct comm *comm, const char *directory,
                                      const struct clip_shape *shape, struct clip_weights *weights);
void clip_weights_close(struct clip_weights *weights); /* safe on a zeroed object; zeroes it */

#endif
