/* Layers that are a pair of parameters, which follow one another: weight and bias of a linear
 * layer, gain and bias of a layer norm. A layer is the index of the first. Not collective. */
#ifndef CORE_MODELS_LAYERS_H
#define CORE_MODELS_LAYERS_H
#include "core/params.h"
#include "core/tape.h"

#define NORM_EPS ((real)1e-8)

/* Declare `prefix`.w [out, in] and .b [out], both PARAM_FAN_IN. */
int layer_add_linear(struct params *params, const char *prefix, int64_t out, int64_t in);

/* The same with weights of `init` and a bias of zero. */
int layer_add_map(struct params *params, const char *prefix, int64_t out, int64_t in,
                  enum param_init init);

/* Declare `prefix`.g and .b [d]. */
int layer_add_norm(struct params *params, const char *prefix, int64_t d);

/* x [T, in] -> [T, out]; x [T, d] -> [T, d]. */
struct tensor *layer_linear(struct params *params, struct tape *tape, struct tensor *x, int layer);
struct tensor *layer_norm(struct params *params, struct tape *tape, struct tensor *x, int layer);

/* x with a 1 behind every row, against which the last column of a table is a bias: [T, d + 1]. */
struct tensor *append_one(struct tape *tape, struct tensor *x);

#endif
