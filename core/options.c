/* The general keys in one table; the registry of models' keys behind them; values by key, from a text
 * and to a text; what differs between two configurations and whether that changes a result; checks
 * between keys. */
#include "core/options.h"
#include "core/log.h"
#include "core/text.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of the registered models: the default, the first; all names, for messages; the help on them. */
static char first_model[OPTION_NAME], model_names[256], model_help[300];

#define GENERAL(...) OPTION(struct config, __VA_ARGS__)

// clang-format off
static const struct option_spec general[] = {
GENERAL("run.dir", TEXT, run.dir, "null", "", "null",
    "run directory; null: `runs/` and the configuration file's name"),
GENERAL("run.seed", INTEGER, run.seed, "1", "[0, inf)", NULL,
    "seed of every random number"),
GENERAL("run.time_limit", REAL, run.time_limit, "0", "[0, inf)", NULL,
    "seconds after which training stops with a checkpoint; 0: no limit but that of a SLURM job"),
GENERAL("run.margin", REAL, run.margin, "120", "[0, inf)", NULL,
    "seconds before the end of a SLURM job at which training stops with a checkpoint; at most a quarter of "
    "what is left at the start"),
GENERAL("data.path", TEXT, data.path, "data.h5", "", NULL,
    "data set made by `cdsr prepare` or `cdsr synth`"),
GENERAL("data.max_len", INTEGER, data.max_len, "0", "[0, 1000000]", NULL,
    "items of a history that are kept, the latest; 0: the data set's attribute"),
GENERAL("model.name", TEXT, model.name, first_model, "", NULL, model_help),
GENERAL("model.dim", INTEGER, model.dim, "128", "[1, 65536]", NULL,
    "width of the id embedding"),
GENERAL("model.blocks", INTEGER, model.blocks, "1", "[0, 64]", NULL,
    "attention blocks of an encoder"),
GENERAL("model.heads", INTEGER, model.heads, "1", "[1, 1024]", NULL,
    "attention heads; divide the width"),
GENERAL("model.dropout", REAL, model.dropout, "0.4", "[0, 1)", NULL,
    "share of activations dropped in training"),
GENERAL("model.modalities", NAMES, model.modalities, "[id, text]", "", NULL,
    "id and the data set's feature tables to use; a model may add or bring its own"),
GENERAL("model.scale", REAL, model.scale, "0", "[0, inf)", "learned",
    "factor on the cosine, or the inner product, in the softmax; 0: the model's own"),
GENERAL("model.mixed_softmax", CHOICE, model.mixed_softmax, "auto", "domain|all|auto", NULL,
    "items in the mixed stream's softmax: of the target's domain, or of both; auto: the model's own, "
    "domain if it has none"),
GENERAL("model.share_encoders", CHOICE, model.share_encoders, "auto", "none|streams|auto", NULL,
    "streams: the three streams of a modality share one encoder; auto: the model's own, none if "
    "it has no other"),
GENERAL("model.attention_init", CHOICE, model.attention_init, "auto", "random|identity|auto", NULL,
    "what an encoder's attention begins as: random maps; or half the mean of the items so far, most of all of "
    "those that are like the last one; auto: the model's own, random if it has no other"),
GENERAL("model.output_table", CHOICE, model.output_table, "tied", "tied|untied", NULL,
    "what ids are ranked by, for models that have the choice: the embedding that histories are read with; or "
    "a table of their own"),
GENERAL("model.user", CHOICE, model.user, "auto", "table|mean|auto", NULL,
    "what a user is in training, for models without an encoder: a learned vector for each training "
    "sequence; or the mean of the vectors of the items so far, as in rankings; auto: the model's own"),
GENERAL("model.repeats", CHOICE, model.repeats, "auto", "free|counted|auto", NULL,
    "how probable a ranking takes a user's own items to be: as the scores have it; or together as often "
    "as the targets of the training sequences, counted by domain, repeat an earlier item of theirs; auto: "
    "counted with a loss that is a softmax (exact, sampled, infonce), else free"),
GENERAL("model.time", CHOICE, model.time, "auto", "none|state|auto", NULL,
    "state: what is likely changes with the time of a history's last event, by a vector that is learned "
    "and added to its state, for models that have the choice; auto: the model's own, where the data set "
    "says when events were"),
GENERAL("model.id_init", TEXT, model.id_init, "auto", "", NULL,
    "start of the id embedding: a feature table of width model.dim; random; or auto: the first such "
    "table of the modalities, else random"),
GENERAL("model.feature_proj", INTEGER, model.feature_proj, "0", "[0, 65536]", NULL,
    "width of a learned projection of feature tables; 0: none"),
GENERAL("train.epochs", INTEGER, train.epochs, "100", "[0, inf)", NULL,
    "passes over the training sequences"),
GENERAL("train.max_steps", INTEGER, train.max_steps, "0", "[0, inf)", NULL,
    "stop after this many steps; 0: no such limit"),
GENERAL("train.init", TEXT, train.init, "null", "", "null",
    "HDF5 file with `/param/*` to start from; item rows are found by key"),
GENERAL("train.batch", INTEGER, train.batch, "128", "[1, inf)", NULL,
    "sequences of a step, over all ranks"),
GENERAL("train.optimizer", CHOICE, train.optimizer, "adamw", "adamw|lazy_adamw", NULL,
    "lazy_adamw: with a sampled loss, id rows that a step does not use stay as they are; so do rows of "
    "users with any loss"),
GENERAL("train.lr", REAL, train.lr, "auto", "[0, inf)", "auto",
    "learning rate; auto: the model's own, 0.001 if it has none"),
GENERAL("train.schedule", CHOICE, train.schedule, "auto", "constant|cosine|plateau|auto", NULL,
    "how the learning rate falls: not at all; along half a cosine, to train.min_lr at the end of "
    "train.epochs or train.max_steps; or where the figure that selects the best epoch does not rise; auto: the "
    "model's own, constant where no evaluations would lower it"),
GENERAL("train.warmup", REAL, train.warmup, "0", "[0, inf)", NULL,
    "epochs in which the learning rate rises from zero, step by step; 0: none"),
GENERAL("train.min_lr", REAL, train.min_lr, "0", "[0, inf)", NULL,
    "cosine and plateau: lowest learning rate"),
GENERAL("train.plateau_factor", REAL, train.plateau_factor, "0.3", "(0, 1)", NULL,
    "plateau: what the learning rate is multiplied by"),
GENERAL("train.plateau_patience", INTEGER, train.plateau_patience, "1", "[0, inf)", NULL,
    "plateau: evaluations in a row without improvement that leave it as it is; the next one lowers it"),
GENERAL("train.plateau_reductions", INTEGER, train.plateau_reductions, "3", "[0, inf)", NULL,
    "plateau: how often it is lowered; where it would be once more, training ends; 0, or train.patience=0: any number "
    "of times"),
GENERAL("train.plateau_from", CHOICE, train.plateau_from, "best", "best|latest", NULL,
    "plateau: the epoch from which training goes on with the lowered rate; with eval.select_domain=each from "
    "the latest where the domains have other best ones"),
GENERAL("train.betas", PAIR, train.betas, "[0.9, 0.98]", "[0, 1)", NULL,
    "decay of the first and second moment"),
GENERAL("train.weight_decay", REAL, train.weight_decay, "0", "[0, inf)", NULL,
    "decoupled weight decay"),
GENERAL("train.loss", CHOICE, train.loss, "auto", "exact|sampled|gbce|bce|bpr|infonce|auto", NULL,
    "softmax over all items of the catalogue, or over sampled ones; gbce: gSASRec's binary "
    "cross-entropy with sampled ones; bce: SASRec's, each position with items drawn for it; bpr: "
    "BPR's, with as many pairs; infonce: softmax over items drawn for each position; auto: the model's "
    "own, exact if it has none"),
GENERAL("train.negatives", INTEGER, train.negatives, "2048", "[1, inf)", NULL,
    "items drawn per step by the sampled losses"),
GENERAL("train.sampler", CHOICE, train.sampler, "uniform", "uniform|popularity|batch", NULL,
    "how negatives are drawn: each item alike, by the number of its training events, or from the "
    "targets of the step's batch"),
GENERAL("train.sampler_alpha", REAL, train.sampler_alpha, "0.75", "[0, 1]", NULL,
    "popularity: draw in proportion to events to this power"),
GENERAL("train.logq", TRUTH, train.logq, "false", "", NULL,
    "correct the negatives' logits for the probability of drawing them"),
GENERAL("train.gbce_t", REAL, train.gbce_t, "0.75", "[0, 1]", NULL,
    "gbce: calibration t; 0: plain binary cross-entropy, 1: scores as probable as with all items"),
GENERAL("train.bce_negatives", INTEGER, train.bce_negatives, "0", "[0, inf)", NULL,
    "bce, bpr and infonce: items drawn for each position, none of its sequence, infonce with "
    "model.mixed_softmax=all as many from each domain; 0: the model's own number, 1 if it has none"),
GENERAL("train.patience", INTEGER, train.patience, "6", "[0, inf)", NULL,
    "evaluations without improvement before training stops; 0: never"),
GENERAL("train.target", CHOICE, train.target, "both", "both|a|b", NULL,
    "domain trained for", .former = "both|x|y"),
GENERAL("train.grad_clip", REAL, train.grad_clip, "0", "[0, inf)", NULL,
    "largest norm of the gradient; 0: any"),
GENERAL("train.placement", CHOICE, train.placement, "replicated", "replicated|sharded", NULL,
    "sharded: every rank holds a part of the rows of the item tables"),
GENERAL("train.precision", CHOICE, train.precision, "fp32", "fp32|bf16", NULL,
    "bf16: linear layers and loss multiply in bfloat16, sums and all else in float32"),
GENERAL("train.reproducible", TRUTH, train.reproducible, "false", "", NULL,
    "losses and parameters of the same bits for 1, 2, 4 and 8 ranks of as many threads"),
GENERAL("eval.candidates", CHOICE, eval.candidates, "full", "full|sampled|both", NULL,
    "rank the target among all items of its domain, or among sampled ones"),
GENERAL("eval.sampled_negatives", INTEGER, eval.sampled_negatives, "999", "[1, inf)", NULL,
    "negatives per target where candidates are sampled; all other items of its domain where they are "
    "no more"),
GENERAL("eval.exclude_history", TRUTH, eval.exclude_history, "false", "", NULL,
    "a user's own items are no candidates, full or sampled, but for the target"),
GENERAL("eval.ties", CHOICE, eval.ties, "mean", "mean|optimistic|pessimistic", NULL,
    "rank of a target that shares its score"),
GENERAL("eval.cutoffs", NUMBERS, eval.cutoffs, "[1, 5, 10]", "[1, 1000000]", NULL,
    "k of NDCG@k and HR@k"),
GENERAL("eval.every", INTEGER, eval.every, "1", "[0, inf)", NULL,
    "epochs between evaluations; 0: never"),
GENERAL("eval.select", TEXT, eval.select, "ndcg@100", NULL, NULL,
    "figure that selects the best epoch: mrr, ndcg@K or hr@K with any K; without @K at the last cut-off"),
GENERAL("eval.select_candidates", CHOICE, eval.select_candidates, "auto", "auto|full|sampled", NULL,
    "candidates that the figure is taken among, which eval.candidates has to have; auto: full if it has "
    "them"),
GENERAL("eval.select_domain", CHOICE, eval.select_domain, "auto", "auto|both|a|b|each", NULL,
    "targets that the figure is taken of: those of one domain, or of both; auto: as train.target; each: "
    "every domain that is trained for has a best epoch of its own, with which its targets are ranked",
    .former = "auto|both|x|y"),
GENERAL("checkpoint.every_s", REAL, checkpoint.every_s, "600", "[0, inf)", NULL,
    "seconds between checkpoints"),
GENERAL("checkpoint.keep", INTEGER, checkpoint.keep, "2", "[1, inf)", NULL,
    "latest checkpoints that are kept"),
GENERAL("log.every_s", REAL, log.every_s, "30", "[0, inf)", NULL,
    "seconds between progress lines off a terminal"),
GENERAL("log.ranks", TRUTH, log.ranks, "true", "", NULL,
    "keep the rank of every target in ranks.h5, for report --compare"),
GENERAL("log.every_steps", INTEGER, log.every_steps, "1", "[1, inf)", NULL,
    "steps between `step` events in the log"),
GENERAL("bench.steps", INTEGER, bench.steps, "20", "[1, 100000]", NULL,
    "steps that `cdsr bench` measures"),
GENERAL("bench.warmup", INTEGER, bench.warmup, "5", "[0, 100000]", NULL,
    "steps before them"),
GENERAL("bench.skip", NAMES, bench.skip, "none", "", "none",
    "stages to leave out: input, encoder, loss, reduction, optimizer, evaluation"),
};
// clang-format on

/* ---- the registry ---- */

enum { KEYS = 256, MODELS = 32 };

/* The keys by section, in the order in which they were registered within one. */
static struct {
    const struct option_spec *option;
    const char *model; /* NULL: a general key */
    size_t block;      /* in struct config, what the option's offset counts from */
} keys[KEYS];
static int key_count;

static struct {
    const char *name;
    size_t own; /* where its part of config->model.own begins */
} models[MODELS];
static int model_count;
static size_t own_used;

static bool same_section(const char *a, const char *b) {
    size_t n = strcspn(a, ".");
    return n == strcspn(b, ".") && !strncmp(a, b, n);
}

/* Behind the last key of its section; a section that is new comes last. */
static void add_key(const struct option_spec *option, const char *model, size_t block) {
    int at = key_count;
    while (at > 0 && !same_section(keys[at - 1].option->key, option->key))
        at--;
    if (at == 0)
        at = key_count;
    assert(key_count < KEYS);
    memmove(&keys[at + 1], &keys[at], (size_t)(key_count++ - at) * sizeof *keys);
    keys[at].option = option;
    keys[at].model = model;
    keys[at].block = block;
}

int options_count(void) {
    for (size_t i = 0; key_count < (int)(sizeof general / sizeof *general); i++)
        add_key(&general[i], NULL, 0);
    return key_count;
}

static int find_model(const char *name) {
    int i = 0;
    while (i < model_count && strcmp(models[i].name, name) != 0)
        i++;
    return i < model_count ? i : -1;
}

static void add_model(const char *name) {
    size_t at = strlen(model_names);
    snprintf(model_names + at, sizeof model_names - at, "%s%s", at ? ", " : "", name);
    snprintf(model_help, sizeof model_help, "the model: %s", model_names);
    if (model_count == 0)
        snprintf(first_model, sizeof first_model, "%s", name);
    assert(model_count < MODELS && strlen(name) < OPTION_NAME);
    models[model_count].name = name;
    models[model_count++].own = own_used;
}

void options_register(const char *model, const struct option_spec *table, int count, size_t size) {
    size_t block = offsetof(struct config, model.own) + own_used;
    if (find_model(model) >= 0)
        return;
    (void)options_count(); /* the general keys come first */
    add_model(model);
    for (int i = 0; i < count; i++)
        add_key(&table[i], model, block);
    own_used += (size + OPTIONS_ALIGN - 1) / OPTIONS_ALIGN * OPTIONS_ALIGN;
    assert(own_used <= OPTIONS_OWN);
}

void *options_own(const struct config *config, const char *model) {
    int i = find_model(model);
    assert(i >= 0);
    return (void *)(uintptr_t)(config->model.own + models[i].own);
}

/* ---- reading ---- */

static const void *block_of(const struct config *config, int i) {
    return (const char *)config + keys[i].block;
}

void options_defaults(struct config *config) {
    memset(config, 0, sizeof *config);
    for (int i = 0; i < options_count(); i++)
        (void)option_read(keys[i].option, keys[i].option->initial, (char *)config + keys[i].block);
}

int options_find(const char *key) {
    for (int i = 0; i < options_count(); i++) {
        const char *former = keys[i].option->former_key;
        if (!strcmp(options_key(i), key) || (former && !strcmp(former, key)))
            return i;
    }
    return -1;
}

/* A key without its section is compared with keys without theirs. */
static const char *nearest(const char *key) {
    int best = 0, least = -1;
    for (int i = 0; i < options_count(); i++) {
        const char *mine = strchr(key, '.') ? options_key(i) : strchr(options_key(i), '.') + 1;
        int distance = text_distance(key, mine);
        if (least < 0 || distance < least)
            best = i, least = distance;
    }
    return options_key(best);
}

static void warn_of_former(const struct option_spec *o, const char *where, const char *key,
                           const char *value) {
    char name[OPTION_NAME];
    if (strcmp(o->key, key) != 0)
        log_warn("%s: '%s' is now called '%s'", where, key, o->key);
    if (option_renamed(o, value, name))
        log_warn("%s: %s: '%s' is now called '%s'", where, o->key, value, name);
}

/* Is it a key of earlier versions, which the files of their runs have? */
static bool is_gone(const char *key) {
    return !strcmp(key, "train.ema");
}

enum status options_set(struct config *config, const char *where, const char *key,
                        const char *value) {
    char expected[256];
    int i = options_find(key);
    if (i < 0 && is_gone(key)) {
        log_warn("%s: '%s' is a key of earlier versions; it has no effect", where, key);
        return STATUS_OK;
    }
    if (i < 0)
        return log_error(STATUS_INPUT, "%s: unknown key '%.100s'; did you mean '%s'?", where, key,
                         nearest(key));
    const struct option_spec *o = keys[i].option;
    if (option_read(o, value, (char *)config + keys[i].block)) {
        warn_of_former(o, where, key, value);
        return STATUS_OK;
    }
    option_expected(o, expected, sizeof expected);
    return log_error(STATUS_INPUT, "%s: %s: '%.200s' is not %s", where, key, value, expected);
}

enum status options_set_pair(struct config *config, const char *pair) {
    char key[OPTION_NAME];
    const char *equals = strchr(pair, '=');
    if (!equals)
        return log_error(STATUS_INPUT, "command line: '%.200s' is not key=value", pair);
    snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    return options_set(config, "command line", key, equals + 1);
}

/* ---- the keys for readers and writers ---- */

const char *options_key(int i) {
    return keys[i].option->key;
}

const char *options_model(int i) {
    return keys[i].model;
}

const char *options_help(int i) {
    return keys[i].option->help;
}

void options_value(const struct config *config, int i, char *text, size_t size) {
    option_print(keys[i].option, block_of(config, i), text, size);
}

void options_expected(int i, char *text, size_t size) {
    option_expected(keys[i].option, text, size);
}

void options_choices(int i, char *text, size_t size) {
    option_choices(keys[i].option, text, size);
}

bool options_is_text(int i) {
    return keys[i].option->type == OPTION_TEXT;
}

static uint64_t hash_text(uint64_t h, const char *text) {
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001B3u;
    return (h ^ '\n') * 0x100000001B3u;
}

bool options_decides_result(int i) {
    const char *key = options_key(i);
    return strcmp(key, "run.dir") != 0 && strcmp(key, "run.time_limit") != 0 &&
           strcmp(key, "run.margin") != 0 && strcmp(key, "data.path") != 0 &&
           strncmp(key, "log.", 4) != 0 && strncmp(key, "checkpoint.", 11) != 0 &&
           strncmp(key, "bench.", 6) != 0;
}

bool options_may_change(int i) {
    static const char *const fixed[] = {"run.seed", "data.max_len", "train.init"};
    const char *key = options_key(i);
    for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++)
        if (!strcmp(key, fixed[k]))
            return false;
    return strncmp(key, "model.", 6) != 0 || !strcmp(key, "model.dropout") ||
           !strcmp(key, "model.repeats");
}

bool options_equal(const struct config *a, const struct config *b, int i) {
    char x[OPTION_PATH], y[OPTION_PATH];
    options_value(a, i, x, sizeof x);
    options_value(b, i, y, sizeof y);
    return !strcmp(x, y);
}

uint64_t options_hash(const struct config *config) {
    char text[OPTION_PATH];
    uint64_t h = 0xCBF29CE484222325u;
    for (int i = 0; i < options_count(); i++)
        if (options_decides_result(i)) {
            options_value(config, i, text, sizeof text);
            h = hash_text(hash_text(h, options_key(i)), text);
        }
    return h;
}

/* ---- between keys ---- */

static enum status check_model(const char *name) {
    if (find_model(name) >= 0)
        return STATUS_OK;
    return log_error(STATUS_INPUT, "model.name: '%s' is not one of %s", name, model_names);
}

/* The same bits for any number of ranks need sums whose order does not depend on them. */
static enum status check_reproducible(const struct config *config) {
    if (config->train.reproducible && config->train.placement != PLACEMENT_REPLICATED)
        return log_error(STATUS_INPUT, "train.reproducible: needs train.placement=replicated");
    if (config->train.reproducible && config->train.optimizer != OPTIMIZER_ADAMW)
        return log_error(STATUS_INPUT, "train.reproducible: needs train.optimizer=adamw");
    return STATUS_OK;
}

static enum status check_modalities(const struct names *modalities) {
    for (int i = 0; i < modalities->count; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(modalities->name[i], modalities->name[j]))
                return log_error(STATUS_INPUT, "model.modalities: '%s' is there twice",
                                 modalities->name[i]);
    return STATUS_OK;
}

static enum status check_cutoffs(const struct numbers *k) {
    for (int i = 0; i < k->count; i++) {
        if (k->value[i] != floor(k->value[i]))
            return log_error(STATUS_INPUT, "eval.cutoffs: %g is not an integer", k->value[i]);
        for (int j = 0; j < i; j++)
            if (k->value[i] == k->value[j])
                return log_error(STATUS_INPUT, "eval.cutoffs: %g is there twice", k->value[i]);
    }
    return STATUS_OK;
}

static enum status check_select(const struct config *config) {
    struct figure figure;
    int has = config->eval.candidates, wanted = config->eval.select_candidates;
    if (!figure_read(config->eval.select, 1, &figure))
        return log_error(STATUS_INPUT,
                         "eval.select: '%s' is not one of mrr, ndcg, ndcg@K, hr, hr@K",
                         config->eval.select);
    if ((wanted == SELECT_CANDIDATES_FULL && has == CANDIDATES_SAMPLED) ||
        (wanted == SELECT_CANDIDATES_SAMPLED && has == CANDIDATES_FULL))
        return log_error(
            STATUS_INPUT,
            "eval.select_candidates: eval.candidates=%s has none that are %s; take both",
            has == CANDIDATES_FULL ? "full" : "sampled",
            has == CANDIDATES_FULL ? "sampled" : "full");
    return STATUS_OK;
}

static enum status check_skip(const struct names *skip) {
    static const char *const stages[] = {"input",     "encoder",   "loss",
                                         "reduction", "optimizer", "evaluation"};
    for (int i = 0; i < skip->count; i++) {
        size_t k = 0;
        while (k < sizeof stages / sizeof *stages && strcmp(stages[k], skip->name[i]) != 0)
            k++;
        if (k == sizeof stages / sizeof *stages)
            return log_error(STATUS_INPUT,
                             "bench.skip: '%s' is not one of input, encoder, loss, reduction, "
                             "optimizer, evaluation",
                             skip->name[i]);
    }
    return STATUS_OK;
}

enum target options_select_target(const struct config *config) {
    switch (config->eval.select_domain) {
    case SELECT_DOMAIN_BOTH:
        return TARGET_BOTH;
    case SELECT_DOMAIN_A:
        return TARGET_A;
    case SELECT_DOMAIN_B:
        return TARGET_B;
    }
    return (enum target)config->train.target;
}

bool options_select_each(const struct config *config) {
    return config->eval.select_domain == SELECT_DOMAIN_EACH && config->train.target == TARGET_BOTH;
}

struct figure options_select_figure(const struct config *config) {
    const struct numbers *cutoffs = &config->eval.cutoffs;
    struct figure figure;
    bool read = figure_read(config->eval.select, cutoffs->value[cutoffs->count - 1], &figure);
    assert(read);
    (void)read;
    return figure;
}

bool options_select_full(const struct config *config) {
    return config->eval.select_candidates == SELECT_CANDIDATES_AUTO
               ? config->eval.candidates != CANDIDATES_SAMPLED
               : config->eval.select_candidates == SELECT_CANDIDATES_FULL;
}

bool options_loss_draws_own(const struct config *config) {
    return config->train.loss >= LOSS_BCE && config->train.loss <= LOSS_INFONCE;
}

bool options_skips(const struct config *config, const char *stage) {
    for (int i = 0; i < config->bench.skip.count; i++)
        if (!strcmp(config->bench.skip.name[i], stage))
            return true;
    return false;
}

static enum status check_loss(const struct config *config) {
    if (options_loss_draws_own(config) && config->train.logq)
        return log_error(
            STATUS_INPUT,
            "train.logq: corrects the sampled softmax; bce, bpr and infonce draw items "
            "for each position");
    if (config->train.loss == LOSS_GBCE && config->train.logq)
        return log_error(STATUS_INPUT, "train.logq: corrects the sampled softmax; gbce is "
                                       "calibrated by train.gbce_t");
    return STATUS_OK;
}

bool options_sees_plateaus(const struct config *config) {
    int64_t patience = config->train.patience;
    return config->eval.every > 0 &&
           (patience == 0 || config->train.plateau_patience < patience - 1);
}

static enum status check_schedule(const struct config *config) {
    if (config->train.schedule != SCHEDULE_CONSTANT && config->train.min_lr > config->train.lr)
        return log_error(STATUS_INPUT, "train.min_lr: %g is above train.lr, %g",
                         config->train.min_lr, config->train.lr);
    if (config->train.schedule != SCHEDULE_PLATEAU || options_sees_plateaus(config))
        return STATUS_OK;
    if (config->eval.every == 0)
        return log_error(STATUS_INPUT,
                         "train.schedule: plateau needs evaluations; eval.every is 0");
    return log_error(STATUS_INPUT,
                     "train.plateau_patience: the learning rate would fall after %lld evaluations "
                     "without improvement, and train.patience ends training after %lld; raise "
                     "that, or set it to 0",
                     (long long)config->train.plateau_patience + 1,
                     (long long)config->train.patience);
}

enum status options_check(const struct config *config) {
    TRY(check_model(config->model.name));
    TRY(check_reproducible(config));
    TRY(check_loss(config));
    TRY(check_schedule(config));
    TRY(check_modalities(&config->model.modalities));
    TRY(check_cutoffs(&config->eval.cutoffs));
    TRY(check_select(config));
    TRY(check_skip(&config->bench.skip));
    if (config->model.dim % config->model.heads)
        return log_error(STATUS_INPUT, "model.heads: %lld heads do not divide model.dim %lld",
                         (long long)config->model.heads, (long long)config->model.dim);
    return STATUS_OK;
}
