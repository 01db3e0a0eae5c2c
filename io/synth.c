/* An item is a place: domain, topic and rank in it; a multiplication modulo the number of items,
 * and its inverse, lead from one to the other, so that neighbouring numbers have nothing in
 * common. Events of a user are drawn one after another from counters of the user's own, and the
 * texts, tags, picture and features of an item from its place. */
#include "io/synth.h"
#include "core/rng.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SERIES = 8, PREFERRED = 3, TOPIC_WORDS = 8, TRIES = 8, LONGEST = 10, KINDS = 20 };

/* Streams of random numbers, the third part of the key. */
enum stream { LENGTH, USER, EVENT, TIME, TOPIC_VECTOR, SERIES_VECTOR, NOISE, WORD, COLOUR };

static const double SUCCESSOR = 0.6, NEXT_TOPIC = 0.2; /* else: a preferred topic */
static const int64_t EPOCH = 1500000000, SPREAD = 100000000, HOUR = 3600;

static uint64_t key(const struct synth *s, enum stream stream, int64_t i) {
    return rng_key(s->seed, RNG_SYNTH, stream, (uint64_t)i);
}

static int64_t gcd(int64_t a, int64_t b) {
    return b ? gcd(b, a % b) : a;
}

void synth_init(struct synth *synth, int64_t items_a, int64_t items_b, int64_t topics,
                double mean_length, uint64_t seed) {
    int64_t fewest = items_b && items_b < items_a ? items_b : items_a;
    *synth = (struct synth){.domain_items = {items_a, items_b},
                            .topics = topics < fewest ? topics : fewest,
                            .mean_length = mean_length,
                            .longest = (int64_t)(LONGEST * mean_length),
                            .seed = seed};
    for (int d = 0; d < 2; d++) {
        int64_t n = synth->domain_items[d];
        synth->stride[d] = (int64_t)(0.618 * (double)n) + 1;
        while (gcd(synth->stride[d], n) != 1)
            synth->stride[d]++;
    }
}

/* ---- places: (domain, topic, rank) <-> item ---- */

struct place {
    int domain;
    int64_t topic, rank;
};

static int64_t topic_items(const struct synth *s, int domain, int64_t topic) {
    return (s->domain_items[domain] - topic + s->topics - 1) / s->topics;
}

static int32_t item_at(const struct synth *s, struct place p) {
    int64_t n = s->domain_items[p.domain], j = p.rank * s->topics + p.topic;
    int64_t scattered = (int64_t)((__int128)j * s->stride[p.domain] % n);
    return (int32_t)(scattered + (p.domain ? s->domain_items[0] : 0));
}

/* Inverse of a modulo n, coprime. */
static int64_t inverse(int64_t a, int64_t n) {
    int64_t r0 = n, r1 = a % n, x0 = 0, x1 = 1;
    while (r1 > 0) {
        int64_t q = r0 / r1, r = r0 - q * r1, x = x0 - q * x1;
        r0 = r1, r1 = r, x0 = x1, x1 = x;
    }
    return x0 < 0 ? x0 + n : x0;
}

static struct place place_of(const struct synth *s, int64_t item) {
    int domain = item >= s->domain_items[0];
    int64_t n = s->domain_items[domain], scattered = item - (domain ? s->domain_items[0] : 0);
    int64_t j = (int64_t)((__int128)scattered * inverse(s->stride[domain], n) % n);
    return (struct place){domain, j % s->topics, j / s->topics};
}

/* ---- users ---- */

/* Exponential above the shortest. */
int64_t synth_length(const struct synth *synth, int64_t user) {
    double u = rng_uniform(key(synth, LENGTH, user), 0);
    double more = -log1p(-u) * (synth->mean_length - SYNTH_SHORTEST) + 0.5;
    int64_t n = SYNTH_SHORTEST + (int64_t)more;
    return n < synth->longest ? n : synth->longest;
}

/* P(rank) = log2((rank + 2) / (rank + 1)) / log2(n + 1): close to 1 / rank. */
static int64_t zipf(double u, int64_t n) {
    int64_t rank = (int64_t)exp(u * log((double)n + 1)) - 1;
    return rank < 0 ? 0 : rank < n ? rank : n - 1;
}

/* What is drawn for event t: counters 16 t and on of the user's streams. */
struct draw {
    uint64_t key, at;
};

static double uniform(struct draw *d) {
    return rng_uniform(d->key, d->at++);
}

static int64_t preferred(const struct synth *s, int64_t user, double u) {
    int which = u < 0.6 ? 0 : u < 0.9 ? 1 : 2;
    return rng_below(key(s, USER, user), (uint64_t)which, s->topics);
}

/* Share of domain 0 in the user's events: one user in ten knows one domain only. */
static double domain_share(const struct synth *s, int64_t user) {
    double u = rng_uniform(key(s, USER, user), PREFERRED);
    if (s->domain_items[1] == 0)
        return 1;
    if (u < 1.0 / KINDS)
        return 0;
    if (u < 2.0 / KINDS)
        return 1;
    return 0.3 + 0.4 * rng_uniform(key(s, USER, user), PREFERRED + 1);
}

static struct place next_place(const struct synth *s, int64_t user, const struct place *last,
                               struct draw *d, double share) {
    double what = uniform(d), who = uniform(d), which = uniform(d);
    struct place p = {.domain = uniform(d) >= share};
    if (last && what < SUCCESSOR) {
        p.topic = last->topic;
        p.rank = (last->rank + 1 + last->topic % 3) % topic_items(s, p.domain, p.topic);
        return p;
    }
    bool follow = last && what < SUCCESSOR + NEXT_TOPIC;
    p.topic = follow ? (last->topic + 1) % s->topics : preferred(s, user, who);
    p.rank = zipf(which, topic_items(s, p.domain, p.topic));
    return p;
}

static bool seen(const int32_t *items, int64_t n, int32_t item) {
    while (n > 0)
        if (items[--n] == item)
            return true;
    return false;
}

/* The next rank that the sequence does not have yet. */
static int32_t unseen(const struct synth *s, const int32_t *items, int64_t n, struct place *p) {
    int64_t ranks = topic_items(s, p->domain, p->topic);
    int32_t item = item_at(s, *p);
    for (int64_t tries = 0; tries < ranks && seen(items, n, item); tries++) {
        p->rank = (p->rank + 1) % ranks;
        item = item_at(s, *p);
    }
    return item;
}

void synth_events(const struct synth *synth, int64_t user, int32_t *items, int64_t *times) {
    int64_t n = synth_length(synth, user);
    double share = domain_share(synth, user);
    struct draw time = {key(synth, TIME, user), 0};
    int64_t now = EPOCH + (int64_t)(uniform(&time) * (double)SPREAD);
    struct place last = {0};
    for (int64_t t = 0; t < n; t++) {
        struct draw d = {key(synth, EVENT, user), (uint64_t)(TRIES * t)};
        struct place p = next_place(synth, user, t ? &last : NULL, &d, share);
        items[t] = unseen(synth, items, t, &p);
        last = p;
        now += 1 + (int64_t)(-log1p(-uniform(&time)) * (double)HOUR);
        if (times)
            times[t] = now;
    }
}

/* ---- texts ---- */

/* Word `number` of a language of 2 to 3 syllables. */
static void word(const struct synth *s, int64_t number, char *out) {
    static const char *const syllables[] = {"ba",  "ko", "ri",  "ten", "lu", "sha", "mo", "vi",
                                            "dar", "ne", "pol", "gu",  "fi", "zan", "he", "yo"};
    uint64_t bits = rng_bits(key(s, WORD, 0), (uint64_t)number);
    int n = 2 + (int)(bits & 1);
    out[0] = '\0';
    for (int i = 0; i < n; i++)
        strcat(out, syllables[bits >> (1 + 4 * i) & 15]);
}

static void topic_word(const struct synth *s, int64_t topic, int64_t which, char *out) {
    word(s, topic * TOPIC_WORDS + which % TOPIC_WORDS, out);
}

void synth_title(const struct synth *synth, int64_t item, char title[SYNTH_TITLE]) {
    struct place p = place_of(synth, item);
    char a[16], b[16], series[16];
    int64_t number = p.rank / SERIES;
    topic_word(synth, p.topic, item, a);
    topic_word(synth, p.topic, item / TOPIC_WORDS + 1, b);
    word(synth, synth->topics * TOPIC_WORDS + number, series);
    snprintf(title, SYNTH_TITLE, "%s %s %s %lld", series, a, b, (long long)p.rank % SERIES);
}

void synth_tag(const struct synth *synth, int64_t tag, char text[SYNTH_TITLE]) {
    char a[16];
    topic_word(synth, tag / SYNTH_TOPIC_TAGS, tag % SYNTH_TOPIC_TAGS, a);
    snprintf(text, SYNTH_TITLE, "%s-%lld", a, (long long)tag);
}

/* Two tags of the topic, one of the topic that follows. */
void synth_item_tags(const struct synth *synth, int64_t item, int32_t tags[SYNTH_TAGS],
                     float weights[SYNTH_TAGS]) {
    struct place p = place_of(synth, item);
    int64_t series = p.rank / SERIES, first = p.topic * SYNTH_TOPIC_TAGS;
    int64_t next = (p.topic + 1) % synth->topics * SYNTH_TOPIC_TAGS;
    tags[0] = (int32_t)(first + series % SYNTH_TOPIC_TAGS);
    tags[1] = (int32_t)(first + (series + 1) % SYNTH_TOPIC_TAGS);
    tags[2] = (int32_t)(next == first ? first + (series + 2) % SYNTH_TOPIC_TAGS : next);
    weights[0] = 1;
    weights[1] = 0.75f;
    weights[2] = 0.5f;
}

/* ---- pictures and features ---- */

enum { FIGURES = 5, TILE = 8 /* pixels of a pattern's side */ };
static const double RADIUS = 0.7,
                    BAND = 0.5; /* of a figure, and where the band begins; half a side is 1 */

/* Is the point (x, y) in a figure of radius 1 around (0, 0)? */
static bool in_figure(int64_t figure, double x, double y) {
    double r = x * x + y * y, longer = fmax(fabs(x), fabs(y)), shorter = fmin(fabs(x), fabs(y));
    switch (figure) {
    case 0: /* disc */
        return r < 1;
    case 1: /* square */
        return longer < 0.85;
    case 2: /* ring */
        return r < 1 && r > 0.3;
    case 3: /* cross */
        return longer < 1 && shorter < 0.3;
    default: /* diamond */
        return fabs(x) + fabs(y) < 1;
    }
}

/* Channel c, in [0, 1), of pattern `number` at pixel (x, y): equal tiles in which a pixel has a colour or its
 * opposite, so that a pattern is told by its form more than by its mean. */
static double pattern(const struct synth *s, int64_t number, int x, int y, int c) {
    uint64_t colours = key(s, COLOUR, number);
    uint64_t pixel = (uint64_t)(y % TILE * TILE + x % TILE);
    bool second = rng_uniform(colours, 3 + pixel) < 0.5;
    double first = rng_uniform(colours, (uint64_t)c);
    return second ? 1 - first : first;
}

void synth_picture(const struct synth *synth, int64_t item, int side, uint8_t *rgb) {
    struct place p = place_of(synth, item);
    uint64_t noise = key(synth, NOISE, item);
    int64_t band = synth->topics + p.rank % SERIES,
            figure = synth->topics + SERIES + p.rank / SERIES;
    double dx = 0.3 * (rng_uniform(noise, 0) - 0.5), dy = 0.3 * (rng_uniform(noise, 1) - 0.5);
    for (int i = 0; i < side * side; i++) {
        int column = i % side, row = i / side;
        double x = (2.0 * column + 1) / side - 1, y = (2.0 * row + 1) / side - 1;
        bool inside = in_figure(p.topic % FIGURES, (x - dx) / RADIUS, (y - dy) / RADIUS);
        int64_t shown = y > BAND ? band : inside ? figure : p.topic;
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)(20 + 190 * pattern(synth, shown, column, row, c) +
                                       24 * rng_uniform(noise, (uint64_t)(2 + 3 * i + c)));
    }
}

void synth_feature(const struct synth *synth, int64_t item, int dim, float *row) {
    struct place p = place_of(synth, item);
    int64_t series = p.rank / SERIES * synth->topics + p.topic;
    uint64_t topic_key = key(synth, TOPIC_VECTOR, p.topic);
    uint64_t series_key = key(synth, SERIES_VECTOR, series), noise_key = key(synth, NOISE, item);
    for (int j = 0; j < dim; j++) {
        uint64_t c = (uint64_t)j;
        row[j] = (float)(rng_normal(topic_key, c) + 0.6 * rng_normal(series_key, c) +
                         0.3 * rng_normal(noise_key, c));
    }
}
