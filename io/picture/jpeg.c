/* JPEG by libjpeg-turbo. What the library warns of, such as a file that ends early, is a failure here,
 * as half of a picture says little about an item; but not bytes that are one too many. */
#include "core/mem.h"
#include "io/picture/picture.h"
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h before it */

#include <jerror.h>

/* Every scan of a progressive picture may go over all of it, whatever its few bytes: so many pixels are
 * visited in all, which takes seconds. Encoders make about ten scans. */
enum { VISITS = 1 << 30, MEMORY = 1 << 29 };

struct decoder {
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    const uint8_t *bytes;
    size_t size;
    double until;
    struct picture *picture;
    uint8_t *line; /* of four colours */
    jmp_buf failed;
    char *why;
};

_Noreturn static void give_up(j_common_ptr info) {
    struct decoder *d = info->client_data;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    snprintf(d->why, PICTURE_WHY, "%.*s", PICTURE_WHY - 1, text);
    longjmp(d->failed, 1);
}

static void on_message(j_common_ptr info, int level) {
    int code = info->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_TOO_MUCH_DATA)
        give_up(info);
}

static void on_progress(j_common_ptr info) {
    struct decoder *d = info->client_data;
    if (picture_late(d->until, d->why))
        longjmp(d->failed, 1);
    if (d->jpeg.input_scan_number * d->picture->width * d->picture->height <= VISITS)
        return;
    snprintf(d->why, PICTURE_WHY, "it has too many scans, %d", d->jpeg.input_scan_number);
    longjmp(d->failed, 1);
}

/* a b / 255, rounded. */
static int scaled(int a, int b) {
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* Files have the four colours inverted: 255 is no ink. */
static void cmyk_to_rgb(const uint8_t *cmyk, int64_t n, uint8_t *rgb) {
    for (int64_t i = 0; i < n; i++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(cmyk[3] - scaled(255 - cmyk[c], cmyk[3]));
}

static void read_lines(struct decoder *d, bool cmyk) {
    struct picture *picture = d->picture;
    d->line = cmyk ? mem_alloc(picture->width, 4) : NULL;
    d->jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&d->jpeg);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        if (picture_late(d->until, d->why))
            longjmp(d->failed, 1);
        uint8_t *to = picture->rgb + (int64_t)d->jpeg.output_scanline * picture->width * 3;
        jpeg_read_scanlines(&d->jpeg, cmyk ? &d->line : &to, 1);
        if (cmyk)
            cmyk_to_rgb(d->line, picture->width, to);
    }
    jpeg_finish_decompress(&d->jpeg);
}

static bool decode(struct decoder *d) {
    if (setjmp(d->failed))
        return false;
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.mem->max_memory_to_use = MEMORY;
    d->progress.progress_monitor = on_progress;
    d->jpeg.progress = &d->progress;
    jpeg_mem_src(&d->jpeg, d->bytes, d->size);
    jpeg_read_header(&d->jpeg, TRUE);
    if (!picture_alloc(d->picture, d->jpeg.image_width, d->jpeg.image_height, d->why))
        return false;
    read_lines(d, d->jpeg.jpeg_color_space == JCS_CMYK || d->jpeg.jpeg_color_space == JCS_YCCK);
    return true;
}

bool picture_decode_jpeg(const uint8_t *bytes, size_t size, double until, struct picture *picture,
                         char why[PICTURE_WHY]) {
    struct decoder d = {
        .bytes = bytes, .size = size, .until = until, .picture = picture, .why = why};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = give_up;
    d.errors.emit_message = on_message;
    bool good = decode(&d);
    jpeg_destroy_decompress(&d.jpeg);
    mem_free(d.line);
    if (!good)
        picture_free(picture);
    return good;
}
