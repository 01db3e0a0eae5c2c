#include "core/figure.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"mrr", "ndcg", "hr"}; /* by enum figure_kind */

enum { KINDS = sizeof names / sizeof *names, DIGITS = 9 };

/* "@K" with a whole number K from 1 on, or nothing. */
static bool read_cutoff(const char *text, double *cutoff) {
    if (!*text)
        return true;
    size_t digits = strspn(text + 1, "0123456789");
    if (*text != '@' || digits == 0 || digits > DIGITS || text[1 + digits])
        return false;
    *cutoff = strtod(text + 1, NULL);
    return *cutoff >= 1;
}

bool figure_read(const char *name, double cutoff, struct figure *figure) {
    size_t length = strcspn(name, "@");
    for (int k = 0; k < KINDS; k++)
        if (strlen(names[k]) == length && !strncmp(name, names[k], length)) {
            *figure = (struct figure){(enum figure_kind)k, cutoff};
            return k == FIGURE_MRR ? !name[length] : read_cutoff(name + length, &figure->cutoff);
        }
    return false;
}

void figure_print(const struct figure *figure, char name[FIGURE_NAME]) {
    if (figure->kind == FIGURE_MRR)
        snprintf(name, FIGURE_NAME, "%s", names[FIGURE_MRR]);
    else
        snprintf(name, FIGURE_NAME, "%s@%.0f", names[figure->kind], figure->cutoff);
}

double figure_of_rank(const struct figure *figure, double rank) {
    if (isnan(rank))
        return NAN;
    if (figure->kind == FIGURE_MRR)
        return 1 / rank;
    if (rank > figure->cutoff)
        return 0;
    return figure->kind == FIGURE_HR ? 1 : 1 / log2(rank + 1);
}
