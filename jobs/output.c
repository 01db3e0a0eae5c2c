#include "jobs/output.h"
#include "core/log.h"
#include <unistd.h>

enum status output_check(const char *path, bool overwrite) {
    if (!overwrite && access(path, F_OK) == 0)
        return log_error(STATUS_INPUT,
                         "%s: exists already; name another output or give --overwrite", path);
    return STATUS_OK;
}
