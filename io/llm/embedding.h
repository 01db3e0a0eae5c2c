/* Embeddings as OpenAI's interface has them (POST /v1/embeddings), which vLLM, TEI, infinity and
 * llama.cpp speak: several texts a request, a vector each. OpenAI has none of pictures; vLLM's form is
 * a picture a request, the only part of a chat's only message, as a data: URL. Not collective.
 *
 * A vector is kept in the cache of answers as base64 of its float32 numbers, little-endian, which
 * is also what servers send where `encoding_format` is base64; else it is a list of numbers. A reply
 * is from outside: it is taken as a whole, with a vector of finite numbers for each text, all of one
 * width, or not at all. */
#ifndef IO_LLM_EMBEDDING_H
#define IO_LLM_EMBEDDING_H
#include "io/picture/picture.h"
#include "io/sha256.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EMBEDDING_WIDTH = 1 << 16, EMBEDDING_REASON = 256 };

struct embedding_request {
    const char *model;
    int64_t dimensions; /* asked of models that can shorten their vectors; 0: as they are */
    bool floats;        /* encoding_format: float instead of base64 */
};

/* The body that asks about count texts; the caller's, to be given to mem_free. */
char *embedding_body(const struct embedding_request *request, const char *const *texts,
                     int64_t count);

/* The key of the vector of a text: SHA-256 of the body that asks about this text alone, without
 * encoding_format. */
void embedding_key(const struct embedding_request *request, const char *text,
                   char key[SHA256_TEXT]);

/* The same of a picture, whose bytes go into both as they are. */
char *embedding_picture_body(const struct embedding_request *request,
                             const struct picture_file *picture);
void embedding_picture_key(const struct embedding_request *request,
                           const struct picture_file *picture, char key[SHA256_TEXT]);

/* Set vector[count], base64 each and the caller's, in the order of the texts (`index`); false, and
 * the reason, where the reply is none. */
bool embedding_reply(const char *body, size_t n, int64_t count, char **vector,
                     char reason[EMBEDDING_REASON]);

/* The numbers of a vector in base64; the caller's. The width, 0 where it is no vector: then
 * *numbers is NULL. */
int64_t embedding_decode(const char *base64, float **numbers);

#endif
