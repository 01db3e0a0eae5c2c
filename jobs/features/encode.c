/* LSA: texts to TF-IDF rows, their truncated singular value decomposition (mpi/svd), rows scaled and
 * brought to unit norm, block by block into the file. */
#include "jobs/features/encode.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/h5_writer.h"
#include "io/sha256.h"
#include "jobs/features/feature_table.h"
#include "jobs/features/item_baskets.h"
#include "mpi/svd.h"
#include "partition/range.h"
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 22 };

struct encode {
    const struct comm *comm;
    const struct dataset *dataset;
    const struct encode_request *request;
    double graph;      /* as requested, but 0 where no items occur together */
    struct range mine; /* items whose rows this rank makes */
    struct tfidf tfidf;
    struct svd svd;
    float *rows;         /* [mine, dim] smoothed; NULL: made block by block */
    unsigned char *mask; /* [mine] */
    int64_t missing;
    struct range my_tags;
    struct sparse tags; /* rows: my_tags */
    int64_t tag_count, tags_missing;
    int64_t dropped; /* terms that tell the domain */
    double since;
};

/* ---- decomposition ---- */

/* Every tag of the vocabulary is a text. */
static enum status fold_tags(struct encode *e) {
    struct tag_rows tags;
    struct tfidf_builder builder = {0};
    enum status status = STATUS_OK;
    TRY(dataset_read_tags(e->comm, e->dataset, 0, 0, &tags));
    e->tag_count = tags.vocabulary.count;
    e->my_tags = range_of(e->tag_count, e->comm->size, e->comm->rank);
    for (int64_t g = e->my_tags.lo; g < e->my_tags.hi && status == STATUS_OK; g++) {
        if (!tfidf_add(&builder, tags.vocabulary.text[g], 1))
            status = log_error(STATUS_INPUT,
                               "%s: tag %lld is not UTF-8; make the file again with 'cdsr prepare'",
                               e->dataset->path, (long long)g);
        tfidf_next(&builder);
    }
    tag_rows_free(&tags);
    tfidf_fold(&e->tfidf, &builder, &e->tags);
    return comm_agree(e->comm, status);
}

static enum status check_terms(const struct encode *e) {
    const struct encode_request *r = e->request;
    if (e->tfidf.matrix.columns >= r->dim)
        return STATUS_OK;
    return comm_error(e->comm, STATUS_INPUT,
                      "%s: the %s have %d terms that at least %d items share, too few for --dim "
                      "%lld; lower it",
                      e->dataset->path, r->from.name, (int)e->tfidf.matrix.columns, TFIDF_LEAST,
                      (long long)r->dim);
}

/* Terms tell a domain from another. */
static enum status check_two_domains(const struct encode *e) {
    if (e->dataset->domain_items[1] > 0)
        return STATUS_OK;
    return comm_error(e->comm, STATUS_INPUT,
                      "--agnostic: %s has items of '%s' only, from which no term tells",
                      e->dataset->path, e->dataset->labels[0]);
}

/* The rows of all of this rank's items, each with what is beside it. */
static void smooth(struct encode *e, const struct item_baskets *baskets) {
    int64_t n = e->mine.hi - e->mine.lo, k = e->svd.k;
    double *p = mem_alloc(n * k, sizeof *p);
    svd_project(&e->svd, &e->tfidf.matrix, p);
    item_baskets_smooth(e->comm, baskets, e->svd.k, p);
    svd_rescale(e->comm, p, n, e->request->whiten, &e->svd);
    e->rows = mem_alloc(n * k, sizeof *e->rows);
    e->mask = mem_alloc(n, 1);
    for (int64_t i = 0; i < n; i++) {
        e->mask[i] = svd_scale(&e->svd, p + i * k, e->rows + i * k);
        e->missing += !e->mask[i];
    }
    mem_free(p);
}

/* Items that occur together count as requested, where there are any. */
static enum status open_baskets(struct encode *e, struct item_baskets *baskets) {
    TRY(item_baskets_open(e->comm, e->dataset, baskets));
    if (!item_baskets_empty(baskets))
        e->graph = e->request->graph;
    else
        log_info("lsa: no two items of a domain are in one training sequence; texts alone decide");
    return STATUS_OK;
}

static enum status find_components(struct encode *e) {
    const struct encode_request *r = e->request;
    struct item_baskets baskets = {0};
    struct svd_gram gram = {0};
    if (r->graph > 0)
        TRY(open_baskets(e, &baskets));
    if (e->graph > 0)
        item_baskets_gram(e->comm, &baskets, &e->tfidf.matrix, e->graph, &gram);
    enum status status = svd_sparse(e->comm, &e->tfidf.matrix, e->graph > 0 ? &gram : NULL,
                                    (int)r->dim, r->whiten, &e->svd);
    item_baskets_free_gram(&gram);
    if (status == STATUS_OK && e->graph > 0 && r->smooth)
        smooth(e, &baskets);
    item_baskets_close(&baskets);
    return status;
}

static enum status decompose(struct encode *e) {
    TRY(terms_read(e->comm, e->dataset, e->request->from, e->request->terms, &e->tfidf));
    if (e->request->chi_square > 0) {
        TRY(check_two_domains(e));
        int64_t first = e->dataset->domain_items[0] - e->mine.lo;
        e->dropped = tfidf_drop_telling(e->comm, &e->tfidf, first, e->request->chi_square);
    }
    TRY(check_terms(e));
    log_info("lsa: items %lld, terms %d, texts %.1f s", (long long)e->dataset->items,
             (int)e->tfidf.matrix.columns, phase_clock() - e->since);
    TRY(find_components(e));
    log_info("lsa: decomposed after %.1f s", phase_clock() - e->since);
    return e->request->vocabulary ? fold_tags(e) : STATUS_OK;
}

/* ---- writing ---- */

static int64_t rows_at_once(const struct encode *e) {
    return BLOCK_BYTES / (e->request->dim * (int64_t)sizeof(float)) + 1;
}

/* Before the file is made: it has a mask only where rows are missing. */
static void find_missing(struct encode *e) {
    int64_t n = e->mine.hi - e->mine.lo;
    if (!e->rows) {
        e->mask = mem_alloc(n, 1);
        e->missing = n - svd_present(&e->svd, &e->tfidf.matrix, e->mask);
    }
    comm_sum_i64(e->comm, &e->missing, 1);
}

/* This rank's items, block by block. */
static enum status write_rows(const struct encode *e, struct h5_writer *w, const char *path) {
    int64_t block = rows_at_once(e), n = e->mine.hi - e->mine.lo;
    float *rows = mem_alloc(block * e->request->dim, sizeof *rows);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < n && status == STATUS_OK; lo += block) {
        int64_t hi = lo + block < n ? lo + block : n;
        if (!e->rows)
            svd_coordinates(&e->svd, &e->tfidf.matrix, lo, hi, rows);
        status = h5_writer_write(w, path, H5_F32, e->mine.lo + lo, e->mine.lo + hi,
                                 e->rows ? e->rows + lo * e->request->dim : rows);
    }
    mem_free(rows);
    return status;
}

/* This rank's tags; a vocabulary fits into memory. */
static enum status write_tags(struct encode *e, struct h5_writer *w, const char *path) {
    int64_t n = e->my_tags.hi - e->my_tags.lo;
    float *rows = mem_alloc(n * e->request->dim, sizeof *rows);
    unsigned char *present = mem_alloc(n, 1);
    svd_coordinates(&e->svd, &e->tags, 0, n, rows);
    e->tags_missing = n - svd_present(&e->svd, &e->tags, present);
    enum status status = h5_writer_write(w, path, H5_F32, e->my_tags.lo, e->my_tags.hi, rows);
    mem_free(rows);
    mem_free(present);
    return status;
}

static enum status declare_tags(const struct encode *e, struct h5_writer *w, const char *path) {
    int64_t extent[2] = {e->tag_count, e->request->dim};
    TRY(h5_writer_remove(w, path));
    return h5_writer_declare(w, path, e->request->half ? H5_F16 : H5_F32, 2, extent);
}

/* What distinguishes the components; text of `size` bytes. */
static const char *variant(const struct encode *e, char *text, size_t size) {
    const struct encode_request *r = e->request;
    int n = snprintf(text, size, "%s", r->whiten ? ", whitened" : "");
    if (e->graph > 0)
        snprintf(text + n, size - (size_t)n, ", of items that occur together (mu %g)%s", e->graph,
                 r->smooth ? ", smoothed" : "");
    return text;
}

/* What the table is made of, and what a run says about it. */
static enum status put_provenance(const struct encode *e, struct h5_writer *w, const char *path) {
    char text[1024], source[ENCODE_SOURCE_TEXT], how[80];
    TRY(encode_source_put(w, path, e->dataset, e->request->from, source));
    variant(e, how, sizeof how);
    snprintf(text, sizeof text, "lsa of %s%s", source, how);
    if (e->request->chi_square > 0) {
        snprintf(text, sizeof text,
                 "lsa of %s without the %lld terms that tell the domain (chi-square above %g)%s, a "
                 "stand-in for domain-agnostic texts",
                 source, (long long)e->dropped, e->request->chi_square, how);
        TRY(h5_writer_put_double(w, path, "chi_square", e->request->chi_square));
        TRY(h5_writer_put_int(w, path, "terms_left_out", e->dropped));
    }
    return h5_writer_put_text(w, path, "provenance", text);
}

static enum status put_attributes(const struct encode *e, struct h5_writer *w, const char *path) {
    const struct string_list *terms = &e->tfidf.terms;
    char hash[SHA256_TEXT];
    struct sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, terms->bytes, (size_t)terms->used);
    sha256_end(&sha, hash);
    TRY(h5_writer_put_text(w, path, "encoder", "lsa"));
    TRY(h5_writer_put_text(w, path, "revision", "cdsr " CDSR_VERSION));
    TRY(put_provenance(e, w, path));
    TRY(h5_writer_put_int(w, path, "terms", terms->count));
    TRY(h5_writer_put_text(w, path, "terms_sha256", hash)); /* each term with a NUL */
    TRY(h5_writer_put_double(w, path, "explained_share", svd_share(&e->svd)));
    TRY(h5_writer_put_double(w, path, "singular_value_first", e->svd.values[0]));
    TRY(h5_writer_put_double(w, path, "singular_value_last", e->svd.values[e->svd.k - 1]));
    TRY(h5_writer_put_int(w, path, "whitened", e->request->whiten));
    TRY(h5_writer_put_double(w, path, "graph", e->graph));
    TRY(h5_writer_put_int(w, path, "smoothed", e->rows != NULL));
    return h5_writer_put_int(w, path, "normalised", 1);
}

/* Collective up to the reservation; then each rank for itself, until the commit. */
static enum status write_table(struct encode *e, struct h5_writer *w) {
    const struct encode_request *r = e->request;
    struct feature_paths paths;
    feature_paths(&paths, r->name);
    TRY(feature_declare(w, &paths, e->dataset->items, r->dim, r->half, e->missing > 0));
    TRY(put_attributes(e, w, paths.table));
    if (r->vocabulary) {
        TRY(declare_tags(e, w, paths.tags));
        TRY(put_attributes(e, w, paths.tags));
    }
    TRY(h5_writer_reserve(w));
    TRY(write_rows(e, w, paths.table));
    if (r->vocabulary)
        TRY(write_tags(e, w, paths.tags));
    if (e->missing == 0)
        return STATUS_OK;
    return h5_writer_write(w, paths.mask, H5_U8, e->mine.lo, e->mine.hi, e->mask);
}

static void print_outcome(const struct encode *e) {
    const struct svd *svd = &e->svd;
    char how[80];
    printf("%s: table %s, %lld rows of %d columns by lsa of %s%s, %lld missing\n", e->dataset->path,
           e->request->name, (long long)e->dataset->items, svd->k, e->request->from.name,
           variant(e, how, sizeof how), (long long)e->missing);
    printf("terms: %lld of %lld; %s %.4g to %.4g, rank %d, explained share %.4f; "
           "%.1f s\n",
           (long long)e->tfidf.terms.count, (long long)e->tfidf.found,
           e->graph > 0 ? "norms of columns" : "singular values", svd->values[0],
           svd->values[svd->k - 1], svd->rank, svd_share(svd), phase_clock() - e->since);
    if (e->request->chi_square > 0)
        printf("terms that tell the domain left out: %lld\n", (long long)e->dropped);
    if (e->request->vocabulary)
        printf("tag vectors: %lld, %lld without a known term\n", (long long)e->tag_count,
               (long long)e->tags_missing);
}

/* On rank 0: may the table be made? */
static enum status check_request(const struct encode *e) {
    const struct encode_request *r = e->request;
    struct feature_paths paths;
    feature_paths(&paths, r->name);
    TRY(feature_check_name(e->dataset, &paths, r->name, r->overwrite));
    TRY(terms_check(e->dataset, r->from));
    return r->vocabulary ? terms_check(e->dataset, encode_source_find("tags")) : STATUS_OK;
}

static enum status encode(struct encode *e) {
    const struct comm *comm = e->comm;
    struct h5_writer writer;
    TRY(COMM_ON_ROOT(comm, check_request(e)));
    TRY(decompose(e));
    find_missing(e);
    TRY(h5_writer_edit(&writer, comm, e->dataset->path, H5_PARALLEL));
    TRY(h5_writer_commit(&writer, write_table(e, &writer)));
    comm_sum_i64(comm, &e->tags_missing, 1);
    if (comm->rank == 0)
        print_outcome(e);
    return STATUS_OK;
}

enum status encode_lsa(const struct comm *comm, const struct dataset *dataset,
                       const struct encode_request *request) {
    struct encode e = {.comm = comm,
                       .dataset = dataset,
                       .request = request,
                       .mine = range_of(dataset->items, comm->size, comm->rank),
                       .since = phase_clock()};
    enum status status = encode(&e);
    tfidf_free(&e.tfidf);
    sparse_free(&e.tags);
    svd_free(&e.svd);
    mem_free(e.mask);
    mem_free(e.rows);
    return status;
}
