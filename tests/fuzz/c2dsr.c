/* Sections: Alist, Blist, train, valid, test, items.tsv, tags.jsonl. */
#include "io/readers/c2dsr.h"
#include "tests/fuzz/sections.h"
#include "tests/fuzz/whole.h"

enum { FILES = 7 };
static const char *const names[FILES] = {
    "Alist.txt",        "Blist.txt", "traindata_new.txt", "validdata_new.txt",
    "testdata_new.txt", "items.tsv", "tags.jsonl"};

static void forget_folder(void) {
    for (int i = 0; i < FILES; i++)
        section_put(&(struct section){NULL, 0}, section_folder(), names[i]);
    rmdir(section_folder());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool first = true;
    struct dataset_content content = {0};
    struct section section[FILES];
    if (first)
        atexit(forget_folder);
    first = false;
    sections(data, size, section, FILES);
    for (int i = 0; i < FILES; i++)
        section_put(&section[i], section_folder(), names[i]);
    if (c2dsr_read(section_folder(), false, &content) == STATUS_OK)
        require_whole(&content);
    dataset_content_free(&content);
    REQUIRE(mem_live() == 0);
    return 0;
}
