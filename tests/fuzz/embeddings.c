/* What a server sends back that was asked for the vectors of three texts. */
#include "io/llm/embedding.h"
#include "tests/fuzz/target.h"
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *vector[3], reason[EMBEDDING_REASON];
    int64_t width = 0;
    bool good = embedding_reply((const char *)data, size, 3, vector, reason);
    for (int i = 0; i < 3; i++) {
        REQUIRE(good == (vector[i] != NULL));
        if (!good)
            continue;
        float *numbers;
        int64_t n = embedding_decode(vector[i], &numbers);
        REQUIRE(n > 0 && n <= EMBEDDING_WIDTH && (i == 0 || n == width));
        for (int64_t k = 0; k < n; k++)
            REQUIRE(isfinite(numbers[k]));
        width = n;
        mem_free(numbers);
        mem_free(vector[i]);
    }
    REQUIRE(mem_live() == 0);
    return 0;
}
