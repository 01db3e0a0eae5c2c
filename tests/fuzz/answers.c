/* The cache of answers: as it is, and as it is mended. */
#include "core/log.h"
#include "io/llm/cache.h"
#include "io/llm/cache_log.h"
#include "io/string_list.h"
#include "tests/fuzz/target.h"

static int64_t read_all(const char *path) {
    struct cache cache;
    REQUIRE(cache_open(&cache, path) == STATUS_OK);
    int64_t count = cache.keys.list.count;
    for (int64_t i = 0; i < count; i++) {
        struct answer answer;
        if (cache_get(&cache, string_at(&cache.keys.list, i), &answer) == STATUS_OK) {
            REQUIRE(*answer.text && utf8_valid(answer.text));
            answer_free(&answer);
        }
    }
    cache_close(&cache);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = target_file(data, size);
    log_set_level(LOG_ERROR);
    int64_t before = read_all(path);
    if (cache_mend(path) == STATUS_OK)
        REQUIRE(read_all(path) == before);
    REQUIRE(mem_live() == 0);
    return 0;
}
