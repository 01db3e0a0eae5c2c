/* Synthetic users and items with planted structure; every value is a pure function of the seed and
 * its number. Not collective.
 *
 * Items. Both domains share the topics. Item i of a domain has a topic and a rank in it; low ranks
 * are popular (Zipf, exponent 1). Its title, tags, picture and features tell topic and series (ranks
 * in eights). Users. A user prefers three topics. The next event is, most often, the successor of the
 * last one: a fixed rank of the same topic, in whichever domain the event falls; else a popular
 * item of the topic that follows, or of one the user prefers. No item comes twice where there is
 * another. The second domain may be empty. */
#ifndef IO_SYNTH_H
#define IO_SYNTH_H
#include <stdint.h>

enum { SYNTH_TITLE = 96, SYNTH_TAGS = 3, SYNTH_TOPIC_TAGS = 4, SYNTH_SHORTEST = 3 };

struct synth {
    int64_t domain_items[2];
    int64_t topics; /* at most the items of a domain */
    double mean_length;
    int64_t longest; /* of a sequence */
    uint64_t seed;
    int64_t stride[2]; /* numbers of a domain are scattered by it, coprime to domain_items */
};

/* mean_length >= 3. */
void synth_init(struct synth *synth, int64_t items_a, int64_t items_b, int64_t topics,
                double mean_length, uint64_t seed);

/* Number of events of a user, SYNTH_SHORTEST .. longest. */
int64_t synth_length(const struct synth *synth, int64_t user);

/* The user's events in the order of time: items[n], times[n] with n = synth_length; times: or NULL.
 */
void synth_events(const struct synth *synth, int64_t user, int32_t *items, int64_t *times);

/* Title of item i, 0 <= i < N. */
void synth_title(const struct synth *synth, int64_t item, char title[SYNTH_TITLE]);

/* Tag `tag` of the vocabulary [topics * SYNTH_TOPIC_TAGS], and the tags of an item. */
void synth_tag(const struct synth *synth, int64_t tag, char text[SYNTH_TITLE]);
void synth_item_tags(const struct synth *synth, int64_t item, int32_t tags[SYNTH_TAGS],
                     float weights[SYNTH_TAGS]);

/* Picture of an item, rgb [side, side, 3]. It tells what the title does, each by a pattern: the topic by the
 * ground's, the series by that of a figure a little out of the middle, whose shape is the topic's, the
 * number in the series by that of a band at the lower edge; and there is noise. */
void synth_picture(const struct synth *synth, int64_t item, int side, uint8_t *rgb);

/* Row of the feature table: a vector of the topic, one of the series, and noise. */
void synth_feature(const struct synth *synth, int64_t item, int dim, float *row);

#endif
