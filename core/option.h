/* One option: how the text of a value is read into a field of a block of bytes, checked and printed
 * again. What blocks there are, core/options.h knows. Not collective. */
#ifndef CORE_OPTION_H
#define CORE_OPTION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTION_LIST = 8, OPTION_NAME = 64, OPTION_PATH = 4096 };

struct names {
    int count;
    char name[OPTION_LIST][OPTION_NAME];
};

/* The place of a name in a list, -1: it is not there. */
int names_find(const struct names *names, const char *name);

struct numbers {
    int count; /* 0: learned */
    double value[OPTION_LIST];
};

/* With the type of the field. */
enum option_type {
    OPTION_INTEGER, /* int64_t */
    OPTION_REAL,    /* double; NaN stands for `otherwise` */
    OPTION_TRUTH,   /* bool */
    OPTION_CHOICE,  /* int, an enum from 0 on */
    OPTION_TEXT,    /* char[]; "" stands for `otherwise` */
    OPTION_NAMES,   /* struct names; an empty list stands for `otherwise` */
    OPTION_NUMBERS, /* struct numbers; the same */
    OPTION_PAIR,    /* double[2] */
};

struct option_spec {
    const char *key; /* "section.name" */
    enum option_type type;
    size_t offset, size;    /* of the field in its block */
    const char *initial;    /* the default, read like any other value */
    const char *allowed;    /* numbers: an interval; a choice: the names in the order of the enum */
    const char *otherwise;  /* a word taken in place of a value: "null", "learned" or "auto"; or NULL */
    const char *help;       /* what the value means */
    const char *former_key; /* the key in an earlier version, which is still taken; or NULL */
    const char *former;     /* a choice: names of earlier versions, in the order of `allowed` */
};

/* The option of a field of `block`, a struct; the members from former_key on may follow by name. */
#define OPTION(block, key_, type_, field, initial_, allowed_, otherwise_, help_, ...)              \
    {                                                                                              \
        .key = key_, .type = OPTION_##type_, .offset = offsetof(block, field),                     \
        .size = sizeof(((block *)0)->field), .initial = initial_, .allowed = allowed_,             \
        .otherwise = otherwise_, .help = help_, ##__VA_ARGS__                                      \
    }

/* Set the field in `block` from the text of a value. False, and nothing is set: it is none. */
bool option_read(const struct option_spec *o, const char *text, void *block);

/* The value in `block` as text that option_read takes (OPTION_PATH bytes hold any). */
void option_print(const struct option_spec *o, const void *block, char *text, size_t size);

/* What values the option takes, in words: "a number in [0, 1) or null". */
void option_expected(const struct option_spec *o, char *text, size_t size);

/* The words among these, for completion: "exact|sampled"; "" where there are none. */
void option_choices(const struct option_spec *o, char *text, size_t size);

/* Is `text` the name that a choice had in an earlier version? Then `name` becomes today's. */
bool option_renamed(const struct option_spec *o, const char *text, char name[OPTION_NAME]);

#endif
