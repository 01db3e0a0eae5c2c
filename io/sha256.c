#include "io/sha256.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* Where sha256_works, the library fails only when memory is out. */
static void require(int done) {
    if (done != 1)
        mem_fail(1, sizeof(struct sha256));
}

bool sha256_works(void) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool works = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    EVP_MD_CTX_free(context);
    return works;
}

void sha256_begin(struct sha256 *hash) {
    hash->state = EVP_MD_CTX_new();
    require(hash->state != NULL);
    require(EVP_DigestInit_ex(hash->state, EVP_sha256(), NULL));
}

void sha256_add(struct sha256 *hash, const void *data, size_t bytes) {
    require(EVP_DigestUpdate(hash->state, data, bytes));
}

void sha256_end(struct sha256 *hash, char text[SHA256_TEXT]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    require(EVP_DigestFinal_ex(hash->state, digest, &length));
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    sha256_drop(hash);
}

void sha256_drop(struct sha256 *hash) {
    EVP_MD_CTX_free(hash->state);
    hash->state = NULL;
}

enum status sha256_add_file(struct sha256 *hash, const char *path) {
    enum { BLOCK = 1 << 20 };
    FILE *stream = fopen(path, "rb");
    char *block = mem_alloc(BLOCK, 1);
    size_t n = 0;
    while (stream && (n = fread(block, 1, BLOCK, stream)) > 0)
        sha256_add(hash, block, n);
    int error = !stream || ferror(stream) ? errno : 0;
    mem_free(block);
    if (stream)
        fclose(stream);
    return error ? log_error(STATUS_IO, "%s: cannot be read: %s; check the disk", path,
                             strerror(error))
                 : STATUS_OK;
}

enum status sha256_file(const char *path, char text[SHA256_TEXT]) {
    struct sha256 hash;
    sha256_begin(&hash);
    enum status status = sha256_add_file(&hash, path);
    sha256_end(&hash, text);
    return status;
}
