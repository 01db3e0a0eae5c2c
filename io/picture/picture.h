/* Pictures in files that nobody vouches for. Not collective.
 *
 * JPEG, PNG and WebP, told by their first bytes whatever the name says. Colours are taken as they
 * stand, without profiles and without the turn that EXIF may ask for; transparency is left out, not
 * painted on anything; 16 bits become 8; CMYK becomes red, green and blue as in the Python Imaging
 * Library. Of an animation the first picture counts, of a WebP animation nothing. */
#ifndef IO_PICTURE_PICTURE_H
#define IO_PICTURE_PICTURE_H
#include "core/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a picture may take: bytes of its file, pixels of a side and of the whole. A decoder's own
 * memory is bounded by what these make of it. */
enum { PICTURE_BYTES = 1 << 26, PICTURE_SIDE = 1 << 15, PICTURE_PIXELS = 1 << 26 };

struct picture {
    int64_t width, height;
    uint8_t *rgb; /* [height, width, 3] */
};

enum { PICTURE_WHY = 200 };

/* A file as it is, not decoded: its pixels may be beyond the limits, or damaged. */
struct picture_file {
    const char *type; /* "image/jpeg", "image/png" or "image/webp" */
    uint8_t *bytes;   /* [size] */
    size_t size;
};

/* False for a file that does not begin like a picture of these kinds or has more than PICTURE_BYTES;
 * `why` then says so in few words, nothing is printed, and the object is zeroed. */
bool picture_file_read(const char *path, struct picture_file *file, char why[PICTURE_WHY]);
void picture_file_free(struct picture_file *file); /* safe on a zeroed object; zeroes it */

/* False for a file that is no whole picture of these kinds or is beyond the limits, or takes longer than so
 * many seconds of this thread's processor time, which do not depend on what else the machine does; `why`
 * then says so in few words, and nothing is printed. Time is looked at between rows, scans and pieces of 64
 * KiB. */
bool picture_read(const char *path, double seconds, struct picture *picture, char why[PICTURE_WHY]);
void picture_free(struct picture *picture); /* safe on a zeroed object; zeroes it */

/* Write it as PNG. STATUS_IO with a line where that fails; the file is gone then. */
CHECKED enum status picture_write(const char *path, const struct picture *picture);

/* ---- for the decoders: of a file's bytes, with `why` set on failure ---- */

/* `until`: of picture_clock. */
typedef bool picture_decoder(const uint8_t *bytes, size_t size, double until,
                             struct picture *picture, char why[PICTURE_WHY]);
picture_decoder picture_decode, picture_decode_jpeg, picture_decode_png, picture_decode_webp;

/* Processor seconds of this thread so far, and whether they are beyond `until`; then `why` is set. */
double picture_clock(void);
bool picture_late(double until, char why[PICTURE_WHY]);

/* Memory for a picture of that size; false, with `why`, beyond the limits. */
bool picture_alloc(struct picture *picture, int64_t width, int64_t height, char why[PICTURE_WHY]);

#endif
