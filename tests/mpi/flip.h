/* Damage to a file of a test, for tests with ranks. */
#ifndef TESTS_MPI_FLIP_H
#define TESTS_MPI_FLIP_H
#include "tests/mpitest.h"
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

/* Turns one bit of the byte at `at`. */
static inline void flip(const char *path, int64_t at, int bit) {
    unsigned char byte = 0;
    int f = open(path, O_RDWR | O_CLOEXEC);
    MPI_REQUIRE(f >= 0 && pread(f, &byte, 1, at) == 1, "byte %ld", (long)at);
    byte ^= (unsigned char)(1 << bit);
    MPI_REQUIRE(pwrite(f, &byte, 1, at) == 1, "byte %ld", (long)at);
    close(f);
}

#endif
