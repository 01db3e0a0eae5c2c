/* The leak check of a data set: what would make its evaluation say too much. Not collective. */
#ifndef IO_LEAK_H
#define IO_LEAK_H
#include "io/dataset_content.h"

/* Fill content->leaks. Times that are everywhere 0, 1, 2, ... are positions, not times: they say
 * nothing about the order of two sequences, and `later` is not counted. */
void leak_check(struct dataset_content *content);

/* True when something found speaks against the data: any of the first three counts, or more than
 * half of the longer sequences in the order of their item ids. */
bool leak_found(const struct leak_report *leaks);

#endif
