/* Choosing the BLAS library's kernels. Not collective; before MPI is initialised. */
#ifndef CORE_BLAS_H
#define CORE_BLAS_H

/* OpenBLAS picks its kernels by processor model when it is loaded; a model younger than the library
 * gets AVX2 kernels although it has AVX-512, which can halve the speed. In that case this sets
 * OPENBLAS_CORETYPE (unless the user has) and runs the program `argv` anew; otherwise it returns. Also
 * makes the library single-threaded: it is called from threads of ours. */
void blas_start(char **argv);

const char *blas_kernels(void); /* name of the kernels in use */

#endif
