#include "jobs/bench/energy.h"
#include <stdio.h>

/* -1: it cannot be read, which often root alone may. */
static int64_t read_number(const struct energy *e, int package, const char *name) {
    char path[512];
    long long value = -1;
    snprintf(path, sizeof path, "%s/intel-rapl:%d/%s", e->root, package, name);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%lld", &value) != 1)
        value = -1;
    if (file)
        fclose(file);
    return value;
}

void energy_begin(struct energy *e, const char *root) {
    *e = (struct energy){.root = root};
    while (e->packages < ENERGY_PACKAGES) {
        int k = e->packages;
        e->last[k] = read_number(e, k, "energy_uj");
        e->range[k] = read_number(e, k, "max_energy_range_uj");
        if (e->last[k] < 0 || e->range[k] <= 0)
            return;
        e->packages++;
    }
}

void energy_poll(struct energy *e) {
    for (int k = 0; k < e->packages; k++) {
        int64_t now = read_number(e, k, "energy_uj"), used = now - e->last[k];
        if (now < 0) {
            e->packages = 0; /* no longer readable: what is known is not all */
            return;
        }
        e->joules += 1e-6 * (double)(used < 0 ? used + e->range[k] : used);
        e->last[k] = now;
    }
}
