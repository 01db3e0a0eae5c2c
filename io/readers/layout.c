/* Names and headers decide what each file is. Files, folders and labels of the command line are
 * turned into a list of files with domain, kind and part, folders being looked through one level
 * deep; at the end the list is sorted and checked as a whole, so that an incomplete split is said
 * before anything is read. */
#include "io/readers/layout.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/readers/sheet.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH = 4096 };

/* ---- names ---- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Length of the name without ".gz". */
static size_t unpacked_length(const char *name) {
    size_t n = strlen(name);
    return n > 3 && !strcmp(name + n - 3, ".gz") ? n - 3 : n;
}

static bool has_ending(const char *name, const char *ending) {
    size_t n = unpacked_length(name), m = strlen(ending);
    return n > m && !memcmp(name + n - m, ending, m);
}

/* SPLITS where the name is that of no part. */
static int part_of(const char *path) {
    const char *name = base_name(path);
    size_t n = unpacked_length(name);
    const char *dot = memrchr(name, '.', n);
    size_t stem = dot ? (size_t)(dot - name) : n;
    for (int s = 0; s < SPLITS; s++) {
        size_t m = strlen(split_names[s]);
        if (stem >= m && !memcmp(name + stem - m, split_names[s], m) &&
            (stem == m || name[stem - m - 1] == '.'))
            return s;
    }
    return SPLITS;
}

/* ---- one file ---- */

/* What a file without an ending that tells is, by its header. */
static enum status look_into(const char *path, const struct columns *columns, bool *items) {
    struct sheet sheet;
    TRY(sheet_open(&sheet, path, false, columns));
    enum status status = sheet_need(&sheet, columns, ROLE_ITEM);
    *items = sheet.at[ROLE_USER] < 0;
    sheet_close(&sheet);
    return status;
}

static enum status add_file(struct layout *l, const char *path, const char *label,
                            const struct columns *columns) {
    bool items = has_ending(path, ".item");
    if (l->count == LAYOUT_FILES)
        return log_error(STATUS_INPUT, "%s: is more than the %d files of a layout", path,
                         LAYOUT_FILES);
    if (!items && !has_ending(path, ".inter"))
        TRY(look_into(path, columns, &items));
    int part = items ? SPLITS : part_of(path);
    l->file[l->count++] =
        (struct layout_file){.path = mem_string(path),
                             .label = label ? mem_string(label) : NULL,
                             .items = items,
                             .part = part < SPLITS,
                             .split = part < SPLITS ? (enum split)part : SPLIT_TRAIN};
    return STATUS_OK;
}

/* ---- folders ---- */

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Add the files of a folder that end in one of two ways. */
static enum status add_ending(struct layout *l, const char *folder, const char *const endings[2],
                              const char *label, const struct columns *columns) {
    struct dirent **entries;
    char path[PATH];
    enum status status = STATUS_OK;
    int n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", folder,
                         strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        bool wanted = has_ending(name, endings[0]) || has_ending(name, endings[1]);
        if (status == STATUS_OK && wanted && *name != '.') {
            snprintf(path, sizeof path, "%.3800s/%s", folder, name);
            status = add_file(l, path, label, columns);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

static enum status add_folder(struct layout *l, const char *folder, const char *label,
                              const struct columns *columns) {
    static const char *const atomic[2] = {".inter", ".item"}, *const tables[2] = {".csv", ".tsv"};
    int before = l->count;
    TRY(add_ending(l, folder, atomic, label, columns));
    if (l->count == before)
        TRY(add_ending(l, folder, tables, label, columns));
    if (l->count == before)
        return log_error(STATUS_INPUT, "%s: holds no .inter, .item, .csv or .tsv files", folder);
    return STATUS_OK;
}

static enum status add_input(struct layout *l, const char *path, const char *label,
                             const struct columns *columns) {
    return (is_folder(path) ? add_folder : add_file)(l, path, label, columns);
}

/* The folder's own name is the domain's. */
static enum status add_domain_folder(struct layout *l, const char *folder,
                                     const struct columns *columns) {
    char *whole = realpath(folder, NULL);
    if (!whole)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", folder,
                         strerror(errno));
    enum status status = add_folder(l, folder, base_name(whole), columns);
    free(whole);
    return status;
}

/* LABEL=FILE,FILE... */
static enum status add_domain(struct layout *l, const char *text, const struct columns *columns) {
    char *label = mem_string(text), *rest = strchr(label, '=');
    enum status status = STATUS_OK;
    if (!rest || rest == label || !rest[1])
        status = log_error(STATUS_INPUT,
                           "--domain: '%.200s' is not LABEL=FILE,FILE or LABEL=FOLDER", text);
    else
        *rest++ = '\0';
    for (char *next; status == STATUS_OK && rest; rest = next) {
        next = strchr(rest, ',');
        if (next)
            *next++ = '\0';
        status = add_input(l, rest, label, columns);
    }
    mem_free(label);
    return status;
}

/* ---- the whole ---- */

static int compare_files(const void *a, const void *b) {
    const struct layout_file *x = a, *y = b;
    if (x->items != y->items)
        return y->items - x->items;
    if (x->split != y->split)
        return (int)x->split - (int)y->split;
    return x->label && y->label ? strcmp(x->label, y->label) : 0;
}

static bool same_domain(const struct layout_file *a, const struct layout_file *b) {
    return (!a->label && !b->label) || (a->label && b->label && !strcmp(a->label, b->label));
}

static enum status check_pair(const struct layout_file *a, const struct layout_file *b) {
    if (!same_domain(a, b) || a->items != b->items)
        return STATUS_OK;
    if (!a->items && a->part != b->part)
        return log_error(STATUS_INPUT,
                         "%s: is part of a given split, and %s has whole events; name the files of "
                         "one of both",
                         a->part ? a->path : b->path, a->part ? b->path : a->path);
    if (a->items || a->split == b->split)
        return log_error(STATUS_INPUT,
                         "%s: is the second of its kind after %s; name one, or each under its "
                         "domain: --domain LABEL=FILE,FILE",
                         b->path, a->path);
    return STATUS_OK;
}

/* Each file of a given split has both its companions. */
static enum status check_parts(const struct layout *l, const struct layout_file *file) {
    bool there[SPLITS] = {false};
    for (int i = 0; i < l->count; i++)
        if (l->file[i].part && same_domain(&l->file[i], file))
            there[l->file[i].split] = true;
    for (int s = 0; s < SPLITS && file->part; s++)
        if (!there[s])
            return log_error(STATUS_INPUT,
                             "%s: is part of a given split, whose file .%s.inter is not there; "
                             "name all three, or rename the file",
                             file->path, split_names[s]);
    return STATUS_OK;
}

/* A domain of its own, or the whole, has events; all come in parts or none do. */
static enum status check_events(const struct layout *l, const struct layout_file *file) {
    bool events = false;
    for (int i = 0; i < l->count; i++)
        events |= !l->file[i].items && same_domain(&l->file[i], file);
    if (!events)
        return log_error(STATUS_INPUT,
                         "%s: has items, but no .inter file has their events; name it", file->path);
    if (!file->items && file->part != l->given)
        return log_error(STATUS_INPUT,
                         "%s: is %spart of a given split, unlike the other domain's events; give "
                         "both in one form",
                         file->path, file->part ? "" : "no ");
    return STATUS_OK;
}

static enum status check(struct layout *l) {
    qsort(l->file, (size_t)l->count, sizeof *l->file, compare_files);
    for (int a = 0; a < l->count; a++)
        for (int b = a + 1; b < l->count; b++)
            TRY(check_pair(&l->file[a], &l->file[b]));
    for (int i = 0; i < l->count; i++)
        l->given |= l->file[i].part;
    for (int i = 0; i < l->count; i++) {
        TRY(check_parts(l, &l->file[i]));
        TRY(check_events(l, &l->file[i]));
    }
    return STATUS_OK;
}

static enum status find(struct layout *l, const char *const *inputs, int input_count,
                        const char *const *domains, int domain_count,
                        const struct columns *columns) {
    bool folders = input_count == 2 && is_folder(inputs[0]) && is_folder(inputs[1]);
    l->domains = folders || domain_count > 0;
    for (int i = 0; i < domain_count; i++)
        TRY(add_domain(l, domains[i], columns));
    for (int i = 0; i < input_count; i++)
        TRY(folders ? add_domain_folder(l, inputs[i], columns)
                    : add_input(l, inputs[i], NULL, columns));
    return check(l);
}

enum status layout_find(struct layout *layout, const char *const *inputs, int input_count,
                        const char *const *domains, int domain_count,
                        const struct columns *columns) {
    *layout = (struct layout){0};
    enum status status = find(layout, inputs, input_count, domains, domain_count, columns);
    if (status != STATUS_OK)
        layout_free(layout);
    return status;
}

void layout_free(struct layout *layout) {
    for (int i = 0; i < layout->count; i++) {
        mem_free(layout->file[i].path);
        mem_free(layout->file[i].label);
    }
    *layout = (struct layout){0};
}
