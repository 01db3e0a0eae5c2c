/* model.output_table=untied: ids are ranked by a table `output` of their own, the last of the modalities, of
 * the embedding's width and, where model.id_init says so, with its start; histories are read with the
 * embedding alone. For models whose heads are of modalities, head m of modality m. The functions do what
 * is to be done with model.output_table=tied too. Not collective. */
#ifndef CORE_MODELS_OUTPUT_TABLE_H
#define CORE_MODELS_OUTPUT_TABLE_H
#include "core/models/model.h"

/* For `configure`, behind the last other modality. STATUS_INPUT, with a message: there are no ids to be
 * ranked, or no room. */
CHECKED enum status output_table_configure(struct config *config);

/* For `learned_width`. */
int64_t output_table_width(const struct config *config, int k);

/* How many of a configuration's modalities are read by encoders. */
int output_table_inputs(const struct config *config);

/* For `open`: declare all tables. */
void output_table_declare(struct model *model);

/* The table that states of modality m are compared with. */
int output_table_scored(const struct model *model, int m);

/* Rows of modality m that encoders read, of the pass's items. */
struct tensor *output_table_read(struct model *model, const struct pass *pass, int m);

#endif
