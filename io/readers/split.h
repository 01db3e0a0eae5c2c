/* Training, validation and test sequences out of a timeline. Not collective. */
#ifndef IO_READERS_SPLIT_H
#define IO_READERS_SPLIT_H
#include "io/dataset_content.h"
#include "io/readers/timeline.h"

enum split_rule {
    /* Of every user with at least 3 events the last is the test target, the one before it the
     * validation target, and the history of a target is all before it; the training sequence is
     * what comes before both targets. Shorter sequences are for training. */
    SPLIT_LOO,
    /* Two moments cut the events of all users into fractions. Before the first: training. Of every
     * user the last event between the two is a validation target, the last after the second a test
     * target; the history of a target is all before it, and targets without a history are left out.
     */
    SPLIT_TEMPORAL,
    /* The parts of the source. Of every user the last event of the validation part is the
     * validation target, the last of the test part the test target; the history of a target is all
     * before it in its part and the parts before. Targets without a history are left out. */
    SPLIT_GIVEN
};

extern const char *const split_rule_names[3];

/* number[base[d] + i] is that of item i of domain d in the data set. `fractions` of SPLIT_TEMPORAL
 * are for training, validation and test; they sum to 1. With TIES_DROP a target that has the time
 * of the event before it or behind it is left out; training stays as it is. */
void split_timeline(const struct timeline *timeline, enum split_rule rule,
                    const double fractions[3], enum ties ties, const int32_t *number,
                    const int64_t base[3], struct dataset_content *content);

#endif
