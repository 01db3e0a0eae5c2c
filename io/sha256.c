#include "io/sha256.h"
#include "core/log.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* The library fails here only when memory is out or SHA-256 is switched off in its configuration.
 */
static void require(int done) {
    if (done == 1)
        return;
    exit(
        log_error(STATUS_FAIL, "libcrypto does not give SHA-256: check the OpenSSL configuration"));
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
