#include "io/config.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "tests/fuzz/target.h"
#include <string.h>

/* A configuration that was accepted is written, read back and written to the same text. */
static void check(const struct config *config) {
    struct config again;
    char *text = config_to_text(config);
    REQUIRE(config_from_text(text, "again.yaml", &again) == STATUS_OK);
    char *second = config_to_text(&again);
    REQUIRE(!strcmp(text, second));
    mem_free(text);
    mem_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config config;
    models_register();
    char *text = malloc(size + 1);
    REQUIRE(text);
    memcpy(text, data, size);
    text[size] = '\0';
    if (config_from_text(text, "fuzz.yaml", &config) == STATUS_OK)
        check(&config);
    free(text);
    REQUIRE(mem_live() == 0);
    return 0;
}
