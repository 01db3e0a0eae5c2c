#include "mpi/shared.h"
#include "core/mem.h"
#include <sys/statvfs.h>

/* Has the node room for it, as far as one can see? Open MPI 4.1 maps files in /dev/shm; where these do
 * not fit, one rank fails and the others wait for it for ever. */
static bool has_room(const struct comm *node, int64_t bytes) {
    enum { MARGIN = 1 << 20 };
    struct statvfs disk;
    char fits = statvfs("/dev/shm", &disk) == 0 &&
                (double)disk.f_bavail * (double)disk.f_frsize > (double)bytes + MARGIN;
    comm_bcast(node, &fits, sizeof fits);
    return fits;
}

/* The window's memory is all of the first rank's, or there is none. */
static bool open_window(struct shared *shared, int64_t bytes) {
    MPI_Aint size;
    int unit;
    MPI_Comm_set_errhandler(shared->node.mpi, MPI_ERRORS_RETURN);
    int failed =
        MPI_Win_allocate_shared(shared->node.rank == 0 ? (MPI_Aint)bytes : 0, 1, MPI_INFO_NULL,
                                shared->node.mpi, &shared->data, &shared->window);
    MPI_Comm_set_errhandler(shared->node.mpi, MPI_ERRORS_ARE_FATAL);
    if (failed != MPI_SUCCESS) {
        shared->window = MPI_WIN_NULL;
        return false;
    }
    MPI_Win_shared_query(shared->window, 0, &size, &unit, &shared->data);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, shared->window);
    return true;
}

void shared_open(struct shared *shared, const struct comm *comm, int64_t bytes) {
    *shared = (struct shared){.window = MPI_WIN_NULL};
    comm_open_node(&shared->node, comm);
    bool together =
        shared->node.size > 1 && has_room(&shared->node, bytes) && open_window(shared, bytes);
    shared->writer = !together || shared->node.rank == 0;
    if (!together)
        shared->data = mem_alloc(bytes, 1);
}

static void synchronise(const struct shared *shared) {
    if (shared->window != MPI_WIN_NULL)
        MPI_Win_sync(shared->window);
}

void shared_ready(struct shared *shared) {
    synchronise(shared);
    comm_wait(&shared->node);
    synchronise(shared);
}

void shared_close(struct shared *shared) {
    if (!shared->data)
        return;
    if (shared->window != MPI_WIN_NULL) {
        MPI_Win_unlock_all(shared->window);
        MPI_Win_free(&shared->window);
    } else {
        mem_free(shared->data);
    }
    comm_close(&shared->node);
    *shared = (struct shared){0};
}
