/* The BLAS library beside its products (core/gemm.h): which one it is, its own threads, its buffers.
 * What only some libraries have is looked for when the program runs, so that the same sources go with
 * OpenBLAS, FlexiBLAS and the reference BLAS, also where the system changes one for another under the
 * name libblas. Not collective. */
#ifndef CORE_BLAS_H
#define CORE_BLAS_H
#include <stddef.h>

/* "openblas", "flexiblas", or "blas" for one that does not say; and in a line its version, of FlexiBLAS
 * what it calls. */
const char *blas_name(void);
void blas_version(char *text, size_t size);

/* Threads that one product takes by itself; 1, and setting it does nothing, for a library that does not
 * say. */
int blas_threads(void);
void blas_set_threads(int n);

/* The memory that OpenBLAS maps for a thread in its first product and keeps: take it, and give it back
 * for whoever calls next. NULL for other libraries. */
void *blas_take_buffer(void);
void blas_give_buffer(void *buffer);

#endif
