/* The floating type of the numerics: float, or double where CDSR_DOUBLE is defined (gradient
 * checks, golden comparison). Tolerances are written in terms of REAL_EPS. */
#ifndef CORE_REAL_H
#define CORE_REAL_H
#include <float.h>
#include <math.h>

#ifdef CDSR_DOUBLE
typedef double real;
#define REAL_EPS DBL_EPSILON
#define REAL_MAX DBL_MAX
#define REAL_MIN DBL_MIN  /* the smallest normal number */
#define REAL_F(name) name /* REAL_F(sqrt)(x): the function of the type */
#else
typedef float real;
#define REAL_EPS FLT_EPSILON
#define REAL_MAX FLT_MAX
#define REAL_MIN FLT_MIN
#define REAL_F(name) name##f
#endif

/* Kernels compiled for several x86-64 levels and chosen at load time. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__)
#define HOT __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HOT
#endif

#endif
