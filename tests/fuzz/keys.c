#include "io/key_rows.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char *keys[] = {"a", "bb", "c"};
    const struct h5_strings items = {3, keys, NULL};
    struct key_counts counts;
    int64_t row_of[3], covered = 0;
    if (key_rows_read(target_file(data, size), &items, 4, true, row_of, &counts) == STATUS_OK) {
        for (int i = 0; i < 3; i++) {
            REQUIRE(row_of[i] >= -1 && row_of[i] < 4);
            covered += row_of[i] >= 0;
        }
        REQUIRE(covered == counts.covered && covered + counts.unknown == 4);
    }
    REQUIRE(mem_live() == 0);
    return 0;
}
