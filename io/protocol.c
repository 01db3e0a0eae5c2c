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

const char *protocol_candidates(bool sampled, bool history_excluded, int runs,
                                char name[PROTOCOL_CANDIDATES]) {
    int n = snprintf(name, PROTOCOL_CANDIDATES, "%s%s", sampled ? "sampled" : "full",
                     history_excluded ? ", history excluded" : "");
    if (runs > 1)
        snprintf(name + n, (size_t)(PROTOCOL_CANDIDATES - n), ", mean of %d runs", runs);
    return name;
}

void protocol_select(const struct config *config, const struct dataset *dataset,
                     char name[PROTOCOL_NAME]) {
    enum target target = options_select_target(config);
    struct figure figure = options_select_figure(config);
    char metric[FIGURE_NAME], candidates[PROTOCOL_CANDIDATES];
    figure_print(&figure, metric);
    snprintf(name, PROTOCOL_NAME, "%s of %.*s, %s", metric, OPTION_NAME - 1,
             target == TARGET_BOTH ? "all" : protocol_label(dataset, target == TARGET_B),
             protocol_candidates(!options_select_full(config), config->eval.exclude_history, 1,
                                 candidates));
}
