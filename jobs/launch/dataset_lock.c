#include "jobs/launch/dataset_lock.h"
#include "core/fault.h"
#include "io/file.h"
#include "io/output.h"

enum status dataset_lock_old(struct lock *lock, const struct comm *comm, const char *path,
                             double wait) {
    bool there = comm->rank == 0 && file_exists(path);
    *lock = (struct lock){0};
    comm_bcast(comm, &there, sizeof there);
    if (there)
        TRY(lock_file(lock, comm, path, wait));
    fault_point("lock");
    return STATUS_OK;
}

enum status dataset_lock_new(struct lock *lock, const struct comm *comm, const char *path,
                             bool overwrite, double wait) {
    TRY(output_check(comm, path, OUTPUT_HDF5, overwrite));
    TRY(lock_file(lock, comm, path, wait));
    enum status status = output_check(comm, path, OUTPUT_HDF5, overwrite);
    if (status != STATUS_OK)
        lock_release(lock);
    fault_point("lock");
    return status;
}
