/* A checkpoint is written by all ranks together. Its checksums come first: each rank adds up those
 * of its rows in memory, so that the state, which stands in attributes and has to be there before
 * the first row, can hold them all. Then everything is declared and each rank writes its rows.
 * Reading is apart from verifying: checkpoint_verify has every rank compare a share of the rows
 * with the checksums; a read checks names and shapes on rank 0 before it takes anything. The
 * sections are: checksums, writing, verifying, reading, and the names of the files in their
 * directory. */
#include "io/checkpoint.h"
#include "core/fault.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "io/h5_sum.h"
#include "io/h5_writer.h"
#include "partition/range.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = PARAM_NAME + 16, GROUPS = 4, SCHEMA = 8, BLOCK = 1 << 22 };
/* Schemas that brought them, and the one without the averages that came with RATE. */
enum { CHECKSUMS = 2, ITEMS = 3, RATE = 4, BESTS = 5, REPEATS = 6, TIMES = 7, PLAIN = 8 };

static const char *const groups[GROUPS] = {"/param", "/optim/m", "/optim/v", "/optim/x"};

/* The blocks whose tensors a group has; NULL: the file has none of them, or they are not taken. */
struct blocks {
    real *of[GROUPS];
};

/* Parameters that no step made have no moments. */
static struct blocks all_blocks(const struct params *p) {
    return (struct blocks){{p->x, p->m, p->v, NULL}};
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
    mem_free(state->items_hash);
    *state = (struct checkpoint_state){0};
}

void checkpoint_choice_free(struct checkpoint_choice *choice) {
    for (int d = 0; d < DOMAINS; d++)
        mem_free(choice->file[d]);
    *choice = (struct checkpoint_choice){0};
}

/* ---- checksums ---- */

/* The tensors of a file by the names of their datasets. */
struct listing {
    int64_t count;
    char (*name)[NAME];
    uint64_t *sum; /* checksums */
};

static void listing_free(struct listing *l) {
    mem_free(l->name);
    mem_free(l->sum);
    *l = (struct listing){0};
}

static uint64_t text_hash(const struct checkpoint_state *s, int64_t schema) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    fprintf(file, "%lld %lld %lld %lld %lld %lld %a\n%s\n%s", (long long)s->step,
            (long long)s->epoch, (long long)s->cursor, (long long)s->best[0].step,
            (long long)s->best[0].epoch, (long long)s->stale, s->best[0].metric, s->config,
            s->dataset_hash);
    if (schema >= ITEMS)
        fprintf(file, "\n%s %lld %lld", s->items_hash, (long long)s->domain_items[0],
                (long long)s->domain_items[1]);
    if (schema >= RATE)
        fprintf(file, " %lld %lld", (long long)s->plateau.reductions, (long long)s->plateau.waited);
    if (schema >= RATE && schema < PLAIN)
        fprintf(file, " %lld", (long long)s->averaged);
    if (schema >= BESTS)
        fprintf(file, " %lld %lld %a", (long long)s->best[1].step, (long long)s->best[1].epoch,
                s->best[1].metric);
    for (int d = 0; d < DOMAINS && schema >= REPEATS; d++)
        fprintf(file, " %lld %lld", (long long)s->repeats.targets[d],
                (long long)s->repeats.repeated[d]);
    for (int k = 0; k < s->clock.knots && schema >= TIMES; k++)
        fprintf(file, " %lld", (long long)s->clock.at[k]);
    fclose(file);
    uint64_t hash = rng_hash(text);
    free(text);
    return hash;
}

/* The checksum of /state; the order of the tensors does not matter. */
static uint64_t state_hash(const struct checkpoint_state *state, int64_t schema,
                           const struct listing *tensors) {
    uint64_t hash = text_hash(state, schema);
    for (int64_t k = 0; k < tensors->count; k++)
        hash += rng_bits(tensors->sum[k], rng_hash(tensors->name[k]));
    return hash;
}

/* ---- writing ---- */

static enum status declare_all(struct h5_writer *writer, const struct params *params,
                               const struct blocks *blocks) {
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; blocks->of[g] && i < params->count; i++) {
            const struct param *p = &params->list[i];
            int64_t dim[2] = {file_rows(p), p->cols};
            char name[NAME];
            dataset_name(g, p, name);
            TRY(h5_writer_declare(writer, name, H5_REAL, p->ndim, dim));
        }
    return STATUS_OK;
}

/* Attributes of the best evaluation of either domain. */
static const struct best_names {
    const char *step, *epoch, *metric;
} best_names[DOMAINS] = {{"best_step", "best_epoch", "best_metric"},
                         {"best_step_b", "best_epoch_b", "best_metric_b"}};

static enum status put_best(struct h5_writer *w, const struct checkpoint_best *best,
                            const struct best_names *name) {
    TRY(h5_writer_put_int(w, "/state", name->step, best->step));
    TRY(h5_writer_put_int(w, "/state", name->epoch, best->epoch));
    return h5_writer_put_double(w, "/state", name->metric, best->metric);
}

/* Attributes of the targets of a domain and of those that repeat. */
static const char *const repeats_names[DOMAINS][2] = {{"targets_a", "repeated_a"},
                                                      {"targets_b", "repeated_b"}};

/* The knots of a clock as text, with blanks between them. */
enum { CLOCK_TEXT = CLOCK_KNOTS * 21 + 1 };

static void clock_write(const struct clock *clock, char text[CLOCK_TEXT]) {
    int n = 0;
    text[0] = '\0';
    for (int k = 0; k < clock->knots; k++)
        n += snprintf(text + n, (size_t)(CLOCK_TEXT - n), k ? " %lld" : "%lld",
                      (long long)clock->at[k]);
}

/* False for a text that is none. */
static bool clock_read(const char *text, struct clock *clock) {
    *clock = (struct clock){0};
    while (*text) {
        char *end;
        long long at = strtoll(text, &end, 10);
        bool later = clock->knots == 0 || at > clock->at[clock->knots - 1];
        if (end == text || !later || clock->knots == CLOCK_KNOTS)
            return false;
        clock->at[clock->knots++] = at;
        text = end;
    }
    return true;
}

static enum status put_state(struct h5_writer *w, const struct checkpoint_state *s,
                             const struct listing *tensors) {
    char clock[CLOCK_TEXT];
    clock_write(&s->clock, clock);
    TRY(h5_writer_put_int(w, "/state", "schema", SCHEMA));
    TRY(h5_writer_put_fixed_text(w, "/state", "clock", clock));
    TRY(h5_writer_put_int(w, "/state", "step", s->step));
    TRY(h5_writer_put_int(w, "/state", "epoch", s->epoch));
    TRY(h5_writer_put_int(w, "/state", "cursor", s->cursor));
    for (int d = 0; d < DOMAINS; d++)
        TRY(put_best(w, &s->best[d], &best_names[d]));
    TRY(h5_writer_put_int(w, "/state", "stale", s->stale));
    TRY(h5_writer_put_fixed_text(w, "/state", "config", s->config));
    TRY(h5_writer_put_fixed_text(w, "/state", "dataset_hash", s->dataset_hash));
    TRY(h5_writer_put_fixed_text(w, "/state", "items_hash", s->items_hash));
    TRY(h5_writer_put_int(w, "/state", "items_a", s->domain_items[0]));
    TRY(h5_writer_put_int(w, "/state", "items_b", s->domain_items[1]));
    TRY(h5_writer_put_int(w, "/state", "lr_reductions", s->plateau.reductions));
    TRY(h5_writer_put_int(w, "/state", "lr_waited", s->plateau.waited));
    for (int d = 0; d < DOMAINS; d++) {
        TRY(h5_writer_put_int(w, "/state", repeats_names[d][0], s->repeats.targets[d]));
        TRY(h5_writer_put_int(w, "/state", repeats_names[d][1], s->repeats.repeated[d]));
    }
    for (int64_t k = 0; k < tensors->count; k++)
        TRY(h5_writer_put_int(w, tensors->name[k], "checksum", (int64_t)tensors->sum[k]));
    return h5_writer_put_int(w, "/state", "checksum", (int64_t)state_hash(s, SCHEMA, tensors));
}

/* The rows that this rank writes: its own of a table that is shared out, a block of one that all
 * have; the rest is rank 0's. */
static struct item_block rows_to_write(const struct comm *comm, const struct param *p) {
    struct range block = range_of(p->rows, comm->size, comm->rank);
    if (p->partial)
        return p->local;
    if (p->ndim == 2)
        return (struct item_block){{block.lo}, {block.hi}};
    return (struct item_block){{0}, {comm->rank == 0 ? file_rows(p) : 0}};
}

/* Numbers in a row of the file. */
static int64_t file_width(const struct param *p) {
    return p->ndim == 2 ? p->cols : 1;
}

/* Where part k of the rows to write stands in memory. */
static const real *share(const struct param *p, const struct item_block *rows, int k,
                         const real *values) {
    int64_t at = p->partial ? item_block_index(&p->local, rows->lo[k]) : rows->lo[k];
    return values + p->at + at * file_width(p);
}

/* Adds up over the ranks to the tensor's checksum. *bad: the first element that is not finite, -1:
 * none. */
static uint64_t hash_share(const struct param *p, const struct item_block *rows, const real *values,
                           int64_t *bad) {
    int64_t width = file_width(p);
    uint64_t hash = 0;
    *bad = -1;
    for (int k = 0; k < DOMAINS; k++) {
        int64_t n = (rows->hi[k] - rows->lo[k]) * width, first = rows->lo[k] * width;
        if (n == 0)
            continue;
        const real *x = share(p, rows, k, values);
        hash += hash_elements(x, sizeof *x, n, first);
        int64_t at = *bad < 0 ? first_not_finite(x, n) : -1;
        *bad = at < 0 ? *bad : first + at;
    }
    return hash;
}

/* The last tensor of the list. */
static enum status refuse(const struct comm *comm, const char *path, int64_t step, int64_t bad,
                          const struct listing *tensors) {
    return log_error(STATUS_FAIL,
                     "step %lld, rank %d: %s: element %lld is not finite; %s is not written; lower "
                     "train.lr or check the feature tables",
                     (long long)step, comm->rank, tensors->name[tensors->count - 1], (long long)bad,
                     path);
}

/* This rank's share of the checksums. */
static enum status sum_shares(const struct comm *comm, const char *path,
                              const struct params *params, const struct blocks *blocks,
                              int64_t step, struct listing *tensors) {
    enum status status = STATUS_OK;
    int64_t bad;
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; blocks->of[g] && i < params->count; i++) {
            const struct param *p = &params->list[i];
            struct item_block rows = rows_to_write(comm, p);
            dataset_name(g, p, tensors->name[tensors->count]);
            tensors->sum[tensors->count++] = hash_share(p, &rows, blocks->of[g], &bad);
            if (status == STATUS_OK && bad >= 0)
                status = refuse(comm, path, step, bad, tensors);
        }
    return status;
}

/* The tables of the keys behind the tensors. */
static void sum_keys(const struct item_keys *keys, struct listing *tensors) {
    for (int k = 0; k < ITEM_KEY_TABLES; k++)
        snprintf(tensors->name[tensors->count + k], NAME, "%s", item_key_tables[k]);
    item_keys_hash(keys, &tensors->sum[tensors->count]);
    tensors->count += ITEM_KEY_TABLES;
}

static enum status write_tensor(struct h5_writer *writer, const struct param *p, int group,
                                const struct item_block *rows, const real *values) {
    char name[NAME];
    dataset_name(group, p, name);
    for (int k = 0; k < DOMAINS; k++)
        if (rows->hi[k] > rows->lo[k])
            TRY(h5_writer_write(writer, name, H5_REAL, rows->lo[k], rows->hi[k],
                                share(p, rows, k, values)));
    return STATUS_OK;
}

static enum status write_share(const struct comm *comm, struct h5_writer *writer,
                               const struct params *params, const struct blocks *blocks) {
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; blocks->of[g] && i < params->count; i++) {
            struct item_block rows = rows_to_write(comm, &params->list[i]);
            TRY(write_tensor(writer, &params->list[i], g, &rows, blocks->of[g]));
        }
        fault_point("write");
    }
    return STATUS_OK;
}

static enum status write_all(const struct comm *comm, const char *path, const struct params *params,
                             const struct blocks *blocks, const struct item_keys *keys,
                             const struct checkpoint_state *state, const struct listing *tensors) {
    struct h5_writer writer;
    enum status status;
    TRY(h5_writer_create(&writer, comm, path, H5_PARALLEL));
    TRY_GOTO(status, declare_all(&writer, params, blocks), end);
    TRY_GOTO(status, item_keys_declare(&writer, keys), end);
    TRY_GOTO(status, put_state(&writer, state, tensors), end);
    TRY_GOTO(status, h5_writer_reserve(&writer), end);
    TRY_GOTO(status, write_share(comm, &writer, params, blocks), end);
    status = item_keys_write(&writer, keys);
end:
    return h5_writer_commit(&writer, status);
}

enum status checkpoint_write(const struct comm *comm, const char *path, const struct params *params,
                             const struct item_keys *keys, const struct checkpoint_state *state) {
    int64_t room = (int64_t)GROUPS * params->count + ITEM_KEY_TABLES;
    struct listing tensors = {.name = mem_zero(room, NAME),
                              .sum = mem_zero(room, sizeof *tensors.sum)};
    struct blocks blocks = all_blocks(params);
    enum status status = sum_shares(comm, path, params, &blocks, state->step, &tensors);
    if (item_keys_count(keys) > 0)
        sum_keys(keys, &tensors);
    comm_sum_u64(comm, tensors.sum, tensors.count);
    status = comm_agree(comm, status);
    if (status == STATUS_OK)
        status = write_all(comm, path, params, &blocks, keys, state, &tensors);
    listing_free(&tensors);
    return status;
}

uint64_t checkpoint_params_hash(const struct comm *comm, const struct params *params) {
    uint64_t *sum = mem_alloc(params->count, sizeof *sum), hash = 0;
    int64_t bad;
    for (int i = 0; i < params->count; i++) {
        struct item_block rows = rows_to_write(comm, &params->list[i]);
        sum[i] = hash_share(&params->list[i], &rows, params->x, &bad);
    }
    comm_sum_u64(comm, sum, params->count);
    for (int i = 0; i < params->count; i++)
        hash += rng_bits(sum[i], rng_hash(params->list[i].name));
    mem_free(sum);
    return hash;
}

/* ---- verifying ---- */

/* A file of an earlier schema does not say which items its rows are of. */
static enum status get_items(const struct h5_file *f, struct checkpoint_state *s) {
    TRY(h5_get_text(f, "/state", "items_hash", &s->items_hash));
    TRY(h5_get_int(f, "/state", "items_a", &s->domain_items[0]));
    return h5_get_int(f, "/state", "items_b", &s->domain_items[1]);
}

/* Files of an earlier schema are of runs with a constant rate. */
static enum status get_rate(const struct h5_file *f, int64_t schema, struct checkpoint_state *s) {
    TRY(h5_get_int(f, "/state", "lr_reductions", &s->plateau.reductions));
    TRY(h5_get_int(f, "/state", "lr_waited", &s->plateau.waited));
    return schema < PLAIN ? h5_get_int(f, "/state", "averaged", &s->averaged) : STATUS_OK;
}

static enum status get_best(const struct h5_file *f, const struct best_names *name,
                            struct checkpoint_best *best) {
    TRY(h5_get_int(f, "/state", name->step, &best->step));
    TRY(h5_get_int(f, "/state", name->epoch, &best->epoch));
    return h5_get_double(f, "/state", name->metric, &best->metric);
}

static enum status get_repeats(const struct h5_file *f, struct repeats *repeats) {
    for (int d = 0; d < DOMAINS; d++) {
        TRY(h5_get_int(f, "/state", repeats_names[d][0], &repeats->targets[d]));
        TRY(h5_get_int(f, "/state", repeats_names[d][1], &repeats->repeated[d]));
    }
    return STATUS_OK;
}

static enum status get_clock(const struct h5_file *f, struct clock *clock) {
    char *text;
    TRY(h5_get_text(f, "/state", "clock", &text));
    bool good = clock_read(text, clock);
    mem_free(text);
    return good ? STATUS_OK
                : log_error(STATUS_INPUT, "%s: /state: clock is not a list of ascending times",
                            f->path);
}

static enum status get_state(const struct h5_file *f, int64_t schema, struct checkpoint_state *s) {
    TRY(h5_get_int(f, "/state", "step", &s->step));
    TRY(h5_get_int(f, "/state", "epoch", &s->epoch));
    TRY(h5_get_int(f, "/state", "cursor", &s->cursor));
    for (int d = 0; d < DOMAINS; d++)
        TRY(get_best(f, &best_names[schema >= BESTS ? d : 0], &s->best[d]));
    TRY(h5_get_int(f, "/state", "stale", &s->stale));
    TRY(h5_get_text(f, "/state", "config", &s->config));
    TRY(h5_get_text(f, "/state", "dataset_hash", &s->dataset_hash));
    if (schema >= REPEATS)
        TRY(get_repeats(f, &s->repeats));
    if (schema >= TIMES)
        TRY(get_clock(f, &s->clock));
    if (schema >= RATE)
        TRY(get_rate(f, schema, s));
    if (schema >= ITEMS)
        return get_items(f, s);
    s->items_hash = mem_string("");
    return STATUS_OK;
}

static enum status damaged(const char *path, const char *name) {
    return log_error(STATUS_INPUT,
                     "%s: %s: does not have its checksum: the file was damaged; copy it again or "
                     "name another",
                     path, name);
}

static enum status list_group(const struct h5_file *file, const char *group,
                              struct listing *tensors) {
    struct h5_strings names;
    enum status status = STATUS_OK;
    TRY(h5_members(file, group, &names));
    int64_t count = tensors->count + names.count;
    tensors->name = mem_resize(tensors->name, count, sizeof *tensors->name);
    tensors->sum = mem_resize(tensors->sum, count, sizeof *tensors->sum);
    for (int64_t i = 0; status == STATUS_OK && i < names.count; i++) {
        char *name = tensors->name[tensors->count];
        if (snprintf(name, NAME, "%s/%s", group, names.text[i]) >= NAME)
            status = damaged(file->path, group);
        else
            status = h5_get_int(file, name, "checksum", (int64_t *)&tensors->sum[tensors->count++]);
    }
    h5_strings_free(&names);
    return status;
}

/* The state and, where the file has checksums, its tensors: they are what was written. */
static enum status get_whole_state(const struct h5_file *file, struct checkpoint_state *state,
                                   struct listing *tensors) {
    int64_t schema = 0, sum = 0;
    if (!h5_exists(file, "/state"))
        return log_error(STATUS_INPUT, "%s: has no /state: it is no checkpoint, or damaged",
                         file->path);
    TRY(h5_get_int(file, "/state", "schema", &schema));
    TRY(get_state(file, schema, state));
    if (schema < CHECKSUMS)
        return STATUS_OK;
    TRY(h5_get_int(file, "/state", "checksum", &sum));
    for (int g = 0; g < GROUPS; g++)
        TRY(list_group(file, groups[g], tensors));
    if (schema >= ITEMS)
        TRY(list_group(file, "/items", tensors));
    return (uint64_t)sum == state_hash(state, schema, tensors) ? STATUS_OK
                                                               : damaged(file->path, "/state");
}

static enum status list_tensors(const char *path, struct listing *tensors) {
    struct checkpoint_state state = {0};
    struct h5_file file;
    enum status status = STATUS_OK;
    TRY(h5_open(&file, path));
    bool of_others = !h5_exists(&file, "/state") && h5_exists(&file, "/param");
    if (!of_others && get_whole_state(&file, &state, tensors) != STATUS_OK)
        status = STATUS_INPUT; /* it opens, so it is damaged */
    h5_close(&file);
    checkpoint_state_free(&state);
    return status;
}

/* Rank 0's list on all ranks. */
static enum status share_tensors(const struct comm *comm, const char *path,
                                 struct listing *tensors) {
    TRY(COMM_ON_ROOT(comm, list_tensors(path, tensors)));
    comm_bcast(comm, &tensors->count, sizeof tensors->count);
    if (comm->rank > 0) {
        tensors->name = mem_alloc(tensors->count, sizeof *tensors->name);
        tensors->sum = mem_alloc(tensors->count, sizeof *tensors->sum);
    }
    comm_bcast(comm, tensors->name, tensors->count * (int64_t)sizeof *tensors->name);
    comm_bcast(comm, tensors->sum, tensors->count * (int64_t)sizeof *tensors->sum);
    return STATUS_OK;
}

/* The hash of this rank's share of the rows in the file, as they are stored. */
static enum status hash_stored(const struct comm *comm, const struct h5_file *file,
                               const char *name, uint64_t *hash) {
    struct h5_extent e;
    TRY(h5_extent(file, name, &e));
    struct range mine = range_of(e.rows, comm->size, comm->rank);
    return h5_sum_rows(file, name, mine.lo, mine.hi, hash);
}

static enum status hash_all_stored(const struct comm *comm, const char *path,
                                   const struct listing *tensors, uint64_t *hash) {
    struct h5_file file;
    enum status status = h5_open(&file, path);
    if (status != STATUS_OK)
        return status;
    for (int64_t k = 0; status == STATUS_OK && k < tensors->count; k++)
        status = hash_stored(comm, &file, tensors->name[k], &hash[k]);
    h5_close(&file);
    return status == STATUS_OK ? STATUS_OK : STATUS_INPUT;
}

static enum status verify_tensors(const struct comm *comm, const char *path,
                                  const struct listing *tensors) {
    uint64_t *hash = mem_zero(tensors->count, sizeof *hash);
    enum status status = comm_agree(comm, hash_all_stored(comm, path, tensors, hash));
    if (status == STATUS_OK)
        comm_sum_u64(comm, hash, tensors->count);
    for (int64_t k = 0; status == STATUS_OK && k < tensors->count; k++)
        if (hash[k] != tensors->sum[k])
            status = COMM_ON_ROOT(comm, damaged(path, tensors->name[k]));
    mem_free(hash);
    return status;
}

enum status checkpoint_verify(const struct comm *comm, const char *path) {
    struct listing tensors = {0};
    enum status status = share_tensors(comm, path, &tensors);
    if (status == STATUS_OK)
        status = verify_tensors(comm, path, &tensors);
    listing_free(&tensors);
    return status;
}

/* ---- reading ---- */

/* Dataset of parameter p in a group of a file. Files of earlier versions call the streams of the
 * encoders x, y and xy. */
static void stored_name(const struct h5_file *file, int group, const struct param *p,
                        char name[NAME]) {
    static const char *const streams[][2] = {
        {"enc.a.", "x"}, {"enc.b.", "y"}, {"enc.mixed.", "xy"}};
    dataset_name(group, p, name);
    for (size_t s = 0; s < sizeof streams / sizeof *streams && !h5_exists(file, name); s++) {
        size_t n = strlen(streams[s][0]);
        if (!strncmp(p->name, streams[s][0], n))
            snprintf(name, NAME, "%s/enc.%s.%s", groups[group], streams[s][1], p->name + n);
    }
}

/* What is read, and how. */
struct reading {
    const struct h5_file *file;
    const struct item_map *map;
    const struct params *params;
    bool moments; /* all that training goes on with */
};

static struct blocks blocks_to_read(const struct reading *r) {
    const struct params *p = r->params;
    if (!r->moments)
        return (struct blocks){{p->x}};
    return h5_exists(r->file, "/optim/x") ? (struct blocks){{NULL, p->m, p->v, p->x}} : all_blocks(p);
}

static bool is_mapped(const struct reading *r, const struct param *p) {
    return r->map && p->of_items;
}

static enum status check_shapes(const struct reading *r) {
    const struct h5_file *file = r->file;
    const struct blocks blocks = blocks_to_read(r);
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; blocks.of[g] && i < r->params->count; i++) {
            const struct param *p = &r->params->list[i];
            int64_t rows = is_mapped(r, p) ? r->map->items : file_rows(p);
            char name[NAME];
            stored_name(file, g, p, name);
            if (!h5_exists(file, name))
                return log_error(STATUS_INPUT,
                                 "%s: no dataset '%s'; the file does not fit the configuration "
                                 "(model, modalities, blocks)",
                                 file->path, name);
            TRY(h5_expect(file, name, H5_FLOAT, p->ndim, rows, file_width(p)));
        }
    return STATUS_OK;
}

static enum status read_tensor(const struct h5_file *file, const struct param *p, int group,
                               real *values) {
    struct item_block all = {{0}, {file_rows(p)}};
    const struct item_block *rows = p->partial ? &p->local : &all;
    int64_t width = file_width(p), at = p->at;
    char name[NAME];
    stored_name(file, group, p, name);
    for (int k = 0; k < DOMAINS; k++) {
        if (rows->hi[k] > rows->lo[k])
            TRY(h5_read(file, name, H5_REAL, rows->lo[k], rows->hi[k], values + at));
        at += (rows->hi[k] - rows->lo[k]) * width;
    }
    return STATUS_OK;
}

/* Is one of the file's rows [lo, hi) a row that is here? */
static bool any_here(const struct item_map *map, const struct param *p, int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++)
        if (item_block_index(&p->local, map->to[i]) >= 0)
            return true;
    return false;
}

/* Block by block, those without a row that is here left out. */
static enum status read_mapped(const struct reading *r, const struct param *p, int group,
                               real *values) {
    int64_t width = file_width(p), rows = width < BLOCK ? BLOCK / width : 1;
    real *block = mem_alloc(rows * width, sizeof *block);
    enum status status = STATUS_OK;
    char name[NAME];
    stored_name(r->file, group, p, name);
    for (int64_t lo = 0; lo < r->map->items && status == STATUS_OK; lo += rows) {
        int64_t hi = lo + rows < r->map->items ? lo + rows : r->map->items;
        if (!any_here(r->map, p, lo, hi))
            continue;
        status = h5_read(r->file, name, H5_REAL, lo, hi, block);
        for (int64_t i = lo; i < hi && status == STATUS_OK; i++) {
            int64_t place = item_block_index(&p->local, r->map->to[i]);
            if (place >= 0)
                memcpy(values + p->at + place * width, block + (i - lo) * width,
                       (size_t)width * sizeof *block);
        }
    }
    mem_free(block);
    return status;
}

static enum status read_values(const struct reading *r) {
    const struct blocks blocks = blocks_to_read(r);
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; blocks.of[g] && i < r->params->count; i++) {
            const struct param *p = &r->params->list[i];
            TRY(is_mapped(r, p) ? read_mapped(r, p, g, blocks.of[g])
                                : read_tensor(r->file, p, g, blocks.of[g]));
        }
    return STATUS_OK;
}

static enum status check_file(const char *path, const struct reading *reading) {
    struct reading r = *reading;
    struct h5_file file;
    TRY(h5_open(&file, path));
    r.file = &file;
    enum status status = check_shapes(&r);
    h5_close(&file);
    return status;
}

/* Rank 0 looks at what all hold, every rank at what it alone holds. */
static enum status check_finite(const struct comm *comm, const char *path,
                                const struct params *params) {
    for (int i = 0; i < params->count; i++) {
        const struct param *p = &params->list[i];
        int64_t k =
            comm->rank == 0 || p->partial ? first_not_finite(p->tensor.x, param_size(p)) : -1;
        if (k >= 0)
            return log_error(
                STATUS_INPUT, "%s: /param/%s: element %lld is not finite", path, p->name,
                (long long)(item_block_item(&p->local, k / p->cols) * p->cols + k % p->cols));
    }
    return STATUS_OK;
}

enum status checkpoint_read_params(const struct comm *comm, const char *path,
                                   const struct item_map *map, struct params *params,
                                   bool moments) {
    struct h5_file file;
    struct reading reading = {&file, map, params, moments};
    TRY(COMM_ON_ROOT(comm, check_file(path, &reading))); /* so that a fault is said once */
    enum status status = h5_open(&file, path);
    if (status == STATUS_OK) {
        status = read_values(&reading);
        h5_close(&file);
    }
    if (status == STATUS_OK)
        status = check_finite(comm, path, params);
    return comm_agree(comm, status);
}

/* A string of rank 0 to all. */
static void share_text(const struct comm *comm, char **text) {
    int64_t size = *text ? (int64_t)strlen(*text) + 1 : 0;
    comm_bcast(comm, &size, sizeof size);
    if (comm->rank > 0)
        *text = mem_alloc(size, 1);
    comm_bcast(comm, *text, size);
}

static enum status read_state(const char *path, struct checkpoint_state *state) {
    struct listing tensors = {0};
    struct h5_file file;
    TRY(h5_open(&file, path));
    enum status status = get_whole_state(&file, state, &tensors);
    h5_close(&file);
    listing_free(&tensors);
    return status;
}

enum status checkpoint_read_state(const struct comm *comm, const char *path,
                                  struct checkpoint_state *out) {
    struct checkpoint_state state = {0};
    enum status status = COMM_ON_ROOT(comm, read_state(path, &state));
    if (status != STATUS_OK) {
        checkpoint_state_free(&state);
        return status;
    }
    char *config = state.config, *data = state.dataset_hash, *items = state.items_hash;
    comm_bcast(comm, &state, sizeof state);
    state.config = config;
    state.dataset_hash = data;
    state.items_hash = items;
    share_text(comm, &state.config);
    share_text(comm, &state.dataset_hash);
    share_text(comm, &state.items_hash);
    *out = state;
    return STATUS_OK;
}

static enum status has_state(const char *path, bool *has) {
    struct h5_file file;
    TRY(h5_open(&file, path));
    *has = h5_has_attribute(&file, "/state", "config");
    h5_close(&file);
    return STATUS_OK;
}

enum status checkpoint_has_state(const struct comm *comm, const char *path, bool *has) {
    *has = false;
    TRY(COMM_ON_ROOT(comm, has_state(path, has)));
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

static enum status newest_of(const struct comm *comm, const char *directory, const int64_t *steps,
                             int count, char **path) {
    while (count-- > 0) {
        *path = checkpoint_path(directory, steps[count]);
        log_hold();
        enum status status = checkpoint_verify(comm, *path);
        const char *why = log_release();
        if (status == STATUS_OK)
            return STATUS_OK;
        if (status == STATUS_INPUT)
            log_warn("%s; the checkpoint before it counts",
                     why[0] ? why : "a rank cannot read the newest checkpoint");
        else if (why[0])
            (void)log_error(status, "%s", why);
        mem_free(*path);
        *path = NULL;
        if (status != STATUS_INPUT)
            return status;
    }
    return comm_error(comm, STATUS_INPUT,
                      "%s: no checkpoint is whole; name another run, or start this one "
                      "anew with --overwrite",
                      directory);
}

enum status checkpoint_newest_whole(const struct comm *comm, const char *directory, char **path) {
    int64_t *steps;
    int count;
    *path = NULL;
    checkpoint_list(comm, directory, &steps, &count);
    enum status status = count ? newest_of(comm, directory, steps, count, path) : STATUS_OK;
    mem_free(steps);
    return status;
}

static enum status set_aside(const char *path) {
    size_t size = strlen(path) + 16;
    enum status status = STATUS_OK;
    char *aside = mem_alloc((int64_t)size, 1);
    snprintf(aside, size, "%s.damaged", path);
    if (rename(path, aside))
        status = log_error(STATUS_IO, "%s: cannot be renamed: %s", path, strerror(errno));
    else
        log_info("%s is now %s", path, aside);
    mem_free(aside);
    return status;
}

static enum status set_aside_after(const char *directory, int64_t step) {
    int64_t *steps;
    int count = scan(directory, &steps);
    enum status status = STATUS_OK;
    for (int i = 0; i < count && status == STATUS_OK; i++)
        if (steps[i] > step) {
            char *path = checkpoint_path(directory, steps[i]);
            status = set_aside(path);
            mem_free(path);
        }
    mem_free(steps);
    return status;
}

enum status checkpoint_set_aside(const struct comm *comm, const char *directory, int64_t step) {
    return COMM_ON_ROOT(comm, set_aside_after(directory, step));
}
