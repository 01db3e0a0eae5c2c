/* Inputs that stand for several files: sections between lines of "%%". */
#ifndef TESTS_FUZZ_SECTIONS_H
#define TESTS_FUZZ_SECTIONS_H
#include "tests/fuzz/target.h"
#include <string.h>

struct section {
    const uint8_t *data; /* NULL: the input has no such section */
    size_t size;
};

/* The first `n` sections; the last of them goes to the end of the input. */
static inline void sections(const uint8_t *data, size_t size, struct section *out, int n) {
    const uint8_t *end = data + size;
    for (int i = 0; i < n; i++) {
        const uint8_t *cut =
            i + 1 < n && data ? memmem(data, (size_t)(end - data), "%%\n", 3) : NULL;
        out[i] = (struct section){data, data ? (size_t)((cut ? cut : end) - data) : 0};
        data = cut ? cut + 3 : NULL;
    }
}

/* Write a section as `folder`/`name`; a file of an earlier input goes if there is none. */
static inline void section_put(const struct section *section, const char *folder,
                               const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!section->data) {
        unlink(path);
        return;
    }
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(section->data, 1, section->size, file) == section->size);
    REQUIRE(fclose(file) == 0);
}

/* A folder for this process. */
static inline const char *section_folder(void) {
    static char path[] = "/tmp/cdsr-fuzz-XXXXXX";
    static const char *made = NULL;
    if (!made)
        made = mkdtemp(path);
    REQUIRE(made);
    return made;
}

#endif
