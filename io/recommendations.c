#include "io/recommendations.h"
#include "core/mem.h"
#include "io/h5_writer.h"
#include "io/protocol.h"
#include "io/report_json.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n > m && !strcmp(path + n - m, end);
}

bool recommendations_format_known(const char *path) {
    return ends_with(path, ".h5") || ends_with(path, ".jsonl") || ends_with(path, ".tsv");
}

enum output_form recommendations_form(const char *path) {
    return ends_with(path, ".h5") ? OUTPUT_HDF5 : OUTPUT_TEXT;
}

/* ---- text ---- */

static void put_tsv(FILE *file, void *context) {
    const struct recommendations *r = context;
    fputs("user\tdomain\trank\titem\tscore\n", file);
    for (int64_t u = 0; u < r->users->count && !ferror(file); u++)
        for (int d = 0; d < 2; d++)
            for (int64_t i = u * r->k; r->has[d] && i < (u + 1) * r->k && r->item[d][i] >= 0; i++)
                fprintf(file, "%s\t%s\t%lld\t%s\t%.7g\n", string_at(r->users, u),
                        protocol_label(r->dataset, d), (long long)(i - u * r->k + 1),
                        r->keys->text[r->item[d][i]], (double)r->score[d][i]);
}

static json_t *list_json(const struct recommendations *r, int d, int64_t u) {
    json_t *list = json_array();
    for (int64_t i = u * r->k; i < (u + 1) * r->k && r->item[d][i] >= 0; i++)
        json_array_append_new(list, json_pack("{s:o, s:f}", "item",
                                              report_text(r->keys->text[r->item[d][i]]), "score",
                                              (double)r->score[d][i]));
    return list;
}

static void put_jsonl(FILE *file, void *context) {
    const struct recommendations *r = context;
    for (int64_t u = 0; u < r->users->count && !ferror(file); u++) {
        json_t *items = json_object();
        json_t *line =
            json_pack("{s:o, s:o}", "user", report_text(string_at(r->users, u)), "items", items);
        for (int d = 0; d < 2; d++)
            if (r->has[d])
                json_object_set_new(items, protocol_label(r->dataset, d), list_json(r, d, u));
        (void)json_dumpf(line, file, JSON_REAL_PRECISION(7));
        fputc('\n', file);
        json_decref(line);
    }
}

/* ---- HDF5; declarations on all ranks, rows of rank 0 ---- */

/* Those whose parameters have listed items of domain d. */
static enum status put_checkpoints_of(struct h5_writer *w, const char *object,
                                      const struct recommendations *r, int d) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    for (int k = 0; k < r->runs; k++)
        fprintf(file, "%s%s", k ? "\n" : "", r->choice[k].file[d]);
    fclose(file);
    enum status status = h5_writer_put_text(w, object, "checkpoint", text);
    free(text);
    return status;
}

static enum status put_checkpoints(struct h5_writer *w, const struct recommendations *r) {
    char group[128];
    for (int d = 0; d < 2 && r->per_domain; d++) {
        snprintf(group, sizeof group, "/top/%.100s", protocol_label(r->dataset, d));
        if (r->has[d])
            TRY(put_checkpoints_of(w, group, r, d));
    }
    TRY(r->per_domain ? h5_writer_put_text(w, "/", "epochs", PROTOCOL_PER_DOMAIN)
                      : put_checkpoints_of(w, "/", r, 0));
    return r->runs > 1 ? h5_writer_put_int(w, "/", "runs", r->runs) : STATUS_OK;
}

static enum status put_attributes(struct h5_writer *w, const struct recommendations *r) {
    TRY(h5_writer_put_int(w, "/", "schema", 1));
    TRY(h5_writer_put_int(w, "/", "k", r->k));
    TRY(h5_writer_put_text(w, "/", "dataset", r->dataset->name));
    TRY(h5_writer_put_text(w, "/", "dataset_hash", r->dataset->content_hash));
    TRY(h5_writer_put_text(w, "/", "items_hash", r->dataset->items_hash));
    TRY(put_checkpoints(w, r));
    return h5_writer_put_text(w, "/", "created_by", "cdsr " CDSR_VERSION);
}

static enum status write_users(struct h5_writer *w, const struct string_list *users) {
    enum { BLOCK = 4096 };
    const char *text[BLOCK];
    for (int64_t lo = 0, n; lo < users->count; lo += n) {
        n = users->count - lo < BLOCK ? users->count - lo : BLOCK;
        for (int64_t i = 0; i < n; i++)
            text[i] = string_at(users, lo + i);
        TRY(h5_writer_write_strings(w, "/user", lo, lo + n, text));
    }
    return STATUS_OK;
}

static enum status fill(struct h5_writer *w, const struct recommendations *r) {
    int64_t n = r->users->count, dim[2] = {n, r->k};
    char item[2][128], score[2][128];
    TRY(h5_writer_declare(w, "/user", H5_TEXT, 1, &n));
    for (int d = 0; d < 2; d++) {
        snprintf(item[d], sizeof item[d], "/top/%.100s/item", protocol_label(r->dataset, d));
        snprintf(score[d], sizeof score[d], "/top/%.100s/score", protocol_label(r->dataset, d));
        if (!r->has[d])
            continue;
        TRY(h5_writer_declare(w, item[d], H5_I32, 2, dim));
        TRY(h5_writer_declare(w, score[d], H5_F32, 2, dim));
    }
    TRY(put_attributes(w, r));
    TRY(write_users(w, r->users));
    for (int d = 0; d < 2; d++) {
        if (!r->has[d])
            continue;
        TRY(h5_writer_write(w, item[d], H5_I32, 0, n, r->item[d]));
        TRY(h5_writer_write(w, score[d], H5_F32, 0, n, r->score[d]));
    }
    return STATUS_OK;
}

static enum status write_h5(const struct comm *comm, const char *path,
                            const struct recommendations *r) {
    struct h5_writer writer;
    TRY(h5_writer_create(&writer, comm, path, H5_SERIAL));
    return h5_writer_commit(&writer, comm->rank == 0 ? fill(&writer, r) : STATUS_OK);
}

enum status recommendations_write(const struct comm *comm, const char *path,
                                  const struct recommendations *r) {
    if (ends_with(path, ".h5"))
        return write_h5(comm, path, r);
    return COMM_ON_ROOT(comm, output_put(path, ends_with(path, ".tsv") ? put_tsv : put_jsonl,
                                         (void *)(uintptr_t)r));
}
