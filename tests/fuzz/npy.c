#include "io/npy.h"
#include "tests/fuzz/numbers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct numbers table;
    if (npy_open(&table, target_file(data, size)) == STATUS_OK)
        read_all(&table, size);
    REQUIRE(mem_live() == 0);
    return 0;
}
