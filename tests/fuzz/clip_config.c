#include "io/clip/config.h"
#include "tests/fuzz/sections.h"

static void check(const struct clip_shape *s) {
    int64_t count, total;
    REQUIRE(s->width > 0 && s->heads > 0 && s->width % s->heads == 0);
    REQUIRE(s->positions > 1 && s->eps > 0);
    struct clip_tensor *list = clip_layout(s, &count, &total);
    REQUIRE(count > 0 && total > 0 && list[count - 1].at < total);
    mem_free(list);
}

/* config.json, preprocessor_config.json. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct section file[2];
    struct clip_config config;
    const char *folder = section_folder();
    sections(data, size, file, 2);
    section_put(&file[0], folder, "config.json");
    section_put(&file[1], folder, "preprocessor_config.json");
    if (clip_config_read(folder, &config) == STATUS_OK) {
        check(&config.texts);
        check(&config.pictures);
        for (int c = 0; c < CLIP_CHANNELS; c++)
            REQUIRE(config.deviation[c] > 0);
    }
    REQUIRE(mem_live() == 0);
    return 0;
}
