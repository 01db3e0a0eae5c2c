/* libhdf5 1.10.8 itself crashes on some damaged files: known/h5/local-heap reads through a null
 * pointer in H5Literate. They are kept out of the corpus, which is replayed; tests/cli/damaged_hdf5.sh
 * gives them to the program, which lets another process look first (io/h5_probe.h). */
#include "io/h5_file.h"
#include "tests/fuzz/target.h"

enum { MOST = 1 << 16 };

static void read_numbers(const struct h5_file *file, const char *name) {
    struct h5_extent e = {0};
    if (h5_expect(file, name, H5_FLOAT, 2, -1, -1) != STATUS_OK ||
        h5_extent(file, name, &e) != STATUS_OK || e.width > MOST)
        return;
    int64_t rows = e.width && e.rows > MOST / e.width ? MOST / e.width : e.rows;
    float *out = mem_alloc(rows * e.width, sizeof *out);
    if (e.width > 0 && h5_read(file, name, H5_F32, 0, rows, out) != STATUS_OK)
        fputs("unreadable\n", stderr);
    mem_free(out);
}

static char path[] = "/tmp/cdsr-fuzz-XXXXXX";

static void forget_file(void) {
    unlink(path);
}

/* A file with a name: the library resolves links, and one in memory has no name to resolve to. */
static void put_file(const uint8_t *data, size_t size) {
    static int file = -1;
    if (file < 0) {
        file = mkstemp(path);
        atexit(forget_file);
    }
    REQUIRE(file >= 0 && ftruncate(file, 0) == 0);
    REQUIRE(pwrite(file, data, size, 0) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct h5_file file;
    struct h5_strings names;
    put_file(data, size);
    if (h5_open(&file, path) != STATUS_OK)
        return 0;
    if (h5_members(&file, "/", &names) == STATUS_OK) {
        for (int64_t i = 0; i < names.count; i++)
            read_numbers(&file, names.text[i]);
        h5_strings_free(&names);
    }
    h5_close(&file);
    REQUIRE(mem_live() == 0);
    return 0;
}
