#include "io/h5_walk.h"
#include "core/mem.h"
#include "io/h5_attributes.h"
#include "io/h5_file.h"
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

enum {
    DEPTH = 8,         /* of groups */
    OBJECTS = 20000,   /* of a file */
    STRINGS = 1 << 14, /* at once */
    NUMBERS = 1 << 14  /* of one end of a dataset */
};

struct walk {
    struct h5_file file;
    int objects;
};

/* The outcome of a read is none of the walk's concern: that it came back is. */
static void come_back(enum status status) {
    (void)status;
}

static void read_attribute(const struct h5_file *file, const char *object,
                           const struct h5_attribute *a) {
    int64_t whole;
    double number;
    char *text = NULL;
    if (a->kind == H5_INTEGER)
        come_back(h5_get_int(file, object, a->name, &whole));
    else if (a->kind == H5_FLOAT)
        come_back(h5_get_double(file, object, a->name, &number));
    else if (h5_get_text(file, object, a->name, &text) == STATUS_OK)
        mem_free(text);
}

static void read_attributes(const struct h5_file *file, const char *object) {
    int64_t n = h5_attribute_count(file, object);
    for (int64_t i = 0; i < n; i++) {
        struct h5_attribute attribute;
        if (h5_attribute_at(file, object, i, &attribute))
            read_attribute(file, object, &attribute);
    }
}

static void read_strings(const struct h5_file *file, const char *name, int64_t rows) {
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < rows && status == STATUS_OK; lo += STRINGS) {
        struct h5_strings text = {0};
        status = h5_read_strings(file, name, lo, rows - lo < STRINGS ? rows : lo + STRINGS, &text);
        h5_strings_free(&text);
    }
}

static void read_numbers(const struct h5_file *file, const char *name, const struct h5_extent *e) {
    int64_t width = e->width > 0 ? e->width : 1, rows = NUMBERS / width + 1;
    enum h5_type type = e->kind == H5_FLOAT ? H5_F64 : H5_I64;
    rows = rows < e->rows ? rows : e->rows;
    void *block = mem_alloc(rows * width, sizeof(double));
    come_back(h5_read(file, name, type, 0, rows, block));
    come_back(h5_read(file, name, type, e->rows - rows, e->rows, block));
    mem_free(block);
}

/* "/sequences/<split>/user" */
static bool is_unread(const char *name) {
    const char *last = strrchr(name, '/');
    return !strncmp(name, "/sequences/", 11) && !strcmp(last, "/user");
}

static void visit_dataset(const struct h5_file *file, const char *name) {
    struct h5_extent extent = {0};
    if (h5_extent(file, name, &extent) != STATUS_OK || is_unread(name))
        return;
    if (extent.kind == H5_STRING)
        read_strings(file, name, extent.rows);
    else
        read_numbers(file, name, &extent);
}

static void visit(struct walk *walk, const char *name, int depth);

static void visit_members(struct walk *walk, const char *group, int depth) {
    struct h5_strings names = {0};
    if (h5_members(&walk->file, group, &names) != STATUS_OK)
        return;
    for (int64_t i = 0; i < names.count; i++) {
        char path[1024];
        int length =
            snprintf(path, sizeof path, "%s/%s", strcmp(group, "/") ? group : "", names.text[i]);
        if (length < (int)sizeof path)
            visit(walk, path, depth);
    }
    h5_strings_free(&names);
}

static void visit(struct walk *walk, const char *name, int depth) {
    if (walk->objects++ > OBJECTS)
        return;
    read_attributes(&walk->file, name);
    if (!h5_is_group(&walk->file, name))
        visit_dataset(&walk->file, name);
    else if (depth > 0)
        visit_members(walk, name, depth - 1);
}

bool h5_walk(const char *path) {
    struct walk walk = {0};
    if (h5_open(&walk.file, path) == STATUS_OK) {
        visit(&walk, "/", DEPTH);
        h5_close(&walk.file);
    }
    return !h5_exhausted();
}
