/* Files of JSON lines that others wrote or a killed process left unfinished: line by line, without
 * an opinion about what stands in them. Not collective. */
#ifndef IO_LLM_JSONL_H
#define IO_LLM_JSONL_H
#include "core/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jsonl_line {
    const char *text; /* without its end, not NUL-terminated; valid during the call */
    size_t bytes;     /* may be 0 */
    int64_t number;   /* from 1 */
    int64_t at;       /* where it begins in the file */
    bool ended;       /* false: the last one, without a line end */
    bool long_one;    /* above JSONL_LINE bytes; `text` is its beginning */
};

enum { JSONL_LINE = 1 << 24 };

/* Another status than STATUS_OK ends the reading and is given to the caller. */
typedef enum status jsonl_fn(void *state, const struct jsonl_line *line);

/* Every line of the file, in order. STATUS_IO when it cannot be read. */
CHECKED enum status jsonl_each(const char *path, jsonl_fn *take, void *state);

#endif
