#include "io/readers/histories.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text[] = {"a0", "a1", "b0", "b1"};
    struct h5_strings keys = {.count = 4, .text = text};
    struct histories h;
    if (histories_read(target_file(data, size), &keys, &h) == STATUS_OK) {
        REQUIRE(h.users.count > 0 && h.users.count == h.of.count && h.of.offsets[0] == 0);
        for (int64_t u = 0; u < h.of.count; u++)
            REQUIRE(h.of.offsets[u] <= h.of.offsets[u + 1]);
        for (int64_t i = 0; i < h.of.offsets[h.of.count]; i++)
            REQUIRE(h.of.items[i] >= 0 && h.of.items[i] < 4);
        histories_free(&h);
    }
    REQUIRE(mem_live() == 0);
    return 0;
}
