/* The configuration of a run, and the registry of keys behind its parsing, help, start-up summary,
 * saved file and reference. Not collective: a config is plain data, rank 0 fills it and broadcasts
 * it. The keys that one model alone reads are registered by that model. */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H
#include "core/figure.h"
#include "core/option.h"
#include "core/status.h"

/* Room for the keys of all models. */
enum { OPTIONS_OWN = 4096, OPTIONS_ALIGN = 16 };

/* `auto` is the model's own once it is configured. */
enum mixed_softmax { MIXED_DOMAIN, MIXED_ALL, MIXED_AUTO };
enum share_encoders { SHARE_NONE, SHARE_STREAMS, SHARE_AUTO }; /* auto: the model's own */
/* What the maps of an encoder's attention begin as (core/models/encoder.h); auto: the model's own. */
enum attention_init { ATTENTION_RANDOM, ATTENTION_IDENTITY, ATTENTION_AUTO };
/* What states are compared with: the rows that encoders read, or rows of their own. */
enum output_table { OUTPUT_TABLE_TIED, OUTPUT_TABLE_UNTIED };
/* What of a user's own items in a ranking: what the scores make of them, or the share that the training
 * sequences' targets have of repeated items. */
enum repeats_kind { REPEATS_FREE, REPEATS_COUNTED, REPEATS_AUTO }; /* auto: by the loss */
/* Do the states of histories change with the time of their events? */
enum time_kind { TIME_NONE, TIME_STATE, TIME_AUTO }; /* auto: by model and data set */
enum user_vector { USER_TABLE, USER_MEAN, USER_AUTO };
/* All but the first draw items, those from LOSS_BCE on for each position; `auto` is the model's own
 * once it is configured. */
enum loss_kind { LOSS_EXACT, LOSS_SAMPLED, LOSS_GBCE, LOSS_BCE, LOSS_BPR, LOSS_INFONCE, LOSS_AUTO };
enum sampler_kind { SAMPLER_UNIFORM, SAMPLER_POPULARITY, SAMPLER_BATCH };
enum precision { PRECISION_FP32, PRECISION_BF16 };
enum optimizer { OPTIMIZER_ADAMW, OPTIMIZER_LAZY_ADAMW };
enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_PLATEAU, SCHEDULE_AUTO };
enum plateau_from { PLATEAU_BEST, PLATEAU_LATEST }; /* epoch that a lowered rate goes on from */
enum placement_kind { PLACEMENT_REPLICATED, PLACEMENT_SHARDED };
enum target { TARGET_BOTH, TARGET_A, TARGET_B };
enum candidates { CANDIDATES_FULL, CANDIDATES_SAMPLED, CANDIDATES_BOTH };
enum ties { TIES_MEAN, TIES_OPTIMISTIC, TIES_PESSIMISTIC };
enum select_candidates {
    SELECT_CANDIDATES_AUTO,
    SELECT_CANDIDATES_FULL,
    SELECT_CANDIDATES_SAMPLED
};
enum select_domain {
    SELECT_DOMAIN_AUTO,
    SELECT_DOMAIN_BOTH,
    SELECT_DOMAIN_A,
    SELECT_DOMAIN_B,
    SELECT_DOMAIN_EACH
};

struct config {
    struct {
        char dir[OPTION_PATH]; /* "": runs/ and the name of the configuration file */
        int64_t seed;
        double time_limit; /* seconds; 0: none but SLURM's */
        double margin;     /* seconds before the end of a SLURM job */
    } run;
    struct {
        char path[OPTION_PATH];
        int64_t max_len; /* 0: the data set's */
    } data;
    struct {
        char name[OPTION_NAME];
        int64_t dim, blocks, heads;
        double dropout;
        struct names modalities;
        double scale;              /* NaN: learned; 0, before model_configure: the model's own */
        int mixed_softmax;         /* enum mixed_softmax */
        int share_encoders;        /* enum share_encoders */
        int attention_init;        /* enum attention_init */
        int output_table;          /* enum output_table */
        int user;                  /* enum user_vector */
        int repeats;               /* enum repeats_kind */
        int time;                  /* enum time_kind */
        char id_init[OPTION_NAME]; /* "auto", "random" or a table */
        int64_t feature_proj;      /* 0: none */
        _Alignas(OPTIONS_ALIGN) unsigned char own[OPTIONS_OWN]; /* of options_register */
    } model;
    struct {
        int64_t epochs, max_steps;
        char init[OPTION_PATH]; /* "": none */
        int64_t batch;
        int optimizer; /* enum optimizer */
        double lr;     /* NaN, before model_configure: the model's own */
        int schedule;  /* enum schedule_kind */
        double warmup; /* epochs */
        double min_lr; /* of cosine and plateau */
        double plateau_factor;
        int64_t plateau_patience;   /* evaluations */
        int64_t plateau_reductions; /* 0: any number */
        int plateau_from;           /* enum plateau_from */
        double betas[2];
        double weight_decay;
        int loss; /* enum loss_kind */
        int64_t negatives, patience;
        int sampler; /* enum sampler_kind */
        double sampler_alpha;
        bool logq;
        double gbce_t;
        int64_t bce_negatives;
        int target; /* enum target */
        double grad_clip;
        int placement; /* enum placement_kind */
        int precision; /* enum precision */
        bool reproducible;
    } train;
    struct {
        int candidates; /* enum candidates */
        int64_t sampled_negatives;
        bool exclude_history;
        int ties; /* enum ties */
        struct numbers cutoffs;
        int64_t every;
        char select[OPTION_NAME]; /* of figure_read */
        int select_candidates;    /* enum select_candidates */
        int select_domain;        /* enum select_domain */
    } eval;
    struct {
        double every_s;
        int64_t keep;
    } checkpoint;
    struct {
        double every_s;
        int64_t every_steps;
        bool ranks;
    } log;
    struct {
        int64_t steps, warmup;
        struct names skip; /* of options_skips */
    } bench;
};

/* Add the keys that one model reads to the general ones, before a config is made. The offsets in
 * `table` (which stays the caller's) count from the model's own struct of `size` bytes, which every
 * config holds. The first model to register is the default of model.name; one that has registered
 * before stays as it was. */
void options_register(const char *model, const struct option_spec *table, int count, size_t size);

/* The own struct of a registered model in a config; it is const where the config is. */
void *options_own(const struct config *config, const char *model);

/* Every key at its default. */
void options_defaults(struct config *config);

/* Set `key` ("train.lr") from its text ("5e-4", "[id, text]", "learned", "null"). `where`
 * ("run.yaml:7" or "command line") begins the message on failure, which names the nearest valid key
 * or the allowed values. Keys and values under the names of an earlier version are taken, with a
 * warning that has today's. */
CHECKED enum status options_set(struct config *config, const char *where, const char *key,
                                const char *value);

/* Does each position draw items of its own for the loss? */
bool options_loss_draws_own(const struct config *config);

/* "key=value" of the command line. */
CHECKED enum status options_set_pair(struct config *config, const char *pair);

/* What holds between general keys (list lengths, heads), and that the model is registered. What one
 * model wants comes before: model_configure (core/models/model.h). */
CHECKED enum status options_check(const struct config *config);

/* The domains whose figure selects the best epoch: those of eval.select_domain or, with auto and each, of
 * train.target. */
enum target options_select_target(const struct config *config);

/* Has each domain a best epoch of its own, by the figure of its own targets? So with eval.select_domain=each,
 * where both domains are trained for. */
bool options_select_each(const struct config *config);

/* The figure that selects it, of a checked configuration, and whether it is of the full candidates, not of
 * the sampled ones. */
struct figure options_select_figure(const struct config *config);
bool options_select_full(const struct config *config);

/* Would train.schedule=plateau lower the rate? A plateau is seen in evaluations, and before it ends the
 * training. */
bool options_sees_plateaus(const struct config *config);

/* Does bench.skip name the stage? Stages: input, encoder, loss, reduction, optimizer, evaluation.
 */
bool options_skips(const struct config *config, const char *stage);

/* The keys, for writers of help and files, section by section: their number, and of key i its
 * name, the one model that reads it (NULL: all), its help and its value in `config` as text that
 * options_set reads back (OPTION_PATH bytes hold any). */
int options_count(void);
const char *options_key(int i);
const char *options_model(int i);
const char *options_help(int i);
void options_value(const struct config *config, int i, char *text, size_t size);

/* The number of a key by its name, or its former one; -1: there is none. */
int options_find(const char *key);

/* What values option i takes, in words ("a number in [0, 1)"); those of them that are words, between bars;
 * whether it is free text, which a file has to quote. */
void options_expected(int i, char *text, size_t size);
void options_choices(int i, char *text, size_t size);
bool options_is_text(int i);

/* Whether option i decides the result: not run.dir, run.time_limit, run.margin, data.path (the data
 * set has a hash of its own), log, checkpoint, bench. */
bool options_decides_result(int i);

/* Whether a run that goes on may have another value of option i: yes for what says how training
 * goes on from here and is judged (train, eval, model.dropout, model.repeats), how long, and what
 * decides no result; not for what says what the parameters are, how they began, and on which data
 * with which random numbers: the rest of model, run.seed, data.max_len, train.init. */
bool options_may_change(int i);

/* Whether option i has the same value in both. */
bool options_equal(const struct config *a, const struct config *b, int i);

/* FNV-1a over keys and values of everything that decides the result. */
uint64_t options_hash(const struct config *config);

#endif
