#include "core/models/filter_layer.h"
#include "core/models/layers.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"

static int add_arguments(struct params *p, const char *name, const char *of, int64_t h,
                         int64_t in) {
    int w = params_add(p, 2, h, in, PARAM_FAN_IN, in, "%s.%s.w", name, of);
    params_add(p, 1, 1, h, PARAM_ONE, in, "%s.%s.b", name, of);
    return w;
}

void filter_layer_add(struct params *p, const char *name, int64_t h, const struct filter_form *form,
                      struct filter_layer *layer) {
    layer->form = *form;
    layer->gate = add_arguments(p, name, "gate", h, 2 * h);
    layer->candidate = add_arguments(p, name, "candidate", h, h);
    layer->state = params_add(p, 2, 2 * h, h, PARAM_FAN_IN, h, "%s.h.w", name);
    if (form->members == 0)
        return;
    layer->member =
        params_add(p, 2, form->members, h, PARAM_FAN_IN, form->members, "%s.members", name);
    layer->member_w[0] = layer->member_w[1] =
        params_add(p, 2, h, h, PARAM_FAN_IN, h, "%s.members.gate.w", name);
    if (form->separate)
        layer->member_w[1] =
            params_add(p, 2, h, h, PARAM_FAN_IN, h, "%s.members.candidate.w", name);
}

static struct tensor *project_members(const struct filter_layer *layer, struct params *p,
                                      struct tape *tape, int k) {
    return op_linear(tape, tape_param(tape, p, layer->member),
                     tape_param(tape, p, layer->member_w[k]), NULL);
}

struct tensor *filter_layer_run(const struct filter_layer *layer, struct params *p,
                                struct tape *tape, struct tensor *h, struct tensor *c,
                                const int64_t *offsets, int64_t sequences) {
    struct filter_cell cell = {.gate = layer->form.gate,
                               .weight = tape_param(tape, p, layer->state)};
    if (layer->form.members > 0) {
        cell.member[0] = project_members(layer, p, tape, 0);
        cell.member[1] = layer->form.separate ? project_members(layer, p, tape, 1) : cell.member[0];
    }
    return op_filter_cell(tape, layer_linear(p, tape, op_join(tape, h, c), layer->gate),
                          layer_linear(p, tape, h, layer->candidate), &cell, offsets, sequences);
}
