#include "io/readers/tags.h"
#include "tests/fuzz/content.h"

static void check(const struct tags_content *tags) {
    REQUIRE(tags->offsets[0] == 0);
    for (int i = 0; i < ITEMS; i++)
        REQUIRE(tags->offsets[i] <= tags->offsets[i + 1]);
    for (int64_t i = 0; i < tags->offsets[ITEMS]; i++) {
        REQUIRE(tags->items[i] >= 0 && tags->items[i] < tags->vocabulary.list.count);
        REQUIRE(tags->weights[i] >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dataset_content content = small_content();
    if (tags_jsonl_read(target_file(data, size), false, &content) == STATUS_OK)
        check(&content.tags);
    dataset_content_free(&content);
    REQUIRE(mem_live() == 0);
    return 0;
}
