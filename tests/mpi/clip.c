/* Tables of titles and pictures by a CLIP model that the test makes: rows against the reference in plain
 * loops, the same bits on any number of ranks, pictures that are damaged or not there, and a job that is
 * killed and started again. */
#include "jobs/features/clip.h"
#include "core/clip/resample.h"
#include "core/log.h"
#include "io/clip/weights.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "tests/mpi/folder.h"
#include "tests/pictures.h"
#include "tests/reference/clip.h"
#include <math.h>
#include <sys/stat.h>

enum { A = 400, B = 300, ITEMS = A + B, WIDTH = 16 };

/* ---- items and their pictures ---- */

static const char *title_of(int item, char text[64]) {
    static const char *const words[] = {"the",         "cat", "cat's", "3",
                                        "Caf\xc3\xa9", "eee", "!?",    "atlas"};
    int n = item % 10 == 9 ? 0 : 1 + item % 5;
    text[0] = '\0';
    for (int w = 0; w < n; w++)
        snprintf(text + strlen(text), 64 - strlen(text), "%s ", words[(item / 3 + w * w) % 8]);
    return text;
}

static int width_of(int item) {
    return 20 + item % 23;
}

static int height_of(int item) {
    return 18 + item % 31;
}

/* Of every seventh item there is none; of item 1 and every fiftieth from there only its beginning. */
static bool has_picture(int item) {
    return item % 7 != 0;
}

static bool has_whole_picture(int item) {
    return has_picture(item) && item % 50 != 1;
}

static void put_picture(const char *dir, const char *key, int item) {
    char path[256];
    uint8_t *rgb = picture_of(width_of(item), height_of(item), item);
    snprintf(path, sizeof path, "%s/%s.%s", dir, key, item % 3 == 0 ? "webp" : "png");
    if (item % 3 == 0)
        put_webp(path, rgb, width_of(item), height_of(item));
    else
        put_png(path, rgb, width_of(item), height_of(item));
    if (!has_whole_picture(item) && truncate(path, 60))
        abort();
    free(rgb);
}

static void fill(struct dataset_content *c) {
    static const int32_t items[] = {0, A, 1};
    static const int64_t times[] = {0, 1, 2};
    *c = (struct dataset_content){.name = mem_string("clip"),
                                  .protocol = mem_string("given"),
                                  .labels = {mem_string("A"), mem_string("B")},
                                  .max_len = 5,
                                  .domain_items = {A, B}};
    for (int i = 0; i < ITEMS; i++) {
        char text[64];
        string_list_add(&c->titles, title_of(i, text));
        snprintf(text, sizeof text, "k%d", i);
        string_list_add(&c->keys, text);
        if (has_picture(i))
            put_picture("pictures", text, i);
    }
    for (int s = 0; s < SPLITS; s++)
        split_content_add(&c->split[s], "u", 3, items, times);
}

static struct test_model model;

static void enter(struct dataset *dataset) {
    struct dataset_content content = {0};
    folder_enter();
    log_set_level(LOG_ERROR);
    model = test_model_shapes(ACTIVATION_QUICK_GELU);
    test_model_make(&model);
    if (test_comm.rank == 0) {
        MPI_REQUIRE(mkdir("pictures", 0777) == 0);
        test_model_put(&model, "model");
        fill(&content);
    }
    MPI_REQUIRE(dataset_write(&test_comm, "data.h5", &content) == STATUS_OK);
    dataset_content_free(&content);
    MPI_REQUIRE(dataset_open(&test_comm, "data.h5", dataset) == STATUS_OK);
}

static void leave(struct dataset *dataset) {
    dataset_close(dataset);
    test_model_free(&model);
    folder_leave();
}

/* What a job prints on standard output is not wanted here. */
static enum status encode(const struct comm *comm, const struct dataset *dataset,
                          const struct clip_request *request) {
    int shown = dup(STDOUT_FILENO);
    MPI_REQUIRE(freopen("/dev/null", "w", stdout));
    enum status status = encode_clip(comm, dataset, request);
    fflush(stdout);
    dup2(shown, STDOUT_FILENO);
    close(shown);
    return status;
}

/* ---- the same on any number of ranks ---- */

static float *read_rows(const char *name) {
    char path[64];
    struct h5_file file;
    float *rows = mem_alloc(ITEMS * WIDTH, sizeof *rows);
    snprintf(path, sizeof path, "/features/%s", name);
    MPI_REQUIRE(h5_open(&file, "data.h5") == STATUS_OK);
    MPI_REQUIRE(h5_read(&file, path, H5_F32, 0, ITEMS, rows) == STATUS_OK);
    h5_close(&file);
    return rows;
}

/* On rank 0: rows of norm 1, zeros where the item has nothing. */
static void check_missing(const float *rows, bool pictures) {
    char text[64];
    for (int i = 0; i < ITEMS; i++) {
        double square = 0;
        bool there = pictures ? has_whole_picture(i) : title_of(i, text)[0] != '\0';
        for (int k = 0; k < WIDTH; k++)
            square += (double)rows[i * WIDTH + k] * rows[i * WIDTH + k];
        MPI_EXPECT(fabs(square - there) < 1e-5, "item %d: %g", i, square);
    }
}

/* `ranks` of the test's, then all. */
static void check_ranks(bool pictures) {
    struct dataset dataset;
    struct comm self;
    struct clip_request request = {.name = "one",
                                   .model = "model",
                                   .from = {ENCODE_TITLES, "titles"},
                                   .pictures = pictures ? "pictures" : NULL,
                                   .seconds = 10};
    enter(&dataset);
    comm_open(&self, MPI_COMM_SELF);
    if (test_comm.rank == 0) {
        struct dataset own;
        MPI_REQUIRE(dataset_open(&self, "data.h5", &own) == STATUS_OK);
        MPI_REQUIRE(encode(&self, &own, &request) == STATUS_OK);
        dataset_close(&own);
    }
    comm_close(&self);
    dataset_close(&dataset);
    MPI_REQUIRE(dataset_open(&test_comm, "data.h5", &dataset) == STATUS_OK);
    request.name = "all";
    MPI_REQUIRE(encode(&test_comm, &dataset, &request) == STATUS_OK);
    if (test_comm.rank == 0) {
        float *one = read_rows("one"), *all = read_rows("all");
        check_missing(one, pictures);
        MPI_EXPECT(!memcmp(one, all, ITEMS * WIDTH * sizeof *one), "rows differ");
        MPI_EXPECT(access("data.h5.all.part", F_OK), "blocks are left");
        mem_free(one);
        mem_free(all);
    }
    leave(&dataset);
}

MPI_TEST(clip, titles_on_1_and_2_ranks, 2) {
    check_ranks(false);
}

MPI_TEST(clip, titles_on_1_and_4_ranks, 4) {
    check_ranks(false);
}

MPI_TEST(clip, pictures_on_1_and_3_ranks, 3) {
    check_ranks(true);
}

MPI_TEST(clip, pictures_on_1_and_4_ranks, 4) {
    check_ranks(true);
}

/* ---- right ---- */

static void expect_row(const char *what, int item, const float *rows, const double *want) {
    double worst = 0;
    for (int k = 0; k < WIDTH; k++)
        worst = fmax(worst, fabs((double)rows[item * WIDTH + k] - want[k]));
    MPI_EXPECT(worst < 1e-5, "%s of item %d: %g", what, item, worst);
}

/* "the", "the cat" and so on, tokens by hand. */
static void check_titles(const float *rows) {
    double want[WIDTH];
    char text[64];
    MPI_REQUIRE(!strcmp(title_of(0, text), "the "));
    ref_clip_text(&model, (const int32_t[]){MODEL_START, 513, MODEL_END}, 3, want);
    expect_row("title", 0, rows, want);
    MPI_REQUIRE(!strcmp(title_of(1, text), "the cat "), "%s", text);
    ref_clip_text(&model, (const int32_t[]){MODEL_START, 513, 515, MODEL_END}, 4, want);
    expect_row("title", 1, rows, want);
}

static void check_pictures(const float *rows) {
    enum { SIDE = 24 };
    for (int i = 2; i < 6; i++) {
        uint8_t *rgb = picture_of(width_of(i), height_of(i), i), small[SIDE * SIDE * 3];
        real pixels[3 * SIDE * SIDE];
        double exact[3 * SIDE * SIDE], want[WIDTH];
        resample_picture(rgb, width_of(i), height_of(i), SIDE, small);
        clip_normalise(small, SIDE, model.config.mean, model.config.deviation, pixels);
        for (int k = 0; k < 3 * SIDE * SIDE; k++)
            exact[k] = (double)pixels[k];
        ref_clip_picture(&model, exact, want);
        expect_row("picture", i, rows, want);
        free(rgb);
    }
}

MPI_TEST(clip, rows_are_those_of_the_reference, 2) {
    struct dataset dataset;
    struct clip_request texts = {.name = "text",
                                 .model = "model",
                                 .from = {ENCODE_TITLES, "titles"}},
                        pictures = {.name = "image",
                                    .model = "model",
                                    .pictures = "pictures",
                                    .seconds = 10};
    enter(&dataset);
    MPI_REQUIRE(encode(&test_comm, &dataset, &texts) == STATUS_OK);
    MPI_REQUIRE(encode(&test_comm, &dataset, &pictures) == STATUS_OK);
    if (test_comm.rank == 0) {
        float *rows = read_rows("text");
        check_titles(rows);
        mem_free(rows);
        rows = read_rows("image");
        check_pictures(rows);
        mem_free(rows);
    }
    leave(&dataset);
}

/* ---- refused ---- */

static void expect_refused(const struct dataset *dataset, const struct clip_request *request,
                           const char *line) {
    log_hold();
    MPI_EXPECT(encode(&test_comm, dataset, request) == STATUS_INPUT, "%s", line);
    const char *said = log_release();
    MPI_EXPECT(test_comm.rank > 0 || !strcmp(said, line), "%s", said);
}

MPI_TEST(clip, models_that_do_not_fit, 2) {
    struct dataset dataset;
    struct clip_request request = {
        .name = "text", .model = "model", .from = {ENCODE_TITLES, "titles"}};
    enter(&dataset);
    if (test_comm.rank == 0) {
        model.config.texts.inner = 41;
        test_model_put_config(&model, "model");
    }
    MPI_Barrier(test_comm.mpi);
    expect_refused(
        &dataset, &request,
        "model/model.safetensors: tensor 'text_model.encoder.layers.0.mlp.fc1.weight' has the "
        "shape [40, 24], but the model's configuration makes it [41, 24]; take both from one "
        "model");
    if (test_comm.rank == 0) {
        model.config.texts.inner = 40;
        test_model_put_config(&model, "model");
        test_model_tensor(&model, "text_projection.weight")->x[5] = INFINITY;
        test_model_put_weights(&model, "model");
    }
    MPI_Barrier(test_comm.mpi);
    expect_refused(
        &dataset, &request,
        "model/model.safetensors: tensor 'text_projection.weight' has a number that is not "
        "finite; copy the file again");
    request.pictures = "model";
    if (test_comm.rank == 0)
        test_model_tensor(&model, "text_projection.weight")->x[5] = 0;
    expect_refused(&dataset, &request,
                   "images:model: no item of data.h5 has one that can be encoded");
    MPI_Barrier(test_comm.mpi);
    leave(&dataset);
}

/* ---- weights ---- */

/* Once on a node: what one rank writes the others see, which otherwise nobody does. */
MPI_TEST(clip, weights_are_shared, 3) {
    struct dataset dataset;
    struct clip_weights weights;
    struct shared *s = &weights.shared;
    enter(&dataset);
    MPI_REQUIRE(clip_weights_read(&test_comm, "model", &model.config.texts, &weights) == STATUS_OK);
    const float *table =
        test_model_tensor(&model, "text_model.embeddings.token_embedding.weight")->x;
    MPI_EXPECT(!memcmp(weights.numbers, table, 530 * 24 * sizeof *table), "other weights");
    MPI_EXPECT(strlen(weights.sha256) == 64, "%s", weights.sha256);
    MPI_EXPECT(s->window == MPI_WIN_NULL || s->writer == (s->node.rank == 0), "many write");
    comm_wait(&test_comm); /* all have read */
    if (s->window != MPI_WIN_NULL) {
        if (s->writer)
            ((real *)s->data)[3] = 42;
        shared_ready(s);
        MPI_EXPECT(weights.numbers[3] == 42, "not seen");
    }
    clip_weights_close(&weights);
    leave(&dataset);
}

/* ---- killed and started again ---- */

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...) {
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

#define FEATURES CDSR_PROGRAM " features %s --name text --from titles --encoder clip --model model"

/* Told to stop while it is held in its third block. */
static const char stopped[] =
    "CDSR_TEST_STOP=0:renamed:3 " FEATURES " >/dev/null 2>err & "
    "until grep -q '^State:.T' /proc/$!/status; do sleep 0.05; done; "
    "kill -USR1 $!; kill -CONT $!; wait $!; [ $? = 75 ] && "
    "grep -q 'stopped by a signal or the time limit with 8 blocks of 64 items left' err";

/* Eleven blocks, of which two are there when the job is killed; it goes on on two ranks. A block that is
 * damaged is made again. A job that is told to stop ends its block and goes on later. The rows are also
 * the same where ranks can have no memory together. */
Test(clip, goes_on_where_it_was, .timeout = 120) {
    char dir[] = "/tmp/cdsr-test-XXXXXX";
    cr_assert(mkdtemp(dir) && chdir(dir) == 0);
    unsetenv("BXFI_MAP");
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    model = test_model_shapes(ACTIVATION_QUICK_GELU);
    test_model_make(&model);
    test_model_put(&model, "model");
    test_model_free(&model);
    cr_assert_eq(
        shell(CDSR_PROGRAM " synth --items-a 400 --items-b 300 --users 40 -o a.h5 >/dev/null"), 0);
    cr_assert_eq(shell("for i in b c d e; do cp a.h5 $i.h5; done"), 0);
    cr_assert_eq(shell(FEATURES " >/dev/null", "a.h5"), 0);
    cr_expect_neq(shell("CDSR_TEST_KILL=0:renamed:2 " FEATURES " >/dev/null 2>&1", "b.h5"), 0);
    cr_expect_eq(shell("[ \"$(ls b.h5.text.part | wc -l)\" = 2 ]"), 0);
    cr_expect_eq(
        shell("mpirun -n 2 " FEATURES " >out && grep -q '^clip: 2 blocks of 64' out", "b.h5"), 0);
    cr_expect_eq(shell("[ ! -e b.h5.text.part ]"), 0);
    cr_expect_neq(shell("CDSR_TEST_KILL=0:renamed:3 " FEATURES " >/dev/null 2>&1", "c.h5"), 0);
    cr_expect_eq(shell("printf x | dd of=c.h5.text.part/1 bs=1 seek=5000 conv=notrunc 2>/dev/null"),
                 0);
    cr_expect_eq(shell(FEATURES " >out && grep -q '^clip: 2 blocks of 64' out", "c.h5"), 0);
    cr_expect_eq(shell("OMPI_MCA_osc=^sm mpirun -n 2 " FEATURES " >/dev/null", "d.h5"), 0);
    cr_expect_eq(shell(stopped, "e.h5"), 0);
    cr_expect_eq(shell(FEATURES " >out && grep -q '^clip: 3 blocks of 64' out", "e.h5"), 0);
    for (const char *file = "abcde"; *file; file++)
        cr_expect_eq(shell("h5dump -d /features/text %c.h5 | tail -n +2 >%c.txt", *file, *file), 0);
    cr_expect_eq(shell("for i in b c d e; do cmp a.txt $i.txt || exit; done"), 0);
    cr_expect_eq(shell("cd / && rm -r %s", dir), 0);
}

MPI_TEST_MAIN()
