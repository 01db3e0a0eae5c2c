#include "core/blas.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
static int better_kernels(void) {
    static const char *const avx2[] = {"Haswell", "Zen", "Excavator"};
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
        return 0;
    for (int i = 0; i < 3; i++)
        if (!strcmp(openblas_get_corename(), avx2[i]))
            return 1;
    return 0;
}
#else
static int better_kernels(void) {
    return 0;
}
#endif

void blas_start(char **argv) {
    if (!getenv("OPENBLAS_CORETYPE") && better_kernels()) {
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
        execv("/proc/self/exe", argv); /* returns only on failure: the slower kernels do too */
    }
    openblas_set_num_threads(1);
}

const char *blas_kernels(void) {
    return openblas_get_corename();
}
