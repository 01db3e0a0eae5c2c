#include "partition/range.h"

struct range range_of(int64_t n, int size, int rank) {
    int64_t base = n / size, extra = n % size;
    int64_t lo = rank * base + (rank < extra ? rank : extra);
    return (struct range){lo, lo + base + (rank < extra)};
}

int range_owner(int64_t n, int size, int64_t i) {
    int64_t base = n / size, extra = n % size, split = extra * (base + 1);
    return (int)(i < split ? i / (base + 1) : extra + (i - split) / base);
}
