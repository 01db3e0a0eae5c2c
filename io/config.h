/* Configurations as YAML: two levels, sections and keys, as in core/options.
 *
 * A file, in UTF-8 or in UTF-16 with a byte order mark, names a key once and only keys that exist;
 * anchors, aliases, tags and anything deeper are refused. Messages begin with file:line. */
#ifndef IO_CONFIG_H
#define IO_CONFIG_H
#include "core/options.h"
#include "core/status.h"
#include "mpi/comm.h"

/* Collective. Defaults, then the file (NULL: none), then the "key=value" pairs, checked. Rank 0
 * reads, all ranks get the same; one that has another file under this name is an error that names
 * rank and key. A run.dir that is not given becomes runs/NAME from the file's name
 * without its ending, or runs/run. STATUS_INPUT for bad content, STATUS_IO for a file that cannot
 * be read. */
CHECKED enum status config_load(const struct comm *comm, const char *path, char *const *pairs,
                                int npairs, struct config *config);

/* Not collective. Defaults, then the YAML in `text`, which config_to_text wrote; `where` stands for
 * the file's name in messages. Text older than eval.select_domain is of a run that selected by both
 * domains, text older than model.repeats, model.time or train.schedule of one that is free, knows no time and
 * has a constant rate. Not checked between keys: that is for config_override. */
CHECKED enum status config_from_text(const char *text, const char *where, struct config *config);

/* Not collective. The "key=value" pairs, whose values are YAML (paths and other free text as they
 * stand, unless quoted), then model_configure. */
CHECKED enum status config_override(struct config *config, char *const *pairs, int npairs);

/* Not collective. Every key as YAML that config_from_text reads back, one per line; the caller
 * frees it with mem_free. */
char *config_to_text(const struct config *config);

#endif
