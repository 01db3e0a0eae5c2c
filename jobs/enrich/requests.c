#include "jobs/enrich/requests.h"
#include "core/mem.h"
#include "io/string_list.h"
#include "mpi/exchange.h"
#include <stdlib.h>
#include <string.h>

/* On its way: this, and behind it the prompt with its NUL. */
struct parcel {
    char key[SHA256_TEXT];
    int64_t item, bytes; /* of the prompt */
};

static int owner_of(const struct comm *comm, const char *key, bool alone) {
    char digits[9] = "";
    memcpy(digits, key, 8);
    return alone ? 0 : (int)(strtoul(digits, NULL, 16) % (unsigned long)comm->size);
}

static int64_t parcel_bytes(const char *prompt) {
    return (int64_t)(sizeof(struct parcel) + strlen(prompt) + 1);
}

/* The prompts in the order of their owners, to whom they go from at[r] to at[r + 1]. */
static char *pack(const struct comm *comm, int64_t first, int64_t count, char (*key)[SHA256_TEXT],
                  char *const *prompt, bool alone, int64_t *at) {
    int64_t *next = mem_zero(comm->size + 1, sizeof *next);
    memset(at, 0, (size_t)(comm->size + 1) * sizeof *at);
    for (int64_t i = 0; i < count; i++)
        if (prompt[i])
            at[owner_of(comm, key[i], alone) + 1] += parcel_bytes(prompt[i]);
    for (int r = 0; r < comm->size; r++)
        next[r + 1] = at[r + 1] += at[r];
    char *out = mem_alloc(at[comm->size], 1);
    for (int64_t i = 0; i < count; i++) {
        if (!prompt[i])
            continue;
        struct parcel parcel = {.item = first + i, .bytes = (int64_t)strlen(prompt[i]) + 1};
        int64_t *to = &next[owner_of(comm, key[i], alone)];
        memcpy(parcel.key, key[i], SHA256_TEXT);
        memcpy(out + *to, &parcel, sizeof parcel);
        memcpy(out + *to + sizeof parcel, prompt[i], (size_t)parcel.bytes);
        *to += parcel_bytes(prompt[i]);
    }
    mem_free(next);
    return out;
}

/* What came, the first of those with the same key. */
static void unpack(struct requests *requests, int64_t bytes) {
    struct string_map keys = {0};
    int64_t room = 0;
    for (int64_t at = 0; at < bytes;) {
        struct parcel parcel;
        bool added;
        memcpy(&parcel, requests->bytes + at, sizeof parcel);
        string_map_add(&keys, parcel.key, &added);
        if (requests->count == room) {
            room = 2 * room + 256;
            requests->request = mem_resize(requests->request, room, sizeof *requests->request);
        }
        if (added) {
            struct request *r = &requests->request[requests->count++];
            memcpy(r->key, parcel.key, sizeof r->key);
            r->item = parcel.item;
            r->prompt = requests->bytes + at + sizeof parcel;
        }
        at += (int64_t)sizeof parcel + parcel.bytes;
    }
    string_map_free(&keys);
}

void requests_share(const struct comm *comm, int64_t first, int64_t count, char (*key)[SHA256_TEXT],
                    char *const *prompt, bool alone, struct requests *out) {
    int64_t *at = mem_alloc(comm->size + 1, sizeof *at);
    int64_t *from = mem_alloc(comm->size + 1, sizeof *from);
    char *parcels = pack(comm, first, count, key, prompt, alone, at);
    *out = (struct requests){.bytes = exchange_bytes(comm, parcels, at, from)};
    unpack(out, from[comm->size]);
    mem_free(parcels);
    mem_free(at);
    mem_free(from);
}

void requests_free(struct requests *requests) {
    mem_free(requests->request);
    mem_free(requests->bytes);
    *requests = (struct requests){0};
}
