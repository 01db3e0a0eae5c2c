/* EASE. */
#include "tests/reference/ease.h"
#include "core/models/registry.h"
#include "tests/balanced.h"

BALANCED(ease, .init = models_register);

static const struct fit_reference reference = {.fit = ref_ease_fit, .score = ref_ease_score};

Test(ease, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=ease model.ease_lambda=3",
        "model.name=ease model.ease_lambda=100 model.ease_items=1000",
        "model.name=ease model.ease_lambda=0.5 model.ease_items=13",
        "model.name=ease model.ease_items=1",
    };
    fit_check(&reference, settings, sizeof settings / sizeof *settings);
}
