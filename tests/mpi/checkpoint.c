/* Checkpoints: any number of ranks writes and reads them, under either placement, and none that was
 * damaged passes. */
#include "io/checkpoint.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/rng.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "partition/range.h"
#include "tests/mpi/flip.h"
#include "tests/mpitest.h"
#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>

enum { ROWS = 37, COLS = 5, X_ROWS = 16 };

/* A table, a matrix, a vector and a scalar; `sharded`: the table is shared out over the ranks. */
static void make_params(const struct comm *comm, bool sharded, struct params *params) {
    *params = (struct params){0};
    struct item_block local = item_block_of(X_ROWS, ROWS, comm->size, comm->rank);
    int table = params_add(params, 2, ROWS, COLS, PARAM_NORMAL, 1, "embed.id");
    params_add(params, 2, 3, 4, PARAM_NORMAL, 1, "w");
    params_add(params, 1, 1, 6, PARAM_NORMAL, 1, "b");
    params_add(params, 0, 1, 1, PARAM_NORMAL, 1, "scale");
    if (sharded)
        params_local(params, table, &local);
    params_allocate(params, 1, 1);
}

/* What group g has in element i of tensor p, whoever holds it. */
static real expected(int g, int p, int64_t i) {
    return (real)rng_normal(rng_key(5, RNG_TEST, (uint64_t)g, (uint64_t)p), (uint64_t)i);
}

/* Give all elements of a block the values of a group, or count those that do not have them. */
static int64_t visit_block(const struct params *params, real *block, int g, bool set) {
    int64_t wrong = 0;
    for (int k = 0; k < params->count; k++) {
        const struct param *p = &params->list[k];
        real *x = block + p->at;
        for (int64_t i = 0; i < param_size(p); i++) {
            int64_t at = item_block_item(&p->local, i / p->cols) * p->cols + i % p->cols;
            if (set)
                x[i] = expected(g, k, at);
            wrong += x[i] != expected(g, k, at);
        }
    }
    return wrong;
}

/* Of all that a checkpoint has. */
static int64_t visit(const struct params *params, bool set) {
    return visit_block(params, params->x, 0, set) + visit_block(params, params->m, 1, set) +
           visit_block(params, params->v, 2, set);
}

/* Item i of `domain`, its n-th, for keys of different lengths; both domains have the key "one". */
static void make_key(int64_t i, char key[32]) {
    int64_t n = i < X_ROWS ? i : i - X_ROWS;
    snprintf(key, 32, n == 1 ? "one" : "%c%0*ld", i < X_ROWS ? 'a' : 'b', 1 + (int)(i % 7),
             (long)n);
}

/* The share of this rank. */
static void make_keys(const struct comm *comm, struct item_keys *keys) {
    struct range mine = range_of(ROWS, comm->size, comm->rank);
    char key[32];
    *keys = (struct item_keys){{X_ROWS, ROWS - X_ROWS}, mine.lo, mine.hi};
    keys->bytes = mem_alloc(ROWS, sizeof key);
    for (int64_t i = 0; i < ROWS; i++) {
        make_key(i, key);
        int64_t size = (int64_t)strlen(key) + 1;
        keys->before += i < mine.lo ? size : 0;
        keys->total += size;
        if (i < mine.lo || i >= mine.hi)
            continue;
        memcpy(keys->bytes + keys->size, key, (size_t)size);
        keys->size += size;
    }
}

static const struct checkpoint_state written = {.step = 12,
                                                .epoch = 3,
                                                .cursor = 4,
                                                .best = {{9, 2, 0.125}, {6, 1, 0.25}},
                                                .stale = 1,
                                                .config = (char *)"run: {seed: 1}",
                                                .dataset_hash = (char *)"0123abcd",
                                                .items_hash = (char *)"4567ef",
                                                .domain_items = {X_ROWS, ROWS - X_ROWS},
                                                .plateau = {5, 6},
                                                .repeats = {{70, 80}, {7, 8}}};

static bool same_best(const struct checkpoint_best *a, const struct checkpoint_best *b) {
    return a->step == b->step && a->epoch == b->epoch && a->metric == b->metric;
}

static bool same_state(const struct checkpoint_state *s) {
    return s->step == 12 && s->epoch == 3 && s->cursor == 4 && s->stale == 1 &&
           same_best(&s->best[0], &written.best[0]) && same_best(&s->best[1], &written.best[1]) &&
           !strcmp(s->config, written.config) && !strcmp(s->dataset_hash, written.dataset_hash) &&
           !strcmp(s->items_hash, written.items_hash) && s->domain_items[0] == X_ROWS &&
           s->domain_items[1] == ROWS - X_ROWS && s->plateau.reductions == 5 &&
           s->plateau.waited == 6 && !memcmp(&s->repeats, &written.repeats, sizeof s->repeats);
}

/* The keys of the file are those of make_key. */
static bool same_keys(const char *path) {
    struct h5_file f;
    struct h5_strings keys = {0};
    char key[32];
    bool same = h5_open(&f, path) == STATUS_OK;
    same = same && item_keys_load(&f, 0, ROWS, &keys) == STATUS_OK;
    for (int64_t i = 0; same && i < ROWS; i++) {
        make_key(i, key);
        same = !strcmp(keys.text[i], key);
    }
    h5_strings_free(&keys);
    h5_close(&f);
    return same;
}

static void write_file(const struct comm *comm, bool sharded, const char *path) {
    struct params params;
    struct item_keys keys;
    make_params(comm, sharded, &params);
    make_keys(comm, &keys);
    visit(&params, true);
    MPI_REQUIRE(checkpoint_write(comm, path, &params, &keys, &written) == STATUS_OK, "write");
    item_keys_free(&keys);
    params_free(&params);
}

/* The file passes and gives back what was written. */
static void read_file(const struct comm *comm, bool sharded, const char *path) {
    struct params params;
    struct checkpoint_state state = {0};
    make_params(comm, sharded, &params);
    MPI_REQUIRE(checkpoint_verify(comm, path) == STATUS_OK, "verify on %d ranks", comm->size);
    MPI_REQUIRE(checkpoint_read_params(comm, path, NULL, &params, true) == STATUS_OK, "params");
    MPI_REQUIRE(checkpoint_read_state(comm, path, &state) == STATUS_OK, "state");
    MPI_EXPECT(visit(&params, false) == 0, "values on %d ranks", comm->size);
    MPI_EXPECT(same_state(&state), "state on %d ranks", comm->size);
    MPI_EXPECT(same_keys(path), "keys on %d ranks", comm->size);
    checkpoint_state_free(&state);
    params_free(&params);
}

static char dir[64], file[96];

static void make_directory(void) {
    snprintf(dir, sizeof dir, "/tmp/cdsr-checkpoint-XXXXXX");
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(dir), "mkdtemp");
    comm_bcast(&test_comm, dir, sizeof dir);
    snprintf(file, sizeof file, "%s/step-12.h5", dir);
}

static void remove_directory(void) {
    char command[96];
    MPI_Barrier(test_comm.mpi);
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0, "rm");
}

static int64_t read_bytes(const char *path, unsigned char **bytes) {
    struct stat info;
    int f = open(path, O_RDONLY | O_CLOEXEC);
    MPI_REQUIRE(f >= 0 && !fstat(f, &info), "%s", path);
    *bytes = mem_alloc(info.st_size, 1);
    MPI_REQUIRE(read(f, *bytes, (size_t)info.st_size) == info.st_size, "read");
    close(f);
    return info.st_size;
}

/* Written and read by the first n of the ranks. */
static void on_ranks(int n, void (*act)(const struct comm *, bool, const char *), bool sharded) {
    MPI_Comm some;
    struct comm comm;
    bool in = test_comm.rank < n;
    MPI_Barrier(test_comm.mpi);
    MPI_Comm_split(test_comm.mpi, in ? 0 : MPI_UNDEFINED, test_comm.rank, &some);
    if (in) {
        comm_open(&comm, some);
        act(&comm, sharded, file);
        comm_close(&comm);
        MPI_Comm_free(&some);
    }
    MPI_Barrier(test_comm.mpi);
}

MPI_TEST(checkpoint, any_ranks_write_and_read_the_same_bytes, 4) {
    unsigned char *first = NULL, *bytes = NULL;
    int64_t size = 0;
    make_directory();
    for (int writers = 1; writers <= 4; writers++)
        for (int sharded = 0; sharded < 2; sharded++) {
            on_ranks(writers, write_file, sharded);
            for (int readers = 1; readers <= 4; readers++) {
                on_ranks(readers, read_file, false);
                on_ranks(readers, read_file, true);
            }
            if (!first)
                size = read_bytes(file, &first);
            bool same = read_bytes(file, &bytes) == size && !memcmp(first, bytes, (size_t)size);
            MPI_EXPECT(same, "%d ranks, sharded %d", writers, sharded);
            mem_free(bytes);
        }
    mem_free(first);
    remove_directory();
}

/* ---- other items ---- */

/* Row i of the file belongs to item i + 2 of the model, but for every fifth, which is gone; what no
 * row belongs to stays as it was. */
static int32_t moved(int64_t i) {
    return i % 5 == 0 || i + 2 >= ROWS ? -1 : (int32_t)i + 2;
}

static void read_mapped(const struct comm *comm, bool sharded, const char *path) {
    struct params params;
    int32_t to[ROWS], from[ROWS];
    struct item_map map = {ROWS, to, {0, 0, 0}};
    int64_t wrong = 0;
    make_params(comm, sharded, &params);
    params_of_items(&params, 0);
    visit(&params, true);
    for (int i = 0; i < ROWS; i++)
        from[i] = -1;
    for (int i = 0; i < ROWS; i++)
        if ((to[i] = moved(i)) >= 0)
            from[to[i]] = i;
    struct param *table = &params.list[0];
    for (int64_t i = 0; i < param_size(table); i++)
        table->tensor.x[i] = -1;
    MPI_REQUIRE(checkpoint_read_params(comm, path, &map, &params, false) == STATUS_OK, "read");
    for (int64_t i = 0; i < param_size(table); i++) {
        int32_t row = from[item_block_item(&table->local, i / COLS)];
        wrong += table->tensor.x[i] != (row < 0 ? -1 : expected(0, 0, row * COLS + i % COLS));
        table->tensor.x[i] =
            expected(0, 0, item_block_item(&table->local, i / COLS) * COLS + i % COLS);
    }
    MPI_EXPECT(wrong == 0, "%ld elements on %d ranks", (long)wrong, comm->size);
    MPI_EXPECT(visit(&params, false) == 0, "the other tensors are read as they are");
    params_free(&params);
}

MPI_TEST(checkpoint, rows_of_items_follow_the_map, 4) {
    make_directory();
    write_file(&test_comm, true, file);
    for (int readers = 1; readers <= 4; readers++) {
        on_ranks(readers, read_mapped, false);
        on_ranks(readers, read_mapped, true);
    }
    remove_directory();
}

/* A data set of these keys, 3 of the first domain, in the directory. */
static enum status open_keys(const char *const *keys, int n, struct dataset *dataset) {
    static char name[] = "d", a[] = "food", b[] = "tea";
    static const int32_t items[] = {0, 1};
    static const int64_t times[] = {1, 2};
    struct dataset_content content = {
        .name = name, .protocol = name, .labels = {a, b}, .max_len = 5, .domain_items = {3, n - 3}};
    char path[96];
    for (int i = 0; i < n; i++) {
        string_list_add(&content.keys, keys[i]);
        string_list_add(&content.titles, "");
    }
    for (int s = 0; s < SPLITS; s++)
        split_content_add(&content.split[s], "u", 2, items, times);
    snprintf(path, sizeof path, "%s/data.h5", dir);
    enum status status = dataset_write(&test_comm, path, &content);
    content.name = content.protocol = content.labels[0] = content.labels[1] = NULL;
    dataset_content_free(&content);
    MPI_REQUIRE(status == STATUS_OK, "%s", path);
    return dataset_open(&test_comm, path, dataset);
}

/* The file's items are those of make_key: a0 one a0002 ... of X, b000 one b0 ... of Y. */
MPI_TEST(checkpoint, items_have_their_key_within_their_domain, 2) {
    static const char *const keys[] = {"one", "new", "a0", "b000", "a0002", "one"};
    static const char *const twice[] = {"one", "a0", "one", "b000"};
    static const int64_t domain_items[2] = {X_ROWS, ROWS - X_ROWS};
    struct dataset dataset;
    struct item_map map;
    char *text;
    make_directory();
    write_file(&test_comm, false, file);
    MPI_REQUIRE(open_keys(keys, 6, &dataset) == STATUS_OK, "open");
    MPI_REQUIRE(item_map_make(&test_comm, file, domain_items, &dataset, &map) == STATUS_OK, "map");
    MPI_EXPECT(map.to[0] == 2 && map.to[1] == 0 && map.to[2] == -1, "items of X");
    MPI_EXPECT(map.to[X_ROWS] == 3 && map.to[X_ROWS + 1] == 5, "items of Y");
    MPI_EXPECT(map.counts.kept == 4 && map.counts.added == 2 && map.counts.dropped == ROWS - 4,
               "%ld kept", (long)map.counts.kept);
    MPI_REQUIRE(item_map_difference(&test_comm, file, domain_items, &dataset, &text) == STATUS_OK,
                "difference");
    MPI_EXPECT(test_comm.rank > 0 ||
                   !strcmp(text, "item 0 is 'a0' of food here and 'one' of food there"),
               "%s", text);
    mem_free(text);
    item_map_free(&map);
    dataset_close(&dataset);
    MPI_REQUIRE(open_keys(twice, 4, &dataset) == STATUS_OK, "open");
    log_hold();
    MPI_EXPECT(item_map_make(&test_comm, file, domain_items, &dataset, &map) == STATUS_INPUT,
               "a key that stands for two items");
    const char *line = log_release();
    MPI_EXPECT(test_comm.rank > 0 || strstr(line, "have the same key 'one'"), "%s", line);
    dataset_close(&dataset);
    remove_directory();
}

/* ---- files of before ---- */

static const char *const tables[] = {"/param/embed.id",  "/param/w",          "/param/b",
                                     "/param/scale",     "/optim/m/embed.id", "/optim/m/w",
                                     "/optim/m/b",       "/optim/m/scale",    "/optim/v/embed.id",
                                     "/optim/v/w",       "/optim/v/b",        "/optim/v/scale",
                                     "/items/key_bytes", "/items/key_offsets"};
enum { FORMER_TABLES = 12, TABLES = sizeof tables / sizeof *tables };

/* What the later schemas brought. */
static void remove_new(hid_t f, int64_t schema) {
    static const struct {
        const char *name;
        int64_t schema; /* that brought it */
    } attributes[] = {{"targets_a", 6},     {"repeated_a", 6},    {"targets_b", 6},
                      {"repeated_b", 6},    {"best_step_b", 5},   {"best_epoch_b", 5},
                      {"best_metric_b", 5}, {"lr_reductions", 4}, {"lr_waited", 4},
                      {"items_hash", 3},    {"items_a", 3},       {"items_b", 3}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (schema < attributes[i].schema)
            MPI_REQUIRE(H5Adelete_by_name(f, "state", attributes[i].name, H5P_DEFAULT) >= 0, "%s",
                        attributes[i].name);
    if (schema < 3)
        MPI_REQUIRE(H5Ldelete(f, "items", H5P_DEFAULT) >= 0, "items");
}

static int64_t get(hid_t f, const char *object, const char *name) {
    int64_t value = 0;
    hid_t id = H5Aopen_by_name(f, object, name, H5P_DEFAULT, H5P_DEFAULT);
    MPI_REQUIRE(H5Aread(id, H5T_NATIVE_INT64, &value) >= 0, "%s", name);
    H5Aclose(id);
    return value;
}

static void add(hid_t f, const char *object, const char *name, int64_t value) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t id = H5Acreate_by_name(f, object, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT,
                                 H5P_DEFAULT);
    MPI_REQUIRE(H5Awrite(id, H5T_NATIVE_INT64, &value) >= 0, "%s", name);
    H5Aclose(id);
    H5Sclose(space);
}

static void set(hid_t f, const char *object, const char *name, int64_t value) {
    MPI_REQUIRE(H5Adelete_by_name(f, object, name, H5P_DEFAULT) >= 0, "%s", name);
    add(f, object, name, value);
}

enum { PARAMS = 4 }; /* tables in /param */

/* As a run with an average of its parameters had it: here the average has the values of the first moments. */
static void add_average(hid_t f) {
    MPI_REQUIRE(H5Lmove(f, "param", f, "optim/x", H5P_DEFAULT, H5P_DEFAULT) >= 0, "optim/x");
    MPI_REQUIRE(H5Ocopy(f, "optim/m", f, "param", H5P_DEFAULT, H5P_DEFAULT) >= 0, "param");
}

static uint64_t table_sum(hid_t f, const char *name) {
    return rng_bits((uint64_t)get(f, name, "checksum"), rng_hash(name));
}

/* As schema 5 had it: no word of repeats; schema 4: and one best evaluation; schema 3: and no word of the
 * learning rate; or schema 2: nor of the items. */
static int64_t former_sum(hid_t f, int64_t schema, int averaged) {
    char text[128];
    int n = snprintf(text, sizeof text, "12 3 4 9 2 1 0x1p-3\nrun: {seed: 1}\n0123abcd");
    if (schema >= 3)
        n += snprintf(text + n, sizeof text - (size_t)n, "\n4567ef %d %d", X_ROWS, ROWS - X_ROWS);
    if (schema >= 4)
        n += snprintf(text + n, sizeof text - (size_t)n, " 5 6 %d", averaged);
    if (schema >= 5)
        snprintf(text + n, sizeof text - (size_t)n, " 6 1 0x1p-2");
    uint64_t sum = rng_hash(text);
    for (int k = 0; k < (schema >= 3 ? TABLES : FORMER_TABLES); k++)
        sum += table_sum(f, tables[k]);
    for (int k = 0; k < PARAMS && averaged > 0; k++) {
        snprintf(text, sizeof text, "/optim/x/%s", tables[k] + strlen("/param/"));
        sum += table_sum(f, text);
    }
    return (int64_t)sum;
}

/* With an average of so many steps, if any. */
static void make_former(int64_t schema, int averaged) {
    hid_t f = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT);
    remove_new(f, schema);
    if (schema >= 4)
        add(f, "state", "averaged", averaged);
    if (averaged > 0)
        add_average(f);
    set(f, "state", "schema", schema);
    set(f, "state", "checksum", schema > 1 ? former_sum(f, schema, averaged) : 0);
    H5Fclose(f);
}

/* Training goes on with the values; whoever ranks has the average, where there is one. */
static void expect_former(int64_t schema, int averaged) {
    struct checkpoint_state state = {0};
    struct params params;
    write_file(&test_comm, false, file);
    if (test_comm.rank == 0)
        make_former(schema, averaged);
    MPI_Barrier(test_comm.mpi);
    make_params(&test_comm, true, &params);
    MPI_EXPECT(checkpoint_verify(&test_comm, file) == STATUS_OK, "schema %d", (int)schema);
    MPI_REQUIRE(checkpoint_read_params(&test_comm, file, NULL, &params, true) == STATUS_OK,
                "params");
    MPI_REQUIRE(checkpoint_read_state(&test_comm, file, &state) == STATUS_OK, "state");
    MPI_EXPECT(visit(&params, false) == 0, "values of schema %d", (int)schema);
    MPI_REQUIRE(checkpoint_read_params(&test_comm, file, NULL, &params, false) == STATUS_OK,
                "params to rank with");
    MPI_EXPECT(visit_block(&params, params.x, averaged > 0, false) == 0, "their average");
    MPI_EXPECT(state.step == 12 && !state.items_hash[0] == (schema < 3), "'%s'", state.items_hash);
    MPI_EXPECT(state.averaged == averaged, "steps in the average");
    MPI_EXPECT(state.plateau.reductions == (schema < 4 ? 0 : 5), "the rate");
    MPI_EXPECT(state.plateau.waited == (schema < 4 ? 0 : 6), "the rate");
    for (int d = 0; d < DOMAINS; d++)
        MPI_EXPECT(same_best(&state.best[d], &written.best[schema < 5 ? 0 : d]), "the best");
    MPI_EXPECT(state.repeats.targets[0] == 0 && state.repeats.repeated[1] == 0, "repeats");
    checkpoint_state_free(&state);
    params_free(&params);
    MPI_Barrier(test_comm.mpi);
}

MPI_TEST(checkpoint, files_of_former_schemas_are_read, 2) {
    make_directory();
    for (int64_t schema = 1; schema <= 5; schema++)
        expect_former(schema, 0);
    for (int64_t schema = 4; schema <= 5; schema++)
        expect_former(schema, 7);
    remove_directory();
}

/* ---- damage ---- */

static int64_t offset_of(const char *path, const char *name, int64_t *bytes) {
    hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(f, name, H5P_DEFAULT);
    int64_t at = (int64_t)H5Dget_offset(set);
    *bytes = (int64_t)H5Dget_storage_size(set);
    H5Dclose(set);
    H5Fclose(f);
    return at;
}

/* One bit of the first, a middle and the last byte of every table: the line names the table. */
MPI_TEST(checkpoint, a_flipped_bit_of_any_table_is_found, 3) {
    make_directory();
    write_file(&test_comm, true, file);
    for (int k = 0; k < 3 * TABLES; k++) {
        const char *name = tables[k / 3];
        int64_t bytes, at = 0;
        if (test_comm.rank == 0) {
            at = offset_of(file, name, &bytes);
            at += k % 3 * (bytes - 1) / 2;
            flip(file, at, k % 8);
        }
        MPI_Barrier(test_comm.mpi);
        log_hold();
        enum status status = checkpoint_verify(&test_comm, file);
        const char *line = log_release();
        MPI_EXPECT(status == STATUS_INPUT, "%s: status %d", name, status);
        MPI_EXPECT(test_comm.rank > 0 || strstr(line, name), "%s: %s", name, line);
        MPI_Barrier(test_comm.mpi);
        if (test_comm.rank == 0)
            flip(file, at, k % 8);
    }
    MPI_EXPECT(checkpoint_verify(&test_comm, file) == STATUS_OK, "the bits are back");
    remove_directory();
}

/* What passes in spite of a flipped bit gives back what was written: nobody reads that bit. */
static bool harmless(void) {
    struct params params;
    struct checkpoint_state state = {0};
    make_params(&test_comm, false, &params);
    bool read = checkpoint_read_params(&test_comm, file, NULL, &params, true) == STATUS_OK &&
                checkpoint_read_state(&test_comm, file, &state) == STATUS_OK;
    bool same = read && visit(&params, false) == 0 && same_state(&state) && same_keys(file);
    checkpoint_state_free(&state);
    params_free(&params);
    return same;
}

#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 40 };
#else
enum { STRIDE = 4 };
#endif

MPI_TEST(checkpoint, no_flipped_bit_gives_other_values, 1, .timeout = 240) {
    unsigned char *bytes;
    int64_t tried = 0;
    make_directory();
    write_file(&test_comm, false, file);
    int64_t size = read_bytes(file, &bytes);
    log_hold();
    for (int64_t at = 0; at < size; at++) {
        if (at %
            (bytes[at] ? STRIDE : 1999)) /* most are zero: the unused rest of the metadata block */
            continue;
        int bit = (int)(rng_bits(6, (uint64_t)at) % 8);
        flip(file, at, bit);
        tried++;
        enum status status = checkpoint_verify(&test_comm, file);
        MPI_EXPECT(status == STATUS_INPUT || harmless(), "byte %ld bit %d: status %d", (long)at,
                   bit, status);
        flip(file, at, bit);
    }
    (void)log_release();
    MPI_EXPECT(tried > 4000 / STRIDE, "%ld of %ld bytes", (long)tried, (long)size);
    MPI_EXPECT(checkpoint_verify(&test_comm, file) == STATUS_OK, "the bits are back");
    mem_free(bytes);
    remove_directory();
}

MPI_TEST_MAIN()
