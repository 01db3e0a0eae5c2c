#include "io/protocol.h"
#include "core/text.h"
#include <stdio.h>
#include <string.h>

const char *protocol_label(const struct dataset *dataset, int domain) {
    char *const *labels = dataset->labels;
    bool clear = labels[0] && labels[1] && strcmp(labels[0], labels[1]) != 0;
    for (int d = 0; clear && d < 2; d++)
        clear = *labels[d] && strcmp(labels[d], "all") != 0 && text_is_printable(labels[d]);
    return clear ? labels[domain] : domain == 0 ? "A" : "B";
}

const char *protocol_history(bool excluded) {
    return excluded ? "excluded" : "included";
}

const char *protocol_candidates(struct ranking_protocol p, char name[PROTOCOL_CANDIDATES]) {
    int n = snprintf(name, PROTOCOL_CANDIDATES, "%s%s%s", p.sampled ? "sampled" : "full",
                     p.history_excluded ? ", history excluded" : "",
                     p.per_domain ? ", " PROTOCOL_PER_DOMAIN : "");
    if (p.runs > 1)
        snprintf(name + n, (size_t)(PROTOCOL_CANDIDATES - n), ", mean of %d runs", p.runs);
    return name;
}

static const char *selecting_domains(const struct config *config, const struct dataset *dataset) {
    enum target target = options_select_target(config);
    if (options_select_each(config))
        return "each domain";
    return target == TARGET_BOTH ? "all" : protocol_label(dataset, target == TARGET_B);
}

void protocol_select(const struct config *config, const struct dataset *dataset,
                     char name[PROTOCOL_NAME]) {
    struct ranking_protocol protocol = {.sampled = !options_select_full(config),
                                        .history_excluded = config->eval.exclude_history};
    struct figure figure = options_select_figure(config);
    char metric[FIGURE_NAME], candidates[PROTOCOL_CANDIDATES];
    figure_print(&figure, metric);
    snprintf(name, PROTOCOL_NAME, "%s of %.*s, %s", metric, OPTION_NAME - 1,
             selecting_domains(config, dataset), protocol_candidates(protocol, candidates));
}
