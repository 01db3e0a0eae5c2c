#include "jobs/report/provenance.h"
#include "core/models/model.h"
#include "core/text.h"
#include "io/protocol.h"
#include "io/provenance.h"
#include "jobs/features/terms.h"
#include "jobs/report/table.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INDENT = 2 };

/* ---- records ---- */

static void print_line(FILE *file, int depth, const char *text) {
    fprintf(file, "%*s%s\n", depth * INDENT, "", text);
}

static void print_value(FILE *file, int depth, const char *name, const json_t *value) {
    size_t i;
    json_t *line;
    fprintf(file, "%*s%s:", depth * INDENT, "", name);
    if (json_is_string(value))
        fprintf(file, " %s", json_string_value(value));
    else if (json_is_integer(value))
        fprintf(file, " %lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        fprintf(file, " %.6g", json_real_value(value));
    else if (json_is_null(value))
        fprintf(file, " not known");
    fputc('\n', file);
    json_array_foreach(value, i, line)
        print_line(file, depth + 1, json_is_string(line) ? json_string_value(line) : "not known");
}

/* The line for humans stands in the heading. */
static bool is_told(const char *name, const json_t *value) {
    return json_is_object(value) || !strcmp(name, PROVENANCE_FROM) || !strcmp(name, "provenance");
}

static void print_record(FILE *file, const json_t *record, int depth);

/* What is made of something in the data set, without that being kept? */
static bool lacks_source(const json_t *record) {
    const char *source = json_string_value(json_object_get(record, "source"));
    return source && encode_source_find(source).kind != ENCODE_KINDS;
}

/* What stands behind the name of what a table is made of. */
static const char *describe(const json_t *from) {
    const char *line = provenance_line(from);
    if (!from)
        return "not recorded, by an older program";
    if (!json_is_object(from))
        return "its record was damaged or too long";
    return line ? line : json_object_size(from) ? "as follows" : "it has no record of its own";
}

static void print_from(FILE *file, const json_t *record, int depth) {
    const json_t *from = json_object_get(record, PROVENANCE_FROM);
    const char *source = json_string_value(json_object_get(record, "source"));
    if (!from && !lacks_source(record))
        return;
    fprintf(file, "%*sfrom %s: %s\n", depth * INDENT, "", source ? source : "what is not known",
            describe(from));
    print_record(file, from, depth + 1);
}

static void print_record(FILE *file, const json_t *record, int depth) {
    const char *name;
    json_t *value;
    const json_t *tags = json_object_get(record, PROVENANCE_TAGS);
    json_object_foreach((json_t *)record, name, value) if (!is_told(name, value))
        print_value(file, depth, name, value);
    print_from(file, record, depth);
    if (json_is_object(tags)) {
        fprintf(file, "%*stags: %s\n", depth * INDENT, "", describe(tags));
        print_record(file, tags, depth + 1);
    }
}

/* ---- a run ---- */

static void print_table(FILE *file, const char *name, const json_t *root) {
    const json_t *records = json_object_get(root, "provenance");
    const json_t *record = json_object_get(records, name);
    const char *line = json_string_value(json_object_get(json_object_get(root, "tables"), name));
    fprintf(file, "  table %s: %s\n", name, line && text_is_printable(line) ? line : "");
    if (!records)
        print_line(file, 2, "not recorded, the run is by an older program");
    else if (!provenance_is_record(record))
        print_line(file, 2, record ? "its record is damaged" : "not recorded");
    else
        print_record(file, record, 2);
}

static void print_tables(FILE *file, const struct config *config, const json_t *root) {
    const struct names *modalities = &config->model.modalities;
    for (int m = 0; m < modalities->count; m++)
        if (!model_learned_width(config, m))
            print_table(file, modalities->name[m], root);
}

static void print_data(FILE *file, const struct run_result *result, const json_t *root) {
    static const char *const told[] = {"name", "protocol", "created_by", "sources"};
    const json_t *record = json_object_get(root, "dataset");
    fprintf(file, "  data: %s, content %s\n", result->config.data.path,
            result->dataset_hash[0] ? result->dataset_hash : "not known");
    if (!provenance_is_record(record)) {
        print_line(file, 2,
                   record ? "its record is damaged"
                          : "not recorded, the run is by an older program");
        return;
    }
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_object_get(record, told[i]))
            print_value(file, 2, told[i], json_object_get(record, told[i]));
}

/* Of one split and protocol. */
static void print_values(FILE *file, const struct run_result *result,
                         const struct result_figures *figures,
                         const struct result_request *request) {
    char name[TABLE_METRIC];
    for (int d = 0; d < RESULT_DOMAINS; d++) {
        fprintf(file, "%s %s", d ? ";" : "", result->label[d]);
        for (int k = 0; k < request->metrics; k++) {
            double value = figures->value[d][k];
            fprintf(file, "%s ", k ? "," : "");
            fputs(table_metric(request->metric[k], &result->config.eval.cutoffs, name), file);
            if (isnan(value))
                fprintf(file, " -");
            else
                fprintf(file, " %.2f %%", 100 * value);
        }
    }
    fputc('\n', file);
}

static void print_figures(FILE *file, const struct run_result *result,
                          const struct result_request *request, int split) {
    for (int s = 0; s < RESULT_SPLITS; s++)
        for (int c = 0; c < RESULT_CANDIDATES; c++)
            for (int h = 0; h < 2; h++) {
                const struct result_figures *figures = &result->figures[s][c][h];
                if (!figures->present || (split >= 0 && s != split))
                    continue;
                fprintf(file, "  %s, %s candidates, history %s:", result_split_names[s],
                        result_candidate_names[c], protocol_history(h));
                print_values(file, result, figures, request);
            }
}

static void print_best(FILE *file, const struct run_result *r) {
    fprintf(file, "  best epoch: %lld", (long long)r->best_epoch[0]);
    if (r->per_domain)
        fprintf(file, " (%s), %lld (%s)", r->label[0], (long long)r->best_epoch[1], r->label[1]);
    fprintf(file, " of %lld\n", (long long)r->epochs);
}

/* What its figures were made of. */
static void print_sources(FILE *file, const struct run_result *result, const json_t *root) {
    print_data(file, result, root);
    print_tables(file, &result->config, root);
}

static enum status print_run(FILE *file, const struct entry *entry,
                             const struct result_request *request, int split) {
    const struct run_result *result = &entry->result;
    json_t *root = NULL;
    TRY(run_result_metrics(entry->directory, &root));
    fprintf(file, "%s: %s, %s\n", entry->directory, result->config.model.name,
            result->fault[0] ? result->fault : "VALID");
    if (!result->fault[0]) {
        print_figures(file, result, request, split);
        print_best(file, result);
    }
    fprintf(file, "  configuration: %016llx, seed %lld\n",
            (unsigned long long)options_hash(&result->config), (long long)result->config.run.seed);
    if (root)
        print_sources(file, result, root);
    json_decref(root);
    return STATUS_OK;
}

enum status provenance_print(FILE *file, const struct entry *run, int n,
                             const struct result_request *request, int split) {
    enum status worst = STATUS_OK;
    for (int r = 0; r < n; r++) {
        if (r > 0)
            fputc('\n', file);
        enum status status = print_run(file, &run[r], request, split);
        worst = status > worst ? status : worst;
    }
    return worst;
}

enum status provenance_print_sources(FILE *file, const struct entry *run) {
    json_t *root = NULL;
    TRY(run_result_metrics(run->directory, &root));
    if (root)
        print_sources(file, &run->result, root);
    json_decref(root);
    return STATUS_OK;
}

enum status provenance_print_program(FILE *file, const struct entry *run) {
    static const char *const told[] = {"ranks", "threads"};
    json_t *root = NULL;
    TRY(run_result_metrics(run->directory, &root));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_object_get(root, told[i]))
            print_value(file, 1, told[i], json_object_get(root, told[i]));
    print_record(file, json_object_get(root, "machine"), 1);
    print_record(file, json_object_get(root, "program"), 1);
    json_decref(root);
    return STATUS_OK;
}
