/* The users of io/synth in splits, and feature tables of its items, made in memory whenever they are
 * asked for: the same bits for whoever asks, whatever the number of ranks. Not collective.
 * io/dataset.h makes a data set of them. */
#ifndef IO_SYNTH_DATA_H
#define IO_SYNTH_DATA_H
#include "core/real.h"
#include "io/sequences.h"
#include "io/synth.h"

struct synth_recipe {
    const char *name;
    int64_t domain_items[2];
    int64_t counts[SPLITS]; /* users, one split's after another's, as of cdsr synth */
    int64_t topics;
    double mean_length; /* events of a user */
    int max_len;
    int64_t width; /* of feature tables, of which there is one of any name */
    uint64_t seed;
};

struct synth_data {
    struct synth synth;
    int64_t first[SPLITS]; /* user of a split */
    int width;
};

struct synth_data synth_data_of(const struct synth_recipe *recipe);

/* Sequences [lo, hi) of a split; sequences_free them. */
void synth_data_sequences(const struct synth_data *data, enum split split, int64_t lo, int64_t hi,
                          struct sequences *out);

/* Rows [lo, hi) of a feature table, [hi - lo, width]. */
void synth_data_feature(const struct synth_data *data, int64_t lo, int64_t hi, real *rows);

#endif
