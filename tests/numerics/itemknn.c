/* ItemKNN. */
#include "tests/reference/itemknn.h"
#include "core/models/registry.h"
#include "tests/balanced.h"

BALANCED(itemknn, .init = models_register);

static const struct fit_reference reference = {.fit = ref_knn_fit, .score = ref_knn_score};

Test(itemknn, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=itemknn",
        "model.name=itemknn model.knn_neighbours=5",
        "model.name=itemknn model.knn_neighbours=5 model.knn_history=sum model.knn_shrink=0",
        "model.name=itemknn model.knn=cosine",
        "model.name=itemknn model.knn=cosine model.knn_neighbours=4 model.knn_shrink=3",
        "model.name=itemknn model.knn=cosine model.knn_neighbours=4 model.knn_history=last",
    };
    fit_check(&reference, settings, sizeof settings / sizeof *settings);
}
