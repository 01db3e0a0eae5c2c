#include "core/models/stream_encoder.h"
#include <stdio.h>

static void add(struct model *model, struct encoder *encoder, const char *stream, int m,
                int64_t tag_dim) {
    const struct config *config = model->config;
    struct encoder_shape shape = {.dim = model->head[m].dim,
                                  .max_len = model->catalogue.max_len,
                                  .blocks = (int)config->model.blocks,
                                  .heads = (int)config->model.heads,
                                  .tag_dim = tag_dim,
                                  .knots = model->catalogue.clock.knots,
                                  .attention = config->model.attention_init};
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "enc.%s.%s", stream, config->model.modalities.name[m]);
    encoder_add(&model->params, name, &shape, encoder);
}

void stream_encoder_add(struct model *model, struct encoder *encoder, int s, int m,
                        int64_t tag_dim) {
    add(model, encoder, stream_names[s], m, tag_dim);
}

void stream_encoders_add(struct model *model, struct encoder encoder[STREAMS][OPTION_LIST],
                         int64_t tag_dim) {
    bool shared = model->config->model.share_encoders == SHARE_STREAMS;
    for (int s = 0; s < STREAMS; s++)
        for (int m = 0; m < model->heads; m++)
            if (shared && s > 0)
                encoder[s][m] = encoder[0][m];
            else
                add(model, &encoder[s][m], shared ? "shared" : stream_names[s], m, tag_dim);
}

struct tensor *stream_encoder_run(struct model *model, const struct encoder *encoder,
                                  const struct pass *pass, int s, int m, struct tensor *rows,
                                  struct tensor *tags, const int32_t *index) {
    const struct stream *stream = &pass->batch->stream[s];
    struct encoder_input input = {rows, tags, index};
    struct dropout_key key = {.p = pass->step > 0 ? model->config->model.dropout : 0,
                              .seed = (uint64_t)model->config->run.seed,
                              .step = (uint64_t)pass->step,
                              .stream = s,
                              .head = m,
                              .token_key = stream->keys};
    return encoder_run(encoder, &model->params, pass->tape, stream, &input, &key);
}
