#include "io/sequences.h"
#include "core/mem.h"
#include <stdio.h>

const char *const split_names[SPLITS] = {"train", "valid", "test"};

void sequences_free(struct sequences *s) {
    mem_free(s->offsets);
    mem_free(s->items);
    mem_free(s->times);
    *s = (struct sequences){0};
}

void sequences_name(char path[64], enum split split, const char *member) {
    snprintf(path, 64, "/sequences/%s/%s", split_names[split], member);
}
