#include "jobs/bench/deck.h"
#include "io/config.h"
#include <string.h>

enum { TOPICS = 32, MAX_LEN = 15 };

#define DATA(deck, items, train, valid, columns)                                                   \
    .name = deck, .data = {.name = deck,                                                           \
                           .domain_items = {(items) / 2, (items) / 2},                             \
                           .counts = {train, valid, 0},                                            \
                           .topics = TOPICS,                                                       \
                           .mean_length = 12,                                                      \
                           .max_len = MAX_LEN,                                                     \
                           .width = columns,                                                       \
                           .seed = 1}

/* What all decks have in common: the default model of ids and a frozen table, from which the ids start. */
#define MODEL                                                                                      \
    "model.modalities=[id, text]", "model.blocks=2", "model.dropout=0.3", "model.scale=7",         \
        "model.time=none", "model.attention_init=random", "train.lr=0.001"

static const struct deck decks[] = {
    {DATA("tiny", 10000, 20000, 500, 64),
     .keys = {MODEL, "model.dim=64", "train.loss=exact", "train.batch=128"}, .warmup = 1,
     .steps = 3, .checked = 4, .checked_batch = 128,
     .loss = {{7.3353070584787101, 7.2682947932336068, 6.8670155701930238},
              {7.1313542521595323, 7.3521225458755426, 6.7765699574464406},
              {7.176976978340682, 7.194168998568724, 6.7426931280398605},
              {7.1020749809312331, 7.0746434100120119, 6.7156750504352374}}},
    {DATA("small", 100000, 200000, 2000, 128),
     .keys = {MODEL, "model.dim=128", "train.loss=exact", "train.batch=1024"}, .warmup = 1,
     .steps = 1, .checked = 3, .checked_batch = 256,
     .loss = {{9.3886362712772371, 9.4462680318167198, 8.9757368779090658},
              {9.3839228739990403, 9.2508977490120081, 8.9016591636472402},
              {9.2758387169304637, 9.2499577573171514, 8.8163671732782962}}},
    {DATA("medium", 1000000, 1000000, 2000, 128),
     .keys = {MODEL, "model.dim=128", "train.loss=exact", "train.batch=8192",
              "train.placement=sharded"},
     .warmup = 1, .steps = 1, .checked = 2, .checked_batch = 128,
     .loss = {{11.720237521543558, 11.744989696368126, 11.256819350555604},
              {11.623068046139609, 11.653706845211239, 11.218456183980349}}},
    {DATA("large", 10000000, 2000000, 1000, 64),
     .keys = {MODEL, "model.dim=64", "train.loss=sampled", "train.negatives=8192",
              "train.optimizer=lazy_adamw", "train.batch=65536", "train.placement=sharded"},
     .warmup = 1, .steps = 2, .checked = 1, .checked_batch = 256,
     .loss = {{7.6698007564471418, 7.7459937818607925, 7.2959851736816592}}},
};

enum { DECKS = sizeof decks / sizeof *decks };

const struct deck *deck_parse(const struct argp_state *state, const char *name) {
    for (int i = 0; i < DECKS; i++)
        if (!strcmp(decks[i].name, name))
            return &decks[i];
    argp_error(state, "--deck: '%.100s' is not one of " DECK_NAMES, name);
    return NULL;
}

/* ---- what a run may choose ---- */

static bool may_set(const char *pair, bool open) {
    static const char *const closed[] = {"run.dir", "train.placement", "train.reproducible"};
    char key[OPTION_NAME];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(pair, "="), pair);
    int option = options_find(key);
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (option == options_find(closed[i]))
            return true;
    return open && option == options_find("train.precision");
}

static enum status check_pairs(const struct comm *comm, const struct deck *deck,
                               const struct args_config *request, bool open) {
    for (int i = 0; i < request->npairs; i++)
        if (!may_set(request->pairs[i], open))
            return comm_error(
                comm, STATUS_INPUT,
                "%s: deck %s fixes it; a closed run may set run.dir, train.placement and "
                "train.reproducible, an open one (--open) train.precision too",
                request->pairs[i], deck->name);
    return STATUS_OK;
}

enum status deck_config(const struct comm *comm, const struct deck *deck,
                        const struct args_config *request, bool open, struct config *config) {
    char *pairs[DECK_KEYS + 1 + ARGS_PAIRS], directory[64];
    int n = 0;
    TRY(check_pairs(comm, deck, request, open));
    snprintf(directory, sizeof directory, "run.dir=runs/deck-%s", deck->name);
    pairs[n++] = directory;
    for (int i = 0; deck->keys[i]; i++)
        pairs[n++] = (char *)deck->keys[i];
    for (int i = 0; i < request->npairs; i++)
        pairs[n++] = request->pairs[i];
    return config_load(comm, NULL, pairs, n, config);
}

int64_t deck_steps(const struct deck *deck) {
    return deck->warmup + DECK_REPETITIONS * deck->steps;
}
