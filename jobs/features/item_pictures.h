/* The pictures of items: files of a folder, found by the items' keys. Not collective, unless it says
 * so. */
#ifndef JOBS_FEATURES_ITEM_PICTURES_H
#define JOBS_FEATURES_ITEM_PICTURES_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/string_list.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <sys/stat.h>

enum { ITEM_PICTURES_PATH = 4096, ITEM_PICTURES_NAMED = 5 };

#define ITEM_PICTURES_NONE "there is no .jpg, .jpeg, .png or .webp"

/* STATUS_IO where the folder cannot be listed, STATUS_INPUT where the data set has no keys. */
CHECKED enum status item_pictures_check(const struct dataset *dataset, const char *folder);

/* FOLDER/KEY.jpg, .jpeg, .png or .webp, the first that is there; false: none is. A key that would leave
 * the folder names no picture. */
bool item_pictures_find(const char *folder, const char *key, char path[ITEM_PICTURES_PATH],
                        struct stat *info);

/* Note, in a list of at most ITEM_PICTURES_NAMED, that the picture of an item is not to be had, and
 * why; `what` is its path or key. Threads may call it at once. */
void item_pictures_lack(struct string_list *lacking, int64_t item, const char *what,
                        const char *why);

/* Collective. A warning each for the first ITEM_PICTURES_NAMED of the ranks' lists. */
void item_pictures_name(const struct comm *comm, const struct string_list *lacking);

#endif
