/* What the scores of fitted models read of a history: which items it has, as the state of a
 * struct query_scorer. */
#ifndef CORE_MODELS_HISTORY_ITEMS_H
#define CORE_MODELS_HISTORY_ITEMS_H
#include "core/models/model.h"

/* Sets the scorer's state: of every sample of the batch `width` numbers, those of its items that
 * `number` gives (NULL: the items themselves), each once and ascending, and behind them -1. Of all
 * the items of the mixed stream, or with `last` of the last one alone; items whose number is -1 are
 * left out. Returns the width, the same on all ranks where items are shared out: collective then.
 * Memory is the tape's. */
int64_t history_items(const struct model *model, const struct pass *pass, bool last,
                      const int32_t *number, struct query_scorer *scorer);

#endif
