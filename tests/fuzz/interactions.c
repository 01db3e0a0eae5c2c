/* Sections: events, items, and for a given split the events of validation and test. The first byte
 * of the input chooses split, filters, ties and whether the files are CSV. */
#include "io/readers/interactions.h"
#include "tests/fuzz/sections.h"
#include "tests/fuzz/whole.h"

enum { FILES = 4 };

/* The same files with either ending. */
static const char *const names[2][FILES] = {{"x.inter", "x.item", "x.valid.inter", "x.test.inter"},
                                            {"x.csv", "items.csv", "valid.csv", "test.csv"}};

static void forget_files(void) {
    for (int csv = 0; csv < 2; csv++)
        for (int i = 0; i < FILES; i++)
            section_put(&(struct section){NULL, 0}, section_folder(), names[csv][i]);
    rmdir(section_folder());
}

/* Items, then events in the order of their splits; of a given split if it has all parts. */
static void lay_out(const struct section *section, int csv, struct layout *layout) {
    static const int place[FILES] = {1, 0, 2, 3};
    layout->given = section[3].data != NULL;
    for (int i = 0; i < (layout->given ? 4 : 2); i++) {
        char path[512];
        if (!section[place[i]].data)
            continue;
        snprintf(path, sizeof path, "%s/%s", section_folder(), names[csv][place[i]]);
        layout->file[layout->count++] =
            (struct layout_file){.path = mem_string(path),
                                 .items = place[i] == 1,
                                 .part = layout->given && place[i] != 1,
                                 .split = place[i] > 1 ? (enum split)(place[i] - 1) : SPLIT_TRAIN};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool begun = false;
    struct dataset_content content = {0};
    struct section section[FILES];
    struct layout layout = {0};
    uint8_t choice = size ? data[0] : 0;
    int csv = choice >> 7;
    struct interactions_options options = {
        .split = choice & 1 ? SPLIT_TEMPORAL : SPLIT_LOO,
        .fractions = {0.6, 0.2, 0.2},
        .ties = choice >> 5 & 1 ? TIES_KEY : TIES_DROP,
        .filters = {.repeats = choice >> 6 & 1 ? REPEATS_LAST : REPEATS_KEEP,
                    .min_user_events = choice >> 1 & 3,
                    .min_item_events = choice >> 3 & 1,
                    .min_per_domain = choice >> 4 & 1}};
    columns_default(&options.columns);
    if (!begun)
        atexit(forget_files);
    begun = true;
    sections(size ? data + 1 : data, size ? size - 1 : 0, section, FILES);
    for (int i = 0; i < FILES; i++)
        section_put(&section[i], section_folder(), names[csv][i]);
    lay_out(section, csv, &layout);
    if (layout.given && !(choice & 1))
        options.split = SPLIT_GIVEN;
    if (layout.count > 0 && interactions_read(&layout, &options, &content) == STATUS_OK)
        require_whole(&content);
    layout_free(&layout);
    dataset_content_free(&content);
    REQUIRE(mem_live() == 0);
    return 0;
}
