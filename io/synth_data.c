#include "io/synth_data.h"
#include "core/mem.h"

struct synth_data synth_data_of(const struct synth_recipe *r) {
    struct synth_data data = {.width = (int)r->width};
    synth_init(&data.synth, r->domain_items[0], r->domain_items[1], r->topics, r->mean_length,
               r->seed);
    for (int s = 1; s < SPLITS; s++)
        data.first[s] = data.first[s - 1] + r->counts[s - 1];
    return data;
}

void synth_data_sequences(const struct synth_data *data, enum split split, int64_t lo, int64_t hi,
                          struct sequences *out) {
    int64_t first = data->first[split] + lo;
    out->count = hi - lo;
    out->offsets = mem_zero(hi - lo + 1, sizeof *out->offsets);
    for (int64_t i = 0; i < hi - lo; i++)
        out->offsets[i + 1] = out->offsets[i] + synth_length(&data->synth, first + i);
    out->items = mem_alloc(out->offsets[hi - lo], sizeof *out->items);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < hi - lo; i++)
        synth_events(&data->synth, first + i, out->items + out->offsets[i], NULL);
}

static void widen(const float *row, int64_t n, real *out) {
    for (int64_t k = 0; k < n; k++)
        out[k] = row[k];
}

void synth_data_feature(const struct synth_data *data, int64_t lo, int64_t hi, real *rows) {
    int width = data->width;
#pragma omp parallel
    {
        float *row = mem_alloc(width, sizeof *row);
#pragma omp for schedule(static)
        for (int64_t i = lo; i < hi; i++) {
            synth_feature(&data->synth, i, width, row);
            widen(row, width, rows + (i - lo) * width);
        }
        mem_free(row);
    }
}
