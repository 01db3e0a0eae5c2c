/* The rectifier with a slope for negative values (He et al., "Delving deep into rectifiers", 2015).
 * Not collective. */
#ifndef CORE_OPS_PRELU_H
#define CORE_OPS_PRELU_H
#include "core/tape.h"

/* y = x where x > 0, else slope x, element by element; the slope is a scalar tensor, learned or
 * not. */
struct tensor *op_prelu(struct tape *tape, struct tensor *x, struct tensor *slope);

#endif
