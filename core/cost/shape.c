#include "core/cost/shape.h"
#include "core/models/kind.h"

enum { PAD = 16 }; /* see core/params.c */

const struct config *cost_config(const struct cost_model *cost) {
    return cost->model->config;
}

bool cost_fuses(const struct cost_model *cost) {
    return cost->model->kind->mixed_batch;
}

bool cost_is_id(const struct cost_model *cost, int m) {
    return cost->model->modality[m].table >= 0;
}

bool cost_is_tags(const struct cost_model *cost, int m) {
    return m == cost->model->tags;
}

bool cost_projects(const struct cost_model *cost, int m) {
    return cost->model->modality[m].proj >= 0;
}

bool cost_is_computed(const struct cost_model *cost, int m) {
    return cost_projects(cost, m) || cost_is_tags(cost, m) || cost_fuses(cost);
}

bool cost_learns(const struct cost_model *cost, int m) {
    return cost_is_id(cost, m) || cost_projects(cost, m) || cost_fuses(cost) ||
           (cost_is_tags(cost, m) && cost->model->tag_u >= 0);
}

int64_t cost_width(const struct cost_model *cost, int m) {
    return cost->model->modality[m].dim;
}

int64_t cost_table_width(const struct cost_model *cost, int m) {
    return cost_is_id(cost, m)     ? cost_width(cost, m)
           : cost_is_tags(cost, m) ? 0
                                   : cost->model->shape.table[m].dim;
}

bool cost_is_sampled(const struct cost_model *cost) {
    return cost_config(cost)->train.loss != LOSS_EXACT;
}

bool cost_mixes_all(const struct cost_model *cost) {
    return cost_config(cost)->model.mixed_softmax == MIXED_ALL;
}

bool cost_scores(const struct cost_model *cost, int s) {
    double weight[LOSS_PARTS];
    model_loss_weights(cost_config(cost), weight);
    return weight[s] > 0;
}

bool cost_encodes(const struct cost_model *cost, int s) {
    return cost_fuses(cost) || cost_scores(cost, s);
}

int64_t cost_candidates(const struct cost_model *cost, int set) {
    const struct model_shape *shape = &cost->model->shape;
    return set == 0 ? shape->x_items : set == 1 ? shape->items - shape->x_items : shape->items;
}

bool cost_by_rows(const struct cost_model *cost) {
    return cost_is_sampled(cost) && !cost_config(cost)->train.reproducible;
}

/* Are targets of domain d in stream s predicted? Fused streams leave out those of the other domain
 * than train.target. */
static bool aims(const struct cost_model *cost, int s, int d) {
    int target = cost_config(cost)->train.target;
    bool wanted = target == TARGET_BOTH || (target == TARGET_X) == (d == 0);
    return (s == STREAM_XY || s == d) && (!cost_fuses(cost) || wanted);
}

int cost_groups(const struct cost_model *cost, const struct cost_load *load, int s,
                struct cost_group out[2]) {
    bool both = aims(cost, s, 0) && aims(cost, s, 1);
    int n = 0;
    if (!cost_scores(cost, s))
        return 0;
    if (both && cost_mixes_all(cost)) {
        out[n++] = (struct cost_group){2, load->tokens[s]};
        return n;
    }
    for (int d = 0; d < 2; d++)
        if (aims(cost, s, d))
            out[n++] = (struct cost_group){d, load->targets[s][d]};
    return n;
}

/* ---- parameters ---- */

static int64_t padded(int64_t n) {
    return (n + PAD - 1) / PAD * PAD;
}

static int64_t param_whole(const struct param *p) {
    return padded(p->rows * p->cols);
}

int64_t cost_table_parameters(const struct cost_model *cost) {
    const struct model *model = cost->model;
    int64_t n = 0;
    for (int m = 0; m < model->modalities; m++)
        n += cost_is_id(cost, m) ? param_whole(&model->params.list[model->modality[m].table]) : 0;
    return n;
}

int64_t cost_parameters(const struct cost_model *cost) {
    const struct params *params = &cost->model->params;
    int64_t n = 0;
    for (int i = 0; i < params->count; i++)
        n += param_whole(&params->list[i]);
    return n;
}
