#include "jobs/launch/agreement.h"
#include "core/log.h"
#include "core/rng.h"
#include "io/version.h"
#include <stdio.h>
#include <string.h>

static enum status odd(const struct comm *comm, uint64_t value, const char *what,
                       const char *here) {
    int first = comm_odd_one(comm, value);
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(comm, first, STATUS_INPUT,
                         "rank %d on %s: has another %s than rank 0: %.500s; start all ranks "
                         "alike",
                         first, comm_host(), what, here);
}

/* As much of the command line as there is room for. */
static void join(int argc, char *const *argv, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (int i = 1; i < argc && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i > 1 ? " " : "", argv[i]);
}

static uint64_t hash_arguments(int argc, char *const *argv) {
    uint64_t hash = 0;
    for (int i = 1; i < argc; i++)
        hash = rng_bits(hash, rng_hash(argv[i]));
    return hash;
}

enum status agreement_check(const struct comm *comm, int argc, char *const *argv) {
    struct version versions[VERSIONS];
    char line[512];
    versions_get(versions);
    join(argc, argv, line, sizeof line);
    TRY(odd(comm, 1, "byte order", "its numbers are reversed"));
    TRY(odd(comm, rng_hash(versions[0].text), "version of cdsr", versions[0].text));
    return odd(comm, hash_arguments(argc, argv), "command line", line);
}
