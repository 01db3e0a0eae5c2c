#include "core/models/gru_layer.h"
#include "core/models/layers.h"

void gru_layer_add(struct params *p, const char *name, int64_t in, int64_t h, enum gru_reset reset,
                   struct gru_layer *layer) {
    bool after = reset == GRU_RESET_AFTER;
    layer->reset = reset;
    layer->input = params_add(p, 2, 3 * h, in, PARAM_FAN_IN, in, "%s.x.w", name);
    params_add(p, 1, 1, 3 * h, after ? PARAM_FAN_IN : PARAM_GATES, h, "%s.x.b", name);
    layer->state = params_add(p, 2, 3 * h, h, PARAM_FAN_IN, h, "%s.h.w", name);
    if (after)
        params_add(p, 1, 1, 3 * h, PARAM_FAN_IN, h, "%s.h.b", name);
}

struct tensor *gru_layer_run(const struct gru_layer *layer, struct params *p, struct tape *tape,
                             struct tensor *x, const int64_t *offsets, int64_t sequences,
                             struct tensor *initial, const struct dropout *dropout) {
    bool after = layer->reset == GRU_RESET_AFTER;
    struct gru gru = {.reset = layer->reset,
                      .weight = tape_param(tape, p, layer->state),
                      .bias = after ? tape_param(tape, p, layer->state + 1) : NULL,
                      .initial = initial,
                      .dropout = dropout};
    return op_gru(tape, layer_linear(p, tape, x, layer->input), &gru, offsets, sequences);
}
