#include "io/picture/picture.h"
#include "core/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool fail(char why[PICTURE_WHY], const char *what) {
    snprintf(why, PICTURE_WHY, "%s", what);
    return false;
}

bool picture_alloc(struct picture *picture, int64_t width, int64_t height, char why[PICTURE_WHY]) {
    if (width < 1 || height < 1)
        return fail(why, "it has no pixels");
    if (width > PICTURE_SIDE || height > PICTURE_SIDE || width * height > PICTURE_PIXELS) {
        snprintf(why, PICTURE_WHY, "it has %lld x %lld pixels, more than %d or than %d a side",
                 (long long)width, (long long)height, (int)PICTURE_PIXELS, (int)PICTURE_SIDE);
        return false;
    }
    *picture = (struct picture){width, height, mem_alloc(width * height, 3)};
    return true;
}

void picture_free(struct picture *picture) {
    mem_free(picture->rgb);
    *picture = (struct picture){0};
}

double picture_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool picture_late(double until, char why[PICTURE_WHY]) {
    return picture_clock() > until && !fail(why, "it takes too long");
}

struct kind {
    const char *type;
    picture_decoder *decode;
};

/* By the first bytes; NULL, with `why`: none that is known. */
static const struct kind *kind_of(const uint8_t *bytes, size_t size, char why[PICTURE_WHY]) {
    static const struct kind jpeg = {"image/jpeg", picture_decode_jpeg},
                             png = {"image/png", picture_decode_png},
                             webp = {"image/webp", picture_decode_webp};
    if (size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3))
        return &jpeg;
    if (size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8))
        return &png;
    if (size >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4))
        return &webp;
    fail(why, "it is no JPEG, PNG or WebP");
    return NULL;
}

bool picture_decode(const uint8_t *bytes, size_t size, double until, struct picture *picture,
                    char why[PICTURE_WHY]) {
    const struct kind *kind = kind_of(bytes, size, why);
    *picture = (struct picture){0};
    if (kind && kind->decode(bytes, size, until, picture, why) && !picture_late(until, why))
        return true;
    picture_free(picture);
    return false;
}

/* A whole regular file; nothing that could be waited for is opened. */
static bool read_file(int file, struct picture_file *out, char why[PICTURE_WHY]) {
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail(why, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return fail(why, "it is not a regular file");
    if (info.st_size > PICTURE_BYTES)
        return fail(why, "it has more than 64 MiB");
    out->bytes = mem_alloc(info.st_size, 1);
    while (out->size < (size_t)info.st_size) {
        ssize_t got = read(file, out->bytes + out->size, (size_t)info.st_size - out->size);
        if (got <= 0)
            return fail(why, got < 0 ? strerror(errno) : "it became shorter while it was read");
        out->size += (size_t)got;
    }
    return true;
}

bool picture_file_read(const char *path, struct picture_file *file, char why[PICTURE_WHY]) {
    *file = (struct picture_file){0};
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0)
        return fail(why, strerror(errno));
    bool good = read_file(opened, file, why);
    const struct kind *kind = good ? kind_of(file->bytes, file->size, why) : NULL;
    close(opened);
    if (!kind)
        picture_file_free(file);
    else
        file->type = kind->type;
    return kind;
}

void picture_file_free(struct picture_file *file) {
    mem_free(file->bytes);
    *file = (struct picture_file){0};
}

bool picture_read(const char *path, double seconds, struct picture *picture,
                  char why[PICTURE_WHY]) {
    double until = picture_clock() + seconds;
    struct picture_file file;
    *picture = (struct picture){0};
    bool good = picture_file_read(path, &file, why) &&
                picture_decode(file.bytes, file.size, until, picture, why);
    picture_file_free(&file);
    return good;
}
