/* Each rank counts the terms of its own items. A term belongs to the rank that its hash names,
 * which gets all counts of it and so knows its document frequency; the most frequent ones of each
 * owner go to rank 0, which chooses the vocabulary for all. With that every rank turns its counts
 * into rows of the matrix. Then come terms that tell the domains apart, texts that are folded in
 * later, and a row's greatest entries. */
#include "io/tfidf.h"
#include "core/mem.h"
#include "core/rng.h"
#include "io/words.h"
#include "mpi/exchange.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- items of one rank ---- */

static int64_t number_of(struct tfidf_builder *b, const char *term) {
    bool added;
    int64_t t = string_map_add(&b->terms, term, &added);
    if (t == b->terms_room) {
        b->terms_room = 2 * b->terms_room + 1024;
        b->df = mem_resize(b->df, b->terms_room, sizeof *b->df);
        b->last = mem_resize(b->last, b->terms_room, sizeof *b->last);
    }
    if (added) {
        b->df[t] = 0;
        b->last[t] = -1;
    }
    return t;
}

static void make_room(struct tfidf_builder *b) {
    if (b->items + 2 > b->items_room) {
        b->items_room = 2 * b->items_room + 1024;
        b->offsets = mem_resize(b->offsets, b->items_room, sizeof *b->offsets);
        b->offsets[0] = 0;
    }
    if (b->entries == b->entries_room) {
        b->entries_room = 2 * b->entries_room + 1024;
        b->term = mem_resize(b->term, b->entries_room, sizeof *b->term);
        b->tf = mem_resize(b->tf, b->entries_room, sizeof *b->tf);
    }
}

static void take_term(void *state, const char *term) {
    struct tfidf_builder *b = state;
    int64_t t = number_of(b, term);
    make_room(b);
    if (b->last[t] < b->offsets[b->items]) { /* new to this item */
        b->df[t]++;
        b->last[t] = b->entries;
        b->term[b->entries] = (int32_t)t;
        b->tf[b->entries++] = 0;
    }
    b->tf[b->last[t]] += (float)b->weight;
}

bool tfidf_add(struct tfidf_builder *builder, const char *text, double weight) {
    builder->weight = weight;
    return weight == 0 || words_each(text, take_term, builder);
}

void tfidf_next(struct tfidf_builder *builder) {
    make_room(builder);
    builder->offsets[++builder->items] = builder->entries;
}

void tfidf_builder_free(struct tfidf_builder *builder) {
    string_map_free(&builder->terms);
    mem_free(builder->df);
    mem_free(builder->last);
    mem_free(builder->offsets);
    mem_free(builder->term);
    mem_free(builder->tf);
    *builder = (struct tfidf_builder){0};
}

/* ---- records on the way between ranks: int64 df, then the term with its NUL ---- */

struct counted {
    const char *term;
    int64_t df;
};

static int64_t record_bytes(const char *term) {
    return (int64_t)(sizeof(int64_t) + strlen(term) + 1);
}

static char *record_put(char *at, const char *term, int64_t df) {
    memcpy(at, &df, sizeof df);
    return stpcpy(at + sizeof df, term) + 1;
}

static const char *record_get(const char *at, struct counted *out) {
    memcpy(&out->df, at, sizeof out->df);
    out->term = at + sizeof out->df;
    return out->term + strlen(out->term) + 1;
}

/* Frequent first, then by bytes. */
static int by_frequency(const void *a, const void *b) {
    const struct counted *x = a, *y = b;
    return x->df != y->df ? (x->df < y->df) - (x->df > y->df) : strcmp(x->term, y->term);
}

static int owner_of(const char *term, int size) {
    return (int)(rng_mix(rng_hash(term)) % (uint64_t)size);
}

/* ---- document frequencies over all ranks ---- */

/* One record after another. */
struct records {
    char *data;
    int64_t bytes;
};

/* The counts of this rank, those of the terms that rank r owns from first[r] to first[r + 1]. */
static char *sort_by_owner(const struct comm *comm, const struct tfidf_builder *b, int64_t *first) {
    const struct string_list *terms = &b->terms.list;
    memset(first, 0, (size_t)(comm->size + 1) * sizeof *first);
    for (int64_t t = 0; t < terms->count; t++) {
        const char *term = string_at(terms, t);
        first[owner_of(term, comm->size) + 1] += record_bytes(term);
    }
    for (int r = 0; r < comm->size; r++)
        first[r + 1] += first[r];
    char *data = mem_alloc(first[comm->size], 1), **at = mem_alloc(comm->size, sizeof *at);
    for (int r = 0; r < comm->size; r++)
        at[r] = data + first[r];
    for (int64_t t = 0; t < terms->count; t++) {
        const char *term = string_at(terms, t);
        char **to = &at[owner_of(term, comm->size)];
        *to = record_put(*to, term, b->df[t]);
    }
    mem_free(at);
    return data;
}

/* Every rank gets the counts of the terms it owns from all. */
static struct records swap(const struct comm *comm, const struct tfidf_builder *b) {
    struct records in;
    int64_t *first = mem_alloc(comm->size + 1, sizeof *first),
            *from = mem_alloc(comm->size + 1, sizeof *from);
    char *out = sort_by_owner(comm, b, first);
    in.data = exchange_bytes(comm, out, first, from);
    in.bytes = from[comm->size];
    mem_free(out);
    mem_free(from);
    mem_free(first);
    return in;
}

/* Sums the records of the same term in place; gives the distinct ones that enough items have. */
static struct counted *sum_records(const struct records *in, int64_t *count) {
    struct string_map map = {0};
    struct counted *sums = NULL, record;
    int64_t room = 0, kept = 0;
    for (const char *at = in->data; at < in->data + in->bytes;) {
        bool added;
        at = record_get(at, &record);
        int64_t t = string_map_add(&map, record.term, &added);
        if (t == room) {
            room = 2 * room + 1024;
            sums = mem_resize(sums, room, sizeof *sums);
        }
        if (added)
            sums[t] = record;
        else
            sums[t].df += record.df;
    }
    for (int64_t t = 0; t < map.list.count; t++)
        if (sums[t].df >= TFIDF_LEAST)
            sums[kept++] = sums[t];
    string_map_free(&map);
    *count = kept;
    return sums;
}

/* The `n` counts of every rank on rank 0. */
static struct records gather(const struct comm *comm, const struct counted *mine, int64_t n) {
    struct records all;
    int64_t bytes = 0;
    for (int64_t t = 0; t < n; t++)
        bytes += record_bytes(mine[t].term);
    char *data = mem_alloc(bytes, 1), *at = data;
    for (int64_t t = 0; t < n; t++)
        at = record_put(at, mine[t].term, mine[t].df);
    all.data = comm_collect(comm, data, bytes, &all.bytes);
    mem_free(data);
    return all;
}

static void sort(struct counted *terms, int64_t n) {
    if (n > 0)
        qsort(terms, (size_t)n, sizeof *terms, by_frequency);
}

/* On rank 0: the `most` first of all. */
static struct records choose(const struct records *all, int64_t most) {
    int64_t n = 0;
    struct counted record;
    const char *end = all->data + all->bytes;
    for (const char *at = all->data; at < end; n++)
        at = record_get(at, &record);
    struct counted *terms = mem_alloc(n, sizeof *terms);
    const char *from = all->data;
    for (int64_t t = 0; t < n; t++)
        from = record_get(from, &terms[t]);
    sort(terms, n);
    char *data = mem_alloc(all->bytes, 1), *at = data;
    for (int64_t t = 0; t < n && t < most; t++)
        at = record_put(at, terms[t].term, terms[t].df);
    mem_free(terms);
    return (struct records){data, at - data};
}

/* The vocabulary on all ranks; its data are the caller's. *found: the terms to choose from. */
static struct records agree_terms(const struct comm *comm, const struct tfidf_builder *b,
                                  int64_t most, int64_t *found) {
    struct records in = swap(comm, b), chosen = {0};
    int64_t n = 0;
    struct counted *mine = sum_records(&in, &n);
    sort(mine, n);
    *found = n;
    comm_sum_i64(comm, found, 1);
    struct records all = gather(comm, mine, n < most ? n : most);
    if (comm->rank == 0)
        chosen = choose(&all, most);
    comm_bcast(comm, &chosen.bytes, sizeof chosen.bytes);
    if (comm->rank != 0)
        chosen.data = mem_alloc(chosen.bytes, 1);
    comm_bcast(comm, chosen.data, chosen.bytes);
    mem_free(mine);
    mem_free(in.data);
    mem_free(all.data);
    return chosen;
}

/* ---- the matrix ---- */

static double damp(double tf) {
    return tf < 1 ? tf : 1 + log(tf);
}

/* From this rank's term numbers to columns, -1 for terms that were cut; and every column's idf. */
static void number_columns(const struct tfidf_builder *b, const struct records *terms,
                           struct tfidf *out, int32_t *column) {
    struct counted record;
    int64_t room = 0;
    memset(column, -1, (size_t)b->terms.list.count * sizeof *column);
    for (const char *at = terms->data; at < terms->data + terms->bytes; out->matrix.columns++) {
        at = record_get(at, &record);
        int64_t t = string_map_find(&b->terms, record.term);
        if (t >= 0)
            column[t] = out->matrix.columns;
        if (out->matrix.columns == room) {
            room = 2 * room + 1024;
            out->idf = mem_resize(out->idf, room, sizeof *out->idf);
        }
        out->idf[out->matrix.columns] =
            1 + log((double)(1 + out->documents) / (double)(1 + record.df));
        string_list_add(&out->terms, record.term);
    }
}

static void scale_row(float *value, int64_t n) {
    double square = 0;
    for (int64_t e = 0; e < n; e++)
        square += (double)value[e] * (double)value[e];
    for (int64_t e = 0; e < n; e++)
        value[e] = (float)(value[e] / sqrt(square));
}

static void fill_matrix(const struct tfidf_builder *b, const int32_t *column, const double *idf,
                        struct sparse *m) {
    m->rows = b->items;
    m->offsets = mem_alloc(b->items + 1, sizeof *m->offsets);
    m->column = mem_alloc(b->entries, sizeof *m->column);
    m->value = mem_alloc(b->entries, sizeof *m->value);
    int64_t at = 0;
    for (int64_t i = 0; i < b->items; i++) {
        m->offsets[i] = at;
        for (int64_t e = b->offsets[i]; e < b->offsets[i + 1]; e++) {
            int32_t c = column[b->term[e]];
            if (c < 0)
                continue;
            m->column[at] = c;
            m->value[at++] = (float)(damp(b->tf[e]) * idf[c]);
        }
        scale_row(m->value + m->offsets[i], at - m->offsets[i]);
    }
    m->offsets[b->items] = at;
}

void tfidf_build(const struct comm *comm, struct tfidf_builder *builder, int64_t most,
                 struct tfidf *out) {
    *out = (struct tfidf){0};
    for (int64_t i = 0; i < builder->items; i++)
        out->documents += builder->offsets[i + 1] > builder->offsets[i];
    comm_sum_i64(comm, &out->documents, 1);
    struct records terms = agree_terms(comm, builder, most, &out->found);
    int32_t *column = mem_alloc(builder->terms.list.count, sizeof *column);
    number_columns(builder, &terms, out, column);
    fill_matrix(builder, column, out->idf, &out->matrix);
    mem_free(column);
    mem_free(terms.data);
    tfidf_builder_free(builder);
}

/* Items of a domain, then those of them that have each term: [2][1 + columns]. */
static void count_items(const struct sparse *m, int64_t first, int64_t *count) {
    for (int64_t i = 0; i < m->rows; i++) {
        int64_t *of = count + (i < first ? 0 : 1 + (int64_t)m->columns);
        of[0] += m->offsets[i + 1] > m->offsets[i];
        for (int64_t e = m->offsets[i]; e < m->offsets[i + 1]; e++)
            of[1 + m->column[e]]++;
    }
}

/* Chi-square of a 2 x 2 table: a of n and b of m items have the term. */
static double chi_square(int64_t a, int64_t n, int64_t b, int64_t m) {
    double have = (double)(a + b), lack = (double)(n + m) - have;
    double cross = (double)a * (double)(m - b) - (double)b * (double)(n - a);
    double below = have * lack * (double)n * (double)m;
    return below > 0 ? (double)(n + m) * cross * cross / below : 0;
}

/* The terms with column[c] >= 0 remain, under these numbers. */
static void keep_columns(struct tfidf *t, const int32_t *column, int32_t kept) {
    struct sparse *m = &t->matrix;
    struct string_list terms = {0};
    int64_t at = 0, from = 0;
    for (int32_t c = 0; c < m->columns; c++)
        if (column[c] >= 0) {
            string_list_add(&terms, string_at(&t->terms, c));
            t->idf[column[c]] = t->idf[c];
        }
    for (int64_t i = 0; i < m->rows; i++) {
        int64_t end = m->offsets[i + 1], start = at;
        for (int64_t e = from; e < end; e++)
            if (column[m->column[e]] >= 0) {
                m->column[at] = column[m->column[e]];
                m->value[at++] = m->value[e];
            }
        from = end;
        m->offsets[i + 1] = at;
        scale_row(m->value + start, at - start);
    }
    m->columns = kept;
    string_list_free(&t->terms);
    t->terms = terms;
}

int64_t tfidf_drop_telling(const struct comm *comm, struct tfidf *t, int64_t first, double limit) {
    int32_t terms = t->matrix.columns, kept = 0;
    int64_t *x = mem_zero(2 * (1 + (int64_t)terms), sizeof *x), *y = x + 1 + terms;
    int32_t *column = mem_alloc(terms, sizeof *column);
    count_items(&t->matrix, first, x);
    comm_sum_i64(comm, x, 2 * (1 + terms));
    for (int32_t c = 0; c < terms; c++)
        column[c] = chi_square(x[1 + c], x[0], y[1 + c], y[0]) > limit ? -1 : kept++;
    keep_columns(t, column, kept);
    mem_free(column);
    mem_free(x);
    return terms - kept;
}

void tfidf_fold(const struct tfidf *tfidf, struct tfidf_builder *b, struct sparse *out) {
    struct string_map map = {0};
    int32_t *column = mem_alloc(b->terms.list.count, sizeof *column);
    bool added;
    for (int64_t t = 0; t < tfidf->terms.count; t++)
        (void)string_map_add(&map, string_at(&tfidf->terms, t), &added);
    for (int64_t t = 0; t < b->terms.list.count; t++)
        column[t] = (int32_t)string_map_find(&map, string_at(&b->terms.list, t));
    *out = (struct sparse){.columns = tfidf->matrix.columns};
    fill_matrix(b, column, tfidf->idf, out);
    string_map_free(&map);
    mem_free(column);
    tfidf_builder_free(b);
}

/* The terms so far are in order: the new one's place is sought from the end. */
int64_t tfidf_top(const struct sparse *m, int64_t row, int64_t most, int32_t *term, float *weight) {
    int64_t n = 0;
    for (int64_t e = m->offsets[row]; e < m->offsets[row + 1]; e++) {
        int32_t t = m->column[e];
        float w = m->value[e];
        int64_t at = n;
        while (at > 0 && (w > weight[at - 1] || (w == weight[at - 1] && t < term[at - 1])))
            at--;
        if (at == most)
            continue;
        n += n < most;
        memmove(term + at + 1, term + at, (size_t)(n - 1 - at) * sizeof *term);
        memmove(weight + at + 1, weight + at, (size_t)(n - 1 - at) * sizeof *weight);
        term[at] = t;
        weight[at] = w;
    }
    for (int64_t k = n - 1; k >= 0; k--)
        weight[k] /= weight[0];
    return n;
}

void sparse_free(struct sparse *m) {
    mem_free(m->offsets);
    mem_free(m->column);
    mem_free(m->value);
    *m = (struct sparse){0};
}

void tfidf_free(struct tfidf *tfidf) {
    sparse_free(&tfidf->matrix);
    mem_free(tfidf->idf);
    string_list_free(&tfidf->terms);
    *tfidf = (struct tfidf){0};
}
