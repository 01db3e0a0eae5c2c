/* Energy of the processors of this node, from the counters of RAPL that Linux shows below
 * /sys/class/powercap (intel-rapl:N, which AMD's processors have too). Packages alone: what is part of one is
 * not counted again, and other power than the processors' is not known. Not collective. */
#ifndef JOBS_BENCH_ENERGY_H
#define JOBS_BENCH_ENERGY_H
#include <stdint.h>

#define ENERGY_ROOT "/sys/class/powercap"

enum { ENERGY_PACKAGES = 16 };

struct energy {
    const char *root; /* borrowed */
    int packages;     /* that can be read; 0: none, and the energy is not known */
    int64_t last[ENERGY_PACKAGES],
        range[ENERGY_PACKAGES]; /* microjoules; a counter begins again at its range */
    double joules;              /* since energy_begin */
};

void energy_begin(struct energy *energy, const char *root);

/* Adds what has been used. To be called more often than a counter comes round: every few minutes. */
void energy_poll(struct energy *energy);

#endif
