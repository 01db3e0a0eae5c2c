/* Items to rows of CLIP: what an item has, a text or a picture, is prepared and encoded. Not collective,
 * unless it says so. */
#ifndef JOBS_FEATURES_CLIP_ITEMS_H
#define JOBS_FEATURES_CLIP_ITEMS_H
#include "core/clip/tower.h"
#include "core/status.h"
#include "io/clip/config.h"
#include "io/clip/tokens.h"
#include "io/dataset.h"
#include "io/sha256.h"
#include "jobs/features/terms.h"

struct clip_items {
    const struct dataset *dataset;
    struct clip_config config;
    struct clip_tokens tokens; /* of texts */
    const char *pictures;      /* their folder; NULL: texts */
    double seconds;            /* of a thread for the reading of one; it is lacking beyond that */
    int64_t lo, hi;            /* the items that are here */
    struct h5_strings texts;   /* of an item; of pictures the keys */
    struct h5_strings more;    /* descriptions, where they follow the titles */
    struct clip_tower tower;
    struct string_list lacking; /* pictures that were not to be had (item_pictures.h) */
};

/* Collective. The keys or texts of the items [lo, hi), which each rank chooses freely, of a model whose
 * configuration and tokens are in `items` already. */
CHECKED enum status clip_items_read(const struct comm *comm, struct encode_source from,
                                    struct clip_items *items);
void clip_items_free(struct clip_items *items); /* safe on a zeroed object; zeroes it */

/* Add what the row of an item is made of, beside the model. Of a picture that is size and time of its
 * file. */
void clip_items_hash(const struct clip_items *items, int64_t item, struct sha256 *hash);

/* The items [from, to), in batches: rows [to - from, projection], zero where mask [to - from] is 0, as an
 * item has no text or no picture that can be read. STATUS_INPUT for a text that is not UTF-8. */
CHECKED enum status clip_items_encode(struct clip_items *items, int64_t from, int64_t to,
                                      unsigned char *mask, float *rows);

#endif
