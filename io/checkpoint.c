#include "io/checkpoint.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5.h"
#include "partition/range.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = PARAM_NAME + 16, GROUPS = 3 };

static const char *const groups[GROUPS] = {"/param", "/optim/m", "/optim/v"};

static real *group_values(const struct params *params, int group) {
    return group == 0 ? params->x : group == 1 ? params->m : params->v;
}

/* Dataset of parameter p in a group, and its rows. */
static void dataset_name(int group, const struct param *p, char name[NAME]) {
    snprintf(name, NAME, "%s/%s", groups[group], p->name);
}

static int64_t file_rows(const struct param *p) {
    return p->ndim == 2 ? p->rows : p->cols;
}

void checkpoint_state_free(struct checkpoint_state *state) {
    mem_free(state->config);
    mem_free(state->dataset_hash);
    *state = (struct checkpoint_state){0};
}

/* ---- writing ---- */

static enum status declare_all(struct h5_writer *writer, const struct params *params) {
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < params->count; i++) {
            const struct param *p = &params->list[i];
            int64_t dim[2] = {file_rows(p), p->cols};
            char name[NAME];
            dataset_name(g, p, name);
            TRY(h5_writer_declare(writer, name, H5_REAL, p->ndim, dim));
        }
    return STATUS_OK;
}

static enum status put_state(struct h5_writer *w, const struct checkpoint_state *s) {
    TRY(h5_writer_put_int(w, "/state", "schema", 1));
    TRY(h5_writer_put_int(w, "/state", "step", s->step));
    TRY(h5_writer_put_int(w, "/state", "epoch", s->epoch));
    TRY(h5_writer_put_int(w, "/state", "cursor", s->cursor));
    TRY(h5_writer_put_int(w, "/state", "best_step", s->best_step));
    TRY(h5_writer_put_int(w, "/state", "best_epoch", s->best_epoch));
    TRY(h5_writer_put_int(w, "/state", "stale", s->stale));
    TRY(h5_writer_put_double(w, "/state", "best_metric", s->best_metric));
    TRY(h5_writer_put_text(w, "/state", "config", s->config));
    return h5_writer_put_text(w, "/state", "dataset_hash", s->dataset_hash);
}

/* The rows that this rank writes: its own of a table that is shared out, a block of one that all
 * have; the rest is rank 0's. */
static struct parts rows_to_write(const struct comm *comm, const struct param *p) {
    struct range block = range_of(p->rows, comm->size, comm->rank);
    if (p->partial)
        return p->here;
    if (p->ndim == 2)
        return (struct parts){{block.lo}, {block.hi}};
    return (struct parts){{0}, {comm->rank == 0 ? file_rows(p) : 0}};
}

static enum status write_tensor(struct h5_writer *writer, const struct param *p, int group,
                                const struct parts *rows, const real *values) {
    int64_t width = p->ndim == 2 ? p->cols : 1;
    char name[NAME];
    dataset_name(group, p, name);
    for (int k = 0; k < PARTS; k++) {
        int64_t at = p->partial ? parts_place(&p->here, rows->lo[k]) : rows->lo[k];
        if (rows->hi[k] > rows->lo[k])
            TRY(h5_writer_write(writer, name, H5_REAL, rows->lo[k], rows->hi[k],
                                values + p->at + at * width));
    }
    return STATUS_OK;
}

static enum status write_share(const struct comm *comm, struct h5_writer *writer,
                               const struct params *params) {
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < params->count; i++) {
            struct parts rows = rows_to_write(comm, &params->list[i]);
            TRY(write_tensor(writer, &params->list[i], g, &rows, group_values(params, g)));
        }
    return STATUS_OK;
}

enum status checkpoint_write(const struct comm *comm, const char *path, const struct params *params,
                             const struct checkpoint_state *state) {
    struct h5_writer writer;
    enum status status;
    TRY(h5_writer_create(&writer, comm, path, H5_PARALLEL));
    TRY_GOTO(status, declare_all(&writer, params), end);
    TRY_GOTO(status, put_state(&writer, state), end);
    TRY_GOTO(status, h5_writer_reserve(&writer), end);
    status = write_share(comm, &writer, params);
end:
    return h5_writer_commit(&writer, status);
}

/* ---- reading ---- */

static enum status check_shapes(const struct h5_file *file, const struct params *params,
                                int group_count) {
    for (int g = 0; g < group_count; g++)
        for (int i = 0; i < params->count; i++) {
            const struct param *p = &params->list[i];
            char name[NAME];
            dataset_name(g, p, name);
            if (!h5_exists(file, name))
                return log_error(STATUS_INPUT,
                                 "%s: no dataset '%s'; the file does not fit the configuration "
                                 "(model, modalities, blocks)",
                                 file->path, name);
            TRY(h5_expect(file, name, H5_FLOAT, p->ndim, file_rows(p), p->ndim == 2 ? p->cols : 1));
        }
    return STATUS_OK;
}

static enum status read_tensor(const struct h5_file *file, const struct param *p, int group,
                               real *values) {
    struct parts all = {{0}, {file_rows(p)}};
    const struct parts *rows = p->partial ? &p->here : &all;
    int64_t width = p->ndim == 2 ? p->cols : 1, at = p->at;
    char name[NAME];
    dataset_name(group, p, name);
    for (int k = 0; k < PARTS; k++) {
        if (rows->hi[k] > rows->lo[k])
            TRY(h5_read(file, name, H5_REAL, rows->lo[k], rows->hi[k], values + at));
        at += (rows->hi[k] - rows->lo[k]) * width;
    }
    return STATUS_OK;
}

static enum status read_values(const struct h5_file *file, const struct params *params,
                               int group_count) {
    for (int g = 0; g < group_count; g++)
        for (int i = 0; i < params->count; i++)
            TRY(read_tensor(file, &params->list[i], g, group_values(params, g)));
    return STATUS_OK;
}

static enum status check_on_root(const struct comm *comm, const char *path,
                                 const struct params *params, int group_count) {
    struct h5_file file;
    enum status status;
    if (comm->rank > 0)
        return comm_agree(comm, STATUS_OK);
    status = h5_open(&file, path);
    if (status == STATUS_OK) {
        status = check_shapes(&file, params, group_count);
        h5_close(&file);
    }
    return comm_agree(comm, status);
}

/* Rank 0 looks at what all hold, every rank at what it alone holds. */
static enum status check_finite(const struct comm *comm, const char *path,
                                const struct params *params) {
    for (int i = 0; i < params->count; i++) {
        const struct param *p = &params->list[i];
        for (int64_t k = 0; (comm->rank == 0 || p->partial) && k < param_size(p); k++)
            if (!isfinite((double)p->tensor.x[k]))
                return log_error(
                    STATUS_INPUT, "%s: /param/%s: element %lld is not finite", path, p->name,
                    (long long)(parts_row(&p->here, k / p->cols) * p->cols + k % p->cols));
    }
    return STATUS_OK;
}

enum status checkpoint_read_params(const struct comm *comm, const char *path, struct params *params,
                                   bool moments) {
    int group_count = moments ? GROUPS : 1;
    struct h5_file file;
    TRY(check_on_root(comm, path, params, group_count));
    enum status status = h5_open(&file, path);
    if (status == STATUS_OK) {
        status = read_values(&file, params, group_count);
        h5_close(&file);
    }
    if (status == STATUS_OK)
        status = check_finite(comm, path, params);
    return comm_agree(comm, status);
}

static enum status get_state(const struct h5_file *f, struct checkpoint_state *s) {
    TRY(h5_get_int(f, "/state", "step", &s->step));
    TRY(h5_get_int(f, "/state", "epoch", &s->epoch));
    TRY(h5_get_int(f, "/state", "cursor", &s->cursor));
    TRY(h5_get_int(f, "/state", "best_step", &s->best_step));
    TRY(h5_get_int(f, "/state", "best_epoch", &s->best_epoch));
    TRY(h5_get_int(f, "/state", "stale", &s->stale));
    TRY(h5_get_double(f, "/state", "best_metric", &s->best_metric));
    TRY(h5_get_text(f, "/state", "config", &s->config));
    return h5_get_text(f, "/state", "dataset_hash", &s->dataset_hash);
}

/* A string of rank 0 to all. */
static void share_text(const struct comm *comm, char **text) {
    int64_t size = *text ? (int64_t)strlen(*text) + 1 : 0;
    comm_bcast(comm, &size, sizeof size);
    if (comm->rank > 0)
        *text = mem_alloc(size, 1);
    comm_bcast(comm, *text, size);
}

enum status checkpoint_read_state(const struct comm *comm, const char *path,
                                  struct checkpoint_state *out) {
    struct checkpoint_state state = {0};
    enum status status = STATUS_OK;
    if (comm->rank == 0) {
        struct h5_file file;
        status = h5_open(&file, path);
        if (status == STATUS_OK) {
            status = get_state(&file, &state);
            h5_close(&file);
        }
    }
    status = comm_agree(comm, status);
    if (status != STATUS_OK) {
        checkpoint_state_free(&state);
        return status;
    }
    char *config = state.config, *hash = state.dataset_hash;
    comm_bcast(comm, &state, sizeof state);
    state.config = config;
    state.dataset_hash = hash;
    share_text(comm, &state.config);
    share_text(comm, &state.dataset_hash);
    *out = state;
    return STATUS_OK;
}

enum status checkpoint_has_state(const struct comm *comm, const char *path, bool *has) {
    struct h5_file file;
    enum status status = STATUS_OK;
    *has = false;
    if (comm->rank == 0 && (status = h5_open(&file, path)) == STATUS_OK) {
        *has = h5_has_attribute(&file, "/state", "config");
        h5_close(&file);
    }
    TRY(comm_agree(comm, status));
    comm_bcast(comm, has, sizeof *has);
    return STATUS_OK;
}

/* ---- names ---- */

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int scan(const char *directory, int64_t **steps) {
    DIR *dir = opendir(directory);
    int count = 0;
    *steps = NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        long long step;
        int end = 0;
        if (sscanf(entry->d_name, "step-%lld.h5%n", &step, &end) != 1 || !end || entry->d_name[end])
            continue;
        *steps = mem_resize(*steps, count + 1, sizeof **steps);
        (*steps)[count++] = step;
    }
    if (dir)
        closedir(dir);
    if (count)
        qsort(*steps, (size_t)count, sizeof **steps, ascending);
    return count;
}

void checkpoint_list(const struct comm *comm, const char *directory, int64_t **steps, int *count) {
    if (comm->rank == 0)
        *count = scan(directory, steps);
    comm_bcast(comm, count, sizeof *count);
    if (comm->rank > 0)
        *steps = *count ? mem_alloc(*count, sizeof **steps) : NULL;
    comm_bcast(comm, *steps, (int64_t)*count * (int64_t)sizeof **steps);
}

char *checkpoint_path(const char *directory, int64_t step) {
    size_t size = strlen(directory) + 40;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s/step-%lld.h5", directory, (long long)step);
    return path;
}
