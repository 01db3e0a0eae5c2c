#include "jobs/features/item_pictures.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_file.h"
#include "io/picture/picture.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum status item_pictures_check(const struct dataset *dataset, const char *folder) {
    DIR *opened = opendir(folder);
    if (!opened)
        return log_error(STATUS_IO, "%s: cannot be listed: %s; name the folder of the pictures",
                         folder, strerror(errno));
    closedir(opened);
    if (!h5_exists(&dataset->file, "/items/key"))
        return log_error(STATUS_INPUT, "%s: has no keys of items, by which pictures are found",
                         dataset->path);
    return STATUS_OK;
}

bool item_pictures_find(const char *folder, const char *key, char path[ITEM_PICTURES_PATH],
                        struct stat *info) {
    static const char *const kinds[] = {"jpg", "jpeg", "png", "webp"};
    bool found = false;
    for (size_t k = 0; !found && !strchr(key, '/') && k < sizeof kinds / sizeof *kinds; k++) {
        int n = snprintf(path, ITEM_PICTURES_PATH, "%s/%s.%s", folder, key, kinds[k]);
        found = n < ITEM_PICTURES_PATH && stat(path, info) == 0;
    }
    return found;
}

void item_pictures_lack(struct string_list *lacking, int64_t item, const char *what,
                        const char *why) {
    char text[ITEM_PICTURES_PATH + PICTURE_WHY + 64];
#pragma omp critical(item_pictures_lack)
    if (lacking->count < ITEM_PICTURES_NAMED) {
        snprintf(text, sizeof text, "item %lld, %s: %s", (long long)item, what, why);
        string_list_add(lacking, text);
    }
}

void item_pictures_name(const struct comm *comm, const struct string_list *lacking) {
    int64_t bytes, n = 0;
    char *all = comm_collect(comm, lacking->bytes, lacking->used, &bytes);
    for (int64_t at = 0; comm->rank == 0 && at < bytes && n < ITEM_PICTURES_NAMED; n++) {
        log_warn("%s", all + at);
        at += (int64_t)strlen(all + at) + 1;
    }
    mem_free(all);
}
