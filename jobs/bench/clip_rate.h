/* How many pictures and texts a second an encoder of CLIP takes: `cdsr bench --clip`. */
#ifndef JOBS_BENCH_CLIP_RATE_H
#define JOBS_BENCH_CLIP_RATE_H
#include "core/status.h"
#include "mpi/comm.h"

/* Collective. The encoders of ViT-B/32's shapes (Radford et al., 2021), with random weights that are made
 * in memory, on random pixels and on texts of 21 tokens, the mean of the titles of afk; each rank encodes
 * its own, by itself. For each of pictures and texts, in float32 and in bfloat16: items per second of all
 * ranks, the median of five batches behind one that does not count; useful GFLOP/s; and these as a part of
 * a large product's in the same precision on the same ranks and threads. Prints a table, or with `output`
 * writes JSON to that file. About a minute; 0.9 GB per rank. */
CHECKED enum status clip_rate(const struct comm *comm, const char *output);

#endif
