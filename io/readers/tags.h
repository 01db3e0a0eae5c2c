/* tags.jsonl: per line {"item": index, "tags": [...]}, a tag being "text" or
 * {"tag": "text", "weight": number}; the weight of a bare tag is 1. Not collective. */
#ifndef IO_READERS_TAGS_H
#define IO_READERS_TAGS_H
#include "core/status.h"
#include "io/dataset_content.h"
#include <stdbool.h>

/* Fill the tags of a content whose keys are set. The vocabulary is in the order of first
 * appearance; a tag that an item names twice counts once, with its first weight. */
CHECKED enum status tags_jsonl_read(const char *path, bool strict, struct dataset_content *content);

#endif
