/* Damaged checkpoints. The input's first byte cuts the good file short (0: it does not), then three
 * bytes each put a value at a place. What passes must be what was written. */
#include "io/checkpoint.h"
#include "tests/fuzz/alone.h"
#include <string.h>

static const struct checkpoint_state written = {.step = 12,
                                                .epoch = 3,
                                                .cursor = 4,
                                                .best = {{9, 2, 0.125}, {6, 1, 0.25}},
                                                .stale = 1,
                                                .config = (char *)"run: {seed: 1}",
                                                .dataset_hash = (char *)"0123abcd",
                                                .items_hash = (char *)"4567ef",
                                                .domain_items = {3, 4},
                                                .plateau = {5, 6}};

static char key_bytes[] = "a\0b\0long key\0a\0e\0f\0g";
static char *key_text[] = {key_bytes,      key_bytes + 2,  key_bytes + 4, key_bytes + 13,
                           key_bytes + 15, key_bytes + 17, key_bytes + 19};
static const struct item_keys keys = {{3, 4},          0, 7, key_bytes, sizeof key_bytes, 0,
                                      sizeof key_bytes};

static struct params params;
static real *good; /* parameters, then both moments, as written */
static uint8_t *bytes;
static size_t size_of_file;

static void forget(void) {
    free(bytes);
    free(good);
}

static void write_good(void) {
    params_add(&params, 2, 7, 3, PARAM_NORMAL, 1, "embed.id");
    params_add(&params, 1, 1, 4, PARAM_NORMAL, 1, "b");
    params_allocate(&params, 1, true);
    size_t block = (size_t)params.total * sizeof(real);
    for (int64_t i = 0; i < params.total; i++)
        params.m[i] = params.v[i] = (real)i;
    good = malloc(3 * block);
    REQUIRE(good);
    memcpy(good, params.x, block);
    memcpy(good + params.total, params.m, block);
    memcpy(good + 2 * params.total, params.v, block);
    REQUIRE(checkpoint_write(&alone, alone_path, &params, &keys, &written) == STATUS_OK);
    FILE *file = fopen(alone_path, "rb");
    REQUIRE(file && fseek(file, 0, SEEK_END) == 0);
    size_of_file = (size_t)ftell(file);
    bytes = malloc(size_of_file);
    rewind(file);
    REQUIRE(bytes && fread(bytes, 1, size_of_file, file) == size_of_file && fclose(file) == 0);
    atexit(forget);
}

static void write_damaged(const uint8_t *data, size_t size) {
    size_t cut = size && data[0] ? size_of_file * data[0] / 256 : size_of_file;
    FILE *file = fopen(alone_path, "wb");
    REQUIRE(file && fwrite(bytes, 1, cut, file) == cut);
    for (size_t i = 1; i + 2 < size; i += 3) {
        size_t at = ((size_t)data[i] << 8 | data[i + 1]) * size_of_file >> 16;
        REQUIRE(fseek(file, (long)at, SEEK_SET) == 0 && fputc(data[i + 2], file) == data[i + 2]);
    }
    REQUIRE(fclose(file) == 0);
}

static void require_state(const struct checkpoint_state *s) {
    REQUIRE(s->step == 12 && s->epoch == 3 && s->cursor == 4 && s->stale == 1);
    for (int d = 0; d < DOMAINS; d++)
        REQUIRE(s->best[d].step == written.best[d].step &&
                s->best[d].epoch == written.best[d].epoch &&
                s->best[d].metric == written.best[d].metric);
    REQUIRE(!strcmp(s->config, written.config) && !strcmp(s->dataset_hash, written.dataset_hash));
    REQUIRE(!strcmp(s->items_hash, written.items_hash) && s->domain_items[0] == 3);
    REQUIRE(s->plateau.reductions == 5 && s->plateau.waited == 6);
}

/* Whatever stands in a file: keys, or a refusal. */
static void read_keys(bool whole) {
    struct h5_file file;
    struct h5_strings some;
    if (h5_open(&file, alone_path) != STATUS_OK)
        return;
    if (item_keys_load(&file, 1, 7, &some) == STATUS_OK)
        for (int i = 0; i < 6; i++)
            REQUIRE(!whole || !strcmp(some.text[i], key_text[i + 1]));
    h5_strings_free(&some);
    h5_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct checkpoint_state state;
    if (alone_begin())
        write_good();
    int64_t live = mem_live();
    size_t block = (size_t)params.total * sizeof(real);
    write_damaged(data, size);
    enum status verified = checkpoint_verify(&alone, alone_path);
    REQUIRE(size > 1 || (size && data[0]) || verified == STATUS_OK);
    if (checkpoint_read_params(&alone, alone_path, NULL, &params, true) == STATUS_OK &&
        verified == STATUS_OK) {
        REQUIRE(!memcmp(params.x, good, block));
        REQUIRE(!memcmp(params.m, good + params.total, block));
        REQUIRE(!memcmp(params.v, good + 2 * params.total, block));
    }
    read_keys(verified == STATUS_OK);
    if (checkpoint_read_state(&alone, alone_path, &state) == STATUS_OK) {
        require_state(&state);
        checkpoint_state_free(&state);
    }
    REQUIRE(mem_live() == live);
    return 0;
}
