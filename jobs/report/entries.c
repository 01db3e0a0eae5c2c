#include "jobs/report/entries.h"
#include "core/log.h"
#include <string.h>
#include <sys/stat.h>

bool entries_is_setting(int i) {
    const char *key = options_key(i);
    return !strcmp(key, "data.path") || (options_decides_result(i) && strcmp(key, "run.seed") != 0);
}

bool entry_counts(const struct entry *e) {
    return !e->twice && !e->result.fault[0];
}

static bool same_settings(const struct entry *a, const struct entry *b) {
    for (int i = 0; i < options_count(); i++)
        if (entries_is_setting(i) && !options_equal(&a->result.config, &b->result.config, i))
            return false;
    return !memcmp(a->result.history_excluded, b->result.history_excluded,
                   sizeof a->result.history_excluded);
}

static bool differ(const char *a, const char *b) {
    return *a && *b && strcmp(a, b) != 0;
}

/* Under the same path stood another data set. */
static bool other_data(const struct entry *a, const struct entry *b) {
    return !strcmp(a->result.config.data.path, b->result.config.data.path) &&
           (differ(a->result.dataset_hash, b->result.dataset_hash) ||
            differ(a->result.items_hash, b->result.items_hash));
}

bool entries_on_same_data(const struct entry *a, const struct entry *b) {
    return !strcmp(a->result.dataset_hash, b->result.dataset_hash) &&
           !strcmp(a->result.items_hash, b->result.items_hash);
}

int entries_group(struct entry *run, int n) {
    int groups = 0;
    for (int r = 0; r < n; r++) {
        int other = 0;
        while (other < r &&
               (!same_settings(&run[other], &run[r]) || other_data(&run[other], &run[r])))
            other++;
        run[r].group = other < r ? run[other].group : groups++;
    }
    return groups;
}

static bool same_directory(const struct entry *a, const struct entry *b) {
    struct stat x, y;
    return !stat(a->directory, &x) && !stat(b->directory, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* Why run b is none besides a, whose settings, data and seed it has; NULL: it is one. */
static const char *find_double(const struct entry *a, const struct entry *b) {
    const char *start = a->result.started;
    if (same_directory(a, b))
        return "the same directory as";
    if (strcmp(a->result.fault, b->result.fault) != 0) /* one has come further */
        return NULL;
    if (*start && !strcmp(start, b->result.started))
        return "a copy of";
    return entry_counts(b) ? "of the same seed as" : NULL;
}

void entries_drop_doubles(struct entry *run, int n) {
    for (int r = 0; r < n; r++)
        for (int q = 0; q < r && !run[r].twice; q++) {
            bool alike = run[q].group == run[r].group &&
                         run[q].result.config.run.seed == run[r].result.config.run.seed;
            const char *what = alike && !run[q].twice ? find_double(&run[q], &run[r]) : NULL;
            run[r].twice = what != NULL;
            if (what)
                log_warn("%s: is %s %s, and does not count again", run[r].directory, what,
                         run[q].directory);
        }
}

void entries_tell_data(const struct entry *run, int n) {
    for (int r = 1; r < n; r++) {
        int q = 0;
        while (q < r && run[q].group != run[r].group && !other_data(&run[q], &run[r]))
            q++;
        if (q < r && run[q].group != run[r].group)
            log_warn("%s and %s: %s was another data set (column data): not to be compared",
                     run[q].directory, run[r].directory, run[r].result.config.data.path);
    }
}

bool entries_vary(const struct entry *run, int n, int i) {
    for (int r = 1; r < n && entries_is_setting(i); r++)
        if (!options_equal(&run[0].result.config, &run[r].result.config, i))
            return true;
    return false;
}

bool entries_data_varies(const struct entry *run, int n) {
    for (int r = 1; r < n; r++)
        for (int q = 0; q < r; q++)
            if (other_data(&run[q], &run[r]))
                return true;
    return false;
}
