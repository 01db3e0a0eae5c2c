/* cdsr recommend: the best items of each domain for histories of users, known or new. */
#include "core/catalogue/rank.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/output.h"
#include "io/protocol.h"
#include "io/readers/histories.h"
#include "io/recommendations.h"
#include "jobs/engine/ranker.h"
#include "jobs/engine/saved.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "partition/range.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 10000, KEY_SEEN = 0x100, KEY_DOMAIN, KEY_OVERWRITE };

/* ---- command line ---- */

struct request {
    struct saved_request saved;
    const char *input, *output, *domain;
    int64_t k;
    bool seen, overwrite;
};

static const char doc[] =
    "List the best items for histories of users.\v"
    "A line of the input is USER, a tab, and the keys of the user's items, oldest first, with tabs "
    "between them. Keys that are no item's are left out and counted. Each line has lists of its "
    "own, in the order of the input, also where a user has several lines. The output is .h5, "
    ".jsonl or .tsv. Items of the history are not listed unless --seen is given. Where fewer than "
    "N are left, the list is shorter; in .h5 its last places have item -1 and score "
    "NaN. A model whose states change with time lists what is likely at the end of its "
    "training. " SAVED_DOC;

static const struct argp_option options[] = {
    {"input", 'i', "FILE", 0, "Histories", 0},
    {NULL, 'k', "N", 0, "Items per user and domain (10)", 0},
    {"output", 'o', "FILE", 0, "Lists to write: .h5, .jsonl or .tsv", 0},
    {"domain", KEY_DOMAIN, "LABEL", 0, "Items of this domain only", 0},
    {"seen", KEY_SEEN, NULL, 0, "Items of the history may be listed", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing output", 0},
    {"items-by-key", SAVED_BY_KEY, NULL, 0, SAVED_BY_KEY_HELP, 0},
    {0}};

static error_t check_request(const struct argp_state *state, const struct request *r) {
    if (!r->input)
        argp_error(state, "no input; give --input FILE with histories");
    else if (!r->output)
        argp_error(state, "no output; give -o FILE.h5, FILE.jsonl or FILE.tsv");
    else if (!recommendations_format_known(r->output))
        argp_error(state, "-o: '%.100s' does not end in .h5, .jsonl or .tsv", r->output);
    else
        return 0;
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    error_t refused;
    switch (key) {
    case 'i':
        r->input = arg;
        return 0;
    case 'k':
        return args_integer(state, "-k", arg, 1, MOST, &r->k);
    case 'o':
        r->output = arg;
        return 0;
    case KEY_DOMAIN:
        r->domain = arg;
        return 0;
    case KEY_SEEN:
        r->seen = true;
        return 0;
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case ARGP_KEY_END:
        refused = saved_parse(&r->saved, key, arg, state);
        return refused && refused != ARGP_ERR_UNKNOWN ? refused : check_request(state, r);
    default:
        return saved_parse(&r->saved, key, arg, state);
    }
}

/* ---- histories ---- */

struct work {
    struct run *run; /* the first of those that rank */
    const struct request *request;
    struct h5_strings keys;     /* rank 0 */
    struct histories histories; /* users and report on rank 0, sequences on all */
    struct recommendations out; /* rank 0 */
    struct range mine;          /* histories of this rank */
    int64_t *index;             /* of them, those that are not empty */
    int64_t count;
    struct ranker ranker;
};

static void report_unknown(const struct work *w) {
    const struct histories *h = &w->histories;
    int64_t empty = 0;
    for (int64_t u = 0; u < h->of.count; u++)
        empty += h->of.offsets[u] == h->of.offsets[u + 1];
    if (h->unknown > 0)
        log_warn("%s:%lld: key '%s' is no item's, one of %lld such keys, which are left out",
                 w->request->input, (long long)h->unknown_line, h->unknown_key,
                 (long long)h->unknown);
    if (h->repeated > 0)
        log_warn(
            "%s:%lld: user '%s' had a line before, one of %lld such lines; each line has lists "
            "of its own, in the order of the input",
            w->request->input, (long long)h->repeated_line, h->repeated_user,
            (long long)h->repeated);
    if (empty > 0)
        log_warn("%s: %lld of %lld users have no known item: nothing is listed for them",
                 w->request->input, (long long)empty, (long long)h->of.count);
}

static enum status read_histories(struct work *w) {
    const struct comm *comm = w->run->comm;
    const struct dataset *dataset = &w->run->dataset;
    bool first = comm->rank == 0;
    TRY(dataset_read_keys(comm, dataset, 0, first ? dataset->items : 0, &w->keys));
    TRY(COMM_ON_ROOT(comm, histories_read(w->request->input, &w->keys, &w->histories)));
    if (first)
        report_unknown(w);
    struct sequences *s = &w->histories.of;
    comm_bcast(comm, &s->count, sizeof s->count);
    if (!first)
        s->offsets = mem_alloc(s->count + 1, sizeof *s->offsets);
    comm_bcast(comm, s->offsets, (s->count + 1) * (int64_t)sizeof *s->offsets);
    if (!first)
        s->items = mem_alloc(s->offsets[s->count], sizeof *s->items);
    comm_bcast(comm, s->items, s->offsets[s->count] * (int64_t)sizeof *s->items);
    w->mine = range_of(s->count, comm->size, comm->rank);
    w->index = mem_alloc(w->mine.hi - w->mine.lo, sizeof *w->index);
    for (int64_t u = w->mine.lo; u < w->mine.hi; u++)
        if (s->offsets[u] < s->offsets[u + 1])
            w->index[w->count++] = u;
    return STATUS_OK;
}

/* The domains asked for; the same on all ranks. */
static enum status choose_domains(const struct work *w, bool has[2]) {
    const struct dataset *dataset = &w->run->dataset;
    const char *wanted = w->request->domain;
    for (int d = 0; d < 2; d++)
        has[d] = dataset->domain_items[d] > 0 && (!wanted || !strcmp(wanted, dataset->labels[d]));
    if (has[0] || has[1])
        return STATUS_OK;
    bool both = dataset->domain_items[1] > 0;
    return comm_error(w->run->comm, STATUS_INPUT, "--domain: '%.100s' is not one of %s%s%s", wanted,
                      dataset->labels[0], both ? ", " : "", both ? dataset->labels[1] : "");
}

/* ---- lists ---- */

/* Lists of the present domain for `n` histories from the `at`-th on. Collective where items are shared out; n
 * may be 0 then. */
static enum status list_batch(struct work *w, int64_t at, int64_t n, struct top_item *list,
                              int64_t *counts) {
    const struct sequences *s = &w->histories.of;
    int64_t k = w->request->k;
    struct sample samples[RANKER_BATCH];
    struct top top[RANKER_BATCH];
    struct ranking ranking = {0};
    for (int64_t i = 0; i < n; i++) {
        int64_t u = w->index[at + i];
        samples[i] =
            (struct sample){s->items + s->offsets[u], s->offsets[u + 1] - s->offsets[u], u, NULL};
        top[i] = (struct top){list + (u - w->mine.lo) * k, k, 0};
    }
    struct arena *arena = ranker_ask(&w->ranker, samples, n, &ranking.query);
    struct rank_lists own = rank_own_items(arena, samples, NULL, n);
    if (!w->request->seen)
        ranking.excluded = &own;
    else if (query_has_repeats(&ranking.query))
        ranking.history = &own;
    TRY(rank_top(arena, &ranking, k, top));
    for (int64_t i = 0; i < n; i++)
        counts[w->index[at + i] - w->mine.lo] = top[i].count;
    return STATUS_OK;
}

/* Where items are shared out, ranks list as many batches, of all ranks' histories together. */
static enum status list_all(struct work *w, int domain, struct top_item *list, int64_t *counts) {
    const struct comm *comm = w->run->comm;
    int64_t size = ranker_batch(&w->ranker), batches = (w->count + size - 1) / size;
    enum status status = STATUS_OK;
    if (ranker_is_shared(&w->ranker))
        comm_max_i64(comm, &batches, 1);
    for (int64_t b = 0; b < batches && status == STATUS_OK; b++) {
        int64_t at = b * size < w->count ? b * size : w->count;
        int64_t n = w->count - at < size ? w->count - at : size;
        status = list_batch(w, at, n, list, counts);
        if (comm->rank == 0)
            log_progress("%s %lld/%lld", w->run->dataset.labels[domain], (long long)(at + n),
                         (long long)w->count);
    }
    return comm_agree(comm, status);
}

/* All ranks' lists to rank 0, places without an item filled. */
static void gather_lists(struct work *w, int domain, const struct top_item *list,
                         const int64_t *counts) {
    int64_t users = w->mine.hi - w->mine.lo, k = w->request->k, total;
    int32_t *item = mem_alloc(users * k, sizeof *item);
    float *score = mem_alloc(users * k, sizeof *score);
    for (int64_t u = 0; u < users; u++)
        for (int64_t i = 0; i < k; i++) {
            bool there = i < counts[u];
            item[u * k + i] = there ? list[u * k + i].item : -1;
            score[u * k + i] = there ? (float)list[u * k + i].score : NAN;
        }
    w->out.item[domain] =
        comm_collect(w->run->comm, item, users * k * (int64_t)sizeof *item, &total);
    w->out.score[domain] =
        comm_collect(w->run->comm, score, users * k * (int64_t)sizeof *score, &total);
    mem_free(item);
    mem_free(score);
}

static enum status list_domain(struct work *w, int domain) {
    int64_t users = w->mine.hi - w->mine.lo;
    struct top_item *list = mem_alloc(users * w->request->k, sizeof *list);
    int64_t *counts = mem_zero(users, sizeof *counts);
    ranker_begin(&w->ranker, domain);
    enum status status = list_all(w, domain, list, counts);
    if (status == STATUS_OK)
        gather_lists(w, domain, list, counts);
    mem_free(list);
    mem_free(counts);
    return status;
}

static enum status list_items(struct work *w, struct saved *saved) {
    ranker_open(&w->ranker, saved->run, saved->count);
    for (int d = 0; d < 2; d++)
        if (w->out.has[d])
            TRY(list_domain(w, d));
    return STATUS_OK;
}

/* ---- summary ---- */

static int64_t list_length(const struct work *w, int domain, int64_t user) {
    const int32_t *item = w->out.item[domain] + user * w->out.k;
    int64_t n = 0;
    while (n < w->out.k && item[n] >= 0)
        n++;
    return n;
}

/* Of users with a history: those without are warned of. */
static void print_fewer(const struct work *w, int domain) {
    const int64_t *offsets = w->histories.of.offsets;
    int64_t users = 0, least = w->out.k, most = 0;
    for (int64_t u = 0; u < w->out.users->count; u++) {
        int64_t n = list_length(w, domain, u);
        if (n == w->out.k || offsets[u] == offsets[u + 1])
            continue;
        users++;
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    if (users > 0)
        printf("; %lld users have fewer of %s, %lld to %lld of its %lld items", (long long)users,
               w->out.dataset->labels[domain], (long long)least, (long long)most,
               (long long)w->out.dataset->domain_items[domain]);
}

static void print_summary(const struct work *w, double seconds, double written) {
    printf("%s: %lld users, %lld items of each domain", w->request->output,
           (long long)w->out.users->count, (long long)w->out.k);
    for (int d = 0; d < 2; d++)
        if (w->out.has[d])
            print_fewer(w, d);
    if (w->out.per_domain)
        printf("; " PROTOCOL_PER_DOMAIN);
    if (w->out.runs > 1)
        printf("; mean of %d runs", w->out.runs);
    printf("; listed in %.2f s, written in %.2f s\n", seconds, written);
}

/* ---- the job ---- */

static enum status recommend(struct work *w, struct saved *saved) {
    struct run *run = w->run;
    double start = phase_clock();
    TRY(choose_domains(w, w->out.has));
    TRY(read_histories(w));
    TRY(list_items(w, saved));
    double listed = phase_clock();
    w->out.users = &w->histories.users;
    w->out.k = w->request->k;
    w->out.dataset = &run->dataset;
    w->out.keys = &w->keys;
    w->out.choice = saved->choice;
    w->out.runs = saved->count;
    w->out.per_domain = saved_is_per_domain(saved);
    TRY(recommendations_write(run->comm, w->request->output, &w->out));
    if (run->comm->rank == 0 && !output_is_stdout(w->request->output))
        print_summary(w, listed - start, phase_clock() - listed);
    return STATUS_OK;
}

static void work_free(struct work *w) {
    ranker_close(&w->ranker);
    h5_strings_free(&w->keys);
    histories_free(&w->histories);
    mem_free(w->index);
    for (int d = 0; d < 2; d++) {
        mem_free(w->out.item[d]);
        mem_free(w->out.score[d]);
    }
}

enum status job_recommend(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options, parse, SAVED_ARGS, doc, NULL, NULL, NULL};
    struct request request = {.k = 10};
    struct saved saved;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    TRY(output_check(comm, request.output, recommendations_form(request.output),
                     request.overwrite));
    TRY(saved_open(comm, &request.saved, &saved));
    struct work work = {.run = &saved.run[0], .request = &request};
    enum status status = recommend(&work, &saved);
    work_free(&work);
    saved_close(&saved);
    return status;
}
