#include "core/models/layers.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"

int layer_add_linear(struct params *p, const char *prefix, int64_t out, int64_t in) {
    int w = params_add(p, 2, out, in, PARAM_FAN_IN, in, "%s.w", prefix);
    params_add(p, 1, 1, out, PARAM_FAN_IN, in, "%s.b", prefix);
    return w;
}

int layer_add_map(struct params *p, const char *prefix, int64_t out, int64_t in,
                  enum param_init init) {
    int w = params_add(p, 2, out, in, init, in, "%s.w", prefix);
    params_add(p, 1, 1, out, PARAM_ZERO, in, "%s.b", prefix);
    return w;
}

int layer_add_norm(struct params *p, const char *prefix, int64_t d) {
    int g = params_add(p, 1, 1, d, PARAM_ONE, d, "%s.g", prefix);
    params_add(p, 1, 1, d, PARAM_ZERO, d, "%s.b", prefix);
    return g;
}

struct tensor *layer_linear(struct params *p, struct tape *tape, struct tensor *x, int layer) {
    return op_linear(tape, x, tape_param(tape, p, layer), tape_param(tape, p, layer + 1));
}

struct tensor *layer_norm(struct params *p, struct tape *tape, struct tensor *x, int layer) {
    return op_layer_norm(tape, x, tape_param(tape, p, layer), tape_param(tape, p, layer + 1),
                         NORM_EPS);
}

struct tensor *append_one(struct tape *tape, struct tensor *x) {
    real *one = arena_numbers(&tape->arena, x->rows, sizeof *one);
    for (int64_t t = 0; t < tape_rows(tape, x->rows); t++)
        one[t] = 1;
    return op_join(tape, x, tape_constant(tape, one, x->rows, 1));
}
