#include "io/tfidf.h"
#include "io/words.h"
#include "partition/range.h"
#include "tests/mpitest.h"
#include <math.h>

static void append(void *state, const char *term) {
    strcat(strcat(state, term), "|");
}

static void splits_into(const char *text, const char *wanted) {
    char got[1024] = "";
    cr_expect(words_each(text, append, got), "'%s' is UTF-8", text);
    cr_expect_str_eq(got, wanted, "'%s' gives %s", text, got);
}

Test(words, folds_case_and_splits) {
    splits_into("", "");
    splits_into(" ,;- ", "");
    splits_into("Red CHAIR", "red|chair|red chair|");
    splits_into("Red, red (Red)", "red|red|red red|red|red red|");
    splits_into("don't Stop", "don't|stop|don't stop|");
    splits_into("2.5 L", "2.5|l|2.5 l|");
    splits_into("Stra\xc3\x9f"
                "e",
                "strasse|");
    splits_into("CAF\xc3\x89", "caf\xc3\xa9|");
    splits_into("cafe\xcc\x81", "caf\xc3\xa9|");
    splits_into("\xef\xbc\xa3"
                "af\xc3\xa9",
                "caf\xc3\xa9|");
    splits_into("\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\xbf\xce\xb4\xce\xbf\xcf\x83|");
}

Test(words, refuses_what_is_not_utf8) {
    char got[64] = "";
    cr_expect(!words_each("caf\xe9", append, got));
    cr_expect_str_eq(got, "");
}

static const char *const texts[] = {"red chair", "Red Table", "", "a red chair", "blue", "Red!"};
enum { TEXTS = 6 };

/* Every rank gives its block of the texts. */
static struct tfidf build(int64_t most) {
    struct tfidf_builder builder = {0};
    struct tfidf out;
    struct range mine = range_of(TEXTS, test_comm.size, test_comm.rank);
    for (int64_t i = mine.lo; i < mine.hi; i++) {
        MPI_REQUIRE(tfidf_add(&builder, texts[i], 1));
        tfidf_next(&builder);
    }
    tfidf_build(&test_comm, &builder, most, &out);
    return out;
}

static double entry(const struct sparse *m, int64_t row, int32_t column) {
    for (int64_t e = m->offsets[row]; e < m->offsets[row + 1]; e++)
        if (m->column[e] == column)
            return m->value[e];
    return 0;
}

/* red 4, chair 2, "red chair" 2 of 5 items with words; table, blue and a are too rare. */
static void check_texts(void) {
    struct tfidf t = build(100);
    struct range mine = range_of(TEXTS, test_comm.size, test_comm.rank);
    double red = 1 + log(6.0 / 5), chair = 1 + log(6.0 / 3);
    double norm = sqrt(red * red + 2 * chair * chair);
    MPI_EXPECT(t.documents == 5 && t.found == 3 && t.matrix.columns == 3, "%lld %lld",
               (long long)t.documents, (long long)t.found);
    MPI_EXPECT(!strcmp(string_at(&t.terms, 0), "red") && !strcmp(string_at(&t.terms, 1), "chair") &&
               !strcmp(string_at(&t.terms, 2), "red chair"));
    for (int64_t i = mine.lo; i < mine.hi; i++) {
        bool full = i == 0 || i == 3, any = full || i == 1 || i == 5;
        double want[3] = {full ? red / norm : any, full ? chair / norm : 0,
                          full ? chair / norm : 0};
        for (int c = 0; c < 3; c++) {
            double got = entry(&t.matrix, i - mine.lo, c);
            MPI_EXPECT(fabs(got - want[c]) < 1e-6, "item %d, term %d: %g", (int)i, c, got);
        }
    }
    tfidf_free(&t);
    t = build(1);
    MPI_EXPECT(t.matrix.columns == 1 && t.found == 3 && !strcmp(string_at(&t.terms, 0), "red"));
    tfidf_free(&t);
}

MPI_TEST(tfidf, of_one_rank, 1) {
    check_texts();
}

MPI_TEST(tfidf, of_three_ranks, 3) {
    check_texts();
}

/* More ranks than items. */
MPI_TEST(tfidf, of_eight_ranks, 8) {
    check_texts();
}

/* Of item 0 and the items 1 - 5: all that have a term have "red"; "chair" and "red chair" are in 1
 * of 1 and in 1 of 3: chi-square 4/3. */
static void check_telling(void) {
    struct tfidf t = build(100);
    struct range mine = range_of(TEXTS, test_comm.size, test_comm.rank);
    MPI_EXPECT(tfidf_drop_telling(&test_comm, &t, 1 - mine.lo, 1.34) == 0);
    MPI_EXPECT(t.matrix.columns == 3 && t.terms.count == 3);
    MPI_EXPECT(tfidf_drop_telling(&test_comm, &t, 1 - mine.lo, 1.33) == 2);
    MPI_EXPECT(t.matrix.columns == 1 && t.terms.count == 1);
    MPI_EXPECT(!strcmp(string_at(&t.terms, 0), "red"));
    for (int64_t i = mine.lo; i < mine.hi; i++) {
        double got = entry(&t.matrix, i - mine.lo, 0), want = i != 2 && i != 4;
        MPI_EXPECT(fabs(got - want) < 1e-6, "item %d: %g", (int)i, got);
    }
    tfidf_free(&t);
}

MPI_TEST(tfidf, drops_terms_that_tell_the_domain, 1) {
    check_telling();
}

MPI_TEST(tfidf, drops_the_same_on_three_ranks, 3) {
    check_telling();
}

/* Under the terms and weights of the others; "chair red" is no term of theirs. */
MPI_TEST(tfidf, folds_other_texts_in, 2) {
    struct tfidf t = build(100);
    struct tfidf_builder builder = {0};
    struct sparse rows;
    double red = 1 + log(6.0 / 5), chair = (1 + log(2)) * (1 + log(6.0 / 3));
    double norm = sqrt(red * red + chair * chair);
    MPI_REQUIRE(tfidf_add(&builder, "chair chair red", 1));
    tfidf_next(&builder);
    MPI_REQUIRE(tfidf_add(&builder, "nothing known", 1));
    tfidf_next(&builder);
    tfidf_fold(&t, &builder, &rows);
    MPI_EXPECT(rows.rows == 2 && rows.columns == 3 && rows.offsets[1] == 2 && rows.offsets[2] == 2);
    MPI_EXPECT(fabs(entry(&rows, 0, 0) - red / norm) < 1e-6);
    MPI_EXPECT(fabs(entry(&rows, 0, 1) - chair / norm) < 1e-6);
    sparse_free(&rows);
    tfidf_free(&t);
}

static void check_top(const struct sparse *m, int64_t most, int64_t wanted, const int32_t *term,
                      const float *weight) {
    int32_t t[4];
    float w[4];
    int64_t n = tfidf_top(m, 1, most, t, w);
    MPI_EXPECT(n == wanted, "of %d: %d", (int)most, (int)n);
    for (int64_t k = 0; k < n && k < wanted; k++)
        MPI_EXPECT(t[k] == term[k] && w[k] == weight[k], "of %d, %d: term %d, %g", (int)most,
                   (int)k, (int)t[k], (double)w[k]);
}

/* Of equal weights the smaller number, whatever their order in the row, also at the cut. */
MPI_TEST(tfidf, takes_the_heaviest_terms, 1) {
    static int64_t offsets[] = {0, 1, 5, 5};
    static int32_t column[] = {4, 7, 2, 5, 3};
    static float value[] = {1, 0.5f, 0.25f, 0.5f, 0.5f};
    static const int32_t term[] = {3, 5, 7, 2};
    static const float weight[] = {1, 1, 1, 0.5f};
    const struct sparse m = {3, 8, offsets, column, value};
    int32_t none;
    float nothing;
    for (int64_t most = 1; most <= 6; most++)
        check_top(&m, most, most < 4 ? most : 4, term, weight);
    MPI_EXPECT(tfidf_top(&m, 2, 4, &none, &nothing) == 0);
}

/* tf of x is 0.5 + 0.25 in the first item, 4 in the second. */
MPI_TEST(tfidf, sums_weights, 1) {
    struct tfidf_builder builder = {0};
    struct tfidf t;
    MPI_REQUIRE(tfidf_add(&builder, "x", 0.5) && tfidf_add(&builder, "x", 0.25));
    MPI_REQUIRE(tfidf_add(&builder, "y", 1) && tfidf_add(&builder, "z", 0));
    tfidf_next(&builder);
    MPI_REQUIRE(tfidf_add(&builder, "x", 4) && tfidf_add(&builder, "y", 1));
    tfidf_next(&builder);
    tfidf_build(&test_comm, &builder, 10, &t);
    double first = entry(&t.matrix, 0, 0) / entry(&t.matrix, 0, 1);
    double second = entry(&t.matrix, 1, 0) / entry(&t.matrix, 1, 1);
    MPI_EXPECT(t.matrix.columns == 2 && fabs(first - 0.75) < 1e-6, "%g", first);
    MPI_EXPECT(fabs(second - (1 + log(4))) < 1e-6, "%g", second);
    tfidf_free(&t);
}

MPI_TEST_MAIN()
