/* The command line of `cdsr prepare`; the reader that a format has; checks for what would make an
 * evaluation say too much (io/leak); the data set written under a lock. */
#include "core/log.h"
#include "core/mem.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "io/leak.h"
#include "io/readers/c2dsr.h"
#include "io/readers/interactions.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/launch/dataset_lock.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH = 4096, INPUTS = 16, DOMAINS = 2, DEFAULT_MAX_LEN = 15 };

enum format { FORMAT_NONE, FORMAT_C2DSR, FORMAT_INTERACTIONS };

struct request {
    enum format format;
    int inputs, domains;
    int interactions_key; /* the last option given that only interactions has, 0: none */
    const char *input[INPUTS], *domain[DOMAINS], *output, *name;
    int64_t max_len;
    bool overwrite, split_chosen;
    double wait; /* seconds */
    struct interactions_options interactions;
    char chosen[256]; /* labels of --domains */
};

/* ---- command line ---- */

enum {
    KEY_FORMAT = 0x100,
    KEY_NAME,
    KEY_MAX_LEN,
    KEY_STRICT,
    KEY_OVERWRITE,
    KEY_WAIT,
    KEY_SPLIT, /* from here on of interactions alone */
    KEY_FRACTIONS,
    KEY_MIN_USER,
    KEY_MIN_ITEM,
    KEY_MIN_DOMAIN,
    KEY_DOMAIN,
    KEY_DOMAINS,
    KEY_COLUMNS,
    KEY_TIES,
    KEY_DEDUPLICATE
};

static const char doc[] =
    "Turn raw files into a data set.\v"
    "INPUT of c2dsr is the folder with Alist.txt, Blist.txt and {train,valid,test}data_new.txt, "
    "items.tsv and tags.jsonl if there.\n\n"
    "INPUT of interactions is a file of events and one of items, or a folder with them. Names that "
    "end in .inter and .item tell which is which (RecBole's atomic files), otherwise the header: "
    "user_id, item_id, timestamp and domain of events; item_id, domain, title and description of "
    "items. Fields stand between tabs, or in .csv between commas. Each domain may have files of "
    "its "
    "own: two folders, called as the domains, or --domain. Events in NAME.train.inter, "
    "NAME.valid.inter and NAME.test.inter are a given split; the lists item_id_list and "
    "timestamp_list of sequential benchmarks are read. Any text file may be gzip's.\n\n"
    "--split=loo: of every user with at least 3 events the last is the test target, the one before "
    "it the validation target, and the rest is for training. --split=temporal: two moments cut the "
    "events of all users into --temporal-fractions; of every user the last event between them is a "
    "validation target, the last after them a test target. --split=given: of every user the last "
    "event of the file is the target, what is before it and in the earlier files its history.\n\n"
    "Events of a user at one time keep the order of the file (--ties=file) or take that of their "
    "items' ids (key); drop: as key, and targets at the time of an event beside them are not held "
    "out.\n\n"
    "The leak report counts what would make an evaluation say too much; --strict makes such "
    "findings, and a last line without line end, errors.";

static const struct argp_option options[] = {
    {"format", KEY_FORMAT, "c2dsr|interactions", 0, "interactions: RecBole's atomic files, CSV", 0},
    {"output", 'o', "FILE", 0, "Data set to write (HDF5)", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing output", 0},
    DATASET_WAIT(KEY_WAIT),
    {"name", KEY_NAME, "NAME", 0, "Name of the data set (default: that of the output file)", 0},
    {"max-len", KEY_MAX_LEN, "N", 0, "Longest history a model sees by default (15)", 0},
    {"strict", KEY_STRICT, NULL, 0, "Leaks are errors", 0},
    {"domain", KEY_DOMAIN, "LABEL=FILES", 0,
     "interactions: the files of one domain, with commas between them, or their folder; once or "
     "twice",
     0},
    {"domains", KEY_DOMAINS, "LABEL[,LABEL]", 0, "interactions: read only these of several domains",
     0},
    {"columns", KEY_COLUMNS, "ROLE=NAME,...", 0,
     "interactions: names of columns; roles are user, item, time, domain, title, description, "
     "items "
     "and times (the lists)",
     0},
    {"split", KEY_SPLIT, "loo|temporal|given", 0,
     "interactions: loo (default), or given where the files are that", 0},
    {"temporal-fractions", KEY_FRACTIONS, "T,V,T", 0,
     "interactions: training, validation and test (0.8,0.1,0.1)", 0},
    {"ties", KEY_TIES, "file|key|drop", 0, "interactions: see below (file)", 0},
    {"deduplicate", KEY_DEDUPLICATE, "first|last|none", 0,
     "interactions: of a user's events with one item keep the first or the last; none (default): "
     "all",
     0},
    {"min-user-events", KEY_MIN_USER, "N", 0, "interactions: drop users with fewer events", 0},
    {"min-item-events", KEY_MIN_ITEM, "N", 0, "interactions: drop items with fewer events", 0},
    {"min-per-domain", KEY_MIN_DOMAIN, "N", 0,
     "interactions: drop users with fewer events in one of the domains", 0},
    {0}};

static error_t set_format(const struct argp_state *state, const char *text, enum format *format) {
    *format = !strcmp(text, "c2dsr")          ? FORMAT_C2DSR
              : !strcmp(text, "interactions") ? FORMAT_INTERACTIONS
                                              : FORMAT_NONE;
    if (*format != FORMAT_NONE)
        return 0;
    argp_error(state, "--format: '%.100s' is not one of c2dsr, interactions", text);
    return EINVAL;
}

/* Number of `text` among three names. */
static error_t set_choice(const struct argp_state *state, const char *option, const char *text,
                          const char *const names[3], int *choice) {
    for (*choice = 0; *choice < 3; ++*choice)
        if (!strcmp(text, names[*choice]))
            return 0;
    argp_error(state, "%s: '%.100s' is not one of %s, %s, %s", option, text, names[0], names[1],
               names[2]);
    return EINVAL;
}

static error_t set_domains(const struct argp_state *state, const char *text, struct request *r) {
    char *comma = NULL;
    bool fits = *text && strlen(text) < sizeof r->chosen;
    if (fits) {
        strcpy(r->chosen, text);
        comma = strchr(r->chosen, ',');
    }
    if (!fits || comma == r->chosen || (comma && (!comma[1] || strchr(comma + 1, ',')))) {
        argp_error(state, "--domains: '%.100s' is not one label or two, as books,movies", text);
        return EINVAL;
    }
    if (comma)
        *comma = '\0';
    r->interactions.domains[0] = r->chosen;
    r->interactions.domains[1] = comma ? comma + 1 : NULL;
    return 0;
}

static error_t set_columns(const struct argp_state *state, const char *text,
                           struct columns *columns) {
    if (columns_parse(columns, text))
        return 0;
    argp_error(state,
               "--columns: '%.200s' is not ROLE=NAME,...; roles are user, item, time, domain, "
               "title, description, items, times",
               text);
    return EINVAL;
}

static error_t add_domain(const struct argp_state *state, const char *text, struct request *r) {
    if (r->domains == DOMAINS) {
        argp_error(state, "--domain: '%.100s' is a third domain; a data set has two at most", text);
        return EINVAL;
    }
    r->domain[r->domains++] = text;
    return 0;
}

static error_t set_fractions(const struct argp_state *state, const char *text, double *f) {
    int end = 0;
    if (sscanf(text, "%lf,%lf,%lf%n", &f[0], &f[1], &f[2], &end) == 3 && !text[end] && f[0] > 0 &&
        f[1] > 0 && f[2] > 0 && fabs(f[0] + f[1] + f[2] - 1) < 1e-6)
        return 0;
    argp_error(state,
               "--temporal-fractions: '%.100s' is not three positive numbers of sum 1, as "
               "0.8,0.1,0.1",
               text);
    return EINVAL;
}

static error_t add_input(const struct argp_state *state, const char *text, struct request *r) {
    if (r->inputs == INPUTS) {
        argp_error(state, "more than %d inputs", INPUTS);
        return EINVAL;
    }
    r->input[r->inputs++] = text;
    return 0;
}

/* The name of an option. */
static const char *name_of_key(int key) {
    int i = 0;
    while (options[i].key != key)
        i++;
    return options[i].name;
}

static error_t check_request(const struct argp_state *state, const struct request *r) {
    const char *missing = r->format == FORMAT_NONE      ? "--format c2dsr|interactions"
                          : r->inputs + r->domains == 0 ? "INPUT, the raw files"
                          : !r->output                  ? "-o FILE, the data set to write"
                                                        : NULL;
    if (missing)
        argp_error(state, "missing %s", missing);
    else if (r->inputs > 0 && r->domains > 0)
        argp_error(state, "INPUT '%.100s' stands beside --domain; name all files in one way",
                   r->input[0]);
    else if (r->format == FORMAT_C2DSR && r->interactions_key)
        argp_error(state, "--%s says nothing to --format c2dsr; leave it away",
                   name_of_key(r->interactions_key));
    else if (r->format == FORMAT_C2DSR && r->inputs != 1)
        argp_error(state, "c2dsr has one INPUT, a folder; got %d", r->inputs);
    else if (strlen(r->output) > PATH - 64)
        argp_error(state, "the output's path is too long");
    else
        return 0;
    return EINVAL;
}

static error_t parse_filter(int key, char *arg, struct argp_state *state) {
    struct filters *f = &((struct request *)state->input)->interactions.filters;
    switch (key) {
    case KEY_MIN_USER:
        return args_integer(state, "--min-user-events", arg, 0, INT32_MAX, &f->min_user_events);
    case KEY_MIN_ITEM:
        return args_integer(state, "--min-item-events", arg, 0, INT32_MAX, &f->min_item_events);
    case KEY_MIN_DOMAIN:
        return args_integer(state, "--min-per-domain", arg, 0, INT32_MAX, &f->min_per_domain);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_choice(int key, const char *arg, struct argp_state *state) {
    static const char *const ties[3] = {"file", "key", "drop"};
    static const char *const repeats[3] = {"none", "first", "last"};
    struct request *r = state->input;
    int choice = 0;
    error_t error = key == KEY_SPLIT  ? set_choice(state, "--split", arg, split_rule_names, &choice)
                    : key == KEY_TIES ? set_choice(state, "--ties", arg, ties, &choice)
                                      : set_choice(state, "--deduplicate", arg, repeats, &choice);
    if (key == KEY_SPLIT) {
        r->interactions.split = (enum split_rule)choice;
        r->split_chosen = true;
    } else if (key == KEY_TIES)
        r->interactions.ties = (enum ties)choice;
    else
        r->interactions.filters.repeats = (enum repeats)choice;
    return error;
}

/* The options of interactions alone. */
static error_t parse_interactions(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    if (key >= KEY_SPLIT && key <= KEY_DEDUPLICATE)
        r->interactions_key = key;
    switch (key) {
    case KEY_DOMAIN:
        return add_domain(state, arg, r);
    case KEY_DOMAINS:
        return set_domains(state, arg, r);
    case KEY_COLUMNS:
        return set_columns(state, arg, &r->interactions.columns);
    case KEY_SPLIT:
    case KEY_TIES:
    case KEY_DEDUPLICATE:
        return parse_choice(key, arg, state);
    case KEY_FRACTIONS:
        return set_fractions(state, arg, r->interactions.fractions);
    default:
        return parse_filter(key, arg, state);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case KEY_FORMAT:
        return set_format(state, arg, &r->format);
    case 'o':
        r->output = arg;
        return 0;
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case KEY_WAIT:
        return args_number(state, "--wait", arg, 0, 1e9, &r->wait);
    case KEY_NAME:
        r->name = arg;
        return 0;
    case KEY_MAX_LEN:
        return args_integer(state, "--max-len", arg, 1, 1 << 20, &r->max_len);
    case KEY_STRICT:
        r->interactions.strict = true;
        return 0;
    case ARGP_KEY_ARG:
        return add_input(state, arg, r);
    case ARGP_KEY_END:
        return check_request(state, r);
    default:
        return parse_interactions(key, arg, state);
    }
}

/* ---- summary ---- */

static void print_split(const struct dataset_content *content, enum split split) {
    const struct sequences *s = &content->split[split].sequences;
    int64_t kinds[3] = {0}, targets[2] = {0}, n = s->count;
    for (int64_t i = 0; i < n; i++) {
        bool has[2] = {false, false};
        for (int64_t e = s->offsets[i]; e < s->offsets[i + 1]; e++)
            has[s->items[e] >= content->domain_items[0]] = true;
        kinds[has[0] && has[1] ? 0 : has[0] ? 1 : 2]++;
        targets[s->items[s->offsets[i + 1] - 1] >= content->domain_items[0]]++;
    }
    printf("%s: %lld sequences, %lld events; %lld mixed, %lld %s only, %lld %s only",
           split_names[split], (long long)n, (long long)s->offsets[n], (long long)kinds[0],
           (long long)kinds[1], content->labels[0], (long long)kinds[2], content->labels[1]);
    if (split != SPLIT_TRAIN)
        printf("; targets %s %lld, %s %lld", content->labels[0], (long long)targets[0],
               content->labels[1], (long long)targets[1]);
    putchar('\n');
}

static void print_leaks(const struct dataset_content *content) {
    const struct leak_report *leaks = &content->leaks;
    if (leaks->has_times) {
        printf("leak: training events later than a held-out target of their user: %lld\n",
               (long long)leaks->later);
        printf("leak: targets at the time of the event before them: %lld of %lld of validation, "
               "%lld of %lld of test\n",
               (long long)leaks->tied[SPLIT_VALID],
               (long long)content->split[SPLIT_VALID].sequences.count,
               (long long)leaks->tied[SPLIT_TEST],
               (long long)content->split[SPLIT_TEST].sequences.count);
    } else
        printf("leak: times are positions, so users' training events and targets have no order\n");
    printf("leak: targets inside their own history: %lld\n", (long long)leaks->repeated_target);
    printf("leak: held-out sequences that are also training sequences: %lld\n",
           (long long)leaks->in_training);
    printf("leak: sequences in the order of their item ids: %lld of %lld with 4 or more events\n",
           (long long)leaks->ascending, (long long)leaks->ascending_of);
}

static void print_summary(const struct request *r, const struct dataset_content *content) {
    const struct sequences *train = &content->split[SPLIT_TRAIN].sequences;
    double cells = (double)train->count * (double)content->keys.count;
    char hash[SHA256_TEXT];
    dataset_content_hash(content, hash);
    printf("%s: %s, protocol %s, max_len %d\n", r->output, content->name, content->protocol,
           content->max_len);
    printf("items: %lld of %s, %lld of %s%s\n", (long long)content->domain_items[0],
           content->labels[0], (long long)content->domain_items[1], content->labels[1],
           content->domain_items[1] ? "" : ": one domain");
    for (int s = 0; s < SPLITS; s++)
        print_split(content, (enum split)s);
    printf("density of training: %.3g %%\n", 100 * (double)train->offsets[train->count] / cells);
    if (content->tags.offsets)
        printf("tags: %lld, %.2f per item\n", (long long)content->tags.vocabulary.list.count,
               (double)content->tags.offsets[content->keys.count] / (double)content->keys.count);
    print_leaks(content);
    printf("content hash: %s\n", hash);
}

/* ---- job ---- */

static enum status read_interactions(const struct request *r, struct dataset_content *content) {
    struct interactions_options o = r->interactions;
    struct layout layout;
    TRY(layout_find(&layout, r->input, r->inputs, r->domain, r->domains, &o.columns));
    if (!r->split_chosen)
        o.split = layout.given ? SPLIT_GIVEN : SPLIT_LOO;
    enum status status = interactions_read(&layout, &o, content);
    layout_free(&layout);
    return status;
}

/* The last component of the output's path without ".h5". */
static char *name_of(const struct request *r) {
    const char *slash = strrchr(r->output, '/');
    char *name = mem_string(r->name ? r->name : slash ? slash + 1 : r->output);
    size_t n = strlen(name);
    if (!r->name && n > 3 && !strcmp(name + n - 3, ".h5"))
        name[n - 3] = '\0';
    return name;
}

static enum status read_input(const struct request *r, struct dataset_content *content) {
    content->name = name_of(r);
    content->max_len = (int)r->max_len;
    if (r->format == FORMAT_C2DSR)
        TRY(c2dsr_read(r->input[0], r->interactions.strict, content));
    else
        TRY(read_interactions(r, content));
    leak_check(content);
    if (r->interactions.strict && leak_found(&content->leaks)) {
        print_leaks(content);
        return log_error(STATUS_INPUT,
                         "%s: the leak report has findings and --strict was given; "
                         "repair the data or leave --strict away",
                         r->inputs ? r->input[0] : r->domain[0]);
    }
    return STATUS_OK;
}

static enum status prepare(const struct comm *comm, const struct request *r) {
    struct dataset_content content = {0};
    enum status status = COMM_ON_ROOT(comm, read_input(r, &content));
    if (status == STATUS_OK)
        status = dataset_write(comm, r->output, &content);
    if (status == STATUS_OK && comm->rank == 0)
        print_summary(r, &content);
    dataset_content_free(&content);
    return status;
}

enum status job_prepare(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options, parse, "INPUT...", doc, NULL, NULL, NULL};
    struct request r = {
        .max_len = DEFAULT_MAX_LEN, .wait = INFINITY, .interactions.fractions = {0.8, 0.1, 0.1}};
    struct lock lock;
    bool done;
    columns_default(&r.interactions.columns);
    TRY(args_parse(comm, &argp, argc, argv, &r, &done));
    if (done)
        return STATUS_OK;
    TRY(dataset_lock_new(&lock, comm, r.output, r.overwrite, r.wait));
    enum status status = prepare(comm, &r);
    lock_release(&lock);
    return status;
}
