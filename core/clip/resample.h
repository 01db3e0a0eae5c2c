/* Pictures to the size that an encoder takes, as the Python Imaging Library does it. Not collective.
 *
 * The shorter side becomes `side` pixels and the other one as many as keep its proportion, rounded
 * down, by bicubic interpolation (Keys, 1981, a = -1/2); of a picture that becomes smaller the kernel is
 * stretched by the reduction, against aliasing. Rows first, then columns, with weights of 22 binary
 * places and values rounded to 8 bits after each. The middle of the result is cut out. These are the
 * steps of PIL's resize, by which pictures are prepared for the published models; decided here: only
 * what is cut out is computed. */
#ifndef CORE_CLIP_RESAMPLE_H
#define CORE_CLIP_RESAMPLE_H
#include "core/real.h"
#include <stdint.h>

/* rgb [height, width, 3] into out [side, side, 3]. Sides at least 1, below 2^20. Takes 3 side height bytes
 * for the time of the call. */
void resample_picture(const uint8_t *rgb, int64_t width, int64_t height, int64_t side,
                      uint8_t *out);

/* out [3, side, side] = (rgb / 255 - mean) / deviation, of each of the three channels. */
void clip_normalise(const uint8_t *rgb, int64_t side, const double *mean, const double *deviation,
                    real *out);

#endif
