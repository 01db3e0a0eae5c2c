#include "io/readers/raw.h"
#include "core/mem.h"
#include <string.h>

void raw_free(struct raw *raw) {
    for (int d = 0; d <= RAW_LEFT_OUT; d++) {
        mem_free(raw->domain[d].label);
        string_map_free(&raw->domain[d].ids);
        string_list_free(&raw->domain[d].titles);
        string_list_free(&raw->domain[d].descriptions);
    }
    string_map_free(&raw->users);
    string_map_free(&raw->left_out);
    mem_free(raw->event);
    *raw = (struct raw){0};
}

static bool wanted(const struct raw *raw, const char *label) {
    for (int i = 0; i < 2; i++)
        if (raw->chosen[i] && !strcmp(raw->chosen[i], label))
            return true;
    return !raw->chosen[0];
}

int raw_domain(struct raw *raw, const char *label) {
    for (int d = 0; d < raw->domains; d++)
        if (!strcmp(raw->domain[d].label, label))
            return d;
    if (!wanted(raw, label)) {
        string_map_add(&raw->left_out, label, NULL);
        return RAW_LEFT_OUT;
    }
    if (raw->domains == RAW_DOMAINS)
        return -1;
    raw->domain[raw->domains].label = mem_string(label);
    return raw->domains++;
}

int64_t raw_item(struct raw_domain *domain, const char *id, const char *title,
                 const char *description, bool *added) {
    bool new;
    int64_t item = string_map_add(&domain->ids, id, &new);
    if (new) {
        string_list_add(&domain->titles, title ? title : "");
        string_list_add(&domain->descriptions, description ? description : "");
    }
    if (added)
        *added = new;
    return item;
}

void raw_add(struct raw *raw, const struct raw_event *event) {
    if (raw->events == raw->room) {
        raw->room = 2 * raw->room + 4096;
        raw->event = mem_resize(raw->event, raw->room, sizeof *raw->event);
    }
    raw->event[raw->events++] = *event;
}
