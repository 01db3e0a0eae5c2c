#include "core/models/transfer.h"
#include <stdio.h>

void transfer_add(struct model *model, const struct filter_form *form, struct transfer *transfer) {
    int64_t d = model->config->model.dim;
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        char name[PARAM_NAME];
        snprintf(name, sizeof name, "filter.%s", stream_names[s]);
        filter_layer_add(&model->params, name, d, form, &transfer->filter[s]);
        snprintf(name, sizeof name, "transfer.%s", stream_names[s]);
        gru_layer_add(&model->params, name, d, d, GRU_RESET_BEFORE, &transfer->unit[s]);
    }
}

struct tensor *transfer_run(struct model *model, const struct pass *pass,
                            const struct transfer *transfer, int s,
                            struct tensor *const h[DOMAINS]) {
    const struct stream *stream = &pass->batch->stream[s];
    struct tensor *r =
        filter_layer_run(&transfer->filter[s], &model->params, pass->tape, h[s],
                         domain_units_latest(pass, s, h), stream->offsets, stream->sequences);
    return gru_layer_run(&transfer->unit[s], &model->params, pass->tape, r, stream->offsets,
                         stream->sequences, NULL, NULL);
}
