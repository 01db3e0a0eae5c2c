/* cdsr evaluate: a saved model, or several together, on the validation and test splits. */
#include "core/mem.h"
#include "io/output.h"
#include "jobs/engine/evaluation.h"
#include "jobs/engine/saved.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include <omp.h>
#include <stdio.h>

struct request {
    struct saved_request saved;
    char *json;  /* write the metrics here */
    char *ranks; /* and the ranks here */
    bool overwrite;
};

enum { KEY_OVERWRITE = 0x100, KEY_RANKS };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the metrics to FILE as JSON; -: in place of the table", 0},
    {"ranks", KEY_RANKS, "FILE.h5", 0, "Write the rank of every target to FILE.h5", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing output", 0},
    {"items-by-key", SAVED_BY_KEY, NULL, 0, SAVED_BY_KEY_HELP, 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    if (key == 'o') {
        r->json = arg;
        return 0;
    }
    if (key == KEY_RANKS) {
        r->ranks = arg;
        return 0;
    }
    if (key == KEY_OVERWRITE) {
        r->overwrite = true;
        return 0;
    }
    return saved_parse(&r->saved, key, arg, state);
}

static enum status write_json(const char *path, const struct report_results *results) {
    char *text = report_metrics_text(results);
    enum status status = output_write(path, text);
    mem_free(text);
    return status;
}

static enum status write_results(const struct request *request,
                                 const struct report_results *results) {
    if (!request->json || !output_is_stdout(request->json))
        report_print_results(stdout, results);
    return request->json ? write_json(request->json, results) : STATUS_OK;
}

static enum status evaluate(struct saved *saved, const struct request *request) {
    struct run *run = &saved->run[0];
    struct report_run *several = saved_describe(saved);
    struct report_results results = {.config = &run->config,
                                     .run = several,
                                     .runs = saved->count,
                                     .per_domain = saved_is_per_domain(saved),
                                     .dataset = &run->dataset,
                                     .provenance = run->provenance,
                                     .by_key = run->by_key ? &run->item_counts : NULL,
                                     .repeats = &run->repeats,
                                     .ranks = run->comm->size,
                                     .threads = omp_get_max_threads(),
                                     .valid = true};
    double start = phase_clock();
    enum status status = evaluation_splits(run, saved->count, NULL, request->ranks, &results);
    results.eval_seconds = phase_clock() - start;
    results.peak_rss_mb = report_peak_rss_mb(run->comm);
    if (status == STATUS_OK)
        status = COMM_ON_ROOT(run->comm, write_results(request, &results));
    mem_free(several);
    return status;
}

enum status job_evaluate(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse,
        SAVED_ARGS,
        "Rank the targets of the validation and test splits among all items.\v" SAVED_DOC,
        NULL,
        NULL,
        NULL};
    struct request request = {0};
    struct saved saved;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    if (request.json)
        TRY(output_check(comm, request.json, OUTPUT_TEXT, request.overwrite));
    if (request.ranks)
        TRY(output_check(comm, request.ranks, OUTPUT_HDF5, request.overwrite));
    TRY(saved_open(comm, &request.saved, &saved));
    enum status status = evaluate(&saved, &request);
    saved_close(&saved);
    return status;
}
