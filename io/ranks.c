#include "io/ranks.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_writer.h"
#include "io/protocol.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 4096, NAME = 64 };

static const char *const kind_names[RANKS_KINDS] = {"full", "sampled"};

void ranks_free(struct ranks *ranks) {
    mem_free(ranks->target);
    mem_free(ranks->domain);
    for (int k = 0; k < RANKS_KINDS; k++)
        mem_free(ranks->rank[k]);
    mem_free(ranks->user);
    *ranks = (struct ranks){0};
}

/* "/SPLIT/MEMBER" */
static void set_name(char name[NAME], int split, const char *member) {
    snprintf(name, NAME, "/%s/%s", split_names[split], member);
}

/* ---- writing: rank 0's part ---- */

static enum status write_users(struct h5_writer *w, const struct h5_file *data, enum split split,
                               int64_t count) {
    char from[64], to[NAME];
    sequences_name(from, split, "user");
    set_name(to, split, "user");
    if (!h5_exists(data, from))
        return STATUS_OK;
    TRY(h5_writer_declare(w, to, H5_TEXT, 1, &count));
    for (int64_t lo = 0; lo < count; lo += BLOCK) {
        int64_t hi = lo + BLOCK < count ? lo + BLOCK : count;
        struct h5_strings users;
        TRY(h5_read_strings(data, from, lo, hi, &users));
        enum status status =
            h5_writer_write_strings(w, to, lo, hi, (const char *const *)users.text);
        h5_strings_free(&users);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status write_split(struct h5_writer *w, const struct dataset *dataset, int split,
                               const struct ranks *r) {
    char name[NAME];
    TRY(write_users(w, &dataset->file, split, r->count));
    set_name(name, split, "target");
    TRY(h5_writer_declare(w, name, H5_I32, 1, &r->count));
    TRY(h5_writer_write(w, name, H5_I32, 0, r->count, r->target));
    set_name(name, split, "domain");
    TRY(h5_writer_declare(w, name, H5_U8, 1, &r->count));
    TRY(h5_writer_write(w, name, H5_U8, 0, r->count, r->domain));
    for (int k = 0; k < RANKS_KINDS; k++) {
        if (!r->rank[k])
            continue;
        set_name(name, split, kind_names[k]);
        TRY(h5_writer_declare(w, name, H5_F64, 1, &r->count));
        TRY(h5_writer_put_text(w, name, "history", protocol_history(r->excluded)));
        TRY(h5_writer_write(w, name, H5_F64, 0, r->count, r->rank[k]));
    }
    return STATUS_OK;
}

static enum status fill(struct h5_writer *w, const struct dataset *dataset,
                        const struct config *config, int runs, bool per_domain,
                        const struct ranks *split) {
    TRY(h5_writer_put_int(w, "/", "schema", 1));
    TRY(h5_writer_put_text(w, "/", "dataset", dataset->name));
    TRY(h5_writer_put_text(w, "/", "dataset_hash", dataset->content_hash));
    TRY(h5_writer_put_int(w, "/", "sampled_negatives", config->eval.sampled_negatives));
    if (per_domain)
        TRY(h5_writer_put_text(w, "/", "epochs", PROTOCOL_PER_DOMAIN));
    if (runs > 1)
        TRY(h5_writer_put_int(w, "/", "runs", runs));
    for (int s = 0; s < SPLITS; s++)
        if (split[s].count > 0)
            TRY(write_split(w, dataset, s, &split[s]));
    return STATUS_OK;
}

enum status ranks_write(const struct comm *comm, const char *path, const struct dataset *dataset,
                        const struct config *config, int runs, bool per_domain,
                        const struct ranks *split) {
    struct h5_writer writer;
    TRY(h5_writer_create(&writer, comm, path, H5_SERIAL));
    return h5_writer_commit(&writer, comm->rank == 0
                                         ? fill(&writer, dataset, config, runs, per_domain, split)
                                         : STATUS_OK);
}

/* ---- reading ---- */

static enum status check_file(const struct h5_file *f, const char *dataset_hash, bool several) {
    char *hash;
    int64_t schema;
    TRY(h5_get_int(f, "/", "schema", &schema));
    if (schema != 1)
        return log_error(STATUS_INPUT, "%s: schema %lld is not 1: not a file of ranks", f->path,
                         (long long)schema);
    if (h5_has_attribute(f, "/", "runs") != several)
        return log_error(STATUS_INPUT, "%s: has the ranks of %s", f->path,
                         several ? "one run, not those of several together"
                                 : "several runs together, not those of the run");
    TRY(h5_get_text(f, "/", "dataset_hash", &hash));
    bool same = !strcmp(hash, dataset_hash);
    mem_free(hash);
    return same ? STATUS_OK
                : log_error(STATUS_INPUT, "%s: has the ranks of another data set than the run",
                            f->path);
}

static enum status read_users(const struct h5_file *f, int split, struct ranks *r) {
    char name[NAME];
    struct h5_strings users;
    struct string_map map = {0};
    set_name(name, split, "user");
    r->user = mem_alloc(r->count, sizeof *r->user);
    r->users = r->count;
    for (int64_t i = 0; i < r->count; i++)
        r->user[i] = i;
    if (!h5_exists(f, name))
        return STATUS_OK;
    TRY(h5_expect(f, name, H5_STRING, 1, r->count, 1));
    TRY(h5_read_strings(f, name, 0, r->count, &users));
    for (int64_t i = 0; i < r->count; i++)
        r->user[i] = string_map_add(&map, users.text[i], NULL);
    r->users = map.list.count;
    string_map_free(&map);
    h5_strings_free(&users);
    return STATUS_OK;
}

static enum status read_kind(const struct h5_file *f, int split, int kind, struct ranks *r) {
    char name[NAME], *history;
    set_name(name, split, kind_names[kind]);
    if (!h5_exists(f, name))
        return STATUS_OK;
    TRY(h5_expect(f, name, H5_FLOAT, 1, r->count, 1));
    TRY(h5_get_text(f, name, "history", &history));
    r->excluded = !strcmp(history, protocol_history(true));
    mem_free(history);
    r->rank[kind] = mem_alloc(r->count, sizeof *r->rank[kind]);
    TRY(h5_read(f, name, H5_F64, 0, r->count, r->rank[kind]));
    for (int64_t i = 0; i < r->count; i++)
        if (!(isnan(r->rank[kind][i]) || r->rank[kind][i] >= 1))
            return log_error(STATUS_INPUT, "%s: %s: entry %lld, %g, is no rank", f->path, name,
                             (long long)i, r->rank[kind][i]);
    return STATUS_OK;
}

static enum status read_domains(const struct h5_file *f, int split, struct ranks *r) {
    char name[NAME];
    set_name(name, split, "domain");
    TRY(h5_expect(f, name, H5_INTEGER, 1, r->count, 1));
    r->domain = mem_alloc(r->count, sizeof *r->domain);
    TRY(h5_read(f, name, H5_U8, 0, r->count, r->domain));
    for (int64_t i = 0; i < r->count; i++)
        if (r->domain[i] > 1)
            return log_error(STATUS_INPUT, "%s: %s: entry %lld, %d, is not 0 or 1", f->path, name,
                             (long long)i, r->domain[i]);
    return STATUS_OK;
}

static enum status read_split(const struct h5_file *f, int split, struct ranks *r) {
    char name[NAME];
    struct h5_extent extent;
    set_name(name, split, "target");
    if (!h5_exists(f, name))
        return STATUS_OK;
    TRY(h5_expect(f, name, H5_INTEGER, 1, -1, 1));
    TRY(h5_extent(f, name, &extent));
    r->count = extent.rows;
    r->per_domain = h5_has_attribute(f, "/", "epochs");
    r->target = mem_alloc(r->count, sizeof *r->target);
    TRY(h5_read(f, name, H5_I32, 0, r->count, r->target));
    TRY(read_domains(f, split, r));
    for (int k = 0; k < RANKS_KINDS; k++)
        TRY(read_kind(f, split, k, r));
    return read_users(f, split, r);
}

enum status ranks_read(const char *path, const char *dataset_hash, enum split split, bool several,
                       struct ranks *ranks) {
    struct h5_file f;
    *ranks = (struct ranks){.runs = 1};
    TRY(h5_open(&f, path));
    enum status status = check_file(&f, dataset_hash, several);
    if (status == STATUS_OK)
        status = read_split(&f, (int)split, ranks);
    if (status == STATUS_OK && several)
        status = h5_get_int(&f, "/", "runs", &ranks->runs);
    h5_close(&f);
    if (status != STATUS_OK)
        ranks_free(ranks);
    return status;
}
