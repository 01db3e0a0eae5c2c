/* The triplet margin loss (Schroff, Kalenichenko, Philbin, "FaceNet", 2015, without squares):
 *     l_i = max(0, |a_i - p_i| - |a_i - n_i| + margin)
 * for an anchor a, what it should be near to, p, and what it should be far from, n. Not
 * collective. */
#ifndef CORE_OPS_TRIPLET_H
#define CORE_OPS_TRIPLET_H
#include "core/tape.h"

/* a, p, n [m, d]. The sum of l_i; where the tape records, the gradients of `weight` times it are
 * added to the three: the loss is the end of the tape. */
double triplet_loss(struct tape *tape, struct tensor *a, struct tensor *p, struct tensor *n,
                    double margin, double weight);

#endif
