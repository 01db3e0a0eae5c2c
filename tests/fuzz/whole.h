/* What holds of any data set that a reader of raw files has accepted. */
#ifndef TESTS_FUZZ_WHOLE_H
#define TESTS_FUZZ_WHOLE_H
#include "io/dataset_content.h"
#include "tests/fuzz/target.h"

static inline void require_whole(const struct dataset_content *content) {
    int64_t items = content->domain_items[0] + content->domain_items[1];
    REQUIRE(content->domain_items[0] > 0 && content->domain_items[1] >= 0);
    REQUIRE(content->keys.count == items && content->titles.count == items);
    for (int s = 0; s < SPLITS; s++) {
        const struct sequences *q = &content->split[s].sequences;
        REQUIRE(content->split[s].users.count == q->count);
        for (int64_t i = 0; i < q->count; i++)
            REQUIRE(q->offsets[i + 1] - q->offsets[i] >= (s == SPLIT_TRAIN ? 1 : 2));
        for (int64_t i = 0; q->count > 0 && i < q->offsets[q->count]; i++)
            REQUIRE(q->items[i] >= 0 && q->items[i] < items);
    }
}

#endif
