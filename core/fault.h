/* Points at which a test can have one rank killed, as a node that fails would be, or stopped, so
 * that something else happens meanwhile. The environment variable
 * CDSR_TEST_KILL="RANK:POINT:COUNT" sends that rank SIGKILL when it comes to the point for the
 * COUNT-th time (1: the first), CDSR_TEST_STOP SIGSTOP. And constants that a test can have wrong:
 * CDSR_TEST_FACTOR="NAME:FACTOR" multiplies the constant of that name. For tests only; without a
 * variable a point costs a test of a flag that is never set. Not collective.
 *
 * | point | where |
 * |---|---|
 * | lock | a data set is locked, nothing of it is read (rank 0) |
 * | open | the run directory is locked, nothing is written yet (rank 0) |
 * | load | the data set is open, its sequences are not read |
 * | found | the newest whole checkpoint is found, the best one is not looked at (rank 0) |
 * | step | before a step's sequences are packed |
 * | reduce | backward is done, not all sums over ranks are |
 * | update | before the optimizer |
 * | save | before a checkpoint |
 * | write | the parameters of a checkpoint are written, the moments are not |
 * | flush | a file is written, and not flushed |
 * | rename | it is on the disk under its temporary name (rank 0) |
 * | renamed | it has its name, the directory is not synchronised (rank 0) |
 * | evaluate | before the targets of a split are ranked |
 * | log | before a line of the log is written (rank 0) |
 * | answer | a model has answered, which the cache does not have |
 * | answered | the cache has it |
 * | part | the answers of another rank are in the cache, and still in its own file (rank 0) |
 * | report | before metrics.json (rank 0) |
 * | result | between metrics.json and result.txt (rank 0) |
 *
 * | constant | what |
 * |---|---|
 * | scale | the factor of the cosine in the losses and the ranking |
 * | gradient | the weight of a loss, for its gradients alone | */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H
#include <stdbool.h>

extern bool fault_armed;

/* Read the variables, once, on every rank. */
void fault_arm(int rank);

void fault_reach(const char *point);

static inline void fault_point(const char *point) {
    if (fault_armed)
        fault_reach(point);
}

/* What the constant is multiplied by. */
double fault_wrong(const char *constant);

static inline double fault_factor(const char *constant) {
    return fault_armed ? fault_wrong(constant) : 1;
}

#endif
