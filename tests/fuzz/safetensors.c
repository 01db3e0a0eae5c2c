#include "io/safetensors.h"
#include "tests/fuzz/numbers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {NULL, "a"};
    const char *path = target_file(data, size);
    struct numbers table;
    for (int i = 0; i < 2; i++)
        if (safetensors_open(&table, path, names[i]) == STATUS_OK)
            read_all(&table, size);
    REQUIRE(mem_live() == 0);
    return 0;
}
