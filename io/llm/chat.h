/* Chat completions as OpenAI's interface has them (POST /v1/chat/completions), which vLLM, SGLang,
 * llama.cpp, TGI and others speak: the body of a request, the key that stands for it, and what is
 * taken from a reply. Not collective.
 *
 * A reply is from outside: JSON that is not well-formed, nested more than 2,048 deep (libjansson's
 * bound), with other than UTF-8 or with NULs is none. */
#ifndef IO_LLM_CHAT_H
#define IO_LLM_CHAT_H
#include "core/status.h"
#include "io/llm/answer.h"
#include "io/sha256.h"
#include "mpi/comm.h"
#include <stddef.h>
#include <stdint.h>

struct json_t;

/* Whom to ask, and how. */
struct chat {
    char *model;
    struct json_t *parameters; /* an object: the members of a body but for model and messages */
};

/* `more`, or NULL, is the text of an object whose members are added to temperature and max_tokens,
 * take their place, or, where they are null, take them away. Called by all ranks with the same;
 * STATUS_INPUT, and a line from rank 0, where it is no such object. */
CHECKED enum status chat_open(const struct comm *comm, struct chat *chat, const char *model,
                              double temperature, int64_t max_tokens, const char *more);
void chat_close(struct chat *chat); /* safe on a zeroed object; zeroes it */

/* The parameters as a text, as they are hashed; the caller's, to be given to mem_free. */
char *chat_parameters(const struct chat *chat);

/* The body of the request that `prompt` makes, in the one form that is hashed: members in the order
 * of their names, no white space. The caller's, to be given to mem_free. */
char *chat_body(const struct chat *chat, const char *prompt);

/* SHA-256 of a body: of model, prompt and parameters, not of whom it is sent to. */
void chat_key(const char *body, char key[SHA256_TEXT]);

/* Why there is no answer, for a line of text. */
enum { CHAT_REASON = 256 };

enum chat_outcome {
    CHAT_ANSWER,
    CHAT_EMPTY,    /* whole, but says nothing */
    CHAT_MALFORMED /* no chat completion, or not all of one */
};

/* The answer in a completion: `content` of the choice of index 0. What a model has thought is left
 * out: `reasoning_content` and what stands between <think> and </think>, or before the latter where
 * a server has put the former into the prompt. Sets `answer` or `reason`. */
enum chat_outcome chat_completion(const struct json_t *completion, struct answer *answer,
                                  char reason[CHAT_REASON]);
enum chat_outcome chat_reply(const char *body, size_t n, struct answer *answer,
                             char reason[CHAT_REASON]);

/* What an error object in a reply says of itself, or the beginning of the reply, as one line. */
void chat_error(const char *body, size_t n, char reason[CHAT_REASON]);
void chat_error_of(const struct json_t *reply, char reason[CHAT_REASON]);

#endif
