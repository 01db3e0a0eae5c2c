/* Pictures for tests: of any size, whose values follow from places, and as files. */
#ifndef TESTS_PICTURES_H
#define TESTS_PICTURES_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

/* rgb [height, width, 3], to be given to free. */
static inline uint8_t *picture_of(int width, int height, int seed) {
    uint8_t *rgb = malloc((size_t)(width * height * 3));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                rgb[(y * width + x) * 3 + c] =
                    (uint8_t)((40 * seed + 60 * c + 3 * x + (c + 1) * y) % 180 + 30);
    return rgb;
}

static inline void put_png(const char *path, const uint8_t *rgb, int width, int height) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    if (!png_image_write_to_file(&image, path, 0, rgb, 0, NULL))
        abort();
}

static inline void put_jpeg(const char *path, const uint8_t *rgb, int width, int height,
                            int progressive) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(path, "wb");
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1; /* all colours kept */
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        uint8_t *line = (uint8_t *)(uintptr_t)rgb + y * width * 3;
        jpeg_write_scanlines(&jpeg, &line, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    fclose(file);
}

static inline void put_webp(const char *path, const uint8_t *rgb, int width, int height) {
    uint8_t *bytes = NULL;
    size_t n = WebPEncodeLosslessRGB(rgb, width, height, width * 3, &bytes);
    FILE *file = fopen(path, "wb");
    if (!n || !file || fwrite(bytes, 1, n, file) != n)
        abort();
    fclose(file);
    WebPFree(bytes);
}

#endif
