#include "io/config.h"
#include "core/mem.h"
#include "core/models/llm_emf.h"
#include "core/models/registry.h"
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

static struct config config;

static enum status parse(const char *text) {
    return config_from_text(text, "run.yaml", &config);
}

static void finish(void) {
    cr_expect_eq(mem_live(), 0, "%lld allocations left", (long long)mem_live());
}

TestSuite(config, .init = models_register, .fini = finish);

static const char *said(void) {
    static char text[8192];
    fflush(stderr);
    size_t n = fread(text, 1, sizeof text - 1, cr_get_redirected_stderr());
    text[n] = 0;
    return strncmp(text, "cdsr: error: ", 13) ? text : text + 13;
}

Test(config, reads_flow_style) {
    cr_assert_eq(
        parse("run: {dir: runs/x, seed: 3}\n"
              "model: {modalities: [id, image], dropout: 0.25, fusion_weights: [0.5, 0.5]}\n"
              "train: {lr: 1.0e-3, betas: [0.9, 0.99], init: null, reproducible: true}\n"),
        STATUS_OK);
    cr_expect_str_eq(config.run.dir, "runs/x");
    cr_expect_eq(config.run.seed, 3);
    cr_expect_eq(config.model.modalities.count, 2);
    cr_expect_str_eq(config.model.modalities.name[1], "image");
    cr_expect_eq(emf_options(&config)->fusion_weights.value[0], 0.5);
    cr_expect_eq(config.train.lr, 1e-3);
    cr_expect_eq(config.train.betas[1], 0.99);
    cr_expect(config.train.reproducible);
    cr_expect_eq(config.train.batch, 128);
}

Test(config, reads_block_style) {
    cr_assert_eq(parse("# a comment\n"
                       "eval:\n  cutoffs:\n    - 1\n    - 20\n  ties: 'pessimistic'\n"
                       "data:\n  path: \"a b: #c.h5\"\n"
                       "train:\n  init: ~\nlog:\ncheckpoint: {}\n"),
                 STATUS_OK);
    cr_expect_eq(config.eval.cutoffs.count, 2);
    cr_expect_eq(config.eval.cutoffs.value[1], 20);
    cr_expect_eq(config.eval.ties, TIES_PESSIMISTIC);
    cr_expect_str_eq(config.data.path, "a b: #c.h5");
    cr_expect_str_eq(config.train.init, "");
}

/* But for what an earlier version, which had no such key, did. */
Test(config, nothing_means_defaults) {
    static const char *const empty[] = {"", "\n# only a comment\n", "---\n", "~\n", "{}"};
    struct config fresh;
    options_defaults(&fresh);
    fresh.model.repeats = REPEATS_FREE;
    fresh.model.time = TIME_NONE;
    fresh.train.schedule = SCHEDULE_CONSTANT;
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        cr_assert_eq(parse(empty[i]), STATUS_OK, "%s", empty[i]);
        cr_expect_arr_eq(&config, &fresh, sizeof fresh);
    }
}

Test(config, reads_back_what_it_writes) {
    struct config first;
    options_defaults(&first);
    cr_assert_eq(options_set(&first, "", "run.dir", "runs/\"a\" \\ \xC3\xA9 #1: x"), STATUS_OK);
    cr_assert_eq(options_set(&first, "", "data.path", "[a, b]"), STATUS_OK);
    cr_assert_eq(options_set(&first, "", "model.fusion_weights", "[0.7, 0.3]"), STATUS_OK);
    cr_assert_eq(options_set(&first, "", "train.lr", "1e-4"), STATUS_OK);
    char *text = config_to_text(&first), *again;
    cr_assert_eq(parse(text), STATUS_OK, "%s", text);
    again = config_to_text(&config);
    cr_expect_str_eq(again, text);
    cr_expect_arr_eq(&config, &first, sizeof first);
    mem_free(text);
    mem_free(again);
}

/* What an earlier version saved: it had no such key. */
Test(config, without_select_domain_both_domains_selected) {
    cr_assert_eq(parse("train: {target: a}\neval: {select: mrr}\n"), STATUS_OK);
    cr_expect_eq(options_select_target(&config), TARGET_BOTH);
    cr_assert_eq(parse("train: {target: a}\neval: {select_domain: auto}\n"), STATUS_OK);
    cr_expect_eq(options_select_target(&config), TARGET_A);
    cr_assert_eq(parse("train: {target: a}\neval: {select_domain: b}\n"), STATUS_OK);
    cr_expect_eq(options_select_target(&config), TARGET_B);
    cr_assert_eq(parse("train: {target: both}\n"), STATUS_OK);
    cr_expect_eq(config.eval.select_domain, SELECT_DOMAIN_AUTO);
}

/* A best epoch of each domain there is where both are trained for. */
Test(config, each_domain_selects_where_both_are_trained_for) {
    cr_assert_eq(parse("eval: {select_domain: each}\n"), STATUS_OK);
    cr_expect(options_select_each(&config));
    cr_assert_eq(parse("train: {target: b}\neval: {select_domain: each}\n"), STATUS_OK);
    cr_expect(!options_select_each(&config));
    cr_expect_eq(options_select_target(&config), TARGET_B);
    cr_assert_eq(parse("eval: {select_domain: both}\n"), STATUS_OK);
    cr_expect(!options_select_each(&config));
}

Test(config, without_time_states_did_not_change_with_it) {
    cr_assert_eq(parse("run: {time_limit: 60}\nmodel: {dim: 8}\n"), STATUS_OK);
    cr_expect_eq(config.model.time, TIME_NONE);
    cr_assert_eq(parse("model:\n  time: state\n"), STATUS_OK);
    cr_expect_eq(config.model.time, TIME_STATE);
}

Test(config, without_repeats_nothing_was_counted) {
    cr_assert_eq(parse("train: {loss: exact}\n"), STATUS_OK);
    cr_expect_eq(config.model.repeats, REPEATS_FREE);
    cr_assert_eq(parse("model: {repeats: counted}\n"), STATUS_OK);
    cr_expect_eq(config.model.repeats, REPEATS_COUNTED);
}

/* Values under the names of an earlier version; nobody is told to rename what a run saved. */
Test(config, reads_former_names_in_silence, .init = cr_redirect_stderr) {
    cr_assert_eq(parse("train: {target: x}\neval: {select_domain: y}\n"), STATUS_OK);
    cr_expect_eq(config.train.target, TARGET_A);
    cr_expect_eq(config.eval.select_domain, SELECT_DOMAIN_B);
    cr_expect_str_eq(said(), "");
}

Test(config, writes_one_key_per_line) {
    struct config fresh;
    options_defaults(&fresh);
    char *text = config_to_text(&fresh);
    const char *begin = "run:\n  dir: null\n  seed: 1\n  time_limit: 0\n  margin: 120\ndata:\n  "
                        "path: \"data.h5\"\n";
    cr_expect(!strncmp(text, begin, strlen(begin)));
    cr_expect(strstr(text, "  betas: [0.9, 0.98]\n"));
    int lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    cr_expect_eq(lines, options_count() + 8);
    mem_free(text);
}

/* What is refused, and the message. */
static const char *const refused[][2] = {
    {"train:\n  lrr: 1\n", "run.yaml:2: unknown key 'train.lrr'; did you mean 'train.lr'?"},
    {"train: {\n lr: 1,\n\n epochs: x}",
     "run.yaml:4: train.epochs: 'x' is not an integer in [0, inf)"},
    {"trian: {lr: 1}", "run.yaml:1: unknown section 'trian'; did you mean 'train'?"},
    {"trian: {}", "run.yaml:1: unknown section 'trian'; did you mean 'train'?"},
    {"train:\n  lr: 1\n  lr: 1\n", "run.yaml:3: 'train.lr' is already in line 2"},
    {"train: {lr: 1}\nrun:\ntrain: {epochs: 1}\n", "run.yaml:3: 'train' is already in line 1"},
    {"train: 5\n", "run.yaml:1: 'train' is a section: its keys stand below it"},
    {"train:\n- lr: 5\n", "run.yaml:2: 'train' is a section: its keys stand below it"},
    {"- train\n", "run.yaml:1: sections are expected, as in 'train:'"},
    {"text\n", "run.yaml:1: sections are expected, as in 'train:'"},
    {"[a]: {}\n", "run.yaml:1: the name of a section is expected"},
    {"train: {lr: {a: 1}}", "run.yaml:1: train.lr: a value or a list of values is expected"},
    {"train: {[lr]: 1}", "run.yaml:1: a key is expected"},
    {"train: {betas: [[0.9], 0.9]}", "run.yaml:1: train.betas: a list holds plain values"},
    {"model: {modalities: ['id, text']}",
     "run.yaml:1: model.modalities: 'id, text' is not one value; a list holds them one by one"},
    {"train: {epochs: 010}", "run.yaml:1: train.epochs: '010' is not an integer in [0, inf)"},
    {"train: {epochs: 1__0}", "run.yaml:1: train.epochs: '1__0' is not an integer in [0, inf)"},
    {"train: {lr: 010}", "run.yaml:1: train.lr: '010' is not a number in [0, inf) or auto"},
    {"train: {reproducible: yEs}", "run.yaml:1: train.reproducible: 'yEs' is not true or false"},
    {"train: &t {lr: 1}", "run.yaml:1: anchors and aliases ('t') are not taken"},
    {"train: {lr: &x 1, grad_clip: *x}", "run.yaml:1: anchors and aliases ('x') are not taken"},
    {"run: {}\ntrain: *t", "run.yaml:2: anchors and aliases ('t') are not taken"},
    {"train: {lr: !!float 1}", "run.yaml:1: tags ('tag:yaml.org,2002:float') are not taken"},
    {"train: {lr: 1}\n---\ntrain: {lr: 2}\n", "run.yaml:2: a second document"},
    {"run: {dir: \"a\\0b\"}", "run.yaml:1: run.dir: a value or a list of values is expected"},
};

Test(config, refuses_with_the_line, .init = cr_redirect_stderr) {
    char expected[256];
    size_t n = sizeof refused / sizeof *refused;
    for (size_t i = 0; i < n; i++) {
        cr_expect_eq(parse(refused[i][0]), STATUS_INPUT, "%s", refused[i][0]);
        fprintf(stderr, "--\n");
    }
    char *all = strdup(said()), *rest = all;
    for (size_t i = 0; i < n; i++) {
        char *one = strsep(&rest, "-");
        rest = rest ? strchr(rest, '\n') + 1 : NULL;
        snprintf(expected, sizeof expected, "%s%s\n", i ? "cdsr: error: " : "", refused[i][1]);
        cr_expect_str_eq(one, expected, "%s\nsaid %s", refused[i][0], one);
    }
    free(all);
}

Test(config, refuses_bad_syntax_with_the_line, .init = cr_redirect_stderr) {
    cr_expect_eq(parse("train:\n  lr: 1\n bad: [\n"), STATUS_INPUT);
    const char *what = said();
    cr_expect(!strncmp(what, "run.yaml:3: not YAML: ", 22), "%s", what);
}

Test(config, refuses_what_is_not_utf8_with_the_line, .init = cr_redirect_stderr) {
    cr_expect_eq(parse("run:\n\n  dir: \xFF\n"), STATUS_INPUT);
    const char *what = said();
    cr_expect(!strncmp(what, "run.yaml:3: not YAML: ", 22), "%s", what);
}

Test(config, refuses_controls, .init = cr_redirect_stderr) {
    cr_expect_eq(parse("run:\n  dir: a\x01\n"), STATUS_INPUT);
}

Test(config, refuses_long_values, .init = cr_redirect_stderr) {
    static char text[3 * OPTION_PATH];
    int n = sprintf(text, "data: {path: ");
    memset(text + n, 'a', OPTION_PATH);
    strcpy(text + n + OPTION_PATH, "}");
    cr_expect_eq(parse(text), STATUS_INPUT);
    n = sprintf(text, "eval: {cutoffs: [1");
    for (int i = 0; i < OPTION_PATH; i++)
        n += sprintf(text + n, ",1");
    strcpy(text + n, "]}");
    cr_expect_eq(parse(text), STATUS_INPUT);
}

Test(config, deep_nesting_is_refused_at_once, .init = cr_redirect_stderr) {
    static char text[60000] = "train: {lr: ";
    memset(text + strlen(text), '[', sizeof text - 100);
    cr_expect_eq(parse(text), STATUS_INPUT);
}

Test(config, failure_leaves_the_config_alone, .init = cr_redirect_stderr) {
    static struct config before;
    options_defaults(&config);
    before = config;
    cr_expect_eq(parse("train: {lr: 5, epochs: x}"), STATUS_INPUT);
    cr_expect_arr_eq(&config, &before, sizeof before);
}

Test(config, reads_numbers_and_truths_as_yaml) {
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "on", "ON"};
    static const char *const no[] = {"false", "False", "no", "NO", "off"};
    char text[64];
    cr_assert_eq(parse("train: {lr: 1.e-3, batch: 1_000, weight_decay: .001, grad_clip: 1_0.5}"),
                 STATUS_OK);
    cr_expect(config.train.lr == 1e-3 && config.train.batch == 1000);
    cr_expect(config.train.weight_decay == 0.001 && config.train.grad_clip == 10.5);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        snprintf(text, sizeof text, "train: {reproducible: %s}", yes[i]);
        cr_expect(parse(text) == STATUS_OK && config.train.reproducible, "%s", text);
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        snprintf(text, sizeof text, "train: {reproducible: %s}", no[i]);
        cr_expect(parse(text) == STATUS_OK && !config.train.reproducible, "%s", text);
    }
}

Test(config, skips_a_byte_order_mark) {
    cr_assert_eq(parse("\xEF\xBB\xBFrun: {seed: 7}\n"), STATUS_OK);
    cr_expect_eq(config.run.seed, 7);
}

static void value_of(const char *key, char value[OPTION_PATH]) {
    for (int i = 0; i < options_count(); i++)
        if (!strcmp(options_key(i), key))
            options_value(&config, i, value, OPTION_PATH);
}

/* An override as the shell hands it over. */
static const char *const overrides[][3] = {{"model.modalities", "[\"id\"]", "[id]"},
                                           {"model.modalities", "[id, 'text']", "[id, text]"},
                                           {"model.modalities", "[id,text]", "[id, text]"},
                                           {"model.modalities", "id,text", "[id, text]"},
                                           {"model.modalities", "\"[id]\"", "[id]"},
                                           {"train.betas", "[ .9, 9.9e-1 ]", "[0.9, 0.99]"},
                                           {"train.lr", " 1e-3", "0.001"},
                                           {"train.lr", "'1e-3'", "0.001"},
                                           {"train.batch", "1_000", "1000"},
                                           {"train.reproducible", "True", "true"},
                                           {"eval.lambda1", "Null", "null"},
                                           {"train.init", "~", "null"},
                                           {"train.init", "", "null"},
                                           {"data.path", "~/x #1: y.h5", "~/x #1: y.h5"},
                                           {"data.path", "\"a b.h5\"", "a b.h5"},
                                           {"data.path", "[a].h5", "[a].h5"},
                                           {"data.path", "*.h5", "*.h5"}};

Test(config, overrides_are_yaml) {
    char pair[256], *pairs[] = {pair}, value[OPTION_PATH];
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++) {
        snprintf(pair, sizeof pair, "%s=%s", overrides[i][0], overrides[i][1]);
        options_defaults(&config);
        cr_expect_eq(config_override(&config, pairs, 1), STATUS_OK, "%s", pair);
        value_of(overrides[i][0], value);
        cr_expect_str_eq(value, overrides[i][2], "%s: %s", pair, value);
    }
}

Test(config, refused_overrides_name_key_and_value, .init = cr_redirect_stderr) {
    char *bad[] = {"train.betas=[0.9, {a: 1}]", "train.lr=[", "train.batch=256.0", "train.epochs=~",
                   "model.name=&x a"};
    static const char *const lines[] = {
        "train.betas: '[0.9, {a: 1}]' is not a list of 2 numbers in [0, 1)",
        "train.lr: '[' is not a number in [0, inf) or auto",
        "train.batch: '256.0' is not an integer in [1, inf)",
        "train.epochs: 'null' is not an integer in [0, inf)", "model.name: '&x a' is not one of"};
    options_defaults(&config);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(config_override(&config, &bad[i], 1), STATUS_INPUT, "%s", bad[i]);
    const char *all = said();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(strstr(all, lines[i]), "%s\nsaid %s", lines[i], all);
}

Test(config, overrides_and_checks, .init = cr_redirect_stderr) {
    char *good[] = {"train.lr=5e-4", "model.heads=2"}, *bad[] = {"model.heads=3"};
    options_defaults(&config);
    cr_expect_eq(config_override(&config, good, 2), STATUS_OK);
    cr_expect(config.train.lr == 5e-4 && config.model.heads == 2);
    cr_expect_eq(config_override(&config, bad, 1), STATUS_INPUT);
}
