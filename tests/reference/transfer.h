/* What the references of pi-Net and MIFN share: see reference.h. */
#ifndef TESTS_REFERENCE_TRANSFER_H
#define TESTS_REFERENCE_TRANSFER_H
#include "tests/reference/domain_units.h"

/* The next state of a domain's filter, in place. */
typedef void ref_filter_fn(const struct reference *r, const char *s, const double *h,
                           const double *c, double *state);

/* What domain s has sent by the first `places`, the state of the second unit over the filter: t, zero
 * before. */
static inline void ref_transfer(const struct reference *r, const struct ref_units *u, int s,
                                int64_t places, ref_filter_fn *filter, double *t) {
    int64_t d = r->config->model.dim;
    double state[REF_DIM] = {0};
    for (int64_t i = 0; i < ref_units_seen(u, s, places); i++) {
        filter(r, ref_streams[s], u->h[s][i], ref_units_latest(u, 1 - s, u->at[s][i]), state);
        ref_gru(r, s ? "transfer.b" : "transfer.a", false, d, d, state, t);
    }
}

#endif
