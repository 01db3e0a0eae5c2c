#include "io/file.h"
#include "io/llm/batch_files.h"
#include "io/llm/cache.h"
#include "io/llm/cache_log.h"
#include "io/llm/chat.h"
#include "io/llm/embedding.h"
#include "io/llm/jsonl.h"
#include "io/llm/prompt.h"
#include "io/llm/tag_list.h"
#include "tests/unit/folder.h"
#include <criterion/redirect.h>

static void start(void) {
    cr_redirect_stderr();
    enter_folder();
}

TestSuite(llm, .init = start, .fini = leave_folder);

static const struct comm self = {0}; /* for messages */

/* ---- prompts ---- */

static void expect_prompt(const char *text, const char *title, const char *description,
                          const char *wanted) {
    const char *values[PROMPT_PLACES] = {title, description, "books", NULL};
    struct prompt prompt;
    cr_assert_eq(prompt_open(&prompt, "p", text), STATUS_OK);
    char *got = prompt_fill(&prompt, values);
    if (wanted)
        cr_expect(got && !strcmp(got, wanted), "'%s' instead of '%s'", got ? got : "NULL", wanted);
    else
        cr_expect_null(got);
    mem_free(got);
    prompt_close(&prompt);
}

Test(llm, prompts_leave_out_lines_without_a_value) {
    const char *text = "Item of {domain}\nTitle: {title}\nMore: {title}, {description}\n{}{1} end";
    expect_prompt(text, "T", "D", "Item of books\nTitle: T\nMore: T, D\n{}{1} end");
    expect_prompt(text, "T", "", "Item of books\nTitle: T\n{}{1} end");
    expect_prompt(text, NULL, "D", "Item of books\n{}{1} end");
    expect_prompt(text, "", NULL, NULL);
    expect_prompt("{title}{title} {tags}", "T", "D", "");
    expect_prompt("{title}", "{title}", "D", "{title}");
}

Test(llm, prompts_with_other_places_are_refused) {
    static const char *const bad[] = {"{title} {name}", "{title}\n{x_y}", "{domain}", "",
                                      "{title} \xFF"};
    struct prompt prompt;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(prompt_open(&prompt, "p", bad[i]), STATUS_INPUT, "'%s'", bad[i]);
}

Test(llm, built_in_prompts) {
    static const char *const names[] = {"description", "tags", "refine", "agnostic", "specific"};
    const char *values[PROMPT_PLACES] = {"A title", NULL, "books", "a, b"};
    struct prompt prompt;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(prompt_open(&prompt, names[i], prompt_builtin(names[i])), STATUS_OK);
        cr_expect(prompt.uses[PROMPT_TITLE] && prompt.uses[PROMPT_DESCRIPTION] &&
                  prompt.uses[PROMPT_DOMAIN] && prompt.uses[PROMPT_TAGS] == (i == 2));
        char *text = prompt_fill(&prompt, values);
        cr_expect(strstr(text, "Title: A title\n") && strstr(text, "books\n") &&
                  !strstr(text, "Description:") && !strchr(text, '{'));
        mem_free(text);
        prompt_close(&prompt);
    }
    cr_expect_null(prompt_builtin("other"));
}

/* ---- requests and replies ---- */

Test(llm, bodies_have_one_form) {
    struct chat chat;
    char key[SHA256_TEXT], other[SHA256_TEXT];
    cr_assert_eq(
        chat_open(&self, &chat, "m", 0.5, 7, "{\"top_p\": 1, \"seed\": 3, \"max_tokens\": null}"),
        STATUS_OK);
    char *body = chat_body(&chat, "say \"x\"");
    cr_expect_str_eq(
        body, "{\"messages\":[{\"content\":\"say \\\"x\\\"\",\"role\":\"user\"}],\"model\":\"m\","
              "\"seed\":3,\"temperature\":0.5,\"top_p\":1}");
    chat_key(body, key);
    mem_free(body);
    body = chat_body(&chat, "say \"y\"");
    chat_key(body, other);
    cr_expect(answer_is_key(key, 64) && strcmp(key, other) != 0);
    mem_free(body);
    chat_close(&chat);
    cr_expect_eq(chat_open(&self, &chat, "m", 0, 7, "{\"messages\": []}"), STATUS_INPUT);
    cr_expect_eq(chat_open(&self, &chat, "m", 0, 7, "[1]"), STATUS_INPUT);
    cr_expect_eq(chat_open(&self, &chat, "m", 0, 7, "{"), STATUS_INPUT);
}

#define REPLY(content, finish)                                                                     \
    "{\"choices\":[{\"index\":0,\"finish_reason\":\"" finish                                       \
    "\",\"message\":{\"content\":" content "}}]}"

static void expect_reply(const char *body, enum chat_outcome wanted, const char *text,
                         bool truncated) {
    struct answer answer = {0};
    char reason[CHAT_REASON] = "";
    enum chat_outcome got = chat_reply(body, strlen(body), &answer, reason);
    cr_expect_eq(got, wanted, "%d instead of %d for %s", got, wanted, body);
    if (got == CHAT_ANSWER) {
        cr_expect(text && !strcmp(answer.text, text), "'%s' from %s", answer.text, body);
        cr_expect_eq(answer.truncated, truncated);
    } else
        cr_expect(reason[0] && !answer.text);
    answer_free(&answer);
}

Test(llm, replies_lose_their_thoughts) {
    expect_reply(REPLY("\" plain\\r\\n text \\n\"", "stop"), CHAT_ANSWER, "plain \n text", false);
    expect_reply(REPLY("\"<think>a</think>b<think>c</think> d\"", "stop"), CHAT_ANSWER, "b d",
                 false);
    expect_reply(REPLY("\"thought without a beginning</think>b\"", "length"), CHAT_ANSWER, "b",
                 true);
    expect_reply(REPLY("\"b <think>that never ends\"", "length"), CHAT_ANSWER, "b", true);
    expect_reply(REPLY("\"<think>that never ends\"", "length"), CHAT_EMPTY, NULL, false);
    expect_reply(REPLY("\" \\n\"", "stop"), CHAT_EMPTY, NULL, false);
    expect_reply(REPLY("null", "stop"), CHAT_EMPTY, NULL, false);
    expect_reply(REPLY("\"a\\u001bb\\u0007\"", "stop"), CHAT_ANSWER, "a b", false);
}

Test(llm, replies_that_are_none) {
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"choices\":[]}",
        "{\"choices\":{\"0\":1}}",
        "{\"choices\":[{\"index\":1,\"message\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"index\":0,\"message\":\"a\"}]}",
        "{\"choices\":[{\"index\":0,\"message\":{\"content\":[\"a\"]}}]}",
        "{\"choices\":[{\"index\":0,\"message\":{}}]}",
        REPLY("\"a\\u0000b\"", "stop"),
        REPLY("\"\xFF\"", "stop"),
        REPLY("\"a", "stop")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_reply(bad[i], CHAT_MALFORMED, NULL, false);
    char *deep = mem_alloc(100001, 1);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    expect_reply(deep, CHAT_MALFORMED, NULL, false);
    mem_free(deep);
}

static void expect_error(const char *body, const char *wanted) {
    char reason[CHAT_REASON];
    chat_error(body, strlen(body), reason);
    cr_expect_str_eq(reason, wanted);
}

Test(llm, errors_of_several_servers) {
    expect_error("{\"error\":{\"message\":\"a\",\"code\":1}}", "a");
    expect_error("{\"error\":\"a\",\"error_type\":\"b\"}", "a");
    expect_error("{\"object\":\"error\",\"message\":\"a\"}", "a");
    expect_error("{\"detail\":\"a\"}", "a");
    expect_error("{\"detail\":[1]}", "no reason is given");
    expect_error("<html>busy", "<html>busy");
    expect_error("", "no reason is given");
}

/* ---- embeddings ---- */

Test(llm, embedding_bodies) {
    static const char *const texts[] = {"a \"b\"", "\u00e9"};
    struct embedding_request request = {"m", 0, false};
    char key[SHA256_TEXT], other[SHA256_TEXT];
    char *body = embedding_body(&request, texts, 2);
    cr_expect_str_eq(body, "{\"encoding_format\":\"base64\",\"input\":[\"a \\\"b\\\"\",\"\u00e9\"],"
                           "\"model\":\"m\"}");
    mem_free(body);
    embedding_key(&request, "a", key);
    request.floats = true;
    embedding_key(&request, "a", other);
    cr_expect_str_eq(key, other);
    request.dimensions = 4;
    embedding_key(&request, "a", other);
    cr_expect_str_neq(key, other);
    body = embedding_body(&request, texts, 1);
    cr_expect_str_eq(body,
                     "{\"dimensions\":4,\"encoding_format\":\"float\",\"input\":[\"a \\\"b\\\"\"],"
                     "\"model\":\"m\"}");
    mem_free(body);
}

Test(llm, embedding_of_a_picture) {
    struct embedding_request request = {"m", 4, false};
    struct picture_file picture = {"image/png", (uint8_t[]){0xff, 0, 0x10, 0xfb}, 4};
    char key[SHA256_TEXT], other[SHA256_TEXT];
    char *body = embedding_picture_body(&request, &picture);
    cr_expect_str_eq(body, "{\"dimensions\":4,\"encoding_format\":\"base64\",\"messages\":[{"
                           "\"content\":[{\"image_url\":{\"url\":\"data:image/png;base64,"
                           "/wAQ+w==\"},\"type\":\"image_url\"}],\"role\":\"user\"}],"
                           "\"model\":\"m\"}");
    mem_free(body);
    embedding_picture_key(&request, &picture, key);
    request.floats = true;
    embedding_picture_key(&request, &picture, other);
    cr_expect_str_eq(key, other);
    picture.size = 3;
    embedding_picture_key(&request, &picture, other);
    cr_expect_str_neq(key, other);
}

/* 1, -2.5 as float32, little-endian. */
#define TWO "AACAPwAAIMA="

static void expect_vectors(const char *data, int64_t count, bool wanted) {
    char body[512], *vector[4], reason[EMBEDDING_REASON] = "";
    snprintf(body, sizeof body, "{\"data\":%s}", data);
    bool got = embedding_reply(body, strlen(body), count, vector, reason);
    cr_expect(got == wanted && got == !reason[0], "%s: %s", data, reason);
    for (int64_t i = 0; got && i < count; i++) {
        cr_expect_str_eq(vector[i], i == 0 ? TWO : "AAAAAAAAAEA=");
        mem_free(vector[i]);
    }
}

#define MEMBER(index, embedding) "{\"index\":" #index ",\"embedding\":" embedding "}"

Test(llm, embedding_replies) {
    static const char *const bad[] = {
        "[]",
        "{}",
        "[" MEMBER(0, "[1]") "]",
        "[" MEMBER(0, "[1]") "," MEMBER(0, "[1]") "]",
        "[" MEMBER(0, "[1]") "," MEMBER(2, "[1]") "]",
        "[" MEMBER(0, "[1]") "," MEMBER(-1, "[1]") "]",
        "[" MEMBER(0, "[1]") "," MEMBER(1, "[1,2]") "]",
        "[" MEMBER(0, "[1]") "," MEMBER(1, "[\"1\"]") "]",
        "[" MEMBER(0, "[1]") "," MEMBER(1, "[1e39]") "]",
        "[" MEMBER(0, "[]") "," MEMBER(1, "[]") "]",
        "[" MEMBER(0, "null") "," MEMBER(1, "[1]") "]",
        "[" MEMBER(0, "\"" TWO "\"") "," MEMBER(1, "\"AAAAAAAAAEA\"") "]",
        "[" MEMBER(0, "\"" TWO "\"") "," MEMBER(1, "\"AACAf wAAAEA=\"") "]",
        "[" MEMBER(0, "\"" TWO "\"") "," MEMBER(1, "\"AACAfwAAAEA=\"") "]", /* an infinite one */
        "[" MEMBER(0, "\"" TWO "\"") "," MEMBER(1, "\"====\"") "]"};
    expect_vectors("[" MEMBER(1, "[0,2]") "," MEMBER(0, "\"" TWO "\"") "]", 2, true);
    expect_vectors("[" MEMBER(0, "[1,-2.5]") "," MEMBER(1, "\"AAAAAAAAAEA=\"") "]", 2, true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_vectors(bad[i], 2, false);
    float *numbers;
    cr_expect_eq(embedding_decode(TWO, &numbers), 2);
    cr_expect(numbers[0] == 1 && numbers[1] == -2.5F);
    mem_free(numbers);
}

/* ---- tags ---- */

static void expect_tags(const char *answer, const char *wanted) {
    struct string_map tags = {0};
    tag_list_parse(answer, &tags);
    char *text = tag_list_join(&tags);
    cr_expect_str_eq(text, wanted, "'%s' of '%s'", text, answer);
    mem_free(text);
    string_map_free(&tags);
}

Test(llm, tags_of_lists_and_lines) {
    expect_tags("[\"Red Wine\", \"red  wine\", \"OAK\", 3, null, \"\"]", "red wine, oak");
    expect_tags("Here [they] are:\n```json\n[\"a\", \"b\"]\n```", "a, b");
    expect_tags("{\"tags\": [{\"tag\": \"A\", \"weight\": 1}, {\"tag\": \"B.\"}]}", "a, b");
    expect_tags("- Red\n* \"Blue\"\n3. green.\n\u2022 CAF\u00c9\n", "red, blue, green, caf\u00e9");
    expect_tags("Tags: a, b; c\r\n", "a, b, c");
    expect_tags("Some tags:\n1) one\n2) two", "one, two");
    expect_tags("CAFE\u0301\nCaf\u00e9\n\uff43af\u00e9", "caf\u00e9");
    expect_tags("", "");
    expect_tags("[", "[");
    expect_tags("5 ingredients\n3d printing", "5 ingredients, 3d printing");
}

Test(llm, tags_are_bounded) {
    char text[40 * 300] = "";
    for (int i = 0; i < 300; i++)
        snprintf(text + strlen(text), 40, "tag %d\n", i);
    memset(text + strlen(text), 'x', 200);
    struct string_map tags = {0};
    tag_list_parse(text, &tags);
    cr_expect_eq(tags.list.count, TAG_LIST);
    string_map_free(&tags);
    expect_tags(text + strlen(text) - 200, "");
}

/* ---- the cache ---- */

static const char *key_of(int i) {
    static char key[SHA256_TEXT];
    snprintf(key, sizeof key, "%064x", i);
    return key;
}

static void append(const char *path, int rank, int key, const char *text) {
    struct cache_log log;
    struct answer answer = {(char *)(uintptr_t)text, key % 2};
    cache_log_open(&log, path, rank);
    cr_expect_eq(cache_log_append(&log, key_of(key), "m", &answer), STATUS_OK);
    cache_log_close(&log);
}

static void expect_answer(const struct cache *cache, int key, const char *text) {
    struct answer answer;
    cr_assert_eq(cache_has(cache, key_of(key)), text != NULL, "key %d", key);
    if (!text)
        return;
    cr_assert_eq(cache_get(cache, key_of(key), &answer), STATUS_OK);
    cr_expect_str_eq(answer.text, text);
    cr_expect_eq(answer.truncated, key % 2);
    answer_free(&answer);
}

Test(llm, cache_keeps_answers_of_all_ranks) {
    struct cache cache;
    cr_assert_eq(cache_open(&cache, "c[1]"), STATUS_OK);
    expect_answer(&cache, 1, NULL);
    cache_close(&cache);
    append("c[1]", 0, 1, "first \u00e9\n\"quoted\"");
    append("c[1]", 3, 2, "second");
    append("c[1]", 12, 3, "third");
    append("c[1]", 12, 1, "another first");
    cr_assert_eq(cache_mend("c[1]"), STATUS_OK);
    cr_expect(!file_exists("c[1].part-3") && !file_exists("c[1].part-12"));
    cr_assert_eq(cache_open(&cache, "c[1]"), STATUS_OK);
    cr_expect(cache.keys.list.count == 3 && cache.damaged == 0);
    expect_answer(&cache, 1, "first \u00e9\n\"quoted\"");
    expect_answer(&cache, 2, "second");
    expect_answer(&cache, 3, "third");
    cache_close(&cache);
}

static long size_of(const char *path) {
    FILE *file = fopen(path, "rb");
    cr_assert(file && !fseek(file, 0, SEEK_END));
    long size = ftell(file);
    fclose(file);
    return size;
}

/* The first n bytes of "whole" in a file of its own. */
static void copy_whole(const char *path, long n, char text[]) {
    FILE *file = fopen("whole", "rb");
    cr_assert(file && fread(text, 1, (size_t)n, file) == (size_t)n && !fclose(file));
    file = fopen(path, "wb");
    cr_assert(file && fwrite(text, 1, (size_t)n, file) == (size_t)n && !fclose(file));
}

Test(llm, cache_survives_any_cut) {
    char text[1024];
    append("whole", 0, 1, "one");
    long first = size_of("whole");
    append("whole", 0, 2, "two");
    long both = size_of("whole");
    for (long n = 0; n <= both; n++) {
        struct cache cache;
        copy_whole("cut", n, text);
        cr_assert_eq(cache_mend("cut"), STATUS_OK, "%ld bytes", n);
        cr_expect_eq(size_of("cut"), n < first ? 0 : n < both ? first : both);
        append("cut", 0, 4, "four");
        cr_assert_eq(cache_open(&cache, "cut"), STATUS_OK);
        cr_expect_eq(cache.damaged, 0);
        expect_answer(&cache, 1, n < first ? NULL : "one");
        expect_answer(&cache, 2, n < both ? NULL : "two");
        expect_answer(&cache, 4, "four");
        cache_close(&cache);
    }
}

Test(llm, cache_passes_over_any_flipped_byte) {
    char text[1024];
    append("whole", 0, 1, "one");
    long first = size_of("whole");
    append("whole", 0, 2, "two");
    long both = size_of("whole");
    for (long n = 0; n < first - 1; n++) {
        struct cache cache;
        copy_whole("flipped", both, text);
        FILE *file = fopen("flipped", "r+b");
        cr_assert(file && !fseek(file, n, SEEK_SET) && fputc(text[n] ^ 1, file) != EOF &&
                  !fclose(file));
        cr_assert_eq(cache_open(&cache, "flipped"), STATUS_OK);
        cr_expect(cache.damaged >= 1 && !cache_has(&cache, key_of(1)), "byte %ld", n);
        expect_answer(&cache, 2, "two");
        cache_close(&cache);
    }
}

Test(llm, cache_leaves_other_files_alone) {
    put("other", "some text\nof mine\n");
    cr_expect_eq(cache_mend("other"), STATUS_INPUT);
    put("short", "so");
    cr_expect_eq(cache_mend("short"), STATUS_INPUT);
    cr_expect(size_of("other") == 18 && size_of("short") == 2);
}

/* ---- lines ---- */

struct seen {
    int64_t lines, at;
    size_t bytes;
    bool ended, long_one;
};

static enum status see(void *state, const struct jsonl_line *line) {
    struct seen *s = state;
    cr_expect_eq(line->number, ++s->lines);
    s->at = line->at;
    s->bytes = line->bytes;
    s->ended = line->ended;
    s->long_one = s->long_one || line->long_one;
    return STATUS_OK;
}

Test(llm, lines_of_any_length) {
    struct seen seen = {0};
    FILE *file = fopen("lines", "wb");
    fputs("a\n\n", file);
    for (int i = 0; i < JSONL_LINE + 5; i++)
        fputc('x', file);
    fputs("\nlast", file);
    cr_assert(!fclose(file) && jsonl_each("lines", see, &seen) == STATUS_OK);
    cr_expect(seen.lines == 4 && seen.long_one && !seen.ended && seen.bytes == 4);
    cr_expect_eq(seen.at, 3 + JSONL_LINE + 6);
    put("empty", "");
    seen = (struct seen){0};
    cr_expect(jsonl_each("empty", see, &seen) == STATUS_OK && seen.lines == 0);
    cr_expect_eq(jsonl_each("absent", see, &seen), STATUS_IO);
}

/* ---- batches ---- */

Test(llm, batch_files_are_cut_at_lines_and_bytes) {
    struct batch_writer w;
    cr_assert_eq(batch_writer_open(&w, "out"), STATUS_OK);
    w.most_lines = 2;
    for (int i = 0; i < 5; i++)
        cr_assert_eq(batch_writer_add(&w, key_of(i), "{}"), STATUS_OK);
    cr_assert_eq(batch_writer_close(&w, STATUS_OK), STATUS_OK);
    cr_expect(w.files == 3 && file_exists("out/requests-0003.jsonl") &&
              !file_exists("out/requests-0004.jsonl"));
    cr_expect_eq(batch_writer_open(&w, "out"), STATUS_INPUT);
    cr_assert_eq(batch_writer_open(&w, "small"), STATUS_OK);
    w.most_bytes = 200;
    for (int i = 0; i < 4; i++)
        cr_assert_eq(batch_writer_add(&w, key_of(i), "{}"), STATUS_OK);
    cr_assert_eq(batch_writer_close(&w, STATUS_OK), STATUS_OK);
    cr_expect(w.files == 4 && size_of("small/requests-0001.jsonl") <= 200);
    cr_assert_eq(batch_writer_open(&w, "none"), STATUS_OK);
    cr_assert_eq(batch_writer_add(&w, key_of(1), "{}"), STATUS_OK);
    cr_expect_eq(batch_writer_close(&w, STATUS_FAIL), STATUS_FAIL);
    cr_expect(!file_exists("none/requests-0001.jsonl"));
}

#define ID "\"custom_id\":\"0000000000000000000000000000000000000000000000000000000000000001\","

static void expect_result(const char *line, enum batch_outcome wanted, const char *said) {
    struct batch_result result;
    enum batch_outcome got = batch_parse(line, strlen(line), &result);
    cr_expect_eq(got, wanted, "%d instead of %d: %s", got, wanted, line);
    if (got == BATCH_ANSWER)
        cr_expect_str_eq(result.answer.text, said);
    else if (got != BATCH_OTHER)
        cr_expect(strstr(result.reason, said), "'%s' in '%s'", said, result.reason);
    if (got == BATCH_ANSWER || got == BATCH_FAILED)
        cr_expect_str_eq(result.key, key_of(1));
    answer_free(&result.answer);
}

Test(llm, batch_results_in_both_forms) {
    expect_result("{" ID "\"response\":{\"status_code\":200,\"body\":" REPLY(
                      "\"a\"", "stop") "},\"error\":null}",
                  BATCH_ANSWER, "a");
    expect_result("{" ID "\"response\":" REPLY("\"a\"", "stop") "}", BATCH_ANSWER, "a");
    expect_result("{" ID
                  "\"response\":{\"status_code\":500,\"body\":{\"error\":{\"message\":\"b\"}}}}",
                  BATCH_FAILED, "status 500: b");
    expect_result("{" ID "\"response\":{\"status_code\":\"200\",\"body\":null}}", BATCH_FAILED,
                  "status 0");
    expect_result("{" ID "\"response\":{\"status_code\":200,\"body\":null}}", BATCH_FAILED,
                  "no chat completion");
    expect_result("{" ID "\"response\":null,\"error\":{\"message\":\"b\"}}", BATCH_FAILED, "b");
    expect_result("{" ID "\"response\":null,\"error\":\"b\"}", BATCH_FAILED, "b");
    expect_result("{" ID "\"response\":null}", BATCH_FAILED, "empty");
    expect_result("{" ID "\"response\":{\"body\":" REPLY("\"\"", "stop") "}}", BATCH_FAILED,
                  "empty");
    expect_result("{" ID "\"method\":\"POST\",\"body\":{}}", BATCH_OTHER, NULL);
    expect_result(" \r", BATCH_OTHER, NULL);
    expect_result("{" ID "\"x\":1}", BATCH_DAMAGED, "neither");
    expect_result("{\"response\":{}}", BATCH_DAMAGED, "no custom_id");
    expect_result("{\"custom_id\":\"1\",\"response\":{}}", BATCH_DAMAGED, "not one of");
    expect_result("[1]", BATCH_DAMAGED, "no custom_id");
    expect_result("{", BATCH_DAMAGED, "not JSON");
}
