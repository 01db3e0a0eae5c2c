#include "core/clip/resample.h"
#include "core/mem.h"
#include <math.h>

enum { CHANNELS = 3, PLACES = 22 };

/* How some pixels of an output line are made of those of an input line. */
struct taps {
    int64_t count, most;    /* pixels made, the most taken for one */
    int64_t *first, *taken; /* [count] */
    int32_t *weight;        /* [count, most] */
};

static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    return x < 1   ? ((a + 2) * x - (a + 3)) * x * x + 1
           : x < 2 ? (((x - 5) * x + 8) * x - 4) * a
                   : 0;
}

/* Weights of one pixel, whose middle is at `middle` in the input. */
static void find_taps(struct taps *t, int64_t i, int64_t in, double middle, double stretch) {
    double sum = 0;
    int64_t lo = (int64_t)(middle - 2 * stretch + 0.5), hi = (int64_t)(middle + 2 * stretch + 0.5);
    lo = lo > 0 ? lo : 0;
    hi = hi < in ? hi : in;
    for (int64_t x = lo; x < hi; x++)
        sum += cubic(((double)x - middle + 0.5) / stretch);
    for (int64_t x = lo; x < hi; x++) {
        double w = cubic(((double)x - middle + 0.5) / stretch) / (sum != 0 ? sum : 1);
        t->weight[i * t->most + x - lo] = (int32_t)round(w * (1 << PLACES));
    }
    t->first[i] = lo;
    t->taken[i] = hi - lo;
}

/* Pixels [from, from + count) of `out` ones made of `in`. */
static struct taps taps_make(int64_t in, int64_t out, int64_t from, int64_t count) {
    double scale = (double)in / (double)out, stretch = scale > 1 ? scale : 1;
    struct taps t = {.count = count, .most = 2 * (int64_t)ceil(2 * stretch) + 1};
    t.first = mem_alloc(count, sizeof *t.first);
    t.taken = mem_alloc(count, sizeof *t.taken);
    t.weight = mem_alloc(count * t.most, sizeof *t.weight);
    for (int64_t i = 0; i < count; i++)
        find_taps(&t, i, in, ((double)(from + i) + 0.5) * scale, stretch);
    return t;
}

static void taps_free(struct taps *t) {
    mem_free(t->first);
    mem_free(t->taken);
    mem_free(t->weight);
}

static uint8_t clip(int64_t sum) {
    int64_t value = sum >> PLACES;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Lines of pixels that stand `step` bytes apart, and so do those that are made. */
static void apply(const struct taps *t, const uint8_t *in, int64_t in_step, uint8_t *out,
                  int64_t out_step) {
    for (int64_t i = 0; i < t->count; i++)
        for (int c = 0; c < CHANNELS; c++) {
            const uint8_t *from = in + t->first[i] * in_step + c;
            const int32_t *weight = t->weight + i * t->most;
            int64_t sum = (int64_t)1 << (PLACES - 1);
            for (int64_t k = 0; k < t->taken[i]; k++)
                sum += weight[k] * (int64_t)from[k * in_step];
            out[i * out_step + c] = clip(sum);
        }
}

void resample_picture(const uint8_t *rgb, int64_t width, int64_t height, int64_t side,
                      uint8_t *out) {
    int64_t shorter = width < height ? width : height;
    int64_t wide = width == shorter ? side : side * width / shorter;
    int64_t high = height == shorter ? side : side * height / shorter;
    struct taps across = taps_make(width, wide, (wide - side) / 2, side);
    struct taps down = taps_make(height, high, (high - side) / 2, side);
    uint8_t *narrow = mem_alloc(height * side, CHANNELS);
    int64_t lo = down.first[0], hi = down.first[side - 1] + down.taken[side - 1];
    for (int64_t y = lo; y < hi; y++)
        apply(&across, rgb + y * width * CHANNELS, CHANNELS, narrow + y * side * CHANNELS,
              CHANNELS);
    for (int64_t x = 0; x < side; x++)
        apply(&down, narrow + x * CHANNELS, side * CHANNELS, out + x * CHANNELS, side * CHANNELS);
    mem_free(narrow);
    taps_free(&across);
    taps_free(&down);
}

void clip_normalise(const uint8_t *rgb, int64_t side, const double *mean, const double *deviation,
                    real *out) {
    for (int c = 0; c < CHANNELS; c++)
        for (int64_t i = 0; i < side * side; i++)
            *out++ = (real)((rgb[i * CHANNELS + c] / 255. - mean[c]) / deviation[c]);
}
