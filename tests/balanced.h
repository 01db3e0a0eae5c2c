/* BALANCED(suite): every test of the suite fails if it leaves a counted allocation behind. */
#ifndef TESTS_BALANCED_H
#define TESTS_BALANCED_H
#include "core/mem.h"
#include <criterion/criterion.h>

static void balanced_check(void) {
    cr_assert_eq(mem_live(), 0, "%ld allocations left", (long)mem_live());
}

#define BALANCED(suite, ...) TestSuite(suite, .fini = balanced_check, ##__VA_ARGS__)

#endif
