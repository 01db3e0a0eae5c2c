/* Checkpoints: any number of ranks writes and reads them, under either placement, and none that was
 * damaged passes. */
#include "io/checkpoint.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/rng.h"
#include "partition/range.h"
#include "tests/mpitest.h"
#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>

enum { ROWS = 37, COLS = 5, X_ROWS = 16 };

/* A table, a matrix, a vector and a scalar; `sharded`: the table is shared out over the ranks. */
static void make_params(const struct comm *comm, bool sharded, struct params *params) {
    *params = (struct params){0};
    struct range x = range_of(X_ROWS, comm->size, comm->rank);
    struct range y = range_of(ROWS - X_ROWS, comm->size, comm->rank);
    struct parts here = {{x.lo, X_ROWS + y.lo}, {x.hi, X_ROWS + y.hi}};
    int table = params_add(params, 2, ROWS, COLS, PARAM_NORMAL, 1, "embed.id");
    params_add(params, 2, 3, 4, PARAM_NORMAL, 1, "w");
    params_add(params, 1, 1, 6, PARAM_NORMAL, 1, "b");
    params_add(params, 0, 1, 1, PARAM_NORMAL, 1, "scale");
    if (sharded)
        params_part(params, table, &here);
    params_allocate(params, 1, 1);
}

/* What group g has in element i of tensor p, whoever holds it. */
static real expected(int g, int p, int64_t i) {
    return (real)rng_normal(rng_key(5, RNG_TEST, (uint64_t)g, (uint64_t)p), (uint64_t)i);
}

static real *group(const struct params *params, int g) {
    return g == 0 ? params->x : g == 1 ? params->m : params->v;
}

/* Give all elements their values, or count those that do not have them. */
static int64_t visit(const struct params *params, bool set) {
    int64_t wrong = 0;
    for (int g = 0; g < 3; g++)
        for (int k = 0; k < params->count; k++) {
            const struct param *p = &params->list[k];
            real *x = group(params, g) + p->at;
            for (int64_t i = 0; i < param_size(p); i++) {
                int64_t at = parts_row(&p->here, i / p->cols) * p->cols + i % p->cols;
                if (set)
                    x[i] = expected(g, k, at);
                wrong += x[i] != expected(g, k, at);
            }
        }
    return wrong;
}

static const struct checkpoint_state written = {
    12, 3, 4, 9, 2, 1, 0.125, (char *)"run: {seed: 1}", (char *)"0123abcd"};

static bool same_state(const struct checkpoint_state *s) {
    return s->step == 12 && s->epoch == 3 && s->cursor == 4 && s->best_step == 9 &&
           s->best_epoch == 2 && s->stale == 1 && s->best_metric == 0.125 &&
           !strcmp(s->config, written.config) && !strcmp(s->dataset_hash, written.dataset_hash);
}

static void write_file(const struct comm *comm, bool sharded, const char *path) {
    struct params params;
    make_params(comm, sharded, &params);
    visit(&params, true);
    MPI_REQUIRE(checkpoint_write(comm, path, &params, &written) == STATUS_OK, "write");
    params_free(&params);
}

/* The file passes and gives back what was written. */
static void read_file(const struct comm *comm, bool sharded, const char *path) {
    struct params params;
    struct checkpoint_state state = {0};
    make_params(comm, sharded, &params);
    MPI_REQUIRE(checkpoint_verify(comm, path) == STATUS_OK, "verify on %d ranks", comm->size);
    MPI_REQUIRE(checkpoint_read_params(comm, path, &params, true) == STATUS_OK, "params");
    MPI_REQUIRE(checkpoint_read_state(comm, path, &state) == STATUS_OK, "state");
    MPI_EXPECT(visit(&params, false) == 0, "values on %d ranks", comm->size);
    MPI_EXPECT(same_state(&state), "state on %d ranks", comm->size);
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

/* ---- damage ---- */

static void flip(const char *path, int64_t at, int bit) {
    unsigned char byte;
    int f = open(path, O_RDWR | O_CLOEXEC);
    MPI_REQUIRE(f >= 0 && pread(f, &byte, 1, at) == 1, "byte %ld", (long)at);
    byte ^= (unsigned char)(1 << bit);
    MPI_REQUIRE(pwrite(f, &byte, 1, at) == 1, "byte %ld", (long)at);
    close(f);
}

static int64_t offset_of(const char *path, const char *name, int64_t *bytes) {
    hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(f, name, H5P_DEFAULT);
    int64_t at = (int64_t)H5Dget_offset(set);
    *bytes = (int64_t)H5Dget_storage_size(set);
    H5Dclose(set);
    H5Fclose(f);
    return at;
}

/* One bit of the first, a middle and the last byte of every tensor: the line names the tensor. */
MPI_TEST(checkpoint, a_flipped_bit_of_any_tensor_is_found, 3) {
    static const char *const groups[] = {"/param", "/optim/m", "/optim/v"}, *const names[] = {
                                                                                "embed.id", "w",
                                                                                "b", "scale"};
    make_directory();
    write_file(&test_comm, true, file);
    for (int k = 0; k < 3 * 4 * 3; k++) {
        char name[64];
        int64_t bytes, at = 0;
        snprintf(name, sizeof name, "%s/%s", groups[k / 12], names[k / 3 % 4]);
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
    bool read = checkpoint_read_params(&test_comm, file, &params, true) == STATUS_OK &&
                checkpoint_read_state(&test_comm, file, &state) == STATUS_OK;
    bool same = read && visit(&params, false) == 0 && same_state(&state);
    checkpoint_state_free(&state);
    params_free(&params);
    return same;
}

#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 40 };
#else
enum { STRIDE = 4 };
#endif

MPI_TEST(checkpoint, no_flipped_bit_gives_other_values, 1, .timeout = 120) {
    unsigned char *bytes;
    int64_t tried = 0;
    make_directory();
    write_file(&test_comm, false, file);
    int64_t size = read_bytes(file, &bytes);
    log_hold();
    for (int64_t at = 0; at < size; at++) {
        if (at % (bytes[at] ? STRIDE : 1999)) /* most are zero: the unused rest of the metadata block */
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
