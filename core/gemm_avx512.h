/* The product in bfloat16 by AVX-512 BF16 (VDPBF16PS). Needs pack_usable(). Not collective. */
#ifndef CORE_GEMM_AVX512_H
#define CORE_GEMM_AVX512_H
#include "core/gemm.h"
#include "core/pack_bf16.h"

#ifdef PACK_BF16
gemm_fn gemm_avx512;
#endif

#endif
