/* What models have in common that read each domain by a recurrent unit of its own: pi-Net, whose frame
 * it is (Ma et al., SIGIR 2019), and PSJNet. They differ in what the other domain, the source, tells the
 * domain of a target. Not collective unless said.
 *
 *     h_s = GRU_s( Drop(sqrt(d) E[s_i]) )         s: stream a or b
 *     z_i = <o_i, Drop([source, h_own])> + b_i    own: the last state of the target's domain before it
 *
 * with TensorFlow's unit. Output rows are the table `output`, whose last column is the bias, against a 1
 * behind the states. Every position of the mixed stream has its next item as a target; the batch is
 * packed by batch_mixed. */
#ifndef CORE_MODELS_DOMAIN_UNITS_H
#define CORE_MODELS_DOMAIN_UNITS_H
#include "core/models/gru_layer.h"
#include "core/models/model.h"
#include "core/models/positions.h"

struct domain_units {
    struct gru_layer encoder[DOMAINS];
};

/* The other stream of a and b. */
static inline int other_domain(int s) {
    return s == STREAM_A ? STREAM_B : STREAM_A;
}

/* Rows [positions, d] that the source tells each position, from h by stream (NULL where a stream has no
 * tokens; not both have none). */
typedef struct tensor *domain_source_fn(struct model *model, const struct pass *pass,
                                        const struct positions *positions,
                                        struct tensor *const h[DOMAINS]);

/* `configure` and `learned_width` of such a model: tables are `id` and `output`. */
enum status domain_units_configure(struct config *config);
int64_t domain_units_width(const struct config *config, int k);

/* For `open`: declare tables, head, the only loss, and gru.a, gru.b. Its parameters come behind. */
CHECKED enum status domain_units_open(struct model *model, struct domain_units *units);

void domain_units_count(const struct model *model, const struct batch *batch,
                        int64_t count[LOSS_TERMS]);

/* `forward` and `query`. The former is collective in the exact loss where items are shared out. */
void domain_units_forward(struct model *model, struct pass *pass, const struct domain_units *units,
                          domain_source_fn *source);
void domain_units_query(struct model *model, struct pass *pass, const struct domain_units *units,
                        int domain, domain_source_fn *source, struct query *query);

/* What those are made of: h by stream, NULL where one has no tokens; the queries of positions from what
 * the source tells them and from h of their own domain, both [positions, d]. */
void domain_units_encode(struct model *model, const struct pass *pass,
                         const struct domain_units *units, struct tensor *h[DOMAINS]);
struct tensor *domain_units_ask(struct model *model, const struct pass *pass, struct tensor *source,
                                struct tensor *own);

/* At every token of stream s, which has some, the latest state of the other stream, zero without:
 * [tokens, d]. */
struct tensor *domain_units_latest(const struct pass *pass, int s, struct tensor *const h[DOMAINS]);

#endif
