/* TF-IDF of items' texts: a sparse matrix of items by terms, its rows spread over ranks.
 *
 * The terms are the words and word pairs (io/words.h) that at least TFIDF_LEAST items have; of
 * those the most frequent, by number of items, then in the order of their bytes. An entry is
 *
 *     f(tf) * (1 + ln((1 + D) / (1 + df))),   f(tf) = tf for tf < 1, else 1 + ln(tf)
 *
 * with tf the sum of the weights of the term's occurrences in the item (1 each in plain text), df
 * the items that have the term and D those that have any; rows are then scaled to norm 1.
 * (Salton, Buckley: Term-weighting approaches in automatic text retrieval, 1988, smoothed.)
 *
 * Nothing depends on the number of ranks.
 *
 *     struct tfidf_builder builder = {0};
 *     per item: tfidf_add(&builder, text, weight) any number of times; tfidf_next(&builder);
 *     tfidf_build(comm, &builder, most, &tfidf);     frees the builder's memory
 */
#ifndef IO_TFIDF_H
#define IO_TFIDF_H
#include "core/sparse.h"
#include "core/status.h"
#include "io/string_list.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>

enum { TFIDF_LEAST = 2 };

/* The items of one rank so far. A zeroed builder is empty and ready. */
struct tfidf_builder {
    struct string_map terms; /* met on this rank */
    int64_t *df, *last;      /* by term: items that have it; its last entry */
    int64_t terms_room;
    int64_t items, items_room, entries, entries_room;
    int64_t *offsets; /* [items + 1] */
    int32_t *term;    /* [entries] */
    float *tf;
    double weight; /* of the text that is being read */
};

struct tfidf {
    struct sparse matrix;     /* rows: the items given to this rank; columns: the terms */
    struct string_list terms; /* the same on all ranks */
    double *idf;              /* by term: the factor 1 + ln(...) */
    int64_t documents, found; /* D; terms with enough items, before the cut */
};

/* Not collective. Adds a text to the item at hand; a weight of 0 adds nothing. False when the text
 * is not UTF-8. */
bool tfidf_add(struct tfidf_builder *builder, const char *text, double weight);
void tfidf_next(struct tfidf_builder *builder);         /* the item is complete */
void tfidf_builder_free(struct tfidf_builder *builder); /* safe on a zeroed object; zeroes it */

/* Collective. The matrix over at most `most` terms. Zeroes the builder. */
void tfidf_build(const struct comm *comm, struct tfidf_builder *builder, int64_t most,
                 struct tfidf *out);

/* Collective. Leave out the terms that tell the two domains apart: those whose chi-square of having
 * the term and belonging to the first domain (rows [0, first) of this rank), among the items that
 * have any, is above `limit`; 10.83 is p = 0.001 for one degree of freedom. Rows are scaled to norm
 * 1 again. Returns how many terms went. (Yang, Pedersen: A comparative study on feature selection
 * in text categorization, 1997.) */
int64_t tfidf_drop_telling(const struct comm *comm, struct tfidf *tfidf, int64_t first,
                           double limit);

/* Not collective. The builder's texts under the terms and weights of `tfidf`, as rows of the same
 * columns; they change neither. Zeroes the builder. The matrix is the caller's to free. */
void tfidf_fold(const struct tfidf *tfidf, struct tfidf_builder *builder, struct sparse *out);
void sparse_free(struct sparse *matrix); /* zeroes it */

/* Not collective. The `most` terms of a row with the greatest entries, greatest first, of equal
 * ones the smaller number first, and their entries over the greatest; gives how many they are,
 * fewer where the row has fewer. */
int64_t tfidf_top(const struct sparse *matrix, int64_t row, int64_t most, int32_t *term,
                  float *weight);

void tfidf_free(struct tfidf *tfidf); /* safe on a zeroed object; zeroes it */

#endif
