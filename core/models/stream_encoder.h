/* The encoder of a stream, with the item rows of a head. Not collective. */
#ifndef CORE_MODELS_STREAM_ENCODER_H
#define CORE_MODELS_STREAM_ENCODER_H
#include "core/models/encoder.h"
#include "core/models/model.h"

/* Declare the encoder of stream s and head m, with attention to tags where their rows have a width.
 * Encoders are the last parameters of a model. */
void stream_encoder_add(struct model *model, struct encoder *encoder, int s, int m,
                        int64_t tag_dim);

/* Declare one per stream and head, or one per head that its streams share (model.share_encoders).
 */
void stream_encoders_add(struct model *model, struct encoder encoder[STREAMS][OPTION_LIST],
                         int64_t tag_dim);

/* States [tokens, dim] of stream s for head m, from `rows` [*, dim] of items, of which token t
 * takes row index[t] (NULL: t); `tags` [*, tag_dim] likewise, NULL without. With the dropout of a
 * training step; none where the tape does not record. */
struct tensor *stream_encoder_run(struct model *model, const struct encoder *encoder,
                                  const struct pass *pass, int s, int m, struct tensor *rows,
                                  struct tensor *tags, const int32_t *index);

#endif
