/* WebP by libwebp, piece by piece, so that the time can be looked at. */
#include "io/picture/picture.h"
#include <stdio.h>
#include <webp/decode.h>

enum { PIECE = 1 << 16 };

static const char *reason(VP8StatusCode code) {
    return code == VP8_STATUS_UNSUPPORTED_FEATURE ? "it is of an unknown kind"
           : code == VP8_STATUS_NOT_ENOUGH_DATA || code == VP8_STATUS_SUSPENDED ? "it ends early"
                                                                                : "it is damaged";
}

/* False: it is late, and `why` is set. */
static bool decode(const uint8_t *bytes, size_t size, double until, WebPDecoderConfig *config,
                   VP8StatusCode *code, char why[PICTURE_WHY]) {
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, config);
    bool late = false;
    *code = decoder ? VP8_STATUS_SUSPENDED : VP8_STATUS_OUT_OF_MEMORY;
    for (size_t at = 0; *code == VP8_STATUS_SUSPENDED && !late && at < size; at += PIECE) {
        *code = WebPIUpdate(decoder, bytes, size - at < PIECE ? size : at + PIECE);
        late = *code == VP8_STATUS_SUSPENDED && picture_late(until, why);
    }
    WebPIDelete(decoder);
    return !late;
}

bool picture_decode_webp(const uint8_t *bytes, size_t size, double until, struct picture *picture,
                         char why[PICTURE_WHY]) {
    WebPDecoderConfig config;
    VP8StatusCode code;
    bool in_time = true;
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
        in_time = decode(bytes, size, until, &config, &code, why);
        WebPFreeDecBuffer(&config.output);
    }
    if (code == VP8_STATUS_OK)
        return true;
    if (in_time)
        snprintf(why, PICTURE_WHY, "%s", reason(code));
    picture_free(picture);
    return false;
}
