#include "jobs/features/encode.h"
#include "core/log.h"
#include "core/rng.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "jobs/features/item_baskets.h"
#include "partition/range.h"
#include "tests/mpitest.h"
#include <float.h>
#include <hdf5.h>
#include <math.h>
#include <stdio.h>

enum { EACH = 150, ITEMS = 2 * EACH, DIM = 8, WORDS = 24, USERS = 60, LONGEST = 9, TERMS = 12 };

static char path[128];

/* Words of item i: 2 to 6, low numbers more often; items in tens have none that others share. */
static void make_text(int i, char text[256]) {
    uint64_t key = rng_key(11, RNG_TEST, (uint64_t)i, 0);
    int n = 2 + (int)rng_below(key, 0, 5);
    text[0] = '\0';
    if (i % 10 == 0)
        snprintf(text, 256, "only%d", i);
    for (int w = 0; w < n && i % 10; w++) {
        double u = rng_uniform(key, 1 + (uint64_t)w);
        snprintf(text + strlen(text), 256 - strlen(text), "Word%d ", (int)(WORDS * u * u));
    }
}

static void add_tags(struct dataset_content *c, int i) {
    struct tags_content *t = &c->tags;
    uint64_t key = rng_key(12, RNG_TEST, (uint64_t)i, 0);
    t->offsets[0] = 0;
    t->offsets[i + 1] = t->offsets[i] + (i % 10 ? 2 : 0);
    for (int64_t e = t->offsets[i]; e < t->offsets[i + 1]; e++) {
        char text[32];
        snprintf(text, sizeof text, "tag %d", (int)rng_below(key, (uint64_t)e, WORDS));
        t->items[e] = (int32_t)string_map_add(&t->vocabulary, text, NULL);
        t->weights[e] = (float)(1 + e % 3) / 2;
    }
}

/* Sequence of user u: 1 to LONGEST items, some twice; low numbers more often. */
static int make_sequence(int u, int32_t items[LONGEST]) {
    uint64_t key = rng_key(13, RNG_TEST, (uint64_t)u, 0);
    int n = 1 + (int)rng_below(key, 0, LONGEST);
    for (int k = 0; k < n; k++) {
        double x = rng_uniform(key, 1 + (uint64_t)k);
        items[k] = (int32_t)(EACH * x * x) + (k % 2 ? EACH : 0);
    }
    if (n > 3)
        items[3] = items[1];
    return n;
}

static void fill(struct dataset_content *c) {
    static const int32_t items[3] = {0, EACH, 1};
    static const int64_t times[3] = {0, 1, 2};
    *c = (struct dataset_content){.name = mem_string("small"),
                                  .protocol = mem_string("test"),
                                  .labels = {mem_string("A"), mem_string("B")},
                                  .max_len = 5,
                                  .domain_items = {EACH, EACH}};
    c->tags.offsets = mem_alloc(ITEMS + 1, sizeof *c->tags.offsets);
    c->tags.items = mem_alloc(2 * ITEMS, sizeof *c->tags.items);
    c->tags.weights = mem_alloc(2 * ITEMS, sizeof *c->tags.weights);
    for (int i = 0; i < ITEMS; i++) {
        char text[256];
        make_text(i, text);
        string_list_add(&c->titles, text);
        make_text(i % 10 ? i + ITEMS : i, text);
        string_list_add(&c->descriptions, text);
        snprintf(text, sizeof text, "key%d", i);
        string_list_add(&c->keys, text);
        add_tags(c, i);
    }
    for (int s = SPLIT_VALID; s < SPLITS; s++)
        split_content_add(&c->split[s], "u", 3, items, times);
    for (int u = 0; u < USERS; u++) {
        int32_t own[LONGEST];
        static const int64_t same[LONGEST];
        int n = make_sequence(u, own);
        split_content_add(&c->split[SPLIT_TRAIN], "u", n, own, same);
    }
}

static void enter(struct dataset *dataset) {
    char folder[64] = "/tmp/cdsr-test-XXXXXX";
    struct dataset_content content = {0};
    log_set_level(LOG_ERROR);
    if (test_comm.rank == 0) {
        MPI_REQUIRE(mkdtemp(folder));
        fill(&content);
    }
    comm_bcast(&test_comm, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/data.h5", folder);
    MPI_REQUIRE(dataset_write(&test_comm, path, &content) == STATUS_OK);
    dataset_content_free(&content);
    MPI_REQUIRE(dataset_open(&test_comm, path, dataset) == STATUS_OK);
}

static void leave(struct dataset *dataset) {
    dataset_close(dataset);
    MPI_Barrier(test_comm.mpi);
    if (test_comm.rank == 0) {
        unlink(path);
        *strrchr(path, '/') = '\0';
        MPI_EXPECT(rmdir(path) == 0, "something is left in %s", path);
    }
}

/* An open data set does not show what is put to its file. */
static void open_again(struct dataset *dataset) {
    dataset_close(dataset);
    MPI_REQUIRE(dataset_open(&test_comm, path, dataset) == STATUS_OK);
}

/* Table `name` made by rank 0 alone or by all; smoothed if items that occur together are all that counts. */
static void encode(struct dataset *dataset, const char *name, struct encode_source from,
                   double graph, bool alone) {
    struct encode_request request = {
        .name = name, .from = from, .dim = DIM, .terms = 40, .graph = graph, .smooth = graph == 1};
    struct comm self;
    if (!alone) {
        MPI_REQUIRE(encode_lsa(&test_comm, dataset, &request) == STATUS_OK);
        open_again(dataset);
        return;
    }
    comm_open(&self, MPI_COMM_SELF);
    if (test_comm.rank == 0) {
        struct dataset own;
        MPI_REQUIRE(dataset_open(&self, dataset->path, &own) == STATUS_OK);
        MPI_REQUIRE(encode_lsa(&self, &own, &request) == STATUS_OK);
        dataset_close(&own);
    }
    comm_close(&self);
    open_again(dataset);
}

static real *read_table(const struct dataset *dataset, const char *name) {
    real *rows = mem_alloc(ITEMS * DIM, sizeof *rows);
    MPI_REQUIRE(dataset_read_feature(&test_comm, dataset, name, 0, ITEMS, rows) == STATUS_OK);
    return rows;
}

static double cosine(const real *a, const real *b) {
    double sum = 0;
    for (int j = 0; j < DIM; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

/* Cosines between rows say that the subspaces agree; equal rows say that signs do too. */
static void compare(const real *one, const real *four, bool smooth) {
    double angle = 0, apart = 0;
    for (int i = 0; i < ITEMS; i++) {
        double norm = cosine(one + i * DIM, one + i * DIM);
        bool beside = smooth && fabs(norm) > 0.5; /* has what is beside it, if not a text */
        MPI_EXPECT(fabs(norm - (i % 10 != 0 || beside)) < 1e-5, "row %d has norm %g", i,
                   sqrt(norm));
        for (int k = 0; k < i; k++)
            angle = fmax(angle, fabs(cosine(one + i * DIM, one + k * DIM) -
                                     cosine(four + i * DIM, four + k * DIM)));
        for (int j = 0; j < DIM; j++)
            apart = fmax(apart, fabs((double)(one[i * DIM + j] - four[i * DIM + j])));
    }
    MPI_EXPECT(angle < 1e-5 && apart < 1e-5, "cosines differ by %g, rows by %g", angle, apart);
}

static void check(struct encode_source from, double graph) {
    struct dataset dataset;
    enter(&dataset);
    encode(&dataset, "one", from, graph, true);
    encode(&dataset, "four", from, graph, false);
    real *one = read_table(&dataset, "one"), *four = read_table(&dataset, "four");
    compare(one, four, graph == 1);
    mem_free(one);
    mem_free(four);
    leave(&dataset);
}

MPI_TEST(encode, titles_on_1_and_4_ranks, 4) {
    check(encode_source_find("titles"), 0);
}

MPI_TEST(encode, descriptions_on_1_and_3_ranks, 3) {
    check(encode_source_find("titles+description"), 0);
}

MPI_TEST(encode, tags_on_1_and_2_ranks, 2) {
    check(encode_source_find("tags"), 0);
}

MPI_TEST(encode, titles_by_what_occurs_together_on_1_and_3_ranks, 3) {
    check(encode_source_find("titles"), 0.7);
}

MPI_TEST(encode, smoothed_titles_on_1_and_4_ranks, 4) {
    check(encode_source_find("titles"), 1);
}

/* ---- items that occur together ---- */

/* Row i of a small matrix [ITEMS, TERMS], some of whose rows are empty. */
static void dense_row(int64_t i, float row[TERMS]) {
    uint64_t key = rng_key(14, RNG_TEST, (uint64_t)i, 0);
    for (int t = 0; t < TERMS; t++)
        row[t] = i % 7 && rng_below(key, (uint64_t)t, 4) == 0
                     ? (float)(0.5 + rng_uniform(key, 100 + (uint64_t)t))
                     : 0;
}

static struct sparse sparse_rows(struct range r) {
    struct sparse x = {.rows = r.hi - r.lo, .columns = TERMS};
    int64_t at = 0;
    x.offsets = mem_zero(x.rows + 1, sizeof *x.offsets);
    x.column = mem_alloc(x.rows * TERMS, sizeof *x.column);
    x.value = mem_alloc(x.rows * TERMS, sizeof *x.value);
    for (int64_t i = r.lo; i < r.hi; i++) {
        float row[TERMS];
        dense_row(i, row);
        for (int32_t t = 0; t < TERMS; t++)
            if (row[t] != 0)
                x.column[at] = t, x.value[at++] = row[t];
        x.offsets[i - r.lo + 1] = at;
    }
    return x;
}

static bool has(const int32_t *items, int n, int item) {
    int k = 0;
    while (k < n && items[k] != item)
        k++;
    return k < n;
}

/* W [ITEMS, ITEMS]: sequences that have both items, of one domain. */
static double *together(void) {
    double *w = mem_zero(ITEMS * ITEMS, sizeof *w);
    for (int u = 0; u < USERS; u++) {
        int32_t items[LONGEST];
        int n = make_sequence(u, items);
        for (int i = 0; i < ITEMS; i++)
            for (int j = 0; j < ITEMS; j++)
                if (i != j && (i < EACH) == (j < EACH) && has(items, n, i) && has(items, n, j))
                    w[i * ITEMS + j]++;
    }
    return w;
}

/* (1 - mu) X^T X + mu X^T A X by plain loops over pairs of items. */
static void wanted_matrix(double mu, double *m) {
    double *w = together(), degree[ITEMS] = {0};
    for (int i = 0; i < ITEMS; i++)
        for (int j = 0; j < ITEMS; j++)
            degree[i] += w[i * ITEMS + j];
    for (int i = 0; i < ITEMS; i++)
        for (int j = 0; j < ITEMS; j++) {
            double joined = w[i * ITEMS + j];
            double factor = (i == j ? 1 - mu : 0) +
                            (joined > 0 ? mu * joined / sqrt(degree[i] * degree[j]) : 0);
            float a[TERMS], b[TERMS];
            dense_row(i, a);
            dense_row(j, b);
            for (int s = 0; s < TERMS; s++)
                for (int t = 0; t < TERMS; t++)
                    m[s * TERMS + t] += factor * a[s] * b[t];
        }
    mem_free(w);
}

static void check_gram(const struct item_baskets *baskets, const struct sparse *x, double mu) {
    struct svd_gram gram;
    double found[TERMS * TERMS] = {0}, wanted[TERMS * TERMS] = {0}, norm = 0, worst = 0;
    item_baskets_gram(&test_comm, baskets, x, mu, &gram);
    for (int64_t i = 0; i < gram.rows.rows; i++)
        for (int64_t a = gram.rows.offsets[i]; a < gram.rows.offsets[i + 1]; a++)
            for (int64_t b = gram.rows.offsets[i]; b < gram.rows.offsets[i + 1]; b++)
                found[gram.rows.column[a] * TERMS + gram.rows.column[b]] +=
                    gram.weight[i] * gram.rows.value[a] * gram.rows.value[b];
    comm_sum_f64(&test_comm, found, TERMS * TERMS);
    wanted_matrix(mu, wanted);
    for (int k = 0; k < TERMS * TERMS; k++) {
        norm += wanted[k] * wanted[k];
        worst = fmax(worst, fabs(found[k] - wanted[k]));
    }
    MPI_EXPECT(worst <= 8 * FLT_EPSILON * sqrt(norm), "%g of %g", worst, sqrt(norm));
    item_baskets_free_gram(&gram);
}

/* Rows of WIDE columns, more than are smoothed at a time, against (p + A p) / 2 by plain loops. */
static void check_smoothing(const struct item_baskets *baskets) {
    enum { WIDE = 19 };
    struct range mine = range_of(ITEMS, test_comm.size, test_comm.rank);
    double *w = together(), degree[ITEMS] = {0};
    double *all = mem_alloc(ITEMS * WIDE, sizeof *all);
    double *p = mem_alloc((mine.hi - mine.lo) * WIDE, sizeof *p);
    for (int i = 0; i < ITEMS; i++)
        for (int j = 0; j < ITEMS; j++)
            degree[i] += w[i * ITEMS + j];
    for (int64_t e = 0; e < ITEMS * WIDE; e++)
        all[e] = rng_normal(rng_key(15, RNG_TEST, 0, 0), (uint64_t)e);
    memcpy(p, all + mine.lo * WIDE, (size_t)((mine.hi - mine.lo) * WIDE) * sizeof *p);
    item_baskets_smooth(&test_comm, baskets, WIDE, p);
    for (int64_t i = mine.lo; i < mine.hi; i++)
        for (int c = 0; c < WIDE; c++) {
            double wanted = all[i * WIDE + c];
            for (int j = 0; j < ITEMS; j++)
                if (w[i * ITEMS + j] > 0)
                    wanted += w[i * ITEMS + j] / sqrt(degree[i] * degree[j]) * all[j * WIDE + c];
            MPI_EXPECT(fabs(p[(i - mine.lo) * WIDE + c] - wanted / 2) < 1e-12, "row %lld column %d",
                       (long long)i, c);
        }
    mem_free(w);
    mem_free(all);
    mem_free(p);
}

static void check_baskets(void) {
    struct dataset dataset;
    struct item_baskets baskets;
    struct sparse x = sparse_rows(range_of(ITEMS, test_comm.size, test_comm.rank));
    enter(&dataset);
    MPI_REQUIRE(item_baskets_open(&test_comm, &dataset, &baskets) == STATUS_OK);
    check_gram(&baskets, &x, 0.4);
    check_gram(&baskets, &x, 1);
    check_smoothing(&baskets);
    item_baskets_close(&baskets);
    mem_free(x.offsets);
    mem_free(x.column);
    mem_free(x.value);
    leave(&dataset);
}

MPI_TEST(encode, baskets_agree_with_loops_on_1_rank, 1) {
    check_baskets();
}

MPI_TEST(encode, baskets_agree_with_loops_on_3_ranks, 3) {
    check_baskets();
}

/* The tags of the file as they were given, in any ranges. */
MPI_TEST(encode, reads_tags_back, 3) {
    struct dataset dataset;
    struct dataset_content content;
    struct tag_rows rows;
    struct range mine = range_of(ITEMS, test_comm.size, test_comm.rank);
    enter(&dataset);
    fill(&content);
    MPI_REQUIRE(dataset_read_tags(&test_comm, &dataset, mine.lo, mine.hi, &rows) == STATUS_OK);
    for (int64_t i = mine.lo; i < mine.hi; i++) {
        const struct tags_content *t = &content.tags;
        int64_t n = t->offsets[i + 1] - t->offsets[i], at = rows.offsets[i - mine.lo];
        MPI_REQUIRE(rows.offsets[i - mine.lo + 1] - at == n, "item %lld", (long long)i);
        for (int64_t e = 0; e < n; e++) {
            const char *text = rows.vocabulary.text[rows.tags[at + e]];
            int64_t was = t->offsets[i] + e;
            MPI_EXPECT(!strcmp(text, string_at(&t->vocabulary.list, t->items[was])));
            MPI_EXPECT(rows.weights[at + e] == t->weights[was]);
        }
    }
    tag_rows_free(&rows);
    dataset_content_free(&content);
    leave(&dataset);
}

/* Overwrites element 3 of a dataset of the file. */
static void damage(const char *name, hid_t type, const void *value) {
    hsize_t at = 3, one = 1;
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t id = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(id);
    hid_t memory = H5Screate_simple(1, &one, NULL);
    H5Sselect_elements(space, H5S_SELECT_SET, 1, &at);
    MPI_REQUIRE(H5Dwrite(id, type, memory, space, H5P_DEFAULT, value) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(id);
    H5Fclose(file);
}

static void refuses(const char *name, hid_t type, const void *value) {
    struct dataset dataset;
    struct tag_rows rows;
    enter(&dataset);
    dataset_close(&dataset); /* HDF5 has a file for reading or for writing */
    damage(name, type, value);
    MPI_REQUIRE(dataset_open(&test_comm, path, &dataset) == STATUS_OK);
    MPI_EXPECT(dataset_read_tags(&test_comm, &dataset, 0, ITEMS, &rows) == STATUS_INPUT, "%s",
               name);
    MPI_EXPECT(rows.offsets == NULL);
    leave(&dataset);
}

MPI_TEST(encode, refuses_malformed_tags, 1) {
    int64_t far = INT64_C(1) << 40, back = -1;
    int32_t none = 1 << 20, negative = -1;
    float nan = NAN, below = -1;
    refuses("/tags/offsets", H5T_NATIVE_INT64, &far);
    refuses("/tags/offsets", H5T_NATIVE_INT64, &back);
    refuses("/tags/items", H5T_NATIVE_INT32, &none);
    refuses("/tags/items", H5T_NATIVE_INT32, &negative);
    refuses("/tags/weights", H5T_NATIVE_FLOAT, &nan);
    refuses("/tags/weights", H5T_NATIVE_FLOAT, &below);
}

MPI_TEST_MAIN()
