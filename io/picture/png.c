/* PNG by libpng, in reading with limits of its own for what a file may have beside the pixels. */
#include "core/log.h"
#include "core/mem.h"
#include "io/picture/picture.h"
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20 };

struct decoder {
    png_structp png;
    png_infop info;
    const uint8_t *bytes; /* that come next */
    size_t left;
    double until;
    struct picture *picture;
    jmp_buf failed;
    char *why;
};

_Noreturn static void give_up(png_structp png, const char *text) {
    struct decoder *d = png_get_error_ptr(png);
    snprintf(d->why, PICTURE_WHY, "%.*s", PICTURE_WHY - 1, text);
    longjmp(d->failed, 1);
}

static void keep_quiet(png_structp png, const char *text) {
    (void)png;
    (void)text;
}

static void give_bytes(png_structp png, uint8_t *to, size_t n) {
    struct decoder *d = png_get_io_ptr(png);
    if (n > d->left)
        give_up(png, "it ends early");
    memcpy(to, d->bytes, n);
    d->bytes += n;
    d->left -= n;
}

/* What is neither pixels nor their colours, such as compressed texts, is passed over. */
static void set_limits(png_structp png) {
    png_set_user_limits(png, PICTURE_SIDE, PICTURE_SIDE);
    png_set_chunk_malloc_max(png, CHUNK_BYTES);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
}

/* Whatever it is, to 8 bits of red, green and blue; returns how often its rows come. */
static int set_colours(png_structp png) {
    png_set_strip_16(png);
    png_set_expand(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    return png_set_interlace_handling(png);
}

static void read_lines(struct decoder *d) {
    struct picture *picture = d->picture;
    int passes = set_colours(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) != (size_t)picture->width * 3)
        give_up(d->png, "its colours are of an unknown kind");
    for (int64_t i = 0; i < passes * picture->height; i++) {
        if (picture_late(d->until, d->why))
            longjmp(d->failed, 1);
        png_read_row(d->png, picture->rgb + i % picture->height * picture->width * 3, NULL);
    }
    png_read_end(d->png, NULL);
}

static bool decode(struct decoder *d) {
    if (setjmp(d->failed))
        return false;
    set_limits(d->png);
    png_set_read_fn(d->png, d, give_bytes);
    png_read_info(d->png, d->info);
    if (!picture_alloc(d->picture, png_get_image_width(d->png, d->info),
                       png_get_image_height(d->png, d->info), d->why))
        return false;
    read_lines(d);
    return true;
}

bool picture_decode_png(const uint8_t *bytes, size_t size, double until, struct picture *picture,
                        char why[PICTURE_WHY]) {
    struct decoder d = {
        .bytes = bytes, .left = size, .until = until, .picture = picture, .why = why};
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, give_up, keep_quiet);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    if (!d.info)
        mem_fail(1, sizeof d);
    bool good = decode(&d);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    if (!good)
        picture_free(picture);
    return good;
}

enum status picture_write(const char *path, const struct picture *picture) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)picture->width,
                       .height = (png_uint_32)picture->height,
                       .format = PNG_FORMAT_RGB};
    if (png_image_write_to_file(&image, path, 0, picture->rgb, 0, NULL))
        return STATUS_OK;
    return log_error(STATUS_IO, "%s: writing: %s", path, image.message);
}
