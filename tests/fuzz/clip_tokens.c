#include "io/clip/tokens.h"
#include "tests/fuzz/sections.h"

enum { VOCABULARY = 600, MOST = 20 };

static void check(const struct clip_tokens *tokens, const struct section *text) {
    int32_t out[MOST];
    char *copy = mem_alloc((int64_t)text->size + 1, 1);
    if (text->size > 0)
        memcpy(copy, text->data, text->size);
    copy[text->size] = '\0';
    int64_t n = clip_tokens_encode(tokens, copy, MOST, out);
    mem_free(copy);
    REQUIRE(n == 0 || (n >= 2 && n <= MOST && out[0] == tokens->start));
    REQUIRE(n == 0 || out[n - 1] == tokens->end);
    for (int64_t i = 0; i < n; i++)
        REQUIRE(out[i] >= 0 && out[i] < VOCABULARY);
    REQUIRE(n == 0 || (clip_tokens_used(out, n, 2) > 0 && clip_tokens_used(out, n, 2) <= n));
}

/* vocab.json, merges.txt, a text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct section file[3];
    struct clip_tokens tokens;
    const char *folder = section_folder();
    sections(data, size, file, 3);
    section_put(&file[0], folder, "vocab.json");
    section_put(&file[1], folder, "merges.txt");
    if (clip_tokens_read(folder, VOCABULARY, &tokens) == STATUS_OK)
        check(&tokens, &file[2]);
    clip_tokens_free(&tokens);
    REQUIRE(mem_live() == 0);
    return 0;
}
