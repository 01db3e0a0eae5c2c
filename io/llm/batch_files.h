/* Requests and results as the files of OpenAI's batch interface, which `vllm run-batch` and hosted
 * services take and give. Not collective.
 *
 * Request, a line: {"custom_id": KEY, "method": "POST", "url": "/v1/chat/completions", "body": ...}
 * in requests-0001.jsonl, ...: at most 50,000 lines and 190 MB each, one model. KEY is that of the
 * request (chat_key), so that a result belongs to a request of any data set and any order.
 *
 * Result, a line: {"custom_id": KEY, "response": R, "error": E}. R is {"status_code": 200, "body":
 * completion} or, from some tools, the completion itself. Results are matched by custom_id alone;
 * failed ones may stand in a file of their own. */
#ifndef IO_LLM_BATCH_FILES_H
#define IO_LLM_BATCH_FILES_H
#include "core/status.h"
#include "io/llm/chat.h"
#include "io/output.h"
#include <stdint.h>

enum { BATCH_LINES = 50000, BATCH_BYTES = 190000000 };

/* ---- requests ---- */

struct batch_writer {
    const char *folder;
    int64_t most_lines, most_bytes; /* of a file; for tests */
    struct output output;           /* the present file */
    FILE *stream;
    char *path;
    int64_t files, lines, bytes; /* of the present file, but for `files` */
};

/* Makes the folder. STATUS_INPUT when there are requests in it already. */
CHECKED enum status batch_writer_open(struct batch_writer *writer, const char *folder);
CHECKED enum status batch_writer_add(struct batch_writer *writer, const char *key,
                                     const char *body);
/* Ends the writer in every case; a file that is not whole is removed. Gives `status`, or what
 * hindered it. */
CHECKED enum status batch_writer_close(struct batch_writer *writer, enum status status);

/* ---- results ---- */

enum batch_outcome {
    BATCH_ANSWER,
    BATCH_FAILED, /* `key` failed, for `reason` */
    BATCH_OTHER,  /* no result: a request, an empty line */
    BATCH_DAMAGED /* no line that could be understood; `reason` says why */
};

struct batch_result {
    char key[SHA256_TEXT];
    struct answer answer; /* BATCH_ANSWER: the receiver's */
    char reason[CHAT_REASON];
};

/* What a line of n bytes says. */
enum batch_outcome batch_parse(const char *line, size_t n, struct batch_result *result);

/* Called with every result of BATCH_ANSWER and BATCH_FAILED. */
typedef enum status batch_fn(void *state, enum batch_outcome outcome, struct batch_result *result);

/* The results in all files of a folder whose names end in .jsonl, in the order of their names.
 * Damaged lines are warned of and counted. STATUS_INPUT when there is no such file. */
CHECKED enum status batch_read(const char *folder, batch_fn *take, void *state, int64_t *damaged);

#endif
