#include "jobs/features/block_store.h"
#include "io/file.h"
#include "tests/unit/folder.h"

enum { N = 3, WIDTH = 2 };

TestSuite(block_store, .init = enter_folder, .fini = leave_folder);

static const unsigned char mask[N] = {1, 0, 1};
static const float rows[N * WIDTH] = {1, 2, 0, 0, 3, 4};
static const char key[SHA256_TEXT] = "abc";

static bool load(const struct block_store *store, const char *wanted, int64_t n) {
    char full[SHA256_TEXT] = {0};
    unsigned char found[N] = {0};
    float numbers[N * WIDTH] = {0};
    snprintf(full, sizeof full, "%s", wanted);
    return block_store_load(store, 5, full, n, found, numbers) && !memcmp(found, mask, N) &&
           !memcmp(numbers, rows, sizeof rows);
}

/* A block is found again with its key, its length and whole only. */
Test(block_store, finds_what_it_is_asked_for) {
    struct block_store store;
    block_store_open(&store, "data.h5", "text", WIDTH);
    cr_assert_eq(block_store_make(&store), STATUS_OK);
    cr_expect(!load(&store, "abc", N));
    cr_assert_eq(block_store_save(&store, 5, key, N, mask, rows), STATUS_OK);
    cr_expect(load(&store, "abc", N));
    cr_expect(!load(&store, "abd", N));
    cr_expect(!load(&store, "abc", N - 1));
    cr_assert_eq(
        system("printf x | dd of=data.h5.text.part/5 bs=1 seek=120 conv=notrunc 2>/dev/null"), 0);
    cr_expect(!load(&store, "abc", N), "a byte is another");
    cr_assert_eq(block_store_save(&store, 5, key, N, mask, rows), STATUS_OK);
    cr_expect(load(&store, "abc", N));
    cr_assert_eq(truncate("data.h5.text.part/5", 100), 0);
    cr_expect(!load(&store, "abc", N), "the end is missing");
    cr_assert_eq(block_store_remove(&store), STATUS_OK);
    cr_expect(!file_exists("data.h5.text.part"));
    cr_expect_eq(block_store_remove(&store), STATUS_OK);
    block_store_close(&store);
}
