/* Scaling simulated: what a step takes of each of 1, 2, 4, ... ranks of a cluster that is not there,
 * by placement and network. Work counted on a dry tape takes its time at a rank's rates; traffic
 * takes latency and bandwidth (alpha-beta model), but for what backward hides. */
#ifndef JOBS_PLAN_SCALING_H
#define JOBS_PLAN_SCALING_H
#include "jobs/plan/estimate.h"

enum scaling_kind {
    SCALING_STRONG, /* train.batch is the batch of all ranks */
    SCALING_WEAK    /* it is that of each rank */
};

/* A message of n bytes takes latency + n / bandwidth. */
struct network {
    const char *name;
    double latency, bandwidth; /* microseconds; GB/s of a node */
};

struct scaling {
    enum scaling_kind kind;
    int64_t ranks, per_node;   /* the most; on one node */
    double gflops, memory_gbs; /* of a rank */
    double node;               /* bytes of a node */
    struct network given;      /* in place of the fat trees, if it has a name */
    const char *plot;          /* draw the efficiencies into this file; NULL: do not */
};

/* Collective; rank 0 prints: for each placement and network a table that gnuplot reads, or JSON.
 * It draws them by gnuplot where that is asked for (io/plot.h). STATUS_INPUT for a model that cannot be,
 * and with train.reproducible, whose ranks are at most eight. */
CHECKED enum status scaling_print(const struct scaling *scaling, const struct comm *comm,
                                  struct plan_data *data, bool json);

#endif
