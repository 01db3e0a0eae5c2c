#include "core/catalogue/query.h"
#include "core/check.h"

struct query_term *query_add_term(struct query *query, double weight, const bool *present,
                                  enum fusion fusion) {
    assert(query->terms < QUERY_TERMS);
    struct query_term *term = &query->term[query->terms++];
    *term = (struct query_term){.weight = weight, .present = present, .fusion = fusion};
    return term;
}

struct query_head *query_add_head(const struct query *query, struct query_term *term) {
    assert(term->heads < QUERY_HEADS);
    struct query_head *head = &term->head[term->heads++];
    *head = (struct query_head){.lo = query->lo, .hi = query->hi, .weight = 1};
    return head;
}

int query_softmaxes(const struct query *query, struct query_softmax softmax[QUERY_SOFTMAXES]) {
    int n = 0;
    for (int k = 0; k < query->terms; k++) {
        const struct query_term *term = &query->term[k];
        bool fused = term->fusion == FUSION_LOGIT;
        int heads = fused ? term->heads : 1;
        for (int m = 0; m < term->heads; m += heads)
            softmax[n++] = (struct query_softmax){term->present, term->share,
                                                  term->weight * (fused ? 1 : term->head[m].weight),
                                                  heads, &term->head[m]};
    }
    return n;
}

bool query_softmax_alike(const struct query_softmax *a, const struct query_softmax *b) {
    bool alike = a->heads == b->heads;
    for (int m = 0; m < a->heads && alike; m++) {
        const struct query_head *x = &a->head[m], *y = &b->head[m];
        alike = x->items == y->items && x->dim == y->dim && x->eps == y->eps && x->lo == y->lo &&
                x->hi == y->hi;
    }
    return alike;
}

struct query query_together(const struct query *part, int n) {
    const struct query *one = &part[0];
    if (n == 1)
        return *one;
    for (int k = 0; k < n; k++)
        assert(part[k].parts == 0 && part[k].samples == one->samples && part[k].lo == one->lo &&
               part[k].hi == one->hi);
    return (struct query){.samples = one->samples,
                          .lo = one->lo,
                          .hi = one->hi,
                          .part = part,
                          .parts = n,
                          .collectives = one->collectives,
                          .local = one->local};
}

bool query_has_repeats(const struct query *query) {
    bool any = query->repeats > 0;
    for (int k = 0; k < query->parts; k++)
        any = any || query->part[k].repeats > 0;
    return any;
}

struct query query_part(const struct query *query, int64_t first, int64_t samples) {
    struct query part = *query;
    part.samples = samples;
    part.first += first;
    for (int k = 0; k < part.terms; k++) {
        struct query_term *term = &part.term[k];
        term->present += first;
        term->share = term->share ? term->share + first : NULL;
        for (int m = 0; m < term->heads; m++)
            term->head[m].q += first * term->head[m].dim;
    }
    if (part.added.width > 0) {
        part.added.item += first * part.added.width;
        part.added.value += first * part.added.width;
    }
    if (part.scorer.score)
        part.scorer.state = (const char *)part.scorer.state + first * part.scorer.bytes;
    return part;
}

static double term_width(const struct query_term *term) {
    double width = 0;
    for (int m = 0; m < term->heads; m++)
        width += (double)term->head[m].dim;
    return width;
}

double query_flops(const struct query *query) {
    double numbers = 0, ranks = query->collectives ? query->collectives->size : 1;
    for (int k = 0; k < query->terms; k++) {
        const struct query_term *term = &query->term[k];
        int64_t states = 0;
        for (int64_t t = 0; t < query->samples; t++)
            states += term->weight != 0 && term->present[t];
        numbers += (double)states * term_width(term);
    }
    double each = 2 * numbers + query->scorer.flops * (double)query->samples;
    double all = each * ranks * (double)(query->hi - query->lo);
    for (int k = 0; k < query->parts; k++)
        all += query_flops(&query->part[k]);
    return all;
}

/* Of `n` samples of all ranks, `bytes` bytes each. */
static const void *gather_states(const struct query *query, struct arena *arena, const void *states,
                                 const int64_t *samples, int64_t n, int64_t bytes) {
    if (arena->dry)
        return arena_numbers(arena, n, (size_t)bytes);
    return collectives_gather(query->collectives, arena, states, samples, bytes);
}

/* Of `n` samples of all ranks. */
static void gather_term(const struct query *query, struct arena *arena, const int64_t *samples,
                        int64_t n, struct query_term *term) {
    term->present =
        collectives_gather(query->collectives, arena, term->present, samples, sizeof(bool));
    if (term->share)
        term->share = gather_states(query, arena, term->share, samples, n, sizeof(real));
    for (int m = 0; m < term->heads; m++) {
        struct query_head *head = &term->head[m];
        head->q =
            gather_states(query, arena, head->q, samples, n, head->dim * (int64_t)sizeof *head->q);
    }
}

/* Rows of all ranks are as wide as the widest: shorter ones are filled up. Items become places. */
static struct query_added gather_added(const struct query *query, struct arena *arena,
                                       const int64_t *samples, int64_t n) {
    const struct query_added *mine = &query->added;
    const int64_t *width = collectives_gather_count(query->collectives, arena, mine->width);
    struct query_added all = {0};
    for (int r = 0; r < query->collectives->size; r++)
        all.width = width[r] > all.width ? width[r] : all.width;
    int32_t *item = arena_alloc(arena, query->samples * all.width, sizeof *item);
    real *value = arena_numbers(arena, query->samples * all.width, sizeof *value);
    for (int64_t t = 0; t < query->samples; t++)
        for (int64_t k = 0; k < all.width; k++) {
            bool there = k < mine->width;
            item[t * all.width + k] = there ? mine->item[t * mine->width + k] : -1;
            if (!arena->dry)
                value[t * all.width + k] = there ? mine->value[t * mine->width + k] : 0;
        }
    int32_t *place = collectives_gather(query->collectives, arena, item, samples,
                                        all.width * (int64_t)sizeof *item);
    for (int64_t k = 0; k < n * all.width; k++)
        place[k] = (int32_t)item_block_index(query->local, place[k]);
    all.item = place;
    all.value = gather_states(query, arena, value, samples, n, all.width * (int64_t)sizeof *value);
    return all;
}

static const struct query *parts_of_all(const struct query *query, struct arena *arena,
                                        const int64_t *samples) {
    struct query *part = arena_alloc(arena, query->parts, sizeof *part);
    for (int k = 0; k < query->parts; k++)
        part[k] = query_of_all(&query->part[k], arena, samples);
    return part;
}

struct query query_of_all(const struct query *query, struct arena *arena, const int64_t *samples) {
    struct query all = *query;
    all.part = parts_of_all(query, arena, samples);
    all.terms = 0;
    for (int k = 0; k < query->terms; k++)
        if (query->term[k].weight != 0)
            all.term[all.terms++] = query->term[k];
    if (!query->collectives)
        return all;
    all.samples = 0;
    for (int r = 0; r < query->collectives->size; r++)
        all.samples += samples[r];
    for (int k = 0; k < all.terms; k++)
        gather_term(query, arena, samples, all.samples, &all.term[k]);
    all.added = gather_added(query, arena, samples, all.samples);
    if (all.scorer.score)
        all.scorer.state =
            gather_states(query, arena, all.scorer.state, samples, all.samples, all.scorer.bytes);
    return all;
}
