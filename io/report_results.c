/* First stands the verdict, which both forms end with: are the results those of a whole
 * evaluation? Then come metrics.json, an object for each section of struct report_results, and the
 * table of result.txt, printed from top to bottom. */
#include "io/report_results.h"
#include "core/mem.h"
#include "io/protocol.h"
#include "io/provenance.h"
#include "io/version.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- verdict ---- */

enum { REASON = 256 };

/* Targets that were seen, with or without a rank. */
static int64_t seen(const struct metrics *m) {
    return m->count + m->unranked;
}

/* Every held-out sequence was ranked, unless its target is the only candidate, and the figure is
 * one that ranks can give. */
static bool is_complete(const struct report_results *r, int split, const struct metrics_table *t) {
    int64_t expected = r->dataset->counts[split];
    bool whole = seen(&t->all) == expected && seen(&t->domain[0]) + seen(&t->domain[1]) == expected;
    return whole && (expected == 0 || (t->all.mrr > 0 && t->all.mrr <= 1));
}

static void judge_scores(const struct report_results *r, int split, const char *scorer,
                         const struct report_scores *s, char reason[REASON]) {
    const struct metrics_table *bad = NULL;
    if (s->has_sampled && !is_complete(r, split, &s->sampled))
        bad = &s->sampled;
    if (s->has_full && !is_complete(r, split, &s->full))
        bad = &s->full;
    if (bad)
        snprintf(reason, REASON, "%s on %s: %lld of %lld targets were ranked, MRR %g", scorer,
                 split_names[split], (long long)bad->all.count,
                 (long long)r->dataset->counts[split], bad->all.mrr);
}

/* Why the results are not valid; empty if they are. */
static void judge(const struct report_results *r, char reason[REASON]) {
    bool any = false;
    *reason = 0;
    for (int s = SPLIT_VALID; s < SPLITS; s++) {
        any = any || r->model[s].has_full || r->model[s].has_sampled;
        judge_scores(r, s, "popularity", &r->popularity[s], reason);
        judge_scores(r, s, "model", &r->model[s], reason);
    }
    if (!any)
        snprintf(reason, REASON, "nothing was evaluated");
    if (!r->valid)
        snprintf(reason, REASON, "%s", r->reason);
}

static bool leaves_out(const struct report_scores *s) {
    return (s->has_full && s->full.all.unranked > 0) ||
           (s->has_sampled && s->sampled.all.unranked > 0);
}

/* ---- metrics.json ---- */

/* The options of section eval as text, but the numbers as numbers. */
static json_t *protocol_json(const struct report_results *r) {
    json_t *object = json_object();
    char value[OPTION_PATH];
    for (int i = 0; i < options_count(); i++) {
        if (strncmp(options_key(i), "eval.", 5) != 0)
            continue;
        options_value(r->config, i, value, sizeof value);
        json_t *json = json_loads(value, JSON_DECODE_ANY, NULL);
        json_object_set_new(object, options_key(i) + 5, json ? json : report_text(value));
    }
    json_object_set_new(object, "history",
                        json_string(protocol_history(r->config->eval.exclude_history)));
    if (r->per_domain)
        json_object_set_new(object, "epochs", json_string(PROTOCOL_PER_DOMAIN));
    if (r->run)
        json_object_set_new(object, "scores", json_sprintf("mean of %d runs", r->runs));
    return object;
}

static json_t *split_json(const struct report_results *r, const struct report_scores *scores) {
    return report_scores_json(scores, r->dataset, r->config);
}

static json_t *seconds_json(const struct report_results *r) {
    json_t *object = json_object();
    json_object_set_new(object, "train", report_number(r->train_seconds));
    json_object_set_new(object, "eval", report_number(r->eval_seconds));
    json_object_set_new(object, "io", report_number(r->io_seconds));
    json_object_set_new(object, "epochs", report_number(r->timed_epochs));
    return object;
}

static json_t *popularity_json(const struct report_results *r) {
    json_t *object = json_object();
    for (int s = SPLIT_VALID; s < SPLITS; s++)
        json_object_set_new(object, split_names[s], split_json(r, &r->popularity[s]));
    return object;
}

/* How the modalities' tables were made, as far as the data set says. */
static json_t *tables_json(const struct config *config, json_t *const *provenance) {
    const struct names *modalities = &config->model.modalities;
    json_t *object = json_object();
    for (int i = 0; provenance && i < modalities->count; i++)
        if (provenance_line(provenance[i]))
            json_object_set_new(object, modalities->name[i],
                                json_string(provenance_line(provenance[i])));
    return object;
}

/* The same whole, each with what it was made of. */
static json_t *provenance_json(const struct config *config, json_t *const *provenance) {
    const struct names *modalities = &config->model.modalities;
    json_t *object = json_object();
    for (int i = 0; provenance && i < modalities->count; i++)
        if (provenance[i])
            json_object_set(object, modalities->name[i], provenance[i]);
    return object;
}

static void set_tables(json_t *object, const struct config *config, json_t *const *provenance) {
    json_object_set_new(object, "tables", tables_json(config, provenance));
    json_object_set_new(object, "provenance", provenance_json(config, provenance));
}

static json_t *by_key_json(const struct item_counts *n) {
    json_t *object = json_object();
    json_object_set_new(object, "kept", json_integer(n->kept));
    json_object_set_new(object, "new", json_integer(n->added));
    json_object_set_new(object, "dropped", json_integer(n->dropped));
    return object;
}

static json_t *repeats_json(const struct repeats *repeats) {
    json_t *array = json_array();
    for (int d = 0; d < 2; d++) {
        json_t *object = json_object();
        json_object_set_new(object, "targets", json_integer(repeats->targets[d]));
        json_object_set_new(object, "repeated", json_integer(repeats->repeated[d]));
        json_array_append_new(array, object);
    }
    return array;
}

/* Where the parameters that rank the targets of domain d come from. */
static void set_source(json_t *object, const struct checkpoint_choice *c, int d) {
    json_object_set_new(object, "checkpoint", report_text(c->file[d]));
    json_object_set_new(object, "step", c->step[d] < 0 ? json_null() : json_integer(c->step[d]));
    json_object_set_new(object, "parameters_hash", report_hash(c->hash[d]));
}

static json_t *source_json(const struct checkpoint_choice *c, int d) {
    json_t *object = json_object();
    set_source(object, c, d);
    return object;
}

static json_t *run_json(const struct report_run *r, const struct dataset *dataset) {
    json_t *object = json_object();
    if (r->choice->per_domain)
        json_object_set_new(
            object, "per_domain",
            report_by_domain(dataset, source_json(r->choice, 0), source_json(r->choice, 1)));
    else
        set_source(object, r->choice, 0);
    json_object_set_new(object, "model", report_text(r->config->model.name));
    json_object_set_new(object, "seed", json_integer(r->config->run.seed));
    json_object_set_new(object, "config_hash", report_hash(options_hash(r->config)));
    if (r->by_key)
        json_object_set_new(object, "items_by_key", by_key_json(r->by_key));
    if (r->config->model.repeats == REPEATS_COUNTED)
        json_object_set_new(object, "repeats", repeats_json(r->repeats));
    set_tables(object, r->config, r->provenance);
    return object;
}

/* What belongs to each of several runs stands with it. */
static json_t *runs_json(const struct report_results *r) {
    json_t *array = json_array();
    for (int k = 0; k < r->runs; k++)
        json_array_append_new(array, run_json(&r->run[k], r->dataset));
    return array;
}

/* The figure that selected the epoch, which runs are compared by. With two epochs it is that of all
 * validation targets, each domain's ranked with its own. */
static double best_metric(const struct report_results *r) {
    const struct report_scores *valid = &r->model[SPLIT_VALID];
    if (!r->per_domain)
        return r->best_metric[0];
    return options_select_full(r->config) ? valid->full.all.select : valid->sampled.all.select;
}

static void set_best(json_t *object, const struct report_results *r) {
    bool each = r->per_domain && r->best_epoch[0] > 0;
    json_object_set_new(object, "best_epoch",
                        each ? report_by_domain(r->dataset, json_integer(r->best_epoch[0]),
                                                json_integer(r->best_epoch[1]))
                             : json_integer(r->best_epoch[0]));
    if (r->best_epoch[0] > 0)
        json_object_set_new(object, "best_metric", report_number(best_metric(r)));
    if (each)
        json_object_set_new(object, "best_metric_of", report_numbers(r->dataset, r->best_metric));
}

static json_t *results_json(const struct report_results *r) {
    json_t *object = json_object();
    char reason[REASON];
    judge(r, reason);
    json_object_set_new(object, "schema", json_integer(1));
    json_object_set_new(object, "program", report_program(r->config));
    json_object_set_new(object, "machine", report_machine());
    if (r->run)
        json_object_set_new(object, "runs", runs_json(r));
    else
        json_object_set_new(object, "config_hash", report_hash(options_hash(r->config)));
    json_object_set_new(object, "dataset_hash", report_text(r->dataset->content_hash));
    json_object_set_new(object, "items_hash", report_text(r->dataset->items_hash));
    json_object_set_new(object, "dataset", provenance_read(&r->dataset->file, "/"));
    if (!r->run && r->by_key)
        json_object_set_new(object, "items_by_key", by_key_json(r->by_key));
    if (!r->run && r->config->model.repeats == REPEATS_COUNTED)
        json_object_set_new(object, "repeats", repeats_json(r->repeats));
    json_object_set_new(object, "ranks", json_integer(r->ranks));
    json_object_set_new(object, "threads", json_integer(r->threads));
    if (!r->run)
        set_tables(object, r->config, r->provenance);
    json_object_set_new(object, "protocol", protocol_json(r));
    for (int s = SPLIT_VALID; s < SPLITS; s++)
        json_object_set_new(object, split_names[s], split_json(r, &r->model[s]));
    json_object_set_new(object, "popularity", popularity_json(r));
    set_best(object, r);
    json_object_set_new(object, "epochs", json_integer(r->epochs));
    json_object_set_new(object, "seconds", seconds_json(r));
    json_object_set_new(object, "peak_rss_mb", report_number(r->peak_rss_mb));
    json_object_set_new(object, "verdict", json_string(*reason ? "INVALID" : "VALID"));
    if (*reason)
        json_object_set_new(object, "reason", report_text(reason));
    return object;
}

char *report_metrics_text(const struct report_results *results) {
    json_t *object = results_json(results);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    size_t size = strlen(text) + 2;
    char *copy = mem_alloc((int64_t)size, 1);
    snprintf(copy, size, "%s\n", text);
    free(text);
    json_decref(object);
    return copy;
}

/* ---- result.txt ---- */

/* The name of the model and its modalities. */
static void print_model(FILE *file, const struct config *config) {
    const struct names *modalities = &config->model.modalities;
    fprintf(file, "%s of", config->model.name);
    for (int i = 0; i < modalities->count; i++)
        fprintf(file, "%s %s", i ? "," : "", modalities->name[i]);
}

const char *report_repeats(const struct repeats *repeats, const struct dataset *dataset,
                           char text[REPORT_REPEATS]) {
    int n = snprintf(text, REPORT_REPEATS, "repeats: %.2f %% of %.100s's training targets",
                     repeats_percent(repeats, 0), protocol_label(dataset, 0));
    if (dataset->domain_items[1] > 0)
        snprintf(text + n, (size_t)(REPORT_REPEATS - n), ", %.2f %% of %.100s's",
                 repeats_percent(repeats, 1), protocol_label(dataset, 1));
    return text;
}

/* Where its tables and items come from, and what its training sequences repeat. */
static void print_sources(FILE *file, const struct dataset *dataset, const struct config *config,
                          json_t *const *provenance, const struct item_counts *by_key,
                          const struct repeats *repeats) {
    char text[REPORT_REPEATS];
    const struct names *modalities = &config->model.modalities;
    for (int i = 0; provenance && i < modalities->count; i++)
        if (provenance_line(provenance[i]))
            fprintf(file, "table %s: %s\n", modalities->name[i], provenance_line(provenance[i]));
    if (by_key)
        fprintf(file, "items by key: %lld of the training, %lld new ones with rows not trained\n",
                (long long)by_key->kept, (long long)by_key->added);
    if (config->model.repeats == REPEATS_COUNTED)
        fprintf(file, "%s\n", report_repeats(repeats, dataset, text));
}

static void print_best(FILE *file, const struct report_results *r) {
    if (r->per_domain)
        fprintf(file, "; best epochs %lld (%s) and %lld (%s)", (long long)r->best_epoch[0],
                protocol_label(r->dataset, 0), (long long)r->best_epoch[1],
                protocol_label(r->dataset, 1));
    else
        fprintf(file, "; best epoch %lld", (long long)r->best_epoch[0]);
}

static void print_one(FILE *file, const struct report_results *r) {
    char select[PROTOCOL_NAME];
    fprintf(file, "model: ");
    print_model(file, r->config);
    if (r->best_epoch[0] > 0) {
        protocol_select(r->config, r->dataset, select);
        print_best(file, r);
        fprintf(file, " of %lld, by %s", (long long)r->epochs, select);
    }
    fputc('\n', file);
    print_sources(file, r->dataset, r->config, r->provenance, r->by_key, r->repeats);
}

/* Where the parameters that rank the targets of domain d come from. */
static void print_source(FILE *file, const struct checkpoint_choice *c, int d) {
    fprintf(file, "step %lld, parameters %016llx, %s", (long long)c->step[d],
            (unsigned long long)c->hash[d], c->file[d]);
}

static void print_several(FILE *file, const struct report_results *r) {
    fprintf(
        file,
        "model: the mean of %d runs' logs of probabilities, each of mean 0 and variance 1 for a "
        "user\n",
        r->runs);
    for (int k = 0; k < r->runs; k++) {
        const struct report_run *run = &r->run[k];
        fprintf(file, "run %d: ", k + 1);
        print_model(file, run->config);
        fprintf(file, ", seed %lld, ", (long long)run->config->run.seed);
        print_source(file, run->choice, 0);
        if (run->choice->per_domain) {
            fprintf(file, " (%s); ", protocol_label(r->dataset, 0));
            print_source(file, run->choice, 1);
            fprintf(file, " (%s)", protocol_label(r->dataset, 1));
        }
        fputc('\n', file);
        print_sources(file, r->dataset, run->config, run->provenance, run->by_key, run->repeats);
    }
}

static void print_head(FILE *file, const struct report_results *r) {
    const struct dataset *d = r->dataset;
    struct version versions[VERSIONS];
    versions_get(versions);
    fprintf(file, "cdsr %s\n", versions[0].text);
    fprintf(file, "data: %s, %lld items (%s %lld, %s %lld), %lld training sequences\n",
            d->name ? d->name : "-", (long long)d->items, protocol_label(d, 0),
            (long long)d->domain_items[0], protocol_label(d, 1), (long long)d->domain_items[1],
            (long long)d->counts[SPLIT_TRAIN]);
    if (r->run)
        print_several(file, r);
    else
        print_one(file, r);
    fprintf(file, "ranks: %d with %d threads each\n\n", r->ranks, r->threads);
}

const char *report_figure(double x, char text[REPORT_FIGURE]) {
    snprintf(text, REPORT_FIGURE, isnan(x) ? "-" : "%.4f", x);
    return text;
}

static void print_figure(FILE *file, double x) {
    char text[REPORT_FIGURE];
    fprintf(file, " %8s", report_figure(x, text));
}

/* Of the figures of the model, or of popularity, which knows no epochs and runs. */
static const char *name_protocol(const struct report_results *r, bool sampled, bool model,
                                 char name[PROTOCOL_CANDIDATES]) {
    return protocol_candidates(
        (struct ranking_protocol){.sampled = sampled,
                                  .history_excluded = r->config->eval.exclude_history,
                                  .per_domain = model && r->per_domain,
                                  .runs = model ? r->runs : 1},
        name);
}

/* Of the column of candidates. */
static int name_width(const struct report_results *r) {
    char name[PROTOCOL_CANDIDATES];
    int width = (int)strlen(name_protocol(r, true, true, name));
    return width > 10 ? width : 10;
}

/* NDCG@1 is HR@1. */
static void print_columns(FILE *file, const struct report_results *r) {
    const struct numbers *cutoffs = &r->config->eval.cutoffs;
    char name[32];
    fprintf(file, "%-6s %-8s %-11s %-*s %8s", "split", "domain", "scorer", name_width(r),
            "candidates", "MRR");
    for (int k = 0; k < cutoffs->count; k++) {
        snprintf(name, sizeof name, "NDCG@%.0f", cutoffs->value[k]);
        if (cutoffs->value[k] > 1)
            fprintf(file, " %8s", name);
    }
    for (int k = 0; k < cutoffs->count; k++) {
        snprintf(name, sizeof name, "HR@%.0f", cutoffs->value[k]);
        fprintf(file, " %8s", name);
    }
    fprintf(file, " %8s\n", "targets");
}

/* What stands to the left of the numbers of a row. */
struct row {
    const char *split, *domain, *scorer, *candidates;
};

static void print_row(FILE *file, struct row row, const struct metrics *m,
                      const struct report_results *r) {
    const struct numbers *cutoffs = &r->config->eval.cutoffs;
    fprintf(file, "%-6s %-8s %-11s %-*s", row.split, row.domain, row.scorer, name_width(r),
            row.candidates);
    print_figure(file, m->mrr);
    for (int k = 0; k < cutoffs->count; k++)
        if (cutoffs->value[k] > 1)
            print_figure(file, m->ndcg[k]);
    for (int k = 0; k < cutoffs->count; k++)
        print_figure(file, m->hr[k]);
    fprintf(file, " %8lld\n", (long long)m->count);
}

static const struct metrics *row_metrics(const struct metrics_table *table, int domain) {
    return domain < 2 ? &table->domain[domain] : &table->all;
}

/* The model with popularity under it, domain by domain, under one choice of candidates. */
static void print_table(FILE *file, const struct report_results *r, int split, bool sampled) {
    const struct report_scores *scores[] = {&r->model[split], &r->popularity[split]};
    for (int domain = 0; domain < 3; domain++)
        for (int i = 0; i < 2; i++) {
            const struct report_scores *s = scores[i];
            char name[PROTOCOL_CANDIDATES];
            struct row row = {split_names[split],
                              domain < 2 ? protocol_label(r->dataset, domain) : "all",
                              i ? "popularity" : "model", name_protocol(r, sampled, i == 0, name)};
            if (sampled ? s->has_sampled : s->has_full)
                print_row(file, row, row_metrics(sampled ? &s->sampled : &s->full, domain), r);
        }
}

/* Of the targets of a split, those that have too few other candidates or none, and those that tie. */
static void print_few(FILE *file, const struct report_results *r, int split, bool sampled) {
    const struct report_scores *s = &r->model[split];
    const struct metrics *m = sampled ? &s->sampled.all : &s->full.all;
    const char *name = sampled ? "sampled" : "full";
    if (!(sampled ? s->has_sampled : s->has_full))
        return;
    if (m->fewer > 0)
        fprintf(file, "%s: %lld of %lld targets of %s have fewer, the fewest %lld\n", name,
                (long long)m->fewer, (long long)seen(m), split_names[split], (long long)m->fewest);
    if (m->tied > 0)
        fprintf(file, "%s: %lld of %lld targets of %s share their score with other candidates\n",
                name, (long long)m->tied, (long long)seen(m), split_names[split]);
    if (m->unranked > 0)
        fprintf(file, "%s: %lld of %lld targets of %s have no other candidate: not ranked\n", name,
                (long long)m->unranked, (long long)seen(m), split_names[split]);
}

/* Is there a target in a split that has fewer negatives than wanted? */
static bool has_fewer(const struct report_results *r) {
    return r->model[SPLIT_VALID].sampled.all.fewer + r->model[SPLIT_TEST].sampled.all.fewer > 0;
}

static void print_candidates(FILE *file, const struct report_results *r) {
    bool sampled = r->model[SPLIT_VALID].has_sampled || r->model[SPLIT_TEST].has_sampled;
    const char *history = protocol_history(r->config->eval.exclude_history);
    fprintf(file, "\nfull: ranked among all items of the target's domain, the user's history %s\n",
            history);
    for (int split = SPLIT_VALID; split < SPLITS; split++)
        print_few(file, r, split, false);
    if (sampled)
        fprintf(file,
                "sampled: ranked among %s%lld sampled items, the user's history %s; not comparable "
                "with full\n",
                has_fewer(r) ? "at most " : "", (long long)r->config->eval.sampled_negatives,
                history);
    for (int split = SPLIT_VALID; split < SPLITS; split++)
        print_few(file, r, split, true);
    if (r->per_domain)
        fprintf(
            file, PROTOCOL_PER_DOMAIN
            ": the targets of each domain are ranked with the parameters of the epoch that is best "
            "for them on the validation split\n");
}

static void print_verdict(FILE *file, const struct report_results *r) {
    char reason[REASON];
    judge(r, reason);
    if (*reason)
        fprintf(file, "INVALID: %s\n", reason);
    else if (leaves_out(&r->model[SPLIT_VALID]) || leaves_out(&r->model[SPLIT_TEST]))
        fprintf(file, "VALID, without the targets that have no other candidate\n");
    else
        fprintf(file, "VALID\n");
}

void report_print_results(FILE *file, const struct report_results *r) {
    print_head(file, r);
    print_columns(file, r);
    for (int split = SPLIT_VALID; split < SPLITS; split++) {
        print_table(file, r, split, false);
        print_table(file, r, split, true);
    }
    print_candidates(file, r);
    if (r->timed_epochs > 0)
        fprintf(file, "seconds per epoch %.3g, in training %.3g, input and output %.3g\n",
                r->train_seconds / r->timed_epochs, r->train_seconds, r->io_seconds);
    fprintf(file, "seconds in evaluation %.3g\n", r->eval_seconds);
    fprintf(file, "peak memory per rank %.0f MB\n\n", r->peak_rss_mb);
    print_verdict(file, r);
}
