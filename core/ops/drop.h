/* Dropout by itself. Not collective. */
#ifndef CORE_OPS_DROP_H
#define CORE_OPS_DROP_H
#include "core/ops/dropout.h"
#include "core/tape.h"

/* y = dropout(x), x [T, d]. Without dropout y is x itself. */
struct tensor *op_drop(struct tape *tape, struct tensor *x, const struct dropout *dropout);

#endif
