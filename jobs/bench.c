/* cdsr bench: the stages of training beside this machine's own peak, of a configuration and its data set;
 * or a deck (jobs/bench/deck_run.h), which needs neither. */
#include "io/config.h"
#include "io/output.h"
#include "jobs/bench/clip_rate.h"
#include "jobs/bench/deck_run.h"
#include "jobs/bench/stages.h"
#include "jobs/bench/target.h"
#include "jobs/job.h"

struct request {
    struct deck_request deck;
    struct target_request target;
    bool overwrite, clip;
};

enum {
    KEY_OVERWRITE = 0x100,
    KEY_DECK,
    KEY_MINUTES,
    KEY_OPEN,
    KEY_SCRATCH,
    KEY_REFERENCE,
    KEY_TARGET,
    KEY_SEEDS,
    KEY_CLIP
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0,
     "Where the JSON goes (default: bench.json in the run directory); -: in place of the table", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing FILE", 0},
    {"deck", KEY_DECK, "NAME", 0,
     "Run a fixed workload and prove it right, without any file: " DECK_NAMES, 1},
    {"minutes", KEY_MINUTES, "N", 0, "Measure training of a deck for so long (an official run: 30)",
     1},
    {"open", KEY_OPEN, NULL, 0, "A deck by the rules of open runs: train.precision may be set", 1},
    {"scratch", KEY_SCRATCH, "DIR", 0,
     "Where checkpoints of a deck are written and read (default: the run directory)", 1},
    {"reference", KEY_REFERENCE, NULL, 0, "Print the first losses of a deck and end", 1},
    {"target", KEY_TARGET, "FIGURE=X", 0,
     "Train until the validation split has it (mrr=0.025, ndcg@10=0.03), and tell the seconds", 2},
    {"seeds", KEY_SEEDS, "N", 0,
     "Trainings with --target, whose quickest and slowest do not count (5)", 2},
    {"clip", KEY_CLIP, NULL, 0,
     "Instead of training: pictures and texts per second of CLIP encoders of ViT-B/32's shapes, "
     "without any file",
     3},
    {0}};

enum { SEEDS = 5 };

/* A deck has no configuration file: all arguments are pairs. */
static error_t finish(struct request *r, const struct argp_state *state) {
    struct deck_request *d = &r->deck;
    bool target = r->target.figure[0];
    if (target ? d->deck != NULL : r->target.seeds != SEEDS) {
        argp_error(state, "--target belongs to a configuration, and --seeds to --target");
        return EINVAL;
    }
    bool only = d->minutes > 0 || d->open || d->scratch || d->reference;
    if (r->clip) {
        if (!only && !target && !d->deck && !d->config.path)
            return 0;
        argp_error(state, "--clip takes no configuration");
        return EINVAL;
    }
    if (d->deck)
        return args_config_pairs(&d->config, state);
    if (!only)
        return args_config_parse(&d->config, ARGP_KEY_END, NULL, state, "configuration file");
    argp_error(state, "--minutes, --open, --scratch and --reference belong to --deck");
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    struct deck_request *d = &r->deck;
    switch (key) {
    case 'o':
        d->output = arg;
        return 0;
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case KEY_DECK:
        d->deck = deck_parse(state, arg);
        return d->deck ? 0 : EINVAL;
    case KEY_MINUTES:
        return args_number(state, "--minutes", arg, 0, 1e6, &d->minutes);
    case KEY_OPEN:
        d->open = true;
        return 0;
    case KEY_SCRATCH:
        d->scratch = arg;
        return 0;
    case KEY_REFERENCE:
        d->reference = true;
        return 0;
    case KEY_TARGET:
        return target_parse(state, arg, &r->target);
    case KEY_SEEDS:
        return args_integer(state, "--seeds", arg, TARGET_LEAST_SEEDS, TARGET_SEEDS,
                            &r->target.seeds);
    case KEY_CLIP:
        r->clip = true;
        return 0;
    case ARGP_KEY_END:
        return finish(r, state);
    default:
        return args_config_parse(&d->config, key, arg, state, NULL);
    }
}

/* ---- of a configuration ---- */

/* Rankings are repeated until so many seconds have passed. */
enum { EVALUATIONS = 3, SECONDS = 10 };

static enum status measure(struct bench *b, const char *output) {
    const struct config *c = &b->run.config;
    TRY(b->fitted ? bench_fit(b) : bench_steps(b, c->bench.warmup, c->bench.steps));
    if (!bench_skips(b, "evaluation"))
        TRY(bench_evaluate(b, EVALUATIONS, SECONDS));
    bench_figures(b);
    if (b->comm->rank == 0 && (!output || !output_is_stdout(output)))
        stages_print(b);
    return COMM_ON_ROOT(b->comm, stages_write(stages_json(b), c->run.dir, output));
}

static enum status bench_config(struct comm *comm, const struct request *request) {
    const struct deck_request *r = &request->deck;
    struct bench bench;
    struct config config;
    TRY(config_load(comm, r->config.path, r->config.pairs, r->config.npairs, &config));
    if (request->target.figure[0])
        return target_run(comm, &config, &request->target, r->output);
    enum status status = bench_open(&bench, comm, &config, NULL);
    if (status == STATUS_OK)
        status = measure(&bench, r->output);
    bench_close(&bench);
    return status;
}

/* ---- the job ---- */

enum status job_bench(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse,
        "CONFIG.yaml [KEY=VALUE...]\n--deck NAME [KEY=VALUE...]\n--clip",
        "Measure the stages of training beside this machine's own peak. bench.steps, bench.warmup "
        "and bench.skip say what is measured. With --deck the workload is fixed, and the last "
        "lines "
        "are its figures of merit and VALID, or INVALID and why.",
        NULL,
        NULL,
        NULL};
    struct request request = {.target = {.seeds = SEEDS}};
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    if (request.deck.output)
        TRY(output_check(comm, request.deck.output, OUTPUT_TEXT, request.overwrite));
    if (request.clip)
        return clip_rate(comm, request.deck.output);
    return request.deck.deck ? deck_run(comm, &request.deck) : bench_config(comm, &request);
}
