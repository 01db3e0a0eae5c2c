#include "io/report_json.h"
#include "core/gemm_bf16.h"
#include "core/text.h"
#include "io/protocol.h"
#include "io/version.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

json_t *report_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *report_text(const char *text) {
    return text && text_is_printable(text) ? json_string(text) : json_null();
}

json_t *report_by_domain(const struct dataset *dataset, json_t *a, json_t *b) {
    json_t *object = json_object();
    json_object_set_new(object, protocol_label(dataset, 0), a);
    json_object_set_new(object, protocol_label(dataset, 1), b);
    return object;
}

json_t *report_numbers(const struct dataset *dataset, const double x[2]) {
    return report_by_domain(dataset, report_number(x[0]), report_number(x[1]));
}

json_t *report_program(const struct config *config) {
    struct version versions[VERSIONS];
    json_t *program = json_object();
    versions_get(versions);
    for (int i = 0; i < VERSIONS; i++)
        json_object_set_new(program, versions[i].name, report_text(versions[i].text));
    if (config->train.precision == PRECISION_BF16)
        json_object_set_new(program, "gemm_bf16", report_text(gemm_bf16_kernel()->name));
    return program;
}

/* The value of the first line `name : value` of /proc/cpuinfo; "" where there is none. */
static void read_processor(const char *name, char text[256]) {
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256], *value = NULL;
    while (file && !value && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            value = strstr(line, ": ");
    snprintf(text, 256, "%.*s", value ? (int)strcspn(value + 2, "\n") : 0, value ? value + 2 : "");
    if (file)
        fclose(file);
}

json_t *report_machine(void) {
    char processor[256], kernel[256] = "";
    struct utsname system;
    json_t *machine = json_object();
    read_processor("model name", processor);
    if (!uname(&system))
        snprintf(kernel, sizeof kernel, "%.64s %.64s %.64s", system.sysname, system.release,
                 system.machine);
    json_object_set_new(machine, "processor", report_text(*processor ? processor : NULL));
    json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(machine, "kernel", report_text(*kernel ? kernel : NULL));
    return machine;
}

json_t *report_hash(uint64_t hash) {
    return json_sprintf("%016llx", (unsigned long long)hash);
}

/* Of how many negatives per target there really are. */
static json_t *negatives_json(const struct metrics *m, int64_t wanted) {
    json_t *object = json_object();
    json_object_set_new(object, "wanted", json_integer(wanted));
    json_object_set_new(object, "fewest", m->fewest < 0 ? json_null() : json_integer(m->fewest));
    json_object_set_new(object, "targets_with_fewer", json_integer(m->fewer));
    return object;
}

/* NDCG@1 is HR@1. */
static json_t *metrics_json(const struct metrics *m, bool sampled, const struct config *config) {
    const struct numbers *cutoffs = &config->eval.cutoffs;
    json_t *object = json_object();
    char key[32];
    json_object_set_new(object, "mrr", report_number(m->mrr));
    for (int k = 0; k < cutoffs->count; k++) {
        snprintf(key, sizeof key, "ndcg@%.0f", cutoffs->value[k]);
        if (cutoffs->value[k] > 1)
            json_object_set_new(object, key, report_number(m->ndcg[k]));
    }
    for (int k = 0; k < cutoffs->count; k++) {
        snprintf(key, sizeof key, "hr@%.0f", cutoffs->value[k]);
        json_object_set_new(object, key, report_number(m->hr[k]));
    }
    json_object_set_new(object, "count", json_integer(m->count));
    json_object_set_new(object, "tied", json_integer(m->tied));
    json_object_set_new(object, "unranked", json_integer(m->unranked));
    if (sampled)
        json_object_set_new(object, "negatives", negatives_json(m, config->eval.sampled_negatives));
    return object;
}

static json_t *table_json(const struct metrics_table *table, bool sampled,
                          const struct dataset *dataset, const struct config *config) {
    json_t *object = json_object();
    for (int d = 0; d < 2; d++)
        json_object_set_new(object, protocol_label(dataset, d),
                            metrics_json(&table->domain[d], sampled, config));
    json_object_set_new(object, "all", metrics_json(&table->all, sampled, config));
    return object;
}

json_t *report_scores_json(const struct report_scores *scores, const struct dataset *dataset,
                           const struct config *config) {
    json_t *object = json_object();
    if (scores->has_full)
        json_object_set_new(object, "full", table_json(&scores->full, false, dataset, config));
    if (scores->has_sampled)
        json_object_set_new(object, "sampled", table_json(&scores->sampled, true, dataset, config));
    return object;
}
