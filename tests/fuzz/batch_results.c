/* What a model or a batch service sends back: a line of results, a reply, the tags in it. */
#include "io/llm/batch_files.h"
#include "io/llm/tag_list.h"
#include "io/string_list.h"
#include "tests/fuzz/target.h"
#include <string.h>

static void check_answer(const struct answer *answer) {
    struct string_map tags = {0};
    REQUIRE(*answer->text && utf8_valid(answer->text));
    for (const char *c = answer->text; *c; c++)
        REQUIRE((unsigned char)*c >= ' ' || *c == '\n' || *c == '\t');
    tag_list_parse(answer->text, &tags);
    REQUIRE(tags.list.count <= TAG_LIST);
    for (int64_t i = 0; i < tags.list.count; i++) {
        size_t n = strlen(string_at(&tags.list, i));
        REQUIRE(n > 0 && n <= TAG_BYTES && utf8_valid(string_at(&tags.list, i)));
    }
    string_map_free(&tags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct batch_result result;
    struct answer answer = {0};
    char reason[CHAT_REASON];
    enum batch_outcome outcome = batch_parse(text, size, &result);
    if (outcome == BATCH_ANSWER || outcome == BATCH_FAILED)
        REQUIRE(answer_is_key(result.key, strlen(result.key)));
    REQUIRE((outcome == BATCH_ANSWER) == (result.answer.text != NULL));
    if (outcome == BATCH_ANSWER)
        check_answer(&result.answer);
    answer_free(&result.answer);
    if (chat_reply(text, size, &answer, reason) == CHAT_ANSWER)
        check_answer(&answer);
    answer_free(&answer);
    chat_error(text, size, reason);
    REQUIRE(mem_live() == 0);
    return 0;
}
