/* Batches begin at the same items whatever the number of ranks, so that a product has the same shape and
 * a row the same bits. Pictures of a batch are read by all threads, then it is encoded; rows of items
 * that have nothing are not computed. */
#include "jobs/features/clip_items.h"
#include "core/clip/resample.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/picture/picture.h"
#include "jobs/features/item_pictures.h"
#include <stdio.h>
#include <string.h>

enum { PICTURES = 16, TEXTS = 64 };

enum status clip_items_read(const struct comm *comm, struct encode_source from,
                            struct clip_items *items) {
    if (items->pictures)
        return dataset_read_keys(comm, items->dataset, items->lo, items->hi, &items->texts);
    return encode_source_read(comm, items->dataset, from, items->lo, items->hi, &items->texts,
                              &items->more);
}

void clip_items_free(struct clip_items *items) {
    clip_tokens_free(&items->tokens);
    h5_strings_free(&items->texts);
    h5_strings_free(&items->more);
    clip_tower_free(&items->tower);
    string_list_free(&items->lacking);
    *items = (struct clip_items){0};
}

/* ---- texts ---- */

/* The caller's to be given to mem_free. */
static char *text_of(const struct clip_items *c, int64_t item) {
    const char *title = c->texts.text[item - c->lo];
    const char *more = c->more.count ? c->more.text[item - c->lo] : "";
    size_t size = strlen(title) + strlen(more) + 2;
    char *text = mem_alloc((int64_t)size, 1);
    snprintf(text, size, "%s%s%s", title, *title && *more ? " " : "", more);
    return text;
}

/* Tokens of the items that have a text, one after the other, with `offsets`. */
static enum status tokenise(struct clip_items *c, int64_t from, int64_t to, unsigned char *mask,
                            int32_t *tokens, int64_t *offsets, int64_t *count) {
    int64_t most = c->config.texts.positions;
    *count = offsets[0] = 0;
    for (int64_t i = from; i < to; i++) {
        char *text = text_of(c, i);
        int32_t *to_here = tokens + offsets[*count];
        int64_t n = clip_tokens_encode(&c->tokens, text, most, to_here);
        mem_free(text);
        if (n == 0)
            return log_error(
                STATUS_INPUT,
                "%s: a text of item %lld is not UTF-8; make the file again with 'cdsr prepare'",
                c->dataset->path, (long long)i);
        mask[i - from] = n > 2; /* more than start and end */
        if (n > 2) {
            offsets[*count + 1] = offsets[*count] + clip_tokens_used(to_here, n, c->config.end);
            ++*count;
        }
    }
    return STATUS_OK;
}

static enum status encode_texts(struct clip_items *c, int64_t from, int64_t to, unsigned char *mask,
                                float *rows, int64_t *count) {
    int64_t offsets[TEXTS + 1];
    int32_t *tokens = mem_alloc(TEXTS * c->config.texts.positions, sizeof *tokens);
    enum status status = tokenise(c, from, to, mask, tokens, offsets, count);
    if (status == STATUS_OK && *count > 0)
        clip_encode_texts(&c->tower, tokens, offsets, *count, rows);
    mem_free(tokens);
    return status;
}

/* ---- pictures ---- */

/* pixels [3, side, side] of an item; false: it has none. */
static bool load(struct clip_items *c, int64_t item, real *pixels) {
    char path[ITEM_PICTURES_PATH], why[PICTURE_WHY];
    const char *key = c->texts.text[item - c->lo];
    struct stat info;
    struct picture picture;
    if (!item_pictures_find(c->pictures, key, path, &info)) {
        item_pictures_lack(&c->lacking, item, key, ITEM_PICTURES_NONE);
        return false;
    }
    if (!picture_read(path, c->seconds, &picture, why)) {
        item_pictures_lack(&c->lacking, item, path, why);
        return false;
    }
    int64_t side = c->config.pictures.side;
    uint8_t *rgb = mem_alloc(side * side, CLIP_CHANNELS);
    resample_picture(picture.rgb, picture.width, picture.height, side, rgb);
    clip_normalise(rgb, side, c->config.mean, c->config.deviation, pixels);
    mem_free(rgb);
    picture_free(&picture);
    return true;
}

static void encode_pictures(struct clip_items *c, int64_t from, int64_t to, unsigned char *mask,
                            float *rows, int64_t *count) {
    int64_t side = c->config.pictures.side, size = CLIP_CHANNELS * side * side;
    real *pixels = mem_alloc(PICTURES * size, sizeof *pixels);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = from; i < to; i++)
        mask[i - from] = load(c, i, pixels + (i - from) * size);
    *count = 0;
    for (int64_t i = 0; i < to - from; i++)
        if (mask[i])
            memmove(pixels + (*count)++ * size, pixels + i * size, (size_t)size * sizeof *pixels);
    if (*count > 0)
        clip_encode_pictures(&c->tower, pixels, *count, rows);
    mem_free(pixels);
}

/* ---- both ---- */

static void hash_text(struct sha256 *hash, const char *text) {
    sha256_add(hash, text, strlen(text) + 1);
}

void clip_items_hash(const struct clip_items *items, int64_t item, struct sha256 *hash) {
    char path[ITEM_PICTURES_PATH];
    const char *text = items->texts.text[item - items->lo]; /* of a picture its key */
    struct stat info = {0};
    hash_text(hash, text);
    if (items->more.count)
        hash_text(hash, items->more.text[item - items->lo]);
    if (items->pictures && item_pictures_find(items->pictures, text, path, &info)) {
        int64_t facts[] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
        hash_text(hash, path);
        sha256_add(hash, facts, sizeof facts);
    }
}

/* The first rows are those of the items whose mask is set: put each in its place. */
static void spread(const unsigned char *mask, int64_t n, int64_t count, int64_t width,
                   float *rows) {
    for (int64_t i = n; i-- > 0;) {
        count -= mask[i];
        if (!mask[i])
            memset(rows + i * width, 0, (size_t)width * sizeof *rows);
        else if (i != count)
            memcpy(rows + i * width, rows + count * width, (size_t)width * sizeof *rows);
    }
}

enum status clip_items_encode(struct clip_items *items, int64_t from, int64_t to,
                              unsigned char *mask, float *rows) {
    int64_t step = items->pictures ? PICTURES : TEXTS, width = items->tower.shape.projection, count;
    for (int64_t lo = from; lo < to; lo += step) {
        int64_t hi = lo + step < to ? lo + step : to;
        unsigned char *batch_mask = mask + lo - from;
        float *batch = rows + (lo - from) * width;
        if (items->pictures)
            encode_pictures(items, lo, hi, batch_mask, batch, &count);
        else
            TRY(encode_texts(items, lo, hi, batch_mask, batch, &count));
        spread(batch_mask, hi - lo, count, width, batch);
    }
    return STATUS_OK;
}
