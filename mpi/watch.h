/* Notices that a rank is gone where the launcher does not. When a rank is killed the launcher ends the
 * others. But when it is the launcher's own daemon on a host that dies (slurmstepd), or the network to that
 * host, the others wait for ever in their next collective.
 *
 * The ranks stand in a ring, each with a TCP connection to the one before it and to the one after it, and
 * with a thread that sleeps until one of them breaks. MPI has no part in that. */
#ifndef MPI_WATCH_H
#define MPI_WATCH_H
#include "mpi/comm.h"

/* Collective. From now on a rank says so and ends with STATUS_PEER, whatever it waits for, when one beside
 * it has been gone for ten seconds, in which the launcher may end the job itself; or silent for five minutes.
 * Nothing is watched where all ranks are on one node, or where some cannot connect by the name of another's
 * node. */
void watch_open(const struct comm *comm);

/* Not collective. Before MPI_Finalize, of which the others think nothing ill. */
void watch_close(void);

#endif
