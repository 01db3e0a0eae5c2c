/* Growing lists of strings in one block, and a map from string to its number. Not collective. */
#ifndef IO_STRING_LIST_H
#define IO_STRING_LIST_H
#include <stdbool.h>
#include <stdint.h>

struct string_list {
    int64_t count, room;
    int64_t *at; /* [count], into bytes */
    char *bytes;
    int64_t used, bytes_room;
};

/* Valid until the next add. */
static inline const char *string_at(const struct string_list *list, int64_t i) {
    return list->bytes + list->at[i];
}

void string_list_add(struct string_list *list, const char *text);
void string_list_free(struct string_list *list); /* safe on a zeroed object; zeroes it */

/* Distinct strings, numbered in the order of their first appearance. */
struct string_map {
    struct string_list list;
    int64_t *slot; /* [slots]: number + 1, 0 where free */
    int64_t slots; /* a power of two, or 0 */
};

/* Number of `text`, or -1. */
int64_t string_map_find(const struct string_map *map, const char *text);

/* Number of `text`, which is added if it is not there; *added tells, NULL: not asked. */
int64_t string_map_add(struct string_map *map, const char *text, bool *added);
void string_map_free(struct string_map *map); /* safe on a zeroed object; zeroes it */

/* True when the text is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool utf8_valid(const char *text);

#endif
