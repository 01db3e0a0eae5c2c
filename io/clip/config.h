/* The configuration of a CLIP model in the layout of the library transformers. Not collective. */
#ifndef IO_CLIP_CONFIG_H
#define IO_CLIP_CONFIG_H
#include "core/clip/tower.h"
#include "core/status.h"

struct clip_config {
    struct clip_shape texts, pictures;
    int64_t end; /* id of the token whose state is a text's; CLIP_GREATEST: the greatest id */
    double mean[CLIP_CHANNELS], deviation[CLIP_CHANNELS]; /* of channels that lie in [0, 1] */
};

/* The published files say 2 where the greatest id is meant, and so does the library. */
enum { CLIP_GREATEST = 2 };

/* DIRECTORY/config.json, where what is not said is as in the library's classes, and mean and deviation
 * from DIRECTORY/preprocessor_config.json where that is there. STATUS_INPUT, naming file and key, for
 * what is no such model, for sizes beyond what one can be, and for pictures that are prepared in
 * another way than core/clip/resample.h. */
CHECKED enum status clip_config_read(const char *directory, struct clip_config *config);

#endif
