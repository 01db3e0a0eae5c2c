/* The folder of C2DSR: Alist.txt, Blist.txt, {train,valid,test}data_new.txt, and optionally
 * items.tsv and tags.jsonl; each may have .gz behind its name. Not collective. */
#ifndef IO_READERS_C2DSR_H
#define IO_READERS_C2DSR_H
#include "core/status.h"
#include "io/dataset_content.h"
#include <stdbool.h>

/* Read `folder` into the zeroed `content` (all but name, max_len and leaks). `strict`: see
 * struct lines. */
CHECKED enum status c2dsr_read(const char *folder, bool strict, struct dataset_content *content);

#endif
