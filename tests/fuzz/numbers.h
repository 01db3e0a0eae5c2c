/* Reading what a parser of tables has accepted. */
#ifndef TESTS_FUZZ_NUMBERS_H
#define TESTS_FUZZ_NUMBERS_H
#include "io/numbers.h"
#include "tests/fuzz/target.h"

/* Every number lies in the file of `size` bytes and can be read; closes the table. */
static inline void read_all(struct numbers *table, size_t size) {
    int64_t bytes = 0, count = table->rows * table->width;
    REQUIRE(table->rank == 1 || table->rank == 2);
    REQUIRE(numbers_bytes(table, &bytes));
    REQUIRE(table->start >= 0 && table->start + bytes <= (int64_t)size);
    float *rows = mem_alloc(count, sizeof *rows);
    REQUIRE(numbers_read(table, 0, table->rows, rows) == STATUS_OK);
    mem_free(rows);
    numbers_close(table);
}

#endif
