#include "core/options.h"
#include "core/log.h"
#include "core/models/model_ops.h"
#include "core/text.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { INTEGER, REAL, TRUTH, CHOICE, TEXT, NAMES, NUMBERS, PAIR };

struct option {
    const char *key;
    enum type type;
    size_t offset, size;   /* of the field in struct config */
    const char *initial;   /* the default, read like any other value */
    const char *allowed;   /* numbers: an interval; CHOICE: the names in the order of the enum */
    const char *otherwise; /* a word taken in place of a value: "null" or "learned" */
    const char *help;
};

#define OPTION(key, type, field, initial, allowed, otherwise, help)                                \
    {                                                                                              \
        key, type, offsetof(struct config, field), sizeof(((struct config *)0)->field), initial,   \
            allowed, otherwise, help                                                               \
    }

// clang-format off
static const struct option table[] = {
OPTION("run.dir", TEXT, run.dir, "null", "", "null",
    "run directory; null: `runs/` and the configuration file's name"),
OPTION("run.seed", INTEGER, run.seed, "1", "[0, inf)", NULL,
    "seed of every random number"),
OPTION("run.time_limit", REAL, run.time_limit, "0", "[0, inf)", NULL,
    "seconds after which training stops with a checkpoint; 0: no limit but that of a SLURM job"),
OPTION("run.margin", REAL, run.margin, "120", "[0, inf)", NULL,
    "seconds before the end of a SLURM job at which training stops with a checkpoint; at most a quarter of what is left at the start"),
OPTION("data.path", TEXT, data.path, "data.h5", "", NULL,
    "data set made by `cdsr prepare` or `cdsr synth`"),
OPTION("data.max_len", INTEGER, data.max_len, "0", "[0, 1000000]", NULL,
    "items of a history that are kept, the latest; 0: the data set's attribute"),
OPTION("model.name", TEXT, model.name, "llm_emf", "", NULL,
    "the model: llm_emf, tema_llm or sema_cdr"),
OPTION("model.dim", INTEGER, model.dim, "256", "[1, 65536]", NULL,
    "width of the id embedding"),
OPTION("model.blocks", INTEGER, model.blocks, "2", "[0, 64]", NULL,
    "attention blocks of an encoder"),
OPTION("model.heads", INTEGER, model.heads, "1", "[1, 1024]", NULL,
    "attention heads; divide the width"),
OPTION("model.dropout", REAL, model.dropout, "0.3", "[0, 1)", NULL,
    "share of activations dropped in training"),
OPTION("model.modalities", NAMES, model.modalities, "[id, text]", "", NULL,
    "id and the data set's feature tables to use; sema_cdr has its own"),
OPTION("model.fusion", CHOICE, model.fusion, "probability", "probability|logit", NULL,
    "what the modalities' weights mix: softmax probabilities or logits"),
OPTION("model.fusion_weights", NUMBERS, model.fusion_weights, "learned", "[0, inf)", "learned",
    "one weight per modality, scaled to sum 1"),
OPTION("model.scale", NUMBERS, model.scale, "learned", "(0, inf)", "learned",
    "factor on the cosine in the softmax, one number"),
OPTION("model.mixed_softmax", CHOICE, model.mixed_softmax, "domain", "domain|all", NULL,
    "items in the mixed stream's softmax: of the target's domain, or of both"),
OPTION("model.lambda1", REAL, model.lambda1, "0.3", "[0, inf)", NULL,
    "weight of the other domain's stream"),
OPTION("model.lambda2", REAL, model.lambda2, "0.1", "[0, inf)", NULL,
    "weight of the mixed stream"),
OPTION("model.share_encoders", CHOICE, model.share_encoders, "none", "none|streams", NULL,
    "streams: the three streams of a modality share one encoder"),
OPTION("model.id_init", TEXT, model.id_init, "auto", "", NULL,
    "start of the id embedding: a feature table of width model.dim; random; or auto: the first such "
    "table of the modalities, else random"),
OPTION("model.feature_proj", INTEGER, model.feature_proj, "0", "[0, 65536]", NULL,
    "width of a learned projection of feature tables; 0: none"),
OPTION("model.tags", CHOICE, model.tags, "learned", "none|uniform|learned", NULL,
    "tema_llm: how an item's tags weigh in its tag vector; none: no tags at all"),
OPTION("model.tag_kappa", REAL, model.tag_kappa, "1", "(0, inf)", NULL,
    "tema_llm: the data set's tag weights are divided by this in their softmax"),
OPTION("model.tag_vectors", TEXT, model.tag_vectors, "text", "", NULL,
    "tema_llm: vectors of the tags, made by `cdsr features --vocabulary` under this name"),
OPTION("model.tag_attention", CHOICE, model.tag_attention, "on", "on|off", NULL,
    "tema_llm: a second attention, to tags, in every block"),
OPTION("model.agnostic", TEXT, model.agnostic, "agnostic", "", NULL,
    "sema_cdr: feature table of what does not depend on the domain"),
OPTION("model.specific", TEXT, model.specific, "specific", "", NULL,
    "sema_cdr: feature table of what does"),
OPTION("model.contrast_weight", REAL, model.contrast_weight, "0.1", "[0, inf)", NULL,
    "sema_cdr: weight of the contrast between the two views of an item; 0: none"),
OPTION("model.contrast_temperature", REAL, model.contrast_temperature, "0.1", "(0, inf)", NULL,
    "sema_cdr: the views' cosines are divided by this"),
OPTION("model.stream_fusion", CHOICE, model.stream_fusion, "adaptive", "adaptive|mean", NULL,
    "sema_cdr: learned weights of the streams' states, or the same for all"),
OPTION("train.epochs", INTEGER, train.epochs, "100", "[0, inf)", NULL,
    "passes over the training sequences"),
OPTION("train.max_steps", INTEGER, train.max_steps, "0", "[0, inf)", NULL,
    "stop after this many steps; 0: no such limit"),
OPTION("train.init", TEXT, train.init, "null", "", "null",
    "HDF5 file with `/param/*` to start from; item rows are found by key"),
OPTION("train.batch", INTEGER, train.batch, "256", "[1, inf)", NULL,
    "sequences of a step, over all ranks"),
OPTION("train.optimizer", CHOICE, train.optimizer, "adamw", "adamw|lazy_adamw", NULL,
    "lazy_adamw: with a sampled loss, id rows that a step does not use stay as they are"),
OPTION("train.lr", REAL, train.lr, "0.001", "[0, inf)", NULL,
    "learning rate"),
OPTION("train.betas", PAIR, train.betas, "[0.9, 0.98]", "[0, 1)", NULL,
    "decay of the first and second moment"),
OPTION("train.weight_decay", REAL, train.weight_decay, "0", "[0, inf)", NULL,
    "decoupled weight decay"),
OPTION("train.loss", CHOICE, train.loss, "exact", "exact|sampled|gbce|bce", NULL,
    "softmax over all items of the catalogue, or over sampled ones; gbce: gSASRec's binary "
    "cross-entropy with sampled ones; bce: SASRec's, each position with items drawn for it"),
OPTION("train.negatives", INTEGER, train.negatives, "2048", "[1, inf)", NULL,
    "items drawn per step by the sampled losses"),
OPTION("train.sampler", CHOICE, train.sampler, "uniform", "uniform|popularity|batch", NULL,
    "how negatives are drawn: each item alike, by the number of its training events, or from the "
    "targets of the step's batch"),
OPTION("train.sampler_alpha", REAL, train.sampler_alpha, "0.75", "[0, 1]", NULL,
    "popularity: draw in proportion to events to this power"),
OPTION("train.logq", TRUTH, train.logq, "false", "", NULL,
    "correct the negatives' logits for the probability of drawing them"),
OPTION("train.gbce_t", REAL, train.gbce_t, "0.75", "[0, 1]", NULL,
    "gbce: calibration t; 0: plain binary cross-entropy, 1: scores as probable as with all items"),
OPTION("train.bce_negatives", INTEGER, train.bce_negatives, "1", "[1, inf)", NULL,
    "bce: items drawn for each position, none of its sequence"),
OPTION("train.patience", INTEGER, train.patience, "10", "[0, inf)", NULL,
    "evaluations without improvement before training stops; 0: never"),
OPTION("train.target", CHOICE, train.target, "both", "both|x|y", NULL,
    "domain trained for"),
OPTION("train.grad_clip", REAL, train.grad_clip, "0", "[0, inf)", NULL,
    "largest norm of the gradient; 0: any"),
OPTION("train.placement", CHOICE, train.placement, "replicated", "replicated|sharded", NULL,
    "sharded: every rank holds a part of the rows of the item tables"),
OPTION("train.precision", CHOICE, train.precision, "fp32", "fp32|bf16", NULL,
    "bf16: linear layers and loss multiply in bfloat16, sums and all else in float32"),
OPTION("train.reproducible", TRUTH, train.reproducible, "false", "", NULL,
    "losses and parameters of the same bits for 1, 2, 4 and 8 ranks of as many threads"),
OPTION("eval.candidates", CHOICE, eval.candidates, "full", "full|sampled|both", NULL,
    "rank the target among all items of its domain, or among sampled ones"),
OPTION("eval.sampled_negatives", INTEGER, eval.sampled_negatives, "999", "[1, inf)", NULL,
    "negatives per target where candidates are sampled; all other items of its domain where they are "
    "no more"),
OPTION("eval.exclude_history", TRUTH, eval.exclude_history, "false", "", NULL,
    "a user's own items are no candidates, full or sampled, but for the target"),
OPTION("eval.ties", CHOICE, eval.ties, "mean", "mean|optimistic|pessimistic", NULL,
    "rank of a target that shares its score"),
OPTION("eval.cutoffs", NUMBERS, eval.cutoffs, "[1, 5, 10]", "[1, 1000000]", NULL,
    "k of NDCG@k and HR@k"),
OPTION("eval.every", INTEGER, eval.every, "1", "[0, inf)", NULL,
    "epochs between evaluations; 0: never"),
OPTION("eval.select", CHOICE, eval.select, "mrr", "mrr|ndcg|hr", NULL,
    "figure that selects the best epoch; ndcg and hr at the last cut-off"),
OPTION("eval.select_domain", CHOICE, eval.select_domain, "auto", "auto|both|x|y", NULL,
    "targets that the figure is taken of: those of one domain, or of both; auto: as train.target"),
OPTION("eval.lambda1", REAL, eval.lambda1, "null", "[0, inf)", "null",
    "weight of the other domain's stream in the score; null: model.lambda1"),
OPTION("eval.lambda2", REAL, eval.lambda2, "null", "[0, inf)", "null",
    "weight of the mixed stream in the score; null: model.lambda2"),
OPTION("checkpoint.every_s", REAL, checkpoint.every_s, "600", "[0, inf)", NULL,
    "seconds between checkpoints"),
OPTION("checkpoint.keep", INTEGER, checkpoint.keep, "2", "[1, inf)", NULL,
    "latest checkpoints that are kept"),
OPTION("log.every_s", REAL, log.every_s, "30", "[0, inf)", NULL,
    "seconds between progress lines off a terminal"),
OPTION("log.every_steps", INTEGER, log.every_steps, "1", "[1, inf)", NULL,
    "steps between `step` events in the log"),
OPTION("bench.steps", INTEGER, bench.steps, "20", "[1, 100000]", NULL,
    "steps that `cdsr bench` measures"),
OPTION("bench.warmup", INTEGER, bench.warmup, "5", "[0, 100000]", NULL,
    "steps before them"),
OPTION("bench.skip", NAMES, bench.skip, "none", "", "none",
    "stages to leave out: input, encoder, loss, reduction, optimizer, evaluation"),
};
// clang-format on

enum { COUNT = sizeof table / sizeof *table };

/* ---- text to value: false when the text is not one; `out` is set only on success ---- */

static bool in_range(const char *range, double x) {
    char open, close;
    double min, max;
    if (sscanf(range, "%c%lf, %lf%c", &open, &min, &max, &close) != 4)
        return true;
    return (open == '[' ? x >= min : x > min) && (close == ']' ? x <= max : x < max);
}

static bool is_digit(char c) {
    return isdigit((unsigned char)c);
}

/* A number as YAML has it, for the C library: digits may be grouped by underscores. A whole number
 * that begins with 0 is octal in YAML 1.1 and decimal in 1.2: it is none. */
static bool plain_number(const char *text, char out[OPTION_NAME]) {
    const char *digits = text + (*text == '-' || *text == '+');
    size_t n = 0, whole = strspn(digits, "0123456789_");
    if (isspace((unsigned char)*text) || (*digits == '0' && whole > 1 && !digits[whole]))
        return false;
    for (const char *c = text; *c; c++) {
        bool group = *c == '_' && c > text && is_digit(c[-1]) && is_digit(c[1]);
        if (n + 1 == OPTION_NAME)
            return false;
        if (!group)
            out[n++] = *c;
    }
    out[n] = '\0';
    return n > 0;
}

static bool read_real(const struct option *o, const char *text, double *out) {
    char number[OPTION_NAME], *end = NULL;
    double x = plain_number(text, number) ? strtod(number, &end) : NAN;
    if (!end || end == number || *end || !isfinite(x) || !in_range(o->allowed, x))
        return false;
    *out = x;
    return true;
}

static bool read_integer(const struct option *o, const char *text, int64_t *out) {
    char number[OPTION_NAME], *end = NULL;
    errno = 0;
    long long x = plain_number(text, number) ? strtoll(number, &end, 10) : 0;
    if (!end || end == number || *end || errno || !in_range(o->allowed, (double)x))
        return false;
    *out = x;
    return true;
}

/* The words of YAML 1.1, of which 1.2 kept true and false: one value follows another. */
static bool read_truth(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE",
                                        "no",    "yes",  "No",    "Yes",  "NO",    "YES",
                                        "off",   "on",   "Off",   "On",   "OFF",   "ON"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i])) {
            *out = i % 2;
            return true;
        }
    return false;
}

/* The i-th of "a|b|c" into `name`; false past the last. */
static bool choice_name(const char *allowed, int i, char *name, size_t size) {
    for (; i > 0 && allowed; i--)
        allowed = (allowed = strchr(allowed, '|')) ? allowed + 1 : NULL;
    if (!allowed)
        return false;
    snprintf(name, size, "%.*s", (int)strcspn(allowed, "|"), allowed);
    return true;
}

static bool read_choice(const struct option *o, const char *text, int *out) {
    char name[OPTION_NAME];
    for (int i = 0; choice_name(o->allowed, i, name, sizeof name); i++)
        if (!strcmp(name, text)) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_text(const struct option *o, const char *text, char *out) {
    size_t n = strlen(text);
    if (n == 0 || n >= o->size || !text_is_printable(text))
        return false;
    memcpy(out, text, n + 1);
    return true;
}

/* "a, b" or "[a, b]" cut at the commas. */
static bool read_list(const char *text, struct names *out) {
    struct names list = {0};
    bool bracket = *text == '[';
    for (const char *at = text + bracket;; at++) {
        at += strspn(at, " ");
        size_t n = strcspn(at, " ,[]");
        if (n == 0 || n >= OPTION_NAME || list.count == OPTION_LIST)
            return false;
        memcpy(list.name[list.count++], at, n);
        at += n;
        at += strspn(at, " ");
        if (*at == ',')
            continue;
        if (strcmp(at, bracket ? "]" : "") != 0)
            return false;
        *out = list;
        return true;
    }
}

static bool read_names(const char *text, struct names *out) {
    struct names list;
    if (!read_list(text, &list))
        return false;
    for (int i = 0; i < list.count; i++)
        for (const char *c = list.name[i]; *c; c++)
            if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
                return false;
    *out = list;
    return true;
}

static bool read_numbers(const struct option *o, const char *text, struct numbers *out) {
    struct names list;
    struct numbers numbers = {0};
    if (!read_list(text, &list))
        return false;
    for (; numbers.count < list.count; numbers.count++)
        if (!read_real(o, list.name[numbers.count], &numbers.value[numbers.count]))
            return false;
    *out = numbers;
    return true;
}

static bool read_pair(const struct option *o, const char *text, double out[2]) {
    struct numbers numbers;
    if (!read_numbers(o, text, &numbers) || numbers.count != 2)
        return false;
    memcpy(out, numbers.value, 2 * sizeof *out);
    return true;
}

/* "null" and "learned" as the field holds them. */
static bool read_otherwise(const struct option *o, void *field) {
    memset(field, 0, o->size);
    if (o->type == REAL)
        *(double *)field = NAN;
    return true;
}

static bool read_value(const struct option *o, const char *text, void *field) {
    if (o->otherwise && !strcmp(text, o->otherwise))
        return read_otherwise(o, field);
    switch (o->type) {
    case INTEGER:
        return read_integer(o, text, field);
    case REAL:
        return read_real(o, text, field);
    case TRUTH:
        return read_truth(text, field);
    case CHOICE:
        return read_choice(o, text, field);
    case TEXT:
        return read_text(o, text, field);
    case NAMES:
        return read_names(text, field);
    case NUMBERS:
        return read_numbers(o, text, field);
    case PAIR:
        return read_pair(o, text, field);
    }
    return false;
}

/* ---- value to text ---- */

/* A short text that reads back as `x`. */
static void print_real(double x, char *text, size_t size) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            return;
    }
}

static void print_numbers(const double *value, int count, char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < count && at < size; i++) {
        char number[32];
        print_real(value[i], number, sizeof number);
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", number);
    }
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static void print_names(const struct names *names, char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < names->count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", names->name[i]);
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static bool holds_otherwise(const struct option *o, const void *field) {
    return o->otherwise && ((o->type == TEXT && !*(const char *)field) ||
                            (o->type == REAL && isnan(*(const double *)field)) ||
                            (o->type == NAMES && ((const struct names *)field)->count == 0) ||
                            (o->type == NUMBERS && ((const struct numbers *)field)->count == 0));
}

static void print_value(const struct option *o, const void *field, char *text, size_t size) {
    const struct numbers *numbers = field;
    if (holds_otherwise(o, field)) {
        snprintf(text, size, "%s", o->otherwise);
        return;
    }
    switch (o->type) {
    case INTEGER:
        snprintf(text, size, "%lld", (long long)*(const int64_t *)field);
        break;
    case REAL:
        print_real(*(const double *)field, text, size);
        break;
    case TRUTH:
        snprintf(text, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case CHOICE:
        choice_name(o->allowed, *(const int *)field, text, size);
        break;
    case TEXT:
        snprintf(text, size, "%s", (const char *)field);
        break;
    case NAMES:
        print_names(field, text, size);
        break;
    case NUMBERS:
        print_numbers(numbers->value, numbers->count, text, size);
        break;
    case PAIR:
        print_numbers(field, 2, text, size);
        break;
    }
}

static void print_choices(const char *allowed, char *text, size_t size) {
    char name[OPTION_NAME];
    size_t at = (size_t)snprintf(text, size, "one of");
    for (int i = 0; at < size && choice_name(allowed, i, name, sizeof name); i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : " ", name);
}

static void print_expected(const struct option *o, char *text, size_t size) {
    switch (o->type) {
    case INTEGER:
        snprintf(text, size, "an integer in %s", o->allowed);
        break;
    case REAL:
        snprintf(text, size, "a number in %s", o->allowed);
        break;
    case TRUTH:
        snprintf(text, size, "true or false");
        break;
    case CHOICE:
        print_choices(o->allowed, text, size);
        break;
    case TEXT:
        snprintf(text, size, "text of 1 to %zu bytes", o->size - 1);
        break;
    case NAMES:
        snprintf(text, size, "a list of 1 to %d names of letters, digits, _, . and -", OPTION_LIST);
        break;
    case NUMBERS:
        snprintf(text, size, "a list of 1 to %d numbers in %s", OPTION_LIST, o->allowed);
        break;
    case PAIR:
        snprintf(text, size, "a list of 2 numbers in %s", o->allowed);
        break;
    }
}

/* ---- the table's users ---- */

static const void *field_of(const struct config *config, const struct option *o) {
    return (const char *)config + o->offset;
}

void options_defaults(struct config *config) {
    memset(config, 0, sizeof *config);
    for (int i = 0; i < COUNT; i++)
        (void)read_value(&table[i], table[i].initial, (char *)config + table[i].offset);
}

static const struct option *find(const char *key) {
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(table[i].key, key))
            return &table[i];
    return NULL;
}

/* A key without its section is compared with keys without theirs. */
static const char *nearest(const char *key) {
    int best = 0, least = -1;
    for (int i = 0; i < COUNT; i++) {
        const char *mine = strchr(key, '.') ? table[i].key : strchr(table[i].key, '.') + 1;
        int distance = text_distance(key, mine);
        if (least < 0 || distance < least)
            best = i, least = distance;
    }
    return table[best].key;
}

enum status options_set(struct config *config, const char *where, const char *key,
                        const char *value) {
    char expected[256];
    const struct option *o = find(key);
    if (!o)
        return log_error(STATUS_INPUT, "%s: unknown key '%.100s'; did you mean '%s'?", where, key,
                         nearest(key));
    if (read_value(o, value, (char *)config + o->offset))
        return STATUS_OK;
    print_expected(o, expected, sizeof expected);
    return log_error(STATUS_INPUT, "%s: %s: '%.200s' is not %s%s%s", where, key, value, expected,
                     o->otherwise ? " or " : "", o->otherwise ? o->otherwise : "");
}

enum status options_set_pair(struct config *config, const char *pair) {
    char key[OPTION_NAME];
    const char *equals = strchr(pair, '=');
    if (!equals)
        return log_error(STATUS_INPUT, "command line: '%.200s' is not key=value", pair);
    snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    return options_set(config, "command line", key, equals + 1);
}

int options_count(void) {
    return COUNT;
}

const char *options_key(int i) {
    return table[i].key;
}

const char *options_help(int i) {
    return table[i].help;
}

void options_value(const struct config *config, int i, char *text, size_t size) {
    print_value(&table[i], field_of(config, &table[i]), text, size);
}

void options_expected(int i, char *text, size_t size) {
    print_expected(&table[i], text, size);
    size_t at = strlen(text);
    if (table[i].otherwise)
        snprintf(text + at, size - at, " or %s", table[i].otherwise);
}

bool options_is_text(int i) {
    return table[i].type == TEXT;
}

static uint64_t hash_text(uint64_t h, const char *text) {
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001B3u;
    return (h ^ '\n') * 0x100000001B3u;
}

bool options_decides_result(int i) {
    const char *key = table[i].key;
    return strcmp(key, "run.dir") != 0 && strcmp(key, "run.time_limit") != 0 &&
           strcmp(key, "run.margin") != 0 && strcmp(key, "data.path") != 0 &&
           strncmp(key, "log.", 4) != 0 && strncmp(key, "checkpoint.", 11) != 0 &&
           strncmp(key, "bench.", 6) != 0;
}

bool options_may_change(int i) {
    static const char *const fixed[] = {"run.seed", "data.max_len", "train.init"};
    const char *key = table[i].key;
    for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++)
        if (!strcmp(key, fixed[k]))
            return false;
    return strncmp(key, "model.", 6) != 0 || !strcmp(key, "model.dropout");
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
    for (int i = 0; i < COUNT; i++)
        if (options_decides_result(i)) {
            options_value(config, i, text, sizeof text);
            h = hash_text(hash_text(h, table[i].key), text);
        }
    return h;
}

/* ---- between keys ---- */

static enum status check_model(const char *name) {
    if (model_ops_find(name))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "model.name: '%s' is not one of %s", name, model_ops_names());
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

static enum status check_fusion_weights(const struct config *config) {
    const struct numbers *w = &config->model.fusion_weights;
    double sum = 0;
    if (w->count == 0)
        return STATUS_OK;
    if (w->count != config->model.modalities.count)
        return log_error(STATUS_INPUT, "model.fusion_weights: %d weights for the %d modalities",
                         w->count, config->model.modalities.count);
    for (int i = 0; i < w->count; i++)
        sum += w->value[i];
    if (sum > 0 && isfinite(sum))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "model.fusion_weights: the weights sum to %g", sum);
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

bool options_skips(const struct config *config, const char *stage) {
    for (int i = 0; i < config->bench.skip.count; i++)
        if (!strcmp(config->bench.skip.name[i], stage))
            return true;
    return false;
}

static enum status check_loss(const struct config *config) {
    if (config->train.loss == LOSS_BCE && config->train.logq)
        return log_error(STATUS_INPUT, "train.logq: corrects the sampled softmax; bce has none");
    if (config->train.loss != LOSS_GBCE)
        return STATUS_OK;
    if (config->model.modalities.count > 1 && config->model.fusion != FUSION_LOGIT &&
        strcmp(config->model.name, "sema_cdr") != 0)
        return log_error(STATUS_INPUT, "train.loss: gbce has one score per item; set "
                                       "model.fusion=logit, or one modality");
    if (config->train.logq)
        return log_error(STATUS_INPUT, "train.logq: corrects the sampled softmax; gbce is "
                                       "calibrated by train.gbce_t");
    return STATUS_OK;
}

static void drop_name(struct names *names, const char *name) {
    int kept = 0;
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->name[i], name) != 0)
            memmove(names->name[kept++], names->name[i], OPTION_NAME);
    names->count = kept;
}

/* Behind the others; a full list is left to options_check. */
static void complete_tags(struct names *modalities, bool tags) {
    bool full = modalities->count == OPTION_LIST;
    for (int i = 0; i < modalities->count; i++)
        if (!strcmp(modalities->name[i], OPTION_TAGS)) {
            if (!tags)
                drop_name(modalities, OPTION_TAGS);
            return;
        }
    if (tags && !full)
        snprintf(modalities->name[modalities->count++], OPTION_NAME, OPTION_TAGS);
}

void options_complete(struct config *config) {
    if (!strcmp(config->model.name, "tema_llm"))
        complete_tags(&config->model.modalities, config->model.tags != TAGS_NONE);
    if (!strcmp(config->model.name, "sema_cdr")) {
        struct names *views = &config->model.modalities;
        *views = (struct names){.count = 3, .name = {"id"}};
        memcpy(views->name[1], config->model.specific, OPTION_NAME); /* first: see model.id_init */
        memcpy(views->name[2], config->model.agnostic, OPTION_NAME);
    }
}

/* The model is made of what options_complete put there. */
static enum status check_tags(const struct config *config) {
    const struct names *names = &config->model.modalities;
    bool tags = false;
    for (int i = 0; i < names->count; i++)
        tags = tags || !strcmp(names->name[i], OPTION_TAGS);
    if (names->count == 0)
        return log_error(STATUS_INPUT, "model.modalities: without tags there is none left");
    if (!tags && !strcmp(config->model.name, "tema_llm") && config->model.tags != TAGS_NONE)
        return log_error(STATUS_INPUT, "model.modalities: %d and tags are more than %d",
                         names->count, (int)OPTION_LIST);
    return STATUS_OK;
}

static enum status check_views(const struct config *config) {
    if (strcmp(config->model.name, "sema_cdr") != 0)
        return STATUS_OK;
    if (config->model.feature_proj)
        return log_error(STATUS_INPUT, "model.feature_proj: sema_cdr has adapters of its own; "
                                       "leave it at 0");
    if (config->model.fusion_weights.count || config->model.fusion != FUSION_PROBABILITY)
        return log_error(STATUS_INPUT, "model.fusion, model.fusion_weights: sema_cdr learns to "
                                       "fuse its views; leave them at their defaults");
    return STATUS_OK;
}

enum status options_check(const struct config *config) {
    TRY(check_model(config->model.name));
    TRY(check_reproducible(config));
    TRY(check_loss(config));
    TRY(check_modalities(&config->model.modalities));
    TRY(check_tags(config));
    TRY(check_views(config));
    TRY(check_fusion_weights(config));
    TRY(check_cutoffs(&config->eval.cutoffs));
    TRY(check_skip(&config->bench.skip));
    if (config->model.dim % config->model.heads)
        return log_error(STATUS_INPUT, "model.heads: %lld heads do not divide model.dim %lld",
                         (long long)config->model.heads, (long long)config->model.dim);
    if (config->model.scale.count > 1)
        return log_error(STATUS_INPUT, "model.scale: one number or learned, not a list of %d",
                         config->model.scale.count);
    return STATUS_OK;
}

bool options_fusion_weights(const struct config *config, double weights[OPTION_LIST]) {
    const struct numbers *w = &config->model.fusion_weights;
    double sum = 0;
    for (int i = 0; i < w->count; i++)
        sum += w->value[i];
    for (int i = 0; i < w->count; i++)
        weights[i] = w->value[i] / sum;
    return w->count > 0;
}
