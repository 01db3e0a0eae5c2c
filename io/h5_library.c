#include "io/h5_library.h"
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(hid_t) == sizeof(int64_t), "an identifier is kept in an int64_t");

static char reason[256] = "unknown HDF5 failure";
static bool exhausted;

static herr_t keep_description(unsigned n, const H5E_error2_t *error, void *unused) {
    (void)n;
    (void)unused;
    if (error->desc && error->desc[0])
        snprintf(reason, sizeof reason, "%s", error->desc);
    exhausted = exhausted || error->maj_num == H5E_RESOURCE;
    return 0;
}

/* The library calls this when a call fails; the next call, were it only to close something, clears
 * the stack. */
static herr_t keep_reason(hid_t stack, void *unused) {
    snprintf(reason, sizeof reason, "unknown HDF5 failure");
    H5Ewalk2(stack, H5E_WALK_DOWNWARD, keep_description, unused);
    char *noise = strstr(reason, ": time = "); /* a date and a line break follow */
    reason[noise ? (size_t)(noise - reason) : strcspn(reason, "\n")] = '\0';
    return 0;
}

void h5_prepare(void) {
    H5open();
    H5Eset_auto2(H5E_DEFAULT, keep_reason, NULL);
    H5PLset_loading_state(0);
}

const char *h5_reason(void) {
    return reason;
}

bool h5_exhausted(void) {
    return exhausted;
}

bool h5_is_parallel(const struct comm *comm) {
    h5_prepare();
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    herr_t set = H5Pset_fapl_mpio(fapl, comm->mpi, MPI_INFO_NULL);
    H5Pclose(fapl);
    return set >= 0;
}

static hid_t text_type(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

int64_t h5_memory_type(enum h5_type type) {
    switch (type) {
    case H5_F32:
        return H5Tcopy(H5T_NATIVE_FLOAT);
    case H5_F64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    case H5_I32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case H5_I64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case H5_U8:
        return H5Tcopy(H5T_NATIVE_UINT8);
    case H5_TEXT:
        return text_type();
    default:
        return -1;
    }
}

/* IEEE 754 binary16, little-endian. */
static hid_t half_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

int64_t h5_file_type(enum h5_type type) {
    switch (type) {
    case H5_F16:
        return half_type();
    case H5_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case H5_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case H5_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case H5_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case H5_U8:
        return H5Tcopy(H5T_STD_U8LE);
    default:
        return text_type();
    }
}

bool h5_hard_links(int64_t file, const char *name) {
    char part[1024];
    size_t length = strlen(name);
    if (length >= sizeof part)
        return false;
    for (size_t i = 1; i <= length; i++) {
        if (i < length && name[i] != '/')
            continue;
        H5L_info_t info;
        memcpy(part, name, i);
        part[i] = '\0';
        if (!strcmp(part, "/"))
            continue;
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0 ||
            H5Lget_info(file, part, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
            return false;
    }
    return true;
}
