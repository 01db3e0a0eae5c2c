#include "jobs/features/feature_table.h"
#include "core/log.h"
#include <stdio.h>

void feature_paths(struct feature_paths *paths, const char *name) {
    snprintf(paths->table, sizeof paths->table, "/features/%s", name);
    snprintf(paths->tags, sizeof paths->tags, "/tags/features/%s", name);
    snprintf(paths->mask, sizeof paths->mask, "%s_mask", paths->table);
}

enum status feature_check_name(const struct dataset *dataset, const struct feature_paths *paths,
                               const char *name, bool overwrite) {
    if (h5_exists(&dataset->file, paths->table) && !overwrite)
        return log_error(STATUS_INPUT,
                         "%s: has a table '%s' already; name another or give --overwrite",
                         dataset->path, name);
    return STATUS_OK;
}

enum status feature_declare(struct h5_writer *writer, const struct feature_paths *paths,
                            int64_t items, int64_t width, bool half, bool masked) {
    int64_t extent[2] = {items, width};
    h5_writer_keep_sums(writer);
    TRY(h5_writer_remove(writer, paths->table));
    TRY(h5_writer_remove(writer, paths->mask));
    TRY(h5_writer_declare(writer, paths->table, half ? H5_F16 : H5_F32, 2, extent));
    return masked ? h5_writer_declare(writer, paths->mask, H5_U8, 1, extent) : STATUS_OK;
}
