#include "io/picture/picture.h"
#include "core/mem.h"
#include "io/file.h"
#include "tests/pictures.h"
#include "tests/unit/folder.h"
#include <math.h>
#include <sys/stat.h>

enum { W = 37, H = 23 };

TestSuite(picture, .init = enter_folder, .fini = leave_folder);

static void expect_picture(const char *path, const uint8_t *rgb, int most) {
    struct picture picture;
    char why[PICTURE_WHY];
    int worst = 0;
    cr_assert(picture_read(path, INFINITY, &picture, why), "%s: %s", path, why);
    cr_assert(picture.width == W && picture.height == H, "%s", path);
    for (int i = 0; i < W * H * 3; i++)
        worst = abs(picture.rgb[i] - rgb[i]) > worst ? abs(picture.rgb[i] - rgb[i]) : worst;
    cr_expect(worst <= most, "%s: %d", path, worst);
    picture_free(&picture);
}

/* By what is in them, not by their names. */
Test(picture, of_each_kind) {
    uint8_t *rgb = picture_of(W, H, 1);
    put_png("a.jpg", rgb, W, H);
    put_webp("b.png", rgb, W, H);
    put_jpeg("c", rgb, W, H, 0);
    put_jpeg("d.webp", rgb, W, H, 1);
    expect_picture("a.jpg", rgb, 0);
    expect_picture("b.png", rgb, 0);
    expect_picture("c", rgb, 3);
    expect_picture("d.webp", rgb, 3);
    free(rgb);
}

/* Whole, and told by the first bytes. */
static void expect_file(const char *path, const char *type) {
    struct picture_file file;
    struct stat info;
    char why[PICTURE_WHY], *bytes = NULL;
    cr_assert(picture_file_read(path, &file, why), "%s: %s", path, why);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(file_read(path, info.st_size, &bytes), STATUS_OK);
    cr_expect_str_eq(file.type, type);
    cr_expect(file.size == (size_t)info.st_size && !memcmp(file.bytes, bytes, file.size), "%s",
              path);
    mem_free(bytes);
    picture_file_free(&file);
}

Test(picture, files_as_they_are) {
    uint8_t *rgb = picture_of(W, H, 1);
    put_png("a.jpg", rgb, W, H);
    put_webp("b.png", rgb, W, H);
    put_jpeg("c", rgb, W, H, 0);
    expect_file("a.jpg", "image/png");
    expect_file("b.png", "image/webp");
    expect_file("c", "image/jpeg");
    free(rgb);
}

static void expect_refused(const char *path, const char *line) {
    struct picture picture;
    char why[PICTURE_WHY] = "";
    cr_expect(!picture_read(path, INFINITY, &picture, why), "%s", path);
    cr_expect_str_eq(why, line, "%s: %s", path, why);
    cr_expect_null(picture.rgb);
}

Test(picture, files_that_are_none) {
    put("text", "no picture");
    put("empty", "");
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    expect_refused("text", "it is no JPEG, PNG or WebP");
    expect_refused("empty", "it is no JPEG, PNG or WebP");
    expect_refused("nothing", "No such file or directory");
    expect_refused("pipe", "it is not a regular file");
    expect_refused(".", "it is not a regular file");
}

/* A header alone, which promises 65535 x 65535 pixels. */
Test(picture, more_pixels_than_are_taken) {
    static const unsigned char jpeg[] = {
        0xff, 0xd8, 0xff, 0xc0, 0,    17, 8,  0xff, 0xff, 0xff, 0xff, 3, 1, 0x11, 0, 2,  0x11, 0,
        3,    0x11, 0,    0xff, 0xda, 0,  12, 3,    1,    0,    2,    0, 3, 0,    0, 63, 0};
    FILE *file = fopen("huge.jpg", "wb");
    fwrite(jpeg, 1, sizeof jpeg, file);
    fclose(file);
    cr_assert_eq(truncate("huge.jpg", PICTURE_BYTES), 0);
    expect_refused("huge.jpg", "Maximum supported image dimension is 65500 pixels");
    cr_assert_eq(truncate("huge.jpg", PICTURE_BYTES + 1), 0);
    expect_refused("huge.jpg", "it has more than 64 MiB");
    file = fopen("large.jpg", "wb");
    fwrite(jpeg, 1, 7, file);
    fwrite((const unsigned char[]){0x7f, 0xff, 0x7f, 0xff}, 1, 4, file);
    fwrite(jpeg + 11, 1, sizeof jpeg - 11, file);
    fclose(file);
    expect_refused("large.jpg",
                   "it has 32767 x 32767 pixels, more than 67108864 or than 32768 a side");
}

/* Cut anywhere: refused. A byte changed anywhere: refused or a picture, and nothing is left behind. */
static void damage(const char *path) {
    struct picture picture;
    char why[PICTURE_WHY];
    unsigned char bytes[1 << 14];
    FILE *file = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    cr_assert(n > 100 && n < sizeof bytes, "%s: %zu", path, n);
    for (size_t i = 0; i + 16 < n; i += 7) /* the very end may not be missed */
        cr_expect(!picture_decode(bytes, i, INFINITY, &picture, why), "%s cut at %zu of %zu", path,
                  i, n);
    for (size_t i = 0; i < n; i += 3) {
        bytes[i] ^= 0x55;
        if (picture_decode(bytes, n, INFINITY, &picture, why))
            picture_free(&picture);
        cr_expect_eq(mem_live(), 0, "%s, byte %zu", path, i);
        bytes[i] ^= 0x55;
    }
}

Test(picture, damaged) {
    uint8_t *rgb = picture_of(W, H, 2);
    put_png("a.png", rgb, W, H);
    put_webp("a.webp", rgb, W, H);
    put_jpeg("a.jpg", rgb, W, H, 0);
    put_jpeg("b.jpg", rgb, W, H, 1);
    damage("a.png");
    damage("a.webp");
    damage("a.jpg");
    damage("b.jpg");
    free(rgb);
}

/* Each kind takes some 20 ms and more, which is enough, and far more than one. */
Test(picture, that_take_too_long) {
    enum { SIDE = 1500 };
    static const char *const names[] = {"a.png", "b.webp", "c.jpg", "d.jpg"};
    uint8_t *rgb = picture_of(SIDE, SIDE, 1);
    char why[PICTURE_WHY];
    put_png(names[0], rgb, SIDE, SIDE);
    put_webp(names[1], rgb, SIDE, SIDE);
    put_jpeg(names[2], rgb, SIDE, SIDE, 0);
    put_jpeg(names[3], rgb, SIDE, SIDE, 1);
    for (int i = 0; i < 4; i++) {
        struct picture picture;
        cr_expect(!picture_read(names[i], 0.001, &picture, why), "%s", names[i]);
        cr_expect_str_eq(why, "it takes too long", "%s: %s", names[i], why);
        cr_expect_null(picture.rgb);
        cr_expect(picture_read(names[i], 100, &picture, why), "%s: %s", names[i], why);
        picture_free(&picture);
    }
    free(rgb);
}
