#include "jobs/bench/storage.h"
#include "core/mem.h"
#include "io/checkpoint.h"
#include "io/config.h"
#include "io/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Values and first and second moments. */
enum { BLOCKS = 3 };

static uint64_t hash_of(const struct comm *comm, struct params *params, real *block) {
    if (block != params->x)
        params_swap(params, block);
    uint64_t hash = checkpoint_params_hash(comm, params);
    if (block != params->x)
        params_swap(params, block);
    return hash;
}

/* Collective. */
static void hash_all(const struct comm *comm, struct params *params, uint64_t hash[BLOCKS]) {
    hash[0] = hash_of(comm, params, params->x);
    hash[1] = hash_of(comm, params, params->m);
    hash[2] = hash_of(comm, params, params->v);
}

static void clear(struct params *params) {
    size_t bytes = (size_t)params->total * sizeof(real);
    memset(params->x, 0, bytes);
    memset(params->m, 0, bytes);
    memset(params->v, 0, bytes);
}

/* What is on the disk leaves the page cache of this node. Returns the size of the file. */
static double forget(const char *path) {
    struct stat info = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    (void)fstat(file, &info);
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
    return (double)info.st_size;
}

static enum status write_read(struct storage *storage, struct run *run, const char *path,
                              const struct item_keys *keys, const struct checkpoint_state *state) {
    struct comm *comm = run->comm;
    struct params *params = &run->model.params;
    uint64_t before[BLOCKS], after[BLOCKS];
    hash_all(comm, params, before);
    comm_wait(comm);
    double start = phase_clock(), seconds[2];
    TRY(checkpoint_write(comm, path, params, keys, state));
    seconds[0] = phase_clock() - start;
    storage->bytes = forget(path);
    clear(params);
    comm_wait(comm);
    start = phase_clock();
    TRY(checkpoint_read_params(comm, path, NULL, params, true));
    seconds[1] = phase_clock() - start;
    comm_max_f64(comm, seconds, 2);
    hash_all(comm, params, after);
    storage->same = storage->same && !memcmp(before, after, sizeof before);
    series_add(&storage->write, storage->bytes / seconds[0] / 1e9);
    series_add(&storage->read, storage->bytes / seconds[1] / 1e9);
    series_add(&storage->both, 2 * storage->bytes / (seconds[0] + seconds[1]) / 1e9);
    return STATUS_OK;
}

static enum status repeat(struct storage *storage, struct run *run, const char *path, int times) {
    struct item_keys keys;
    struct checkpoint_state state = {
        .best = {{.step = -1}, {.step = -1}},
        .config = config_to_text(&run->config),
        .dataset_hash = mem_string(""),
        .items_hash = mem_string(""),
        .domain_items = {run->dataset.domain_items[0], run->dataset.domain_items[1]},
        .repeats = run->repeats};
    enum status status = item_keys_read(run->comm, &run->dataset, &keys);
    for (int i = 0; i < times && status == STATUS_OK; i++)
        status = write_read(storage, run, path, &keys, &state);
    item_keys_free(&keys);
    checkpoint_state_free(&state);
    return status;
}

enum status storage_measure(struct storage *storage, struct run *run, const char *directory,
                            int times) {
    char path[OPTION_PATH + 64];
    int process = (int)getpid();
    *storage = (struct storage){.same = true};
    comm_bcast(run->comm, &process, sizeof process);
    snprintf(path, sizeof path, "%s/bench-%d.h5", directory, process);
    TRY(COMM_ON_ROOT(run->comm, file_make_directory(directory)));
    enum status status = repeat(storage, run, path, times);
    enum status removed = COMM_ON_ROOT(run->comm, file_remove(path));
    return status ? status : removed;
}

void storage_free(struct storage *storage) {
    series_free(&storage->write);
    series_free(&storage->read);
    series_free(&storage->both);
}
