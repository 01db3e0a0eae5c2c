/* Leave-one-out holds out each user's last two events. The other rules come down to two places in
 * each user's timeline, where training ends and where validation ends: a temporal split finds them
 * from two moments, a given one from the parts that the files are; then one function cuts all
 * timelines there. */
#include "io/readers/split.h"
#include "core/log.h"
#include "core/mem.h"

enum { MIN_LOO = 3 };

const char *const split_rule_names[3] = {"loo", "temporal", "given"};

struct splitting {
    const struct timeline *t;
    bool drop_tied;
    int32_t *items; /* [events] in the data set's numbers */
    int64_t *times; /* [events] whole seconds */
    struct dataset_content *content;
    int64_t tied;      /* targets left out for their time */
    int64_t alone;     /* targets left out for want of a history */
    int64_t histories; /* events of held-out parts that are no targets */
};

/* ---- one sequence ---- */

static bool same_time(const struct splitting *s, int64_t a, int64_t b) {
    return moment_same(s->t->event[a].time, s->t->event[b].time);
}

/* Whether another event of user u could as well stand in the place of e. */
static bool is_tied(const struct splitting *s, int64_t u, int64_t e) {
    return (e > s->t->first[u] && same_time(s, e - 1, e)) ||
           (e + 1 < s->t->first[u + 1] && same_time(s, e, e + 1));
}

/* The events of user u up to hi as a sequence. */
static void add(struct splitting *s, int64_t u, int64_t hi, enum split split) {
    int64_t lo = s->t->first[u];
    split_content_add(&s->content->split[split], s->t->name[u], hi - lo, s->items + lo,
                      s->times + lo);
}

/* The same, its last event being held out. */
static void hold_out(struct splitting *s, int64_t u, int64_t hi, enum split split) {
    int64_t last = hi - 1;
    if (last == s->t->first[u])
        s->alone++;
    else if (s->drop_tied && is_tied(s, u, last))
        s->tied++;
    else {
        add(s, u, hi, split);
        s->content->split[split].apart +=
            s->times[last] == s->times[last - 1] && !same_time(s, last - 1, last);
    }
}

/* ---- rules ---- */

static void split_loo(struct splitting *s) {
    for (int64_t u = 0; u < s->t->users; u++) {
        int64_t lo = s->t->first[u], hi = s->t->first[u + 1];
        bool held_out = hi - lo >= MIN_LOO;
        if (hi == lo)
            continue;
        add(s, u, held_out ? hi - 2 : hi, SPLIT_TRAIN);
        if (held_out) {
            hold_out(s, u, hi - 1, SPLIT_VALID);
            hold_out(s, u, hi, SPLIT_TEST);
        }
    }
}

/* Each user's training ends at train[u], the validation at valid[u]. */
static void split_parts(struct splitting *s, const int64_t *train, const int64_t *valid) {
    for (int64_t u = 0; u < s->t->users; u++) {
        int64_t hi = s->t->first[u + 1];
        if (train[u] > s->t->first[u])
            add(s, u, train[u], SPLIT_TRAIN);
        if (valid[u] > train[u])
            hold_out(s, u, valid[u], SPLIT_VALID);
        if (hi > valid[u])
            hold_out(s, u, hi, SPLIT_TEST);
        s->histories += (valid[u] > train[u] ? valid[u] - train[u] - 1 : 0) +
                        (hi > valid[u] ? hi - valid[u] - 1 : 0);
    }
}

/* The time of the last event of the first `fraction` of all events. */
static struct moment moment_of(const struct moment *sorted, int64_t n, double fraction) {
    int64_t i = (int64_t)(fraction * (double)n + 0.5) - 1;
    return sorted[i < 0 ? 0 : i >= n ? n - 1 : i];
}

static void cut_times(const struct timeline *t, const double *fractions, struct moment cut[2]) {
    int64_t n = t->first[t->users], *order = mem_alloc(n, sizeof *order);
    struct moment *key = mem_alloc(n, sizeof *key), *sorted = mem_alloc(n, sizeof *sorted);
    identity_order(n, order);
    for (int64_t e = 0; e < n; e++)
        key[e] = t->event[e].time;
    stable_order(key, n, order);
    for (int64_t i = 0; i < n; i++)
        sorted[i] = key[order[i]];
    if (n > 0) {
        cut[0] = moment_of(sorted, n, fractions[0]);
        cut[1] = moment_of(sorted, n, fractions[0] + fractions[1]);
    }
    mem_free(sorted);
    mem_free(key);
    mem_free(order);
}

static void find_temporal(const struct timeline *t, const double *fractions, int64_t *train,
                          int64_t *valid) {
    struct moment cut[2] = {{0, 0}, {0, 0}};
    cut_times(t, fractions, cut);
    for (int64_t u = 0; u < t->users; u++) {
        int64_t hi = t->first[u + 1];
        train[u] = t->first[u];
        while (train[u] < hi && !moment_after(t->event[train[u]].time, cut[0]))
            train[u]++;
        valid[u] = train[u];
        while (valid[u] < hi && !moment_after(t->event[valid[u]].time, cut[1]))
            valid[u]++;
    }
}

static void find_given(const struct timeline *t, int64_t *train, int64_t *valid) {
    for (int64_t u = 0; u < t->users; u++) {
        int64_t hi = t->first[u + 1];
        train[u] = t->first[u];
        while (train[u] < hi && t->event[train[u]].part == SPLIT_TRAIN)
            train[u]++;
        valid[u] = train[u];
        while (valid[u] < hi && t->event[valid[u]].part == SPLIT_VALID)
            valid[u]++;
    }
}

static void apply_rule(struct splitting *s, enum split_rule rule, const double *fractions) {
    int64_t *train = mem_alloc(s->t->users, sizeof *train);
    int64_t *valid = mem_alloc(s->t->users, sizeof *valid);
    if (rule == SPLIT_LOO)
        split_loo(s);
    else {
        if (rule == SPLIT_TEMPORAL)
            find_temporal(s->t, fractions, train, valid);
        else
            find_given(s->t, train, valid);
        split_parts(s, train, valid);
    }
    mem_free(train);
    mem_free(valid);
}

static void note(const struct splitting *s, enum split_rule rule) {
    if (s->alone && rule == SPLIT_GIVEN)
        log_info("held-out events without a history, left out: %lld", (long long)s->alone);
    if (s->histories && rule == SPLIT_GIVEN)
        log_info("held-out events that a later one of their user in the same part has in its "
                 "history: %lld; the last is the target",
                 (long long)s->histories);
    if (s->drop_tied)
        log_info("targets at the time of an event beside them, left out: %lld", (long long)s->tied);
}

void split_timeline(const struct timeline *timeline, enum split_rule rule,
                    const double fractions[3], enum ties ties, const int32_t *number,
                    const int64_t base[3], struct dataset_content *content) {
    int64_t n = timeline->first[timeline->users];
    struct splitting s = {.t = timeline,
                          .drop_tied = ties == TIES_DROP,
                          .items = mem_alloc(n, sizeof *s.items),
                          .times = mem_alloc(n, sizeof *s.times),
                          .content = content};
    for (int64_t e = 0; e < n; e++) {
        const struct raw_event *event = &timeline->event[e];
        s.items[e] = number[base[event->domain] + event->item];
        s.times[e] = event->time.seconds;
    }
    apply_rule(&s, rule, fractions);
    note(&s, rule);
    mem_free(s.items);
    mem_free(s.times);
}
