/* What goes over from one domain to the other along its time, in pi-Net and MIFN: states h of a domain pass a
 * filter that knows the other domain's latest state c at every item (core/models/filter_layer.h), and a
 * second recurrent unit, TensorFlow's, reads what is left:
 *     t_s = GRU'_s( filter_s( h_s, c ) )                        s: stream a or b
 * Not collective. */
#ifndef CORE_MODELS_TRANSFER_H
#define CORE_MODELS_TRANSFER_H
#include "core/models/domain_units.h"
#include "core/models/filter_layer.h"

struct transfer {
    struct filter_layer filter[DOMAINS];
    struct gru_layer unit[DOMAINS];
};

/* Declare filter.a, transfer.a, filter.b and transfer.b. */
void transfer_add(struct model *model, const struct filter_form *form, struct transfer *transfer);

/* t of stream s, which has tokens, from h by stream (NULL where one has none). */
struct tensor *transfer_run(struct model *model, const struct pass *pass,
                            const struct transfer *transfer, int s,
                            struct tensor *const h[DOMAINS]);

#endif
