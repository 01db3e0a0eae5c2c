/* Sections: events, items. The first byte of the input chooses split and filters. */
#include "io/readers/interactions.h"
#include "tests/fuzz/sections.h"
#include "tests/fuzz/whole.h"

static char inter[256], item[256];

static void forget_files(void) {
    unlink(inter);
    unlink(item);
    rmdir(section_folder());
}

static void name_files(void) {
    if (*inter)
        return;
    snprintf(inter, sizeof inter, "%s/x.inter", section_folder());
    snprintf(item, sizeof item, "%s/x.item", section_folder());
    atexit(forget_files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dataset_content content = {0};
    struct section section[2];
    uint8_t choice = size ? data[0] : 0;
    struct interactions_options options = {.split = choice & 1 ? INTERACTIONS_TEMPORAL
                                                               : INTERACTIONS_LOO,
                                           .fractions = {0.6, 0.2, 0.2},
                                           .min_user_events = choice >> 1 & 3,
                                           .min_item_events = choice >> 3 & 1,
                                           .min_per_domain = choice >> 4 & 1};
    name_files();
    sections(size ? data + 1 : data, size ? size - 1 : 0, section, 2);
    section_put(&section[0], section_folder(), "x.inter");
    section_put(&section[1], section_folder(), "x.item");
    if (interactions_read(inter, section[1].data ? item : NULL, &options, &content) == STATUS_OK)
        require_whole(&content);
    dataset_content_free(&content);
    REQUIRE(mem_live() == 0);
    return 0;
}
