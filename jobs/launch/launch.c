#include "jobs/launch/launch.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 512, TOLD = 1024 }; /* a finding; the same with rank and host */

void launch_open(struct launch *l, const struct comm *comm, launch_say *say) {
    *l = (struct launch){.comm = comm, .say = say, .threads = omp_get_max_threads()};
    comm_open_node(&l->node, comm);
    comm_processors(&l->node, &l->cores, &l->node_cores);
    int64_t threads = l->threads;
    comm_sum_i64(&l->node, &threads, 1);
    l->node_threads = (int)threads;
}

void launch_close(struct launch *l) {
    comm_close(&l->node);
    *l = (struct launch){0};
}

void launch_tell(struct launch *l, const char *finding) {
    char line[TOLD] = "";
    int first = comm_first(l->comm, finding != NULL);
    if (first < 0)
        return;
    if (finding)
        snprintf(line, sizeof line, "rank %d on %s: %s", l->comm->rank, comm_host(), finding);
    comm_bcast_from(l->comm, first, line, sizeof line);
    l->found++;
    if (l->comm->rank == 0)
        l->say("%s", line);
}

/* Ranks that the launcher says it has started; 0: it says nothing. */
static int launched(const char **variable) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
                                        "SLURM_NTASKS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        *variable = names[i];
        if (text && atoi(text) > 0)
            return atoi(text);
    }
    return 0;
}

/* mpirun may well start fewer ranks than the tasks of the job that it runs in: only processes that
 * are alone tell something. */
static void check_singleton(struct launch *l) {
    char line[LINE];
    const char *variable;
    int wanted = launched(&variable);
    snprintf(line, sizeof line,
             "%s is %d, but this process knows of no other: each takes itself for rank 0; start "
             "with srun --mpi=pmix or mpirun",
             variable, wanted);
    launch_tell(l, l->comm->size == 1 && wanted > 1 ? line : NULL);
}

static void check_threads(struct launch *l) {
    char line[LINE];
    bool rank = l->threads > l->cores, node = l->node_threads > l->node_cores;
    if (rank)
        snprintf(line, sizeof line,
                 "%d threads on %d cores; set OMP_NUM_THREADS=%d, or give a rank more cores (srun "
                 "-c %d, mpirun --bind-to none)",
                 l->threads, l->cores, l->cores, l->threads);
    else
        snprintf(line, sizeof line,
                 "the %d ranks of the node have %d threads on %d cores; start fewer ranks or set "
                 "OMP_NUM_THREADS lower",
                 l->node.size, l->node_threads, l->node_cores);
    launch_tell(l, rank || node ? line : NULL);
}

/* Memory nodes of the machine; 1 where the system does not say. */
static int memory_nodes(void) {
    char path[64];
    int n = 0;
    do
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d", n);
    while (!access(path, F_OK) && ++n);
    return n > 0 ? n : 1;
}

static void check_binding(struct launch *l) {
    bool free_to_roam = l->cores == l->node_cores && l->cores > l->threads;
    launch_tell(l, free_to_roam && l->node.size > 1 && memory_nodes() > 1
                       ? "the ranks are not bound and may move between memory nodes; start with "
                         "srun -c THREADS --cpu-bind=cores or mpirun --map-by numa:PE=THREADS"
                       : NULL);
}

void launch_check(struct launch *l) {
    check_singleton(l);
    check_threads(l);
    check_binding(l);
}
