/* The leak check of a data set: what would make its evaluation say too much. Not collective. */
#ifndef IO_LEAK_H
#define IO_LEAK_H
#include "io/dataset_content.h"

/* Fill content->leaks. Times that are everywhere 0, 1, 2, ... are positions, not times: they say
 * nothing about the order of two sequences, and `later` and `tied` are not counted. */
void leak_check(struct dataset_content *content);

/* True when something found speaks against the data: later events, repeated targets, held-out
 * sequences in training, or more than half of the longer sequences in the order of their item ids.
 * Tied targets are no leak: they are as good as their order in the source. */
bool leak_found(const struct leak_report *leaks);

#endif
