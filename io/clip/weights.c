#include "io/clip/weights.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_LIMIT = 4096, BLOCK = 1 << 18 };

/* ---- of one rank ---- */

static enum status find(const struct safetensors *file, const struct clip_tensor *t,
                        struct numbers *numbers) {
    return safetensors_find(file, t->name, t->ndim, t->extent, numbers);
}

/* Are the tensors there? */
static enum status check(const char *path, const struct clip_tensor *list, int64_t count) {
    struct safetensors file;
    struct numbers numbers;
    TRY(safetensors_open_all(&file, path));
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < count && status == STATUS_OK; i++)
        status = find(&file, &list[i], &numbers);
    safetensors_close(&file);
    return status;
}

/* Rows that fit into a block of memory, at least one. */
static int64_t rows_at_once(const struct numbers *numbers) {
    int64_t rows = BLOCK / (numbers->width > 0 ? numbers->width : 1);
    return rows > 0 ? rows : 1;
}

static enum status read_tensor(const struct safetensors *file, const struct clip_tensor *t,
                               real *out) {
    struct numbers numbers;
    TRY(find(file, t, &numbers));
    int64_t step = rows_at_once(&numbers), width = numbers.width;
    float *rows = mem_alloc(step * width, sizeof *rows);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < numbers.rows && status == STATUS_OK; lo += step) {
        int64_t hi = lo + step < numbers.rows ? lo + step : numbers.rows;
        status = numbers_read(&numbers, lo, hi, rows);
        for (int64_t i = 0; i < (hi - lo) * width && status == STATUS_OK; i++) {
            out[lo * width + i] = (real)rows[i];
            if (!isfinite(rows[i]))
                status = log_error(STATUS_INPUT,
                                   "%s: tensor '%.100s' has a number that is not finite; copy the "
                                   "file again",
                                   file->path, t->name);
        }
    }
    mem_free(rows);
    return status;
}

static enum status read_all(const char *path, const struct clip_tensor *list, int64_t count,
                            real *out, char sha256[SHA256_TEXT]) {
    struct safetensors file;
    TRY(safetensors_open_all(&file, path));
    enum status status = sha256_file(path, sha256);
    for (int64_t i = 0; i < count && status == STATUS_OK; i++)
        status = read_tensor(&file, &list[i], out + list[i].at);
    safetensors_close(&file);
    return status;
}

/* ---- of all ranks ---- */

static enum status check_same(const struct comm *comm, const char *path, const char *sha256) {
    char start[17] = {0};
    memcpy(start, sha256, sizeof start - 1);
    int odd = comm_odd_one(comm, strtoull(start, NULL, 16));
    if (odd < 0)
        return STATUS_OK;
    return comm_error_of(comm, odd, STATUS_INPUT,
                         "%s: on rank %d, %s, is another file than on rank 0", path, odd,
                         comm_host());
}

static enum status fill(const struct comm *comm, const char *path, const struct clip_tensor *list,
                        int64_t count, struct clip_weights *w) {
    struct shared *s = &w->shared;
    enum status status = STATUS_OK;
    if (s->writer)
        status = read_all(path, list, count, s->data, w->sha256);
    TRY(comm_agree(comm, status));
    shared_ready(s);
    comm_bcast(&s->node, w->sha256, sizeof w->sha256);
    w->numbers = s->data;
    return check_same(comm, path, w->sha256);
}

enum status clip_weights_read(const struct comm *comm, const char *directory,
                              const struct clip_shape *shape, struct clip_weights *weights) {
    char path[PATH_LIMIT];
    int64_t count, total;
    *weights = (struct clip_weights){0};
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    struct clip_tensor *list = clip_layout(shape, &count, &total);
    enum status status = COMM_ON_ROOT(comm, check(path, list, count));
    if (status == STATUS_OK) {
        shared_open(&weights->shared, comm, total * (int64_t)sizeof(real));
        status = fill(comm, path, list, count, weights);
    }
    mem_free(list);
    if (status != STATUS_OK)
        clip_weights_close(weights);
    return status;
}

void clip_weights_close(struct clip_weights *weights) {
    shared_close(&weights->shared);
    *weights = (struct clip_weights){0};
}
