/* A data set of four items for readers that add to one. */
#ifndef TESTS_FUZZ_CONTENT_H
#define TESTS_FUZZ_CONTENT_H
#include "io/dataset_content.h"
#include "tests/fuzz/target.h"

enum { ITEMS = 4 };

static inline struct dataset_content small_content(void) {
    static const char *const keys[ITEMS] = {"a0", "a1", "b0", "b1"};
    struct dataset_content content = {.domain_items = {2, 2}};
    for (int i = 0; i < ITEMS; i++)
        string_list_add(&content.keys, keys[i]);
    return content;
}

#endif
