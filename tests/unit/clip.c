/* Files of a CLIP model: what is taken from them, and what is refused and how; the tokeniser on cases made
 * by hand. */
#include "io/clip/config.h"
#include "io/clip/text.h"
#include "io/clip/tokens.h"
#include "io/safetensors.h"
#include "tests/clip_model.h"
#include "tests/unit/folder.h"

TestSuite(clip, .init = enter_folder, .fini = leave_folder);

/* ---- pieces of texts ---- */

/* Pieces with "|" behind each; tokens that texts name in capitals. */
static bool note_piece(void *state, enum clip_piece kind, const char *bytes, int64_t n) {
    char *notes = state;
    size_t used = strlen(notes);
    if (kind == CLIP_WORD)
        snprintf(notes + used, 512 - used, "%.*s|", (int)n, bytes);
    else
        snprintf(notes + used, 512 - used, "%s|", kind == CLIP_START_TOKEN ? "START" : "END");
    return used < 400;
}

static void expect_pieces(const char *text, const char *wanted) {
    char notes[512] = "";
    cr_expect(clip_pieces(text, note_piece, notes), "%s", text);
    cr_expect_str_eq(notes, wanted, "'%s': %s", text, notes);
}

Test(clip, contractions) {
    expect_pieces("It's we'LL they've I'm he'd don't you're",
                  "it|'s|we|'ll|they|'ve|i|'m|he|'d|don|'t|"
                  "you|'re|");
    expect_pieces("rock'n'roll", "rock|'|n|'|roll|");
    expect_pieces("''s 'sun", "''|s|'s|un|");
}

Test(clip, digits_stand_alone) {
    expect_pieces("500ml 3.5'' 2×4", "5|0|0|ml|3|.|5|''|2|×|4|");
    expect_pieces("½ ٣ Ⅷ", "½|٣|ⅷ|");
}

Test(clip, letters_of_any_script) {
    expect_pieces("Café CRÈME ÅNGSTRÖM", "café|crème|ångström|");
    expect_pieces("cafe\u0301", "café|"); /* composed */
    expect_pieces("緑茶 お茶!", "緑茶|お茶|!|");
    expect_pieces("ΟΔΟΣ İ", "οδος|i|\u0307|"); /* a final sigma; a dot that nothing composes with */
}

Test(clip, other_characters_run_together) {
    expect_pieces("soup 🍜🍵 24/7 #1!!!", "soup|🍜🍵|2|4|/|7|#|1|!!!|");
    expect_pieces("  a\t\nb\u00a0c\u3000d ", "a|b|c|d|");
    expect_pieces("", "");
    expect_pieces(" \n", "");
}

Test(clip, named_tokens) {
    expect_pieces("<|ENDOFTEXT|> x<|startoftext|>y <|other|>", "END|x|START|y|<||other||>|");
    expect_pieces("!<|endoftext|>", "!<||endoftext||>|"); /* a run takes it */
}

Test(clip, character_references) {
    expect_pieces("AT&amp;T &lt;b&gt; &amp;lt;", "at|&|t|<|b|>|<|");
    expect_pieces("&eacute;&#233;&#xE9;&Eacute; &trade;", "éééé|™|");
    expect_pieces("a&nbsp;b &#0; &#xD800; &none; &amp &;",
                  "a|b|&#|0|;|&#|xd|8|0|0|;|&|none|;|&|amp|&;|");
}

Test(clip, text_that_is_not_utf8) {
    char notes[512] = "";
    cr_expect(!clip_pieces("caf\xe9", note_piece, notes));
    cr_expect_str_eq(notes, "");
}

/* ---- tokens ---- */

static struct clip_tokens read_tokens(void) {
    struct clip_tokens tokens;
    test_model_put_tokens(".");
    cr_assert_eq(clip_tokens_read(".", 530, &tokens), STATUS_OK);
    return tokens;
}

/* The tokens between those of start and end; -1 ends the list. */
static void expect_tokens(const struct clip_tokens *t, const char *text, int64_t most,
                          const int32_t *wanted) {
    int32_t out[100];
    int64_t n = clip_tokens_encode(t, text, most, out);
    cr_assert(n >= 2 && n <= most, "%s: %ld", text, (long)n);
    cr_expect(out[0] == MODEL_START && out[n - 1] == MODEL_END, "%s", text);
    for (int64_t i = 1; i < n; i++)
        cr_expect_eq(i + 1 < n ? out[i] : -1, wanted[i - 1], "%s: token %ld is %d", text, (long)i,
                     out[i]);
}

#define TOKENS(text, most, ...) expect_tokens(&t, text, most, (const int32_t[]){__VA_ARGS__, -1})

Test(clip, merges) {
    struct clip_tokens t = read_tokens();
    enum { END = 256 };
    TOKENS("the cat", 77, 513, 515);
    TOKENS("The cat's", 77, 513, 515, 516);
    TOKENS("th", 77, 't', END + 'h'); /* "t h" is no end of a word */
    TOKENS("tha", 77, 512, END + 'a');
    TOKENS("at", 77, 521);
    TOKENS("eeeee", 77, 520, 520, END + 'e'); /* from the left */
    TOKENS("eeee", 77, 520, 'e', END + 'e');
    TOKENS("é", 77, 519);
    TOKENS("ã", 77, 0xc3, END + 0xa3);
    TOKENS("7", 77, END + '7');
    cr_expect_eq(clip_tokens_encode(&t, "\xff", 77, (int32_t[77]){0}), 0);
    clip_tokens_free(&t);
}

Test(clip, seventy_seven_tokens) {
    struct clip_tokens t = read_tokens();
    char text[400] = "";
    int32_t out[77];
    for (int i = 0; i < 74; i++)
        strcat(text, "the ");
    cr_expect_eq(clip_tokens_encode(&t, text, 77, out), 76);
    strcat(text, "the ");
    cr_expect_eq(clip_tokens_encode(&t, text, 77, out), 77);
    strcat(text, "cat");
    cr_expect_eq(clip_tokens_encode(&t, text, 77, out), 77);
    cr_expect(out[75] == 513 && out[76] == MODEL_END);
    clip_tokens_free(&t);
}

/* Very long words take no long time, and count up to 4096 bytes. */
Test(clip, a_long_word) {
    struct clip_tokens t = read_tokens();
    int64_t n = 1 << 20;
    char *text = malloc((size_t)n + 1);
    int32_t *out = malloc(8192 * sizeof *out);
    memset(text, 'e', (size_t)n);
    text[n] = '\0';
    cr_expect_eq(clip_tokens_encode(&t, text, 8192, out), 2 + 2047 + 2);
    free(out);
    free(text);
    clip_tokens_free(&t);
}

Test(clip, the_state_that_counts) {
    static const int32_t tokens[] = {7, 3, 9, 2, 9, 1};
    cr_expect_eq(clip_tokens_used(tokens, 6, CLIP_GREATEST), 3);
    cr_expect_eq(clip_tokens_used(tokens, 6, 3), 2);
    cr_expect_eq(clip_tokens_used(tokens, 6, 5), 1); /* as the library has it */
}

/* ---- refusals ---- */

static void expect_tokens_refused(const char *line) {
    struct clip_tokens tokens;
    log_hold();
    cr_expect_eq(clip_tokens_read(".", 530, &tokens), STATUS_INPUT, "%s", line);
    const char *said = log_release();
    cr_expect_str_eq(said, line, "%s", said);
}

Test(clip, vocabularies_that_are_none) {
    test_model_put_tokens(".");
    put("merges.txt", "#version: 0.2\nt h\nth  e\n");
    expect_tokens_refused("./merges.txt:3: is not two tokens with a space between them");
    put("merges.txt", "t h\nx y\n");
    expect_tokens_refused("./merges.txt:2: 'xy' is no token of vocab.json");
    put("vocab.json", "{\"a\": 1, \"b\": 1}");
    expect_tokens_refused("./vocab.json: token 'b' has the number of another one");
    put("vocab.json", "{\"a\": 530}");
    expect_tokens_refused(
        "./vocab.json: token 'a' has no number from 0 to 529, the model's vocabulary");
    put("vocab.json", "{\"a\": 1}");
    expect_tokens_refused("./vocab.json: has no token <|startoftext|> or <|endoftext|>");
    put("vocab.json", "{\"<|startoftext|>\": 1, \"<|endoftext|>\": 2}");
    expect_tokens_refused("./vocab.json: has no token '\u0100', byte 0");
    put("vocab.json", "[1]");
    expect_tokens_refused("./vocab.json: is not a JSON object of tokens and numbers");
    put("vocab.json", "{\n");
    expect_tokens_refused("./vocab.json:2: is not JSON: string or '}' expected near end of file");
}

static void expect_config_refused(const char *text, const char *line) {
    struct clip_config config;
    put("config.json", text);
    log_hold();
    cr_expect_eq(clip_config_read(".", &config), STATUS_INPUT, "%s", text);
    const char *said = log_release();
    cr_expect_str_eq(said, line, "%s", said);
}

Test(clip, configurations_that_are_none) {
    expect_config_refused("[]", "./config.json: is not a JSON object");
    expect_config_refused("{\"model_type\": \"siglip\"}", "./config.json: model_type is not clip");
    expect_config_refused("{\"projection_dim\": 1e9}",
                          "./config.json: projection_dim is not an integer from 1 to 16384");
    expect_config_refused(
        "{\"text_config\": {\"hidden_size\": 4611686018427387904}}",
        "./config.json: text_config.hidden_size is not an integer from 1 to 16384");
    expect_config_refused(
        "{\"text_config\": {\"num_attention_heads\": 7}}",
        "./config.json: text_config.num_attention_heads does not divide hidden_size");
    expect_config_refused("{\"vision_config\": {\"hidden_act\": \"relu\"}}",
                          "./config.json: vision_config.hidden_act is not one of quick_gelu, gelu");
    expect_config_refused("{\"vision_config\": {\"patch_size\": 30}}",
                          "./config.json: vision_config.patch_size does not divide image_size");
    expect_config_refused("{\"vision_config\": {\"patch_size\": 1}}",
                          "./config.json: vision_config.patch_size makes too many patches");
    put("preprocessor_config.json", "{\"resample\": 2}");
    expect_config_refused("{}",
                          "./preprocessor_config.json: resample is not an integer from 3 to 3");
    put("preprocessor_config.json", "{\"size\": {\"shortest_edge\": 336}}");
    expect_config_refused("{}",
                          "./preprocessor_config.json: size is not the model's image_size, 224");
    put("preprocessor_config.json", "{\"image_std\": [1, 1, 0]}");
    expect_config_refused(
        "{}", "./preprocessor_config.json: image_std is not three numbers up to 1, of red, "
              "green and blue");
}

/* What the published files leave to the library's classes. */
Test(clip, defaults) {
    struct clip_config c;
    put("config.json", "{\"model_type\": \"clip\", \"text_config\": {\"hidden_size\": null, "
                       "\"eos_token_id\": 2}, \"text_config_dict\": {\"num_hidden_layers\": 5}}");
    cr_assert_eq(clip_config_read(".", &c), STATUS_OK);
    cr_expect(c.texts.width == 512 && c.texts.inner == 2048 && c.texts.heads == 8);
    cr_expect(c.texts.layers == 5 && c.texts.positions == 77 && c.texts.vocabulary == 49408);
    cr_expect(c.pictures.width == 768 && c.pictures.inner == 3072 && c.pictures.heads == 12);
    cr_expect(c.pictures.side == 224 && c.pictures.patch == 32 && c.pictures.positions == 50);
    cr_expect(c.texts.projection == 512 && c.pictures.projection == 512);
    cr_expect(c.texts.activation == ACTIVATION_QUICK_GELU && c.end == CLIP_GREATEST);
    cr_expect_float_eq(c.mean[2], 0.40821073, 1e-12);
}

Test(clip, sizes_that_are_said) {
    struct test_model m = test_model_shapes(ACTIVATION_GELU);
    struct clip_config c;
    test_model_put_config(&m, ".");
    cr_assert_eq(clip_config_read(".", &c), STATUS_OK);
    cr_expect(c.texts.width == 24 && c.texts.inner == 40 && c.texts.layers == 2 &&
              c.texts.heads == 3);
    cr_expect(c.texts.positions == 12 && c.texts.vocabulary == 530 && c.texts.projection == 16);
    cr_expect(c.pictures.side == 24 && c.pictures.patch == 8 && c.pictures.positions == 10);
    cr_expect(c.texts.activation == ACTIVATION_GELU && c.deviation[1] == .25);
}

/* ---- tensors of a model ---- */

static void expect_tensor_refused(const struct safetensors *file, const char *name, int ndim,
                                  const int64_t *extent, const char *line) {
    struct numbers numbers;
    log_hold();
    cr_expect_eq(safetensors_find(file, name, ndim, extent, &numbers), STATUS_INPUT, "%s", line);
    const char *said = log_release();
    cr_expect_str_eq(said, line, "%s", said);
}

Test(clip, tensors) {
    struct test_model m = test_model_shapes(ACTIVATION_GELU);
    struct safetensors file;
    struct numbers numbers;
    float row[3 * 8 * 8];
    const char *name = "vision_model.embeddings.patch_embedding.weight";
    test_model_make(&m);
    test_model_put_weights(&m, ".");
    cr_assert_eq(safetensors_open_all(&file, "model.safetensors"), STATUS_OK);
    cr_assert_eq(safetensors_find(&file, name, 4, (const int64_t[]){20, 3, 8, 8}, &numbers),
                 STATUS_OK);
    cr_expect(numbers.rows == 20 && numbers.width == 192);
    cr_assert_eq(numbers_read(&numbers, 7, 8, row), STATUS_OK);
    cr_expect_arr_eq(row, test_model_tensor(&m, name)->x + 7 * 192, sizeof row);
    expect_tensor_refused(
        &file, name, 4, (const int64_t[]){20, 3, 8, 9},
        "model.safetensors: tensor 'vision_model.embeddings.patch_embedding.weight' has "
        "the shape [20, 3, 8, 8], but the model's configuration makes it [20, 3, 8, 9]; "
        "take both from one model");
    expect_tensor_refused(
        &file, "logit_scale", 2, (const int64_t[]){1, 1},
        "model.safetensors: tensor 'logit_scale' has the shape [1], but the model's "
        "configuration makes it [1, 1]; take both from one model");
    expect_tensor_refused(&file, "other", 1, (const int64_t[]){1},
                          "model.safetensors: has no tensor 'other'; it is not of such a model");
    safetensors_close(&file);
    test_model_free(&m);
}
