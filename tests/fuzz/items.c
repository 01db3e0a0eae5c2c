#include "io/readers/items.h"
#include "tests/fuzz/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dataset_content content = small_content();
    if (items_tsv_read(target_file(data, size), false, &content) == STATUS_OK) {
        REQUIRE(content.titles.count == ITEMS);
        for (int i = 0; i < ITEMS; i++)
            REQUIRE(utf8_valid(string_at(&content.titles, i)));
    }
    dataset_content_free(&content);
    REQUIRE(mem_live() == 0);
    return 0;
}
