/* WebP by libwebp. */
#include "io/picture/picture.h"
#include <stdio.h>
#include <webp/decode.h>

static const char *reason(VP8StatusCode code) {
    return code == VP8_STATUS_UNSUPPORTED_FEATURE ? "it is of an unknown kind"
           : code == VP8_STATUS_NOT_ENOUGH_DATA   ? "it ends early"
                                                  : "it is damaged";
}

bool picture_decode_webp(const uint8_t *bytes, size_t size, struct picture *picture,
                         char why[PICTURE_WHY]) {
    WebPDecoderConfig config;
    VP8StatusCode code;
    if (!WebPInitDecoderConfig(&config))
        return false;
    code = WebPGetFeatures(bytes, size, &config.input);
    if (code == VP8_STATUS_OK && config.input.has_animation)
        code = VP8_STATUS_UNSUPPORTED_FEATURE;
    if (code == VP8_STATUS_OK &&
        !picture_alloc(picture, config.input.width, config.input.height, why))
        return false;
    if (code == VP8_STATUS_OK) {
        config.output.colorspace = MODE_RGB;
        config.output.is_external_memory = 1;
        config.output.u.RGBA.rgba = picture->rgb;
        config.output.u.RGBA.stride = (int)picture->width * 3;
        config.output.u.RGBA.size = (size_t)(picture->width * picture->height) * 3;
        code = WebPDecode(bytes, size, &config);
        WebPFreeDecBuffer(&config.output);
    }
    if (code == VP8_STATUS_OK)
        return true;
    snprintf(why, PICTURE_WHY, "%s", reason(code));
    picture_free(picture);
    return false;
}
