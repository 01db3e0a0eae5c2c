#include "jobs/features/block_store.h"
#include "core/hash.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/output.h"
#include <stdio.h>
#include <string.h>

static const char form[] = "cdsr rows 1";

/* What a file begins with. It ends with the sum. */
struct head {
    char form[16], key[SHA256_TEXT + 7];
    int64_t block, n, width;
};

struct content {
    struct head head;
    const unsigned char *mask;
    const float *rows;
    uint64_t sum;
};

static struct head head_of(const struct block_store *s, int64_t block, const char *key, int64_t n) {
    struct head head = {.block = block, .n = n, .width = s->width};
    memcpy(head.form, form, sizeof form);
    memcpy(head.key, key, SHA256_TEXT);
    return head;
}

static uint64_t sum_of(const unsigned char *mask, const float *rows, int64_t n, int64_t width) {
    uint64_t sum = hash_elements(rows, sizeof *rows, n * width, n);
    for (int64_t i = 0; i < n; i++) {
        uint32_t one = mask[i];
        sum += hash_elements(&one, sizeof one, 1, i);
    }
    return sum;
}

/* The caller's to be given to mem_free. */
static char *path_of(const struct block_store *s, int64_t block) {
    size_t size = strlen(s->folder) + 24;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s/%lld", s->folder, (long long)block);
    return path;
}

void block_store_open(struct block_store *store, const char *path, const char *name,
                      int64_t width) {
    size_t size = strlen(path) + strlen(name) + 8;
    store->folder = mem_alloc((int64_t)size, 1);
    store->width = width;
    snprintf(store->folder, size, "%s.%s.part", path, name);
}

void block_store_close(struct block_store *store) {
    mem_free(store->folder);
    *store = (struct block_store){0};
}

enum status block_store_make(const struct block_store *store) {
    return file_make_directory(store->folder);
}

enum status block_store_remove(const struct block_store *store) {
    return file_remove_directory(store->folder);
}

static bool read_block(FILE *file, const struct head *wanted, unsigned char *mask, float *rows) {
    struct head head;
    uint64_t sum = 0;
    size_t n = (size_t)wanted->n, numbers = n * (size_t)wanted->width;
    return fread(&head, sizeof head, 1, file) == 1 && !memcmp(&head, wanted, sizeof head) &&
           fread(mask, 1, n, file) == n && fread(rows, sizeof *rows, numbers, file) == numbers &&
           fread(&sum, sizeof sum, 1, file) == 1 && fgetc(file) == EOF &&
           sum == sum_of(mask, rows, wanted->n, wanted->width);
}

bool block_store_load(const struct block_store *store, int64_t block, const char key[SHA256_TEXT],
                      int64_t n, unsigned char *mask, float *rows) {
    struct head wanted = head_of(store, block, key, n);
    char *path = path_of(store, block);
    FILE *file = fopen(path, "rbe");
    bool good = file && read_block(file, &wanted, mask, rows);
    if (file)
        fclose(file);
    mem_free(path);
    return good;
}

static void put(FILE *file, void *context) {
    const struct content *c = context;
    size_t n = (size_t)c->head.n;
    fwrite(&c->head, sizeof c->head, 1, file);
    fwrite(c->mask, 1, n, file);
    fwrite(c->rows, sizeof *c->rows, n * (size_t)c->head.width, file);
    fwrite(&c->sum, sizeof c->sum, 1, file);
}

enum status block_store_save(const struct block_store *store, int64_t block,
                             const char key[SHA256_TEXT], int64_t n, const unsigned char *mask,
                             const float *rows) {
    struct content content = {head_of(store, block, key, n), mask, rows,
                              sum_of(mask, rows, n, store->width)};
    char *path = path_of(store, block);
    enum status status = output_put(path, put, &content);
    mem_free(path);
    return status;
}
