/* The exponential moving average of the parameters (train.ema), which a run is evaluated with while
 * training goes on with the parameters themselves. After t steps of decay d, with values x_1 .. x_t,
 *   a_t = (1 - d) sum over s of d^(t - s) x_s / (1 - d^t)
 * It is the average of Adam's paper (Kingma, Ba, 2015, section 7.2) with its correction for the start
 * from zero, and is kept corrected, so that it can be used after any step:
 *   a += w (x - a),   w = (1 - d) / (1 - d^t)
 * Averages that start from x_1 instead, as those of torch.optim.swa_utils, give that one the weight
 * d^(t - 1): more than half after 600 steps of decay 0.999. Not collective: element by element, so
 * that ranks and threads change no bit. */
#ifndef CORE_AVERAGE_H
#define CORE_AVERAGE_H
#include "core/params.h"

/* Have a block for the average. */
void average_open(struct params *params);

/* Take the values of step t (1 for the first that is averaged) into the average. */
void average_step(struct params *params, double decay, int64_t t);

#endif
