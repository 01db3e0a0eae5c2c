/* The product in bfloat16 by the tiles of AMX. Not collective.
 *
 * One instruction multiplies 16 rows of a by 16 columns of b, 32 numbers each: 8 times the rate of
 * AVX-512 BF16 by Intel's figures. Four tiles of sums stand in a square, so that a tile of a and one
 * of b that are loaded serve two products each.
 *
 * The loops, the packing and the shapes of tiles (core/gemm_amx_kernel.h) are tested bit for bit
 * against a plain loop, over tiles written in C, on any processor with AVX-512 BF16. What has not
 * run yet for want of a processor with AMX: the instructions themselves and the request for
 * permission. No speed is measured; the sizes of blocks are reckoned, not tuned. */
#ifndef CORE_GEMM_AMX_H
#define CORE_GEMM_AMX_H
#include "core/gemm.h"
#include "core/pack_bf16.h"

#ifdef PACK_BF16
/* Whether the processor has the instructions, AVX-512 BF16 for the packing among them, and the
 * system lets this process use them. */
bool gemm_amx_usable(void);

/* Needs gemm_amx_usable(). The calling thread's tiles are set up and given back within the call. */
gemm_fn gemm_amx;
#endif

#endif
