/* The users' sequences of a data set, and their splits. Not collective. */
#ifndef IO_SEQUENCES_H
#define IO_SEQUENCES_H
#include "core/real.h"
#include <stdint.h>

enum split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLITS };
extern const char *const split_names[SPLITS]; /* "train", "valid", "test" */

/* Sequences one after the other; sequence s is items[offsets[s] .. offsets[s + 1]). */
struct sequences {
    int64_t count;
    int64_t *offsets; /* [count + 1], offsets[0] = 0 */
    int32_t *items;   /* [offsets[count]] */
    real *times;      /* [offsets[count]] places of a clock (core/clock.h); NULL: not known */
};

void sequences_free(struct sequences *s); /* safe on a zeroed object; zeroes it */

/* The name of their dataset `member` in a file: "/sequences/<split>/<member>" in `path` (64 bytes).
 */
void sequences_name(char path[64], enum split split, const char *member);

#endif
