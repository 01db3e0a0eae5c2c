/* An encoder per stream and head, or one that the streams of a head share (model.share_encoders).
 * Not collective. */
#ifndef CORE_MODELS_STREAM_ENCODERS_H
#define CORE_MODELS_STREAM_ENCODERS_H
#include "core/models/encoder.h"
#include "core/models/model.h"

struct stream_encoders {
    struct encoder encoder[STREAMS][OPTION_LIST];
};

/* Declare the encoders of all streams and of the heads declared so far, with attention to tags
 * where their rows have a width. They are the last parameters of a model. */
void stream_encoders_add(struct model *model, struct stream_encoders *encoders, int64_t tag_dim);

/* States [tokens, dim] of stream s for head m, from `rows` [*, dim] of items, of which token t
 * takes row index[t] (NULL: t); `tags` [*, tag_dim] likewise, NULL without. With the dropout of a
 * training step; none where the tape does not record. */
struct tensor *stream_encoders_run(struct model *model, const struct stream_encoders *encoders,
                                   const struct pass *pass, int s, int m, struct tensor *rows,
                                   struct tensor *tags, const int32_t *index);

#endif
