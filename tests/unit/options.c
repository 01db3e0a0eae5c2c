#include "core/options.h"
#include "core/models/llm_emf.h"
#include "core/models/registry.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>

BALANCED(options, .init = models_register);

static struct config config;

static enum status set(const char *key, const char *value) {
    return options_set(&config, "run.yaml:7", key, value);
}

/* What the call said on stderr, without the program's prefix. */
static const char *said(void) {
    static char text[4096];
    fflush(stderr);
    size_t n = fread(text, 1, sizeof text - 1, cr_get_redirected_stderr());
    text[n] = 0;
    return strncmp(text, "cdsr: error: ", 13) ? text : text + 13;
}

static void start(void) {
    options_defaults(&config);
}

static void start_listening(void) {
    start();
    cr_redirect_stderr();
}

#define EXPECT_SAID(text)                                                                          \
    do {                                                                                           \
        const char *what = said();                                                                 \
        cr_expect_str_eq(what, text "\n", "%s", what);                                             \
    } while (0)

/* The table has every key but those of models, of which it may have some. */
static void expect_general_keys(const char *const (*table)[2], size_t n) {
    for (int i = 0; i < options_count(); i++) {
        bool found = options_model(i) != NULL;
        for (size_t k = 0; k < n; k++)
            found = found || !strcmp(table[k][0], options_key(i));
        cr_expect(found, "%s", options_key(i));
    }
    for (size_t k = 0; k < n; k++)
        cr_assert_geq(options_find(table[k][0]), 0, "%s", table[k][0]);
}

Test(options, defaults_are_those_of_the_reference, .init = start) {
    static const char *const expected[][2] = {{"run.dir", "null"},
                                              {"run.seed", "1"},
                                              {"run.time_limit", "0"},
                                              {"run.margin", "120"},
                                              {"data.path", "data.h5"},
                                              {"data.max_len", "0"},
                                              {"model.name", "llm_emf"},
                                              {"model.dim", "128"},
                                              {"model.blocks", "1"},
                                              {"model.heads", "1"},
                                              {"model.dropout", "0.4"},
                                              {"model.modalities", "[id, text]"},
                                              {"model.scale", "0"},
                                              {"model.mixed_softmax", "auto"},
                                              {"model.share_encoders", "auto"},
                                              {"model.attention_init", "auto"},
                                              {"model.output_table", "tied"},
                                              {"model.user", "auto"},
                                              {"model.repeats", "auto"},
                                              {"model.time", "auto"},
                                              {"model.id_init", "auto"},
                                              {"model.feature_proj", "0"},
                                              {"model.fusion", "probability"},
                                              {"model.fusion_weights", "learned"},
                                              {"model.lambda1", "0.3"},
                                              {"model.lambda2", "1"},
                                              {"model.tags", "learned"},
                                              {"model.tag_kappa", "1"},
                                              {"model.tag_vectors", "text"},
                                              {"model.tag_attention", "on"},
                                              {"model.agnostic", "agnostic"},
                                              {"model.specific", "specific"},
                                              {"model.contrast_weight", "0.1"},
                                              {"model.contrast_temperature", "0.1"},
                                              {"model.stream_fusion", "adaptive"},
                                              {"train.epochs", "100"},
                                              {"train.max_steps", "0"},
                                              {"train.init", "null"},
                                              {"train.batch", "128"},
                                              {"train.optimizer", "adamw"},
                                              {"train.lr", "auto"},
                                              {"train.schedule", "auto"},
                                              {"train.warmup", "0"},
                                              {"train.min_lr", "0"},
                                              {"train.plateau_factor", "0.3"},
                                              {"train.plateau_patience", "1"},
                                              {"train.plateau_reductions", "3"},
                                              {"train.plateau_from", "best"},
                                              {"train.betas", "[0.9, 0.98]"},
                                              {"train.weight_decay", "0"},
                                              {"train.loss", "auto"},
                                              {"train.negatives", "2048"},
                                              {"train.sampler", "uniform"},
                                              {"train.sampler_alpha", "0.75"},
                                              {"train.logq", "false"},
                                              {"train.gbce_t", "0.75"},
                                              {"train.bce_negatives", "0"},
                                              {"train.patience", "6"},
                                              {"train.target", "both"},
                                              {"train.grad_clip", "0"},
                                              {"train.placement", "replicated"},
                                              {"train.precision", "fp32"},
                                              {"train.reproducible", "false"},
                                              {"eval.candidates", "full"},
                                              {"eval.sampled_negatives", "999"},
                                              {"eval.exclude_history", "false"},
                                              {"eval.ties", "mean"},
                                              {"eval.cutoffs", "[1, 5, 10]"},
                                              {"eval.every", "1"},
                                              {"eval.select", "ndcg@100"},
                                              {"eval.select_candidates", "auto"},
                                              {"eval.select_domain", "auto"},
                                              {"eval.lambda1", "null"},
                                              {"eval.lambda2", "null"},
                                              {"checkpoint.every_s", "600"},
                                              {"checkpoint.keep", "2"},
                                              {"log.every_s", "30"},
                                              {"log.every_steps", "1"},
                                              {"log.ranks", "true"},
                                              {"bench.steps", "20"},
                                              {"bench.warmup", "5"},
                                              {"bench.skip", "none"}};
    char text[OPTION_PATH];
    expect_general_keys(expected, sizeof expected / sizeof *expected);
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        options_value(&config, options_find(expected[k][0]), text, sizeof text);
        cr_expect_str_eq(text, expected[k][1], "%s", expected[k][0]);
    }
    cr_expect_eq(model_configure(&config), STATUS_OK);
    cr_expect_str_eq(config.run.dir, "");
    cr_expect(isnan(emf_options(&config)->eval_lambda1) &&
              isnan(emf_options(&config)->eval_lambda2));
}

/* Another value than the default for every key. */
static const char *const others[][2] = {{"run.dir", "runs/a b: #1"},
                                        {"run.seed", "9007199254740993"},
                                        {"run.time_limit", "3600.5"},
                                        {"run.margin", "30"},
                                        {"data.path", "/scratch/d\xC3\xA9j\xC3\xA0.h5"},
                                        {"data.max_len", "30"},
                                        {"model.name", "unknown"},
                                        {"model.dim", "64"},
                                        {"model.blocks", "3"},
                                        {"model.heads", "4"},
                                        {"model.dropout", "0.1234567890123456"},
                                        {"model.modalities", "[id, text, image_2]"},
                                        {"model.scale", "14.5"},
                                        {"model.mixed_softmax", "all"},
                                        {"model.share_encoders", "streams"},
                                        {"model.attention_init", "identity"},
                                        {"model.output_table", "untied"},
                                        {"model.user", "mean"},
                                        {"model.repeats", "counted"},
                                        {"model.time", "state"},
                                        {"model.id_init", "text"},
                                        {"model.feature_proj", "128"},
                                        {"model.fusion", "logit"},
                                        {"model.fusion_weights", "[0.6, 0.3, 0.1]"},
                                        {"model.lambda1", "1e-300"},
                                        {"model.lambda2", "0.25"},
                                        {"model.tags", "uniform"},
                                        {"model.tag_kappa", "0.5"},
                                        {"model.tag_vectors", "tagv"},
                                        {"model.tag_attention", "off"},
                                        {"model.agnostic", "shared"},
                                        {"model.specific", "own"},
                                        {"model.contrast_weight", "0"},
                                        {"model.contrast_temperature", "0.07"},
                                        {"model.stream_fusion", "mean"},
                                        {"train.epochs", "0"},
                                        {"train.max_steps", "17"},
                                        {"train.init", "init.h5"},
                                        {"train.batch", "1"},
                                        {"train.optimizer", "lazy_adamw"},
                                        {"train.lr", "0.0005"},
                                        {"train.schedule", "cosine"},
                                        {"train.warmup", "2.5"},
                                        {"train.min_lr", "1e-5"},
                                        {"train.plateau_factor", "0.5"},
                                        {"train.plateau_patience", "30"},
                                        {"train.plateau_reductions", "0"},
                                        {"train.plateau_from", "latest"},
                                        {"train.betas", "[0.8, 0.999]"},
                                        {"train.weight_decay", "0.3"},
                                        {"train.loss", "sampled"},
                                        {"train.negatives", "10"},
                                        {"train.sampler", "popularity"},
                                        {"train.sampler_alpha", "1"},
                                        {"train.logq", "true"},
                                        {"train.gbce_t", "0.5"},
                                        {"train.bce_negatives", "5"},
                                        {"train.patience", "0"},
                                        {"train.target", "b"},
                                        {"train.grad_clip", "5"},
                                        {"train.placement", "sharded"},
                                        {"train.precision", "bf16"},
                                        {"train.reproducible", "true"},
                                        {"eval.candidates", "both"},
                                        {"eval.sampled_negatives", "99"},
                                        {"eval.exclude_history", "true"},
                                        {"eval.ties", "pessimistic"},
                                        {"eval.cutoffs", "[3]"},
                                        {"eval.every", "0"},
                                        {"eval.select", "mrr"},
                                        {"eval.select_candidates", "sampled"},
                                        {"eval.select_domain", "b"},
                                        {"eval.lambda1", "0"},
                                        {"eval.lambda2", "0.5"},
                                        {"checkpoint.every_s", "0.5"},
                                        {"checkpoint.keep", "9"},
                                        {"log.every_s", "0"},
                                        {"log.every_steps", "100"},
                                        {"log.ranks", "false"},
                                        {"bench.steps", "7"},
                                        {"bench.warmup", "0"},
                                        {"bench.skip", "[loss, reduction]"}};
enum { OTHERS = sizeof others / sizeof *others };

Test(options, every_key_reads_back_what_it_prints, .init = start) {
    struct config again, fresh;
    char text[OPTION_PATH], before[OPTION_PATH];
    options_defaults(&again);
    options_defaults(&fresh);
    expect_general_keys(others, OTHERS);
    for (int k = 0; k < OTHERS; k++) {
        const char *key = others[k][0];
        options_value(&fresh, options_find(key), before, sizeof before);
        cr_assert_eq(set(key, others[k][1]), STATUS_OK);
        options_value(&config, options_find(key), text, sizeof text);
        cr_expect_str_neq(text, before, "%s did not change", key);
        cr_assert_eq(options_set(&again, "", key, text), STATUS_OK);
    }
    cr_expect_arr_eq(&again, &config, sizeof config);
    for (int k = 0; k < OTHERS; k++) {
        options_value(&fresh, options_find(others[k][0]), before, sizeof before);
        cr_assert_eq(set(others[k][0], before), STATUS_OK, "%s back to %s", others[k][0], before);
    }
    cr_expect_eq(options_hash(&config), options_hash(&fresh));
}

Test(options, values_arrive_in_their_fields, .init = start) {
    cr_assert_eq(set("train.lr", "5e-4"), STATUS_OK);
    cr_assert_eq(set("train.betas", "0.5,0.75"), STATUS_OK);
    cr_assert_eq(set("model.modalities", "[ id,image ]"), STATUS_OK);
    cr_assert_eq(set("model.fusion_weights", "3, 1"), STATUS_OK);
    cr_assert_eq(set("model.scale", "[10]"), STATUS_OK);
    cr_assert_eq(set("eval.ties", "pessimistic"), STATUS_OK);
    cr_assert_eq(set("eval.exclude_history", "true"), STATUS_OK);
    cr_assert_eq(options_set_pair(&config, "run.dir=a=b"), STATUS_OK);
    cr_expect_eq(config.train.lr, 5e-4);
    cr_expect(config.train.betas[0] == 0.5 && config.train.betas[1] == 0.75);
    cr_expect_eq(config.model.modalities.count, 2);
    cr_expect_str_eq(config.model.modalities.name[1], "image");
    cr_expect_eq(config.model.scale, 10);
    cr_expect_eq(config.eval.ties, TIES_PESSIMISTIC);
    cr_expect(config.eval.exclude_history);
    cr_expect_str_eq(config.run.dir, "a=b");
    cr_expect_eq(model_configure(&config), STATUS_OK);
}

Test(options, fusion_weights_are_normalised, .init = start) {
    double w[OPTION_LIST];
    cr_expect_not(emf_fusion_weights(&config, w));
    cr_assert_eq(set("model.fusion_weights", "[3, 1]"), STATUS_OK);
    cr_expect(emf_fusion_weights(&config, w));
    cr_expect(w[0] == 0.75 && w[1] == 0.25);
}

/* One value that is not taken per line; a refused value changes nothing. */
Test(options, refuses_what_is_not_a_value, .init = start_listening) {
    static const char *const bad[][2] = {{"run.seed", "-1"},
                                         {"run.seed", "1.5"},
                                         {"run.seed", ""},
                                         {"run.seed", " 1"},
                                         {"run.seed", "1x"},
                                         {"run.seed", "99999999999999999999"},
                                         {"train.lr", ""},
                                         {"train.lr", "fast"},
                                         {"train.lr", "1e-3 "},
                                         {"train.lr", "nan"},
                                         {"train.lr", "inf"},
                                         {"train.lr", "1e999"},
                                         {"train.lr", "-1e-9"},
                                         {"model.dropout", "1"},
                                         {"model.heads", "0"},
                                         {"model.scale", "-1"},
                                         {"model.scale", "[1, 2]"},
                                         {"model.fusion", "Logit"},
                                         {"model.fusion", "probability|logit"},
                                         {"model.fusion", ""},
                                         {"train.reproducible", "yEs"},
                                         {"run.seed", "010"},
                                         {"run.seed", "1_"},
                                         {"run.seed", "_1"},
                                         {"run.seed", "1__0"},
                                         {"train.lr", "010"},
                                         {"train.betas", "[0.9]"},
                                         {"train.betas", "[0.9, 0.98, 0.99]"},
                                         {"train.betas", "[0.9, 1]"},
                                         {"train.betas", "learned"},
                                         {"model.modalities", "[]"},
                                         {"model.modalities", ""},
                                         {"model.modalities", "[id"},
                                         {"model.modalities", "id]"},
                                         {"model.modalities", "[id,,text]"},
                                         {"model.modalities", "[id, text],"},
                                         {"model.modalities", "[[id]]"},
                                         {"model.modalities", "a,b,c,d,e,f,g,h,i"},
                                         {"model.modalities", "id text"},
                                         {"model.modalities", "id/text"},
                                         {"eval.cutoffs", "[0, 5]"},
                                         {"eval.cutoffs", "learned"},
                                         {"eval.lambda1", "learned"},
                                         {"data.path", ""},
                                         {"data.path", "a\nb"},
                                         {"data.path", "\xFF"}};
    struct config fresh;
    options_defaults(&fresh);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(set(bad[i][0], bad[i][1]), STATUS_INPUT, "%s=%s", bad[i][0], bad[i][1]);
    cr_expect_arr_eq(&config, &fresh, sizeof config);
}

Test(options, refuses_long_text, .init = start_listening) {
    static char path[OPTION_PATH + 1], name[OPTION_NAME + 1];
    memset(path, 'a', OPTION_PATH), memset(name, 'a', OPTION_NAME);
    cr_expect_eq(set("data.path", path), STATUS_INPUT);
    cr_expect_eq(set("model.modalities", name), STATUS_INPUT);
    cr_expect_eq(set("data.path", path + 1), STATUS_OK);
    cr_expect_eq(set("model.modalities", name + 1), STATUS_OK);
    cr_expect_str_eq(config.data.path, path + 1);
}

Test(options, names_the_nearest_key, .init = start_listening) {
    cr_expect_eq(set("train.lrr", "1"), STATUS_INPUT);
    EXPECT_SAID("run.yaml:7: unknown key 'train.lrr'; did you mean 'train.lr'?");
}

Test(options, names_the_nearest_key_without_section, .init = start_listening) {
    cr_expect_eq(options_set_pair(&config, "dropuot=0.1"), STATUS_INPUT);
    EXPECT_SAID("command line: unknown key 'dropuot'; did you mean 'model.dropout'?");
}

Test(options, lists_what_is_allowed, .init = start_listening) {
    cr_expect_eq(set("eval.ties", "average"), STATUS_INPUT);
    EXPECT_SAID("run.yaml:7: eval.ties: 'average' is not one of mean, optimistic, pessimistic");
}

Test(options, names_the_range, .init = start_listening) {
    cr_expect_eq(set("model.dropout", "1.5"), STATUS_INPUT);
    EXPECT_SAID("run.yaml:7: model.dropout: '1.5' is not a number in [0, 1)");
}

Test(options, names_the_word_that_stands_for_no_value, .init = start_listening) {
    cr_expect_eq(set("eval.lambda1", "none"), STATUS_INPUT);
    EXPECT_SAID("run.yaml:7: eval.lambda1: 'none' is not a number in [0, inf) or null");
}

/* What the call said as a warning. */
#define EXPECT_WARNED(text)                                                                        \
    do {                                                                                           \
        const char *what = said();                                                                 \
        cr_expect_str_eq(what, text, "%s", what);                                                  \
    } while (0)

Test(options, takes_the_former_names_of_values, .init = start_listening) {
    cr_assert_eq(set("train.target", "x"), STATUS_OK);
    cr_assert_eq(set("eval.select_domain", "y"), STATUS_OK);
    cr_assert_eq(set("train.target", "both"), STATUS_OK);
    cr_assert_eq(set("eval.select_domain", "b"), STATUS_OK);
    cr_expect_eq(set("train.target", "z"), STATUS_INPUT);
    cr_expect_eq(config.train.target, TARGET_BOTH);
    cr_expect_eq(config.eval.select_domain, SELECT_DOMAIN_B);
    EXPECT_WARNED("cdsr: warning: run.yaml:7: train.target: 'x' is now called 'a'\n"
                  "cdsr: warning: run.yaml:7: eval.select_domain: 'y' is now called 'b'\n"
                  "cdsr: error: run.yaml:7: train.target: 'z' is not one of both, a, b\n");
}

Test(options, keys_that_are_gone_have_no_effect, .init = start_listening) {
    cr_expect_eq(set("train.ema", "0.99"), STATUS_OK);
    EXPECT_WARNED("cdsr: warning: run.yaml:7: 'train.ema' is a key of earlier versions; it has no effect\n");
}

/* A model of this test's own: keys of a section that is there, and of a new one. */
struct mine {
    int64_t width;
    double rate;
};
static const struct option_spec mine[] = {
    OPTION(struct mine, "model.width", INTEGER, width, "7", "[1, 9]", NULL, "a width",
           .former_key = "model.breadth"),
    OPTION(struct mine, "mine.rate", REAL, rate, "null", "[0, 1]", "null", "a rate"),
};

static const struct mine *mine_of(const struct config *of) {
    return options_own(of, "mine");
}

Test(options, models_register_keys, .init = start_listening) {
    int before = options_count();
    options_register("mine", mine, 2, sizeof(struct mine));
    options_register("mine", mine, 2, sizeof(struct mine));
    cr_assert_eq(options_count(), before + 2);
    start();
    cr_expect(mine_of(&config)->width == 7 && isnan(mine_of(&config)->rate));
    int width = options_find("model.width"), rate = options_find("mine.rate");
    cr_assert(width > 0 && rate == before + 1);
    cr_expect_str_eq(options_model(width), "mine");
    cr_expect_null(options_model(options_find("model.dim")));
    cr_expect(!strncmp(options_key(width - 1), "model.", 6));
    cr_expect(!strncmp(options_key(width + 1), "train.", 6));
    const char *help = options_help(options_find("model.name"));
    cr_expect(!strncmp(help, "the model: llm_emf, tema_llm, ", 30), "%s", help);
    cr_expect_str_eq(strrchr(help, ','), ", mine");
    cr_assert_eq(set("model.name", "mine"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_OK);
    cr_assert_eq(set("mine.rate", "0.5"), STATUS_OK);
    cr_assert_eq(set("model.breadth", "8"), STATUS_OK);
    cr_expect(mine_of(&config)->width == 8 && mine_of(&config)->rate == 0.5);
    EXPECT_WARNED("cdsr: warning: run.yaml:7: 'model.breadth' is now called 'model.width'\n");
}

Test(options, models_need_room, .signal = SIGABRT, .init = cr_redirect_stderr) {
    options_register("large", NULL, 0, OPTIONS_OWN + 1);
}

Test(options, wants_pairs, .init = start_listening) {
    cr_expect_eq(options_set_pair(&config, "train.lr"), STATUS_INPUT);
    EXPECT_SAID("command line: 'train.lr' is not key=value");
}

/* key, value, what model_configure refuses */
Test(options, checks_between_keys, .init = start_listening) {
    static const char *const bad[][2] = {{"model.fusion_weights", "[1, 2, 3]"},
                                         {"model.fusion_weights", "[0, 0]"},
                                         {"model.heads", "3"},
                                         {"model.modalities", "[id, id]"},
                                         {"eval.cutoffs", "[1, 2.5]"},
                                         {"eval.cutoffs", "[5, 5]"},
                                         {"model.name", "unknown"},
                                         {"bench.skip", "[loss, forward]"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start();
        cr_assert_eq(set(bad[i][0], bad[i][1]), STATUS_OK, "%s", bad[i][0]);
        cr_expect_eq(model_configure(&config), STATUS_INPUT, "%s=%s", bad[i][0], bad[i][1]);
    }
}

Test(options, says_what_this_version_supports, .init = start_listening) {
    char want[512];
    cr_assert_eq(set("model.name", "unknown"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
    snprintf(want, sizeof want, "model.name: 'unknown' is not one of %s\n",
             options_help(options_find("model.name")) + strlen("the model: "));
    cr_expect_str_eq(said(), want);
}

static void expect_modalities(const char *want, enum status status) {
    struct config *c = &config;
    char text[OPTION_PATH] = "";
    cr_expect_eq(model_configure(c), status);
    cr_expect_eq(model_configure(c), status); /* what it put there stays */
    for (int i = 0; i < c->model.modalities.count; i++)
        strcat(strcat(text, i ? "," : ""), c->model.modalities.name[i]);
    cr_expect_str_eq(text, want, "%s", text);
}

Test(options, models_bring_their_modalities, .init = start) {
    expect_modalities("id,text", STATUS_OK);
    cr_assert_eq(set("model.name", "tema_llm"), STATUS_OK);
    expect_modalities("id,text,tags", STATUS_OK);
    cr_assert_eq(set("model.fusion_weights", "[2, 1, 1]"), STATUS_OK);
    expect_modalities("id,text,tags", STATUS_OK);
    cr_assert_eq(set("model.tags", "none"), STATUS_OK);
    expect_modalities("id,text", STATUS_INPUT); /* three weights for two modalities */
    start();
    cr_assert_eq(set("model.name", "sema_cdr"), STATUS_OK);
    cr_assert_eq(set("model.agnostic", "shared"), STATUS_OK);
    expect_modalities("id,specific,shared", STATUS_OK);
    cr_assert_eq(set("model.feature_proj", "8"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
}

Test(options, tags_need_a_place, .init = start_listening) {
    cr_assert_eq(set("model.name", "tema_llm"), STATUS_OK);
    cr_assert_eq(set("model.modalities", "[id, a, b, c, d, e, f, g]"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
    EXPECT_SAID("model.modalities: 8 and tags are more than 8");
}

Test(options, reproducible_needs_whole_tables, .init = start) {
    cr_assert_eq(set("train.reproducible", "true"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_OK);
    cr_assert_eq(set("train.placement", "sharded"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
    cr_assert_eq(set("train.placement", "replicated"), STATUS_OK);
    cr_assert_eq(set("train.optimizer", "lazy_adamw"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
}

static void expect_said_of(const char *schedule, const char *key, const char *value,
                           const char *want) {
    start();
    cr_assert_eq(set("train.schedule", schedule), STATUS_OK);
    cr_assert_eq(set(key, value), STATUS_OK);
    cr_expect_eq(model_configure(&config), want[0] ? STATUS_INPUT : STATUS_OK, "%s, %s=%s",
                 schedule, key, value);
    const char *what = said();
    cr_expect_str_eq(what, want, "%s", what);
}

/* schedule, key, value: what is said of them, "" where nothing is */
Test(options, schedules_refuse_what_has_no_meaning, .init = cr_redirect_stderr) {
    static const char above[] = "train.min_lr: 0.01 is above train.lr, 0.0007\n";
    static const char *const cases[][4] = {
        {"cosine", "train.min_lr", "0.01", above},
        {"plateau", "train.min_lr", "0.01", above},
        {"constant", "train.min_lr", "0.01", ""},
        {"cosine", "train.min_lr", "0.0007", ""},
        {"cosine", "train.warmup", "1000", ""},
        {"cosine", "eval.every", "0", ""},
        {"plateau", "eval.every", "0",
         "train.schedule: plateau needs evaluations; eval.every is 0\n"},
        {"plateau", "train.plateau_patience", "5",
         "train.plateau_patience: the learning rate would fall after 6 evaluations without "
         "improvement, and train.patience ends training after 6; raise that, or set it to 0\n"},
        {"plateau", "train.plateau_patience", "4", ""},
        {"plateau", "train.patience", "0", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_said_of(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
}

static void expect_schedule(const char *model, const char *key, const char *value, int want) {
    start();
    cr_assert_eq(set("model.name", model), STATUS_OK);
    cr_assert_eq(set(key, value), STATUS_OK);
    cr_assert_eq(model_configure(&config), STATUS_OK);
    cr_expect_eq(config.train.schedule, want, "%s, %s=%s", model, key, value);
}

/* What no evaluation would lower before the training ends stays as it is. */
Test(options, schedule_is_the_models_own) {
    expect_schedule("llm_emf", "train.patience", "6", SCHEDULE_PLATEAU);
    expect_schedule("tema_llm", "train.patience", "3", SCHEDULE_PLATEAU);
    expect_schedule("sema_cdr", "train.patience", "0", SCHEDULE_PLATEAU);
    expect_schedule("llm_emf", "train.patience", "2", SCHEDULE_CONSTANT);
    expect_schedule("llm_emf", "train.plateau_patience", "5", SCHEDULE_CONSTANT);
    expect_schedule("llm_emf", "eval.every", "0", SCHEDULE_CONSTANT);
    expect_schedule("llm_emf", "train.schedule", "cosine", SCHEDULE_COSINE);
    expect_schedule("gru4rec", "train.patience", "6", SCHEDULE_CONSTANT);
    expect_schedule("itemknn", "train.patience", "6", SCHEDULE_CONSTANT);
}

/* gBCE has one score per item and a calibration of its own. */
Test(options, gbce_needs_one_score, .init = start) {
    cr_assert_eq(set("train.loss", "gbce"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
    cr_assert_eq(set("model.fusion", "logit"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_OK);
    cr_assert_eq(set("train.logq", "true"), STATUS_OK);
    cr_expect_eq(model_configure(&config), STATUS_INPUT);
}

Test(options, hash_covers_what_decides_the_result, .init = start) {
    struct config fresh;
    options_defaults(&fresh);
    for (int k = 0; k < OTHERS; k++) {
        const char *key = others[k][0];
        bool aside = !strcmp(key, "run.dir") || !strcmp(key, "run.time_limit") ||
                     !strcmp(key, "run.margin") || !strcmp(key, "data.path") ||
                     !strncmp(key, "log.", 4) || !strncmp(key, "checkpoint.", 11) ||
                     !strncmp(key, "bench.", 6);
        start();
        cr_assert_eq(set(key, others[k][1]), STATUS_OK);
        cr_expect_eq(options_hash(&config) == options_hash(&fresh), aside, "%s", key);
    }
}

Test(options, every_key_is_explained) {
    char expected[256];
    for (int i = 0; i < options_count(); i++) {
        options_expected(i, expected, sizeof expected);
        cr_expect(strlen(options_help(i)) > 5 && strlen(expected) > 5, "%s", options_key(i));
    }
    options_expected(0, expected, sizeof expected);
    cr_expect_str_eq(expected, "text of 1 to 4095 bytes or null");
    cr_expect(options_is_text(0) && !options_is_text(1));
}

static bool may_change(const char *key) {
    int i = 0;
    while (i < options_count() && strcmp(options_key(i), key) != 0)
        i++;
    cr_assert(i < options_count(), "%s", key);
    return options_may_change(i);
}

Test(options, a_run_that_goes_on_keeps_its_parameters_and_its_data) {
    static const char *const fixed[] = {"run.seed",    "data.max_len",  "model.name",
                                        "model.dim",   "model.lambda1", "model.id_init",
                                        "model.heads", "train.init",    "model.time"};
    static const char *const free_ones[] = {
        "run.dir",      "run.margin",      "model.dropout", "train.lr",        "train.batch",
        "train.epochs", "train.placement", "eval.select",   "checkpoint.keep", "model.repeats"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        cr_expect(!may_change(fixed[i]), "%s", fixed[i]);
    for (size_t i = 0; i < sizeof free_ones / sizeof *free_ones; i++)
        cr_expect(may_change(free_ones[i]), "%s", free_ones[i]);
}
