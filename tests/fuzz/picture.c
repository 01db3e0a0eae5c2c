#include "io/picture/picture.h"
#include "core/clip/resample.h"
#include <math.h>
#include "tests/fuzz/target.h"

enum { SIDE = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct picture picture;
    char why[PICTURE_WHY] = "";
    uint8_t out[SIDE * SIDE * 3];
    if (picture_decode(data, size, INFINITY, &picture, why)) {
        REQUIRE(picture.width > 0 && picture.height > 0);
        REQUIRE(picture.width * picture.height <= PICTURE_PIXELS);
        resample_picture(picture.rgb, picture.width, picture.height, SIDE, out);
        picture_free(&picture);
    } else {
        REQUIRE(why[0] && !picture.rgb);
    }
    REQUIRE(mem_live() == 0);
    return 0;
}
