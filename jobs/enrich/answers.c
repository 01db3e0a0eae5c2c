#include "jobs/enrich/answers.h"
#include "core/log.h"
#include "io/llm/cache_log.h"

enum status answers_read(const struct comm *comm, const char *path, int64_t least,
                         struct cache *cache) {
    int64_t damaged = cache->damaged;
    cache_close(cache);
    TRY(COMM_ON_ROOT(comm, cache_mend(path)));
    TRY(comm_agree(comm, cache_open(cache, path)));
    if (comm->rank == 0 && cache->damaged > damaged)
        log_warn("%s: %lld lines are damaged, and passed over", path, (long long)cache->damaged);
    int64_t count = cache->keys.list.count;
    int first = comm_first(comm, count < least);
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(comm, first, STATUS_IO,
                         "%s: rank %d on %s finds %lld answers there, which should be %lld; give "
                         "--cache a file in a folder that all nodes share",
                         path, first, comm_host(), (long long)count, (long long)least);
}
