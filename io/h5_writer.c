/* A writer passes through four states: it begins with a temporary file, new or a copy of the old
 * one; it declares datasets and attributes; it takes the disk space of all that, so that a full
 * disk is found before MPI-IO meets it; it writes rows. The commit adds the checksums, has the
 * file on the disk and renames it. The sections follow that order, after the calls of the system
 * that rank 0 makes for all. */
#include "io/h5_writer.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_sum.h"
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COPY_BLOCK = 1 << 20,
    METADATA = 1 << 20,
    EDIT_METADATA = 1 << 14,
    FIXED_TEXT = 60000 /* bytes of a text that an object's header has room for */
};

struct h5_declared {
    char *name;
    int64_t id;
    enum h5_type type;
    int rank;
    int64_t rows, width;
    uint64_t sum; /* over the rows that this rank has written */
};

static enum status refused(const struct h5_writer *w, const char *what, const char *why) {
    if (w->failed != STATUS_OK) /* what follows from it is not said */
        return w->failed;
    return log_error(STATUS_IO, "%s: %s: %s; check the space on the disk and the permissions",
                     w->path, what, why);
}

/* In H5_PARALLEL a rank that failed goes on with the others, because the library's metadata cache
 * has collective calls of its own, until all learn of it together. */
static enum status settle(struct h5_writer *w, enum status status) {
    if (w->mode == H5_SERIAL)
        return status;
    if (w->failed == STATUS_OK)
        w->failed = status;
    return STATUS_OK;
}

static bool idle(const struct h5_writer *w) {
    return w->mode == H5_SERIAL && w->comm->rank != 0;
}

/* ---- the system's side; rank 0 ---- */

static int copy_stream(int from, int to) {
    char *block = mem_alloc(COPY_BLOCK, 1);
    ssize_t got, put = 0;
    while (put >= 0 && (got = read(from, block, COPY_BLOCK)) > 0)
        for (ssize_t at = 0; at < got && put >= 0; at += put)
            put = write(to, block + at, (size_t)(got - at));
    int error = put < 0 || got < 0 ? errno : 0;
    mem_free(block);
    return error;
}

/* The old file's bytes into the temporary. */
static enum status copy_old(struct h5_writer *w) {
    struct stat info;
    int from = open(w->path, O_RDONLY | O_CLOEXEC);
    int to = open(w->temporary, O_WRONLY | O_CLOEXEC);
    int error = from < 0 || to < 0 || fstat(from, &info) ? errno : copy_stream(from, to);
    w->copied = error ? 0 : info.st_size;
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) != 0 && !error)
        error = errno;
    return error ? refused(w, "cannot be copied", strerror(error)) : STATUS_OK;
}

/* The end of what HDF5 uses; 0 where it cannot be told. */
static off_t used_bytes(const char *path) {
    haddr_t end = 0;
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(fapl, 0, 1);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    if (file < 0)
        return 0;
    if (H5Fget_eoa(file, &end) < 0)
        end = 0;
    H5Fclose(file);
    return (off_t)end;
}

static enum status put_in_place(struct h5_writer *w) {
    off_t bytes = used_bytes(w->temporary);
    if (bytes && truncate(w->temporary, bytes)) /* what was reserved and not needed */
        return refused(w, "cannot be completed", strerror(errno));
    return output_end(&w->output, STATUS_OK);
}

/* Take disk space for `bytes` bytes and the metadata. A disk found full by MPI-IO ends in a crash
 * or a hang, one found full when the library closes a file in a crash at the program's end; one
 * found full here is an error. */
static enum status reserve(const struct h5_writer *w, int64_t bytes) {
    int file = open(w->temporary, O_RDWR | O_CLOEXEC);
    int error = file < 0 ? errno : 0;
    if (!error)
        error = posix_fallocate(file, 0, bytes + METADATA);
    if (file >= 0)
        close(file);
    return error ? refused(w, "its space cannot be reserved", strerror(error)) : STATUS_OK;
}

/* ---- opening ---- */

/* Metadata stand in one block in front of the new data; what an edit does not use of it is lost.
 * They are in the format of HDF5 1.8, whose checksums make the library refuse damaged ones. */
static hid_t write_access(const struct h5_writer *w, bool edit) {
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (w->mode == H5_PARALLEL) {
        H5Pset_fapl_mpio(fapl, w->comm->mpi, MPI_INFO_NULL);
        H5Pset_meta_block_size(fapl, edit ? EDIT_METADATA : METADATA);
    } else
        H5Pset_fapl_sec2(fapl);
    H5Pset_file_locking(fapl, 0, 1);
    H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V18);
    return fapl;
}

static enum status open_file(struct h5_writer *w, bool edit) {
    if (idle(w))
        return STATUS_OK;
    hid_t fapl = write_access(w, edit), fcpl = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_obj_track_times(fcpl, 0);
    w->id = edit ? H5Fopen(w->temporary, H5F_ACC_RDWR, fapl)
                 : H5Fcreate(w->temporary, H5F_ACC_TRUNC, fcpl, fapl);
    H5Pclose(fcpl);
    H5Pclose(fapl);
    if (w->id >= 0)
        return STATUS_OK;
    if (!edit)
        return refused(w, "cannot be opened for writing", h5_reason());
    return comm_error(w->comm, STATUS_INPUT, /* all found the same in the copy */
                      "%s: is damaged: it cannot be added to: %s; make it again or copy it again",
                      w->path, h5_reason());
}

static void discard(struct h5_writer *w) {
    output_drop(&w->output);
    mem_free(w->path);
    mem_free(w->temporary);
    *w = (struct h5_writer){.id = -1};
}

/* The temporary file is where rank 0 makes it. */
static enum status make_temporary(struct h5_writer *w, const char *path) {
    TRY(COMM_ON_ROOT(w->comm, output_begin(&w->output, path, OUTPUT_HDF5)));
    int64_t size = w->comm->rank == 0 ? (int64_t)strlen(w->output.file) + 1 : 0;
    comm_bcast(w->comm, &size, sizeof size);
    w->temporary = mem_alloc(size, 1);
    if (w->comm->rank == 0)
        memcpy(w->temporary, w->output.file, (size_t)size);
    comm_bcast(w->comm, w->temporary, size);
    w->path = mem_string(path);
    return STATUS_OK;
}

static enum status begin(struct h5_writer *w, const struct comm *comm, const char *path,
                         enum h5_mode mode, bool edit) {
    *w = (struct h5_writer){.comm = comm, .mode = mode, .id = -1};
    h5_prepare();
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a failed write, as a full disk is */
    TRY(make_temporary(w, path));
    enum status status = COMM_ON_ROOT(comm, edit ? copy_old(w) : reserve(w, 0));
    comm_bcast(comm, &w->copied, sizeof w->copied);
    if (status == STATUS_OK)
        status = comm_agree(comm, open_file(w, edit));
    if (status == STATUS_OK) /* creating the file has cut it to nothing */
        status = COMM_ON_ROOT(comm, reserve(w, w->copied));
    if (status != STATUS_OK) {
        if (w->id >= 0)
            H5Fclose(w->id);
        discard(w);
    }
    return status;
}

enum status h5_writer_create(struct h5_writer *writer, const struct comm *comm, const char *path,
                             enum h5_mode mode) {
    return begin(writer, comm, path, mode, false);
}

enum status h5_writer_edit(struct h5_writer *writer, const struct comm *comm, const char *path,
                           enum h5_mode mode) {
    return begin(writer, comm, path, mode, true);
}

/* ---- structure ---- */

/* Make the groups above `name`, and `name` itself when it shall be a group. */
static herr_t make_groups(hid_t file, const char *name, bool itself) {
    char part[1024];
    size_t length = strlen(name);
    if (length >= sizeof part)
        return -1;
    for (size_t i = 1; i <= length; i++) {
        if (i < length ? name[i] != '/' : !itself)
            continue;
        memcpy(part, name, i);
        part[i] = '\0';
        if (!strcmp(part, "/") || H5Lexists(file, part, H5P_DEFAULT) > 0)
            continue;
        hid_t plist = H5Pcreate(H5P_GROUP_CREATE);
        H5Pset_obj_track_times(plist, 0);
        hid_t group = H5Gcreate2(file, part, H5P_DEFAULT, plist, H5P_DEFAULT);
        H5Pclose(plist);
        if (group < 0 || H5Gclose(group) < 0)
            return -1;
    }
    return 0;
}

static hid_t create_dataset(hid_t file, const char *name, enum h5_type type, int rank,
                            const hsize_t *dim) {
    hid_t space = rank ? H5Screate_simple(rank, dim, NULL) : H5Screate(H5S_SCALAR);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), file_type = h5_file_type(type);
    H5Pset_obj_track_times(plist, 0);
    if (type != H5_TEXT) { /* every number is written, strings need their empty references */
        H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
        H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
    }
    hid_t id = H5Dcreate2(file, name, file_type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Tclose(file_type);
    H5Pclose(plist);
    H5Sclose(space);
    return id;
}

/* Where the old file and the declared data end; H5Fget_filesize does not work on MPI-IO. */
static int64_t end_of_data(const struct h5_writer *w) {
    int64_t end = w->copied;
    for (int i = 0; i < w->count; i++) {
        haddr_t at = H5Dget_offset(w->declared[i].id);
        int64_t last = (int64_t)H5Dget_storage_size(w->declared[i].id);
        if (at != HADDR_UNDEF && (int64_t)at + last > end)
            end = (int64_t)at + last;
    }
    return end;
}

/* A limit on file sizes hits MPI-IO and the library's own closing as a full disk does: it is minded
 * before anything comes to stand behind it. */
static bool within_limit(const struct h5_writer *w, enum h5_type type, const hsize_t *extent) {
    static const int64_t size[] = {2, 4, 8, 4, 8, 1, 16};
    struct rlimit limit;
    int64_t bytes;
    if (__builtin_mul_overflow((int64_t)extent[0], (int64_t)extent[1], &bytes) ||
        __builtin_mul_overflow(bytes, size[type], &bytes) ||
        __builtin_add_overflow(bytes, end_of_data(w) + 2 * METADATA, &bytes))
        return false;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || (rlim_t)bytes <= limit.rlim_cur;
}

/* Set the checksum of a dataset; it takes its place when the dataset is declared. */
static enum status put_sum(const struct h5_writer *w, const struct h5_declared *d, uint64_t sum) {
    hid_t space = H5Screate(H5S_SCALAR), id;
    if (H5Aexists(d->id, H5_CHECKSUM) > 0)
        id = H5Aopen(d->id, H5_CHECKSUM, H5P_DEFAULT);
    else
        id = H5Acreate2(d->id, H5_CHECKSUM, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t done = id < 0 ? -1 : H5Awrite(id, H5T_NATIVE_INT64, &sum);
    if (id >= 0)
        H5Aclose(id);
    H5Sclose(space);
    return done < 0 ? refused(w, d->name, h5_reason()) : STATUS_OK;
}

static enum status declare(struct h5_writer *w, const char *name, enum h5_type type, int rank,
                           const int64_t *dim) {
    hsize_t extent[2] = {1, 1};
    for (int i = 0; i < rank; i++)
        extent[i] = (hsize_t)dim[i];
    if (!within_limit(w, type, extent)) /* found by all ranks alike: said once */
        return w->comm->rank != 0 ? STATUS_IO : refused(w, name, strerror(EFBIG));
    hid_t id = -1;
    if (make_groups(w->id, name, false) >= 0)
        id = create_dataset(w->id, name, type, rank, extent);
    if (id < 0)
        return refused(w, name, h5_reason());
    w->declared = mem_resize(w->declared, w->count + 1, sizeof *w->declared);
    w->declared[w->count++] = (struct h5_declared){
        mem_string(name), id, type, rank, (int64_t)extent[0], (int64_t)extent[1], 0};
    return w->sums ? put_sum(w, &w->declared[w->count - 1], 0) : STATUS_OK;
}

void h5_writer_keep_sums(struct h5_writer *writer) {
    writer->sums = true;
}

enum status h5_writer_declare(struct h5_writer *writer, const char *name, enum h5_type type,
                              int rank, const int64_t *dim) {
    return idle(writer) ? STATUS_OK : settle(writer, declare(writer, name, type, rank, dim));
}

static enum status remove_link(struct h5_writer *w, const char *name) {
    if (h5_hard_links(w->id, name) && H5Ldelete(w->id, name, H5P_DEFAULT) < 0)
        return refused(w, name, h5_reason());
    return STATUS_OK;
}

enum status h5_writer_remove(struct h5_writer *writer, const char *name) {
    return idle(writer) ? STATUS_OK : settle(writer, remove_link(writer, name));
}

/* Takes `type`. An attribute that exists is replaced. */
static enum status put(struct h5_writer *w, const char *object, const char *name, hid_t type,
                       const void *value) {
    herr_t done = make_groups(w->id, object, true);
    if (done >= 0 && H5Aexists_by_name(w->id, object, name, H5P_DEFAULT) > 0)
        done = H5Adelete_by_name(w->id, object, name, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR), id = -1;
    if (done >= 0)
        id = H5Acreate_by_name(w->id, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT,
                               H5P_DEFAULT);
    done = id < 0 ? -1 : H5Awrite(id, type, value);
    if (id >= 0)
        H5Aclose(id);
    H5Sclose(space);
    H5Tclose(type);
    return done < 0 ? refused(w, name, h5_reason()) : STATUS_OK;
}

enum status h5_writer_put_int(struct h5_writer *writer, const char *object, const char *name,
                              int64_t value) {
    if (idle(writer))
        return STATUS_OK;
    return settle(writer, put(writer, object, name, H5Tcopy(H5T_STD_I64LE), &value));
}

enum status h5_writer_put_double(struct h5_writer *writer, const char *object, const char *name,
                                 double value) {
    if (idle(writer))
        return STATUS_OK;
    return settle(writer, put(writer, object, name, H5Tcopy(H5T_IEEE_F64LE), &value));
}

/* A long text of variable length is metadata here, the same on all ranks: it may go through MPI-IO,
 * which a dataset of it may not. */
enum status h5_writer_put_text(struct h5_writer *writer, const char *object, const char *name,
                               const char *value) {
    if (strlen(value) < FIXED_TEXT)
        return h5_writer_put_fixed_text(writer, object, name, value);
    if (idle(writer))
        return STATUS_OK;
    return settle(writer, put(writer, object, name, h5_memory_type(H5_TEXT), &value));
}

enum status h5_writer_put_fixed_text(struct h5_writer *writer, const char *object, const char *name,
                                     const char *value) {
    if (idle(writer))
        return STATUS_OK;
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Tset_size(type, strlen(value) + 1);
    return settle(writer, put(writer, object, name, type, value));
}

/* ---- data ---- */

/* In H5_PARALLEL every rank has its own node's share of the file written out: what stands in
 * another node's cache, rank 0 cannot synchronise. */
static enum status flush(const struct h5_writer *w) {
    if (w->mode == H5_PARALLEL && H5Fflush(w->id, H5F_SCOPE_GLOBAL) < 0)
        return refused(w, "cannot be flushed", h5_reason());
    return STATUS_OK;
}

enum status h5_writer_reserve(struct h5_writer *writer) {
    if (writer->mode == H5_SERIAL)
        return STATUS_OK;
    int64_t end = end_of_data(writer);
    enum status status = comm_agree(writer->comm, writer->failed);
    if (status == STATUS_OK)
        status = COMM_ON_ROOT(writer->comm, reserve(writer, end));
    if (status == STATUS_OK)
        status = flush(writer);
    return comm_agree(writer->comm, status);
}

static struct h5_declared *find(const struct h5_writer *w, const char *name) {
    for (int i = 0; i < w->count; i++)
        if (!strcmp(w->declared[i].name, name))
            return &w->declared[i];
    return NULL;
}

static herr_t write_rows(const struct h5_writer *w, const struct h5_declared *d, enum h5_type type,
                         int64_t lo, int64_t rows, const void *data) {
    hsize_t start[2] = {(hsize_t)lo, 0}, count[2] = {(hsize_t)rows, (hsize_t)d->width};
    hid_t memory = H5Screate_simple(2, count, NULL), space = H5Dget_space(d->id);
    hid_t memory_type = h5_memory_type(type);
    if (d->rank > 0)
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    herr_t done = H5Dwrite(d->id, memory_type, memory, space, H5P_DEFAULT, data);
    if (done < 0)
        (void)refused(w, d->name, h5_reason());
    H5Tclose(memory_type);
    H5Sclose(space);
    H5Sclose(memory);
    return done;
}

enum status h5_writer_write(struct h5_writer *writer, const char *name, enum h5_type type,
                            int64_t lo, int64_t hi, const void *data) {
    if (idle(writer))
        return STATUS_OK;
    struct h5_declared *d = find(writer, name);
    if (!d || lo < 0 || hi < lo || hi > d->rows)
        return log_error(STATUS_FAIL, "%s: rows %lld to %lld of %s were not declared", writer->path,
                         (long long)lo, (long long)hi, name);
    if (hi == lo || d->width == 0)
        return STATUS_OK;
    if (writer->sums)
        d->sum += h5_sum_data(d->type, type, data, (hi - lo) * d->width, lo * d->width);
    return write_rows(writer, d, type, lo, hi - lo, data) < 0 ? STATUS_IO : STATUS_OK;
}

enum status h5_writer_write_strings(struct h5_writer *writer, const char *name, int64_t lo,
                                    int64_t hi, const char *const *text) {
    return h5_writer_write(writer, name, H5_TEXT, lo, hi, text);
}

/* ---- end ---- */

/* The checksums of the datasets, of which each rank has a part. */
static enum status put_sums(const struct h5_writer *w) {
    uint64_t *sum = mem_alloc(w->count, sizeof *sum);
    enum status status = STATUS_OK;
    for (int i = 0; i < w->count; i++)
        sum[i] = w->declared[i].sum;
    if (w->mode == H5_PARALLEL)
        comm_sum_u64(w->comm, sum, w->count);
    for (int i = 0; i < w->count && status == STATUS_OK; i++)
        status = put_sum(w, &w->declared[i], sum[i]);
    mem_free(sum);
    return status;
}

/* Strings and metadata wait in the library until it closes the file. */
static enum status reserve_rest(const struct h5_writer *w) {
    haddr_t end = 0;
    if (w->mode == H5_PARALLEL)
        return STATUS_OK;
    if (H5Fget_eoa(w->id, &end) < 0)
        return refused(w, "its size cannot be told", h5_reason());
    return reserve(w, (int64_t)end);
}

static enum status close_file(struct h5_writer *w, bool failed) {
    herr_t worst = 0;
    for (int i = 0; i < w->count; i++) {
        if (H5Dclose(w->declared[i].id) < 0)
            worst = -1;
        mem_free(w->declared[i].name);
    }
    mem_free(w->declared);
    w->declared = NULL;
    w->count = 0;
    if (w->id >= 0 && H5Fclose(w->id) < 0)
        worst = -1;
    w->id = -1;
    if (worst < 0 && !failed)
        return refused(w, "cannot be closed", h5_reason());
    return worst < 0 ? STATUS_IO : STATUS_OK;
}

/* The library writes its metadata even into a file that is given up, and crashes at its own end
 * when it could not: give a full disk its space back. */
static void make_room(const struct h5_writer *w) {
    if (truncate(w->temporary, 0) != 0)
        log_debug("%s: cannot be truncated: %s", w->temporary, strerror(errno));
}

enum status h5_writer_commit(struct h5_writer *writer, enum status status) {
    const struct comm *comm = writer->comm;
    status = comm_agree(comm, status);
    if (status == STATUS_OK)
        status = comm_agree(comm, writer->sums ? put_sums(writer) : STATUS_OK);
    fault_point("flush");
    if (status == STATUS_OK)
        status = COMM_ON_ROOT(comm, reserve_rest(writer));
    if (status == STATUS_OK)
        status = comm_agree(comm, flush(writer));
    if (status != STATUS_OK && comm->rank == 0 && writer->mode == H5_SERIAL)
        make_room(writer);
    enum status closed = close_file(writer, status != STATUS_OK); /* in H5_PARALLEL collective */
    status = comm_agree(comm, status ? status : closed);
    if (status == STATUS_OK)
        status = COMM_ON_ROOT(comm, put_in_place(writer));
    discard(writer);
    return status;
}
