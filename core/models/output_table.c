#include "core/models/output_table.h"
#include "core/log.h"
#include "core/models/tables.h"
#include <string.h>

static const char output[] = "output";

static bool is_untied(const struct config *config) {
    return config->model.output_table == OUTPUT_TABLE_UNTIED;
}

static bool is_named(const struct config *config, int k, const char *name) {
    return !strcmp(config->model.modalities.name[k], name);
}

enum status output_table_configure(struct config *config) {
    const struct names *modalities = &config->model.modalities;
    if (!is_untied(config))
        return STATUS_OK;
    if (names_find(modalities, "id") < 0)
        return log_error(STATUS_INPUT,
                         "model.output_table: untied is a second table of the ids; add id to "
                         "model.modalities, or take tied");
    TRY(model_add_modality(config, output));
    if (names_find(modalities, output) == modalities->count - 1)
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "model.modalities: output is the table of model.output_table=untied; "
                     "leave it out, or give the feature table another name");
}

int64_t output_table_width(const struct config *config, int k) {
    bool own = is_untied(config) && is_named(config, k, output);
    return own || is_named(config, k, "id") ? config->model.dim : 0;
}

int output_table_inputs(const struct config *config) {
    return config->model.modalities.count - is_untied(config);
}

void output_table_declare(struct model *model) {
    tables_declare(model);
    if (is_untied(model->config))
        model->output = model->tables - 1;
}

int output_table_scored(const struct model *model, int m) {
    return model->output >= 0 && is_named(model->config, m, "id") ? model->output : m;
}

struct tensor *output_table_read(struct model *model, const struct pass *pass, int m) {
    return model->head[m].table == m ? pass->items->rows[m]
                                     : tables_rows(model, pass->tape, pass->items, m);
}
