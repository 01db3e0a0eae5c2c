/* The runs of a report, and which of them belong together: those that differ in the seed alone. Not
 * collective. */
#ifndef JOBS_REPORT_ENTRIES_H
#define JOBS_REPORT_ENTRIES_H
#include "io/run_result.h"

struct entry {
    const char *directory;
    struct run_result result;
    int group;
    bool twice; /* it is one of those before it */
};

/* Has it figures that count? */
bool entry_counts(const struct entry *entry);

/* Set the group of each run, numbered in the order of their first runs; their number. */
int entries_group(struct entry *run, int n);

/* A run that is given twice, or of a seed that its group has, does not count again: a warning. */
void entries_drop_doubles(struct entry *run, int n);

/* Warn, once per group, of runs on another data set under the same path. */
void entries_tell_data(const struct entry *run, int n);

/* Have they the same sequences and the same items? */
bool entries_on_same_data(const struct entry *a, const struct entry *b);

/* Does option `i` tell settings apart? Not the seed; but the data set does. */
bool entries_is_setting(int i);

/* Do the runs differ in option `i`, where that tells settings apart? In the data set itself? */
bool entries_vary(const struct entry *run, int n, int i);
bool entries_data_varies(const struct entry *run, int n);

#endif
