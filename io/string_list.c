#include "io/string_list.h"
#include "core/mem.h"
#include "core/rng.h"
#include <string.h>

void string_list_add(struct string_list *list, const char *text) {
    int64_t n = (int64_t)strlen(text) + 1;
    if (list->count == list->room) {
        list->room = 2 * list->room + 16;
        list->at = mem_resize(list->at, list->room, sizeof *list->at);
    }
    if (list->used + n > list->bytes_room) {
        list->bytes_room = 2 * list->bytes_room + n + 256;
        list->bytes = mem_resize(list->bytes, list->bytes_room, 1);
    }
    memcpy(list->bytes + list->used, text, (size_t)n);
    list->at[list->count++] = list->used;
    list->used += n;
}

void string_list_free(struct string_list *list) {
    mem_free(list->at);
    mem_free(list->bytes);
    *list = (struct string_list){0};
}

/* Slot of `text`, or the free slot where it belongs. */
static int64_t probe(const struct string_map *map, const char *text) {
    int64_t mask = map->slots - 1, at = (int64_t)(rng_mix(rng_hash(text)) >> 1) & mask;
    while (map->slot[at] && strcmp(string_at(&map->list, map->slot[at] - 1), text) != 0)
        at = (at + 1) & mask;
    return at;
}

int64_t string_map_find(const struct string_map *map, const char *text) {
    return map->slots ? map->slot[probe(map, text)] - 1 : -1;
}

static void grow(struct string_map *map) {
    mem_free(map->slot);
    map->slots = map->slots ? 2 * map->slots : 64;
    map->slot = mem_zero(map->slots, sizeof *map->slot);
    for (int64_t i = 0; i < map->list.count; i++)
        map->slot[probe(map, string_at(&map->list, i))] = i + 1;
}

int64_t string_map_add(struct string_map *map, const char *text, bool *added) {
    if (2 * map->list.count >= map->slots)
        grow(map);
    int64_t at = probe(map, text);
    if (added)
        *added = map->slot[at] == 0;
    if (map->slot[at] == 0) {
        string_list_add(&map->list, text);
        map->slot[at] = map->list.count;
    }
    return map->slot[at] - 1;
}

void string_map_free(struct string_map *map) {
    string_list_free(&map->list);
    mem_free(map->slot);
    *map = (struct string_map){0};
}

/* Bytes of the sequence that `lead` begins, 0 if it cannot begin one. */
static int utf8_length(unsigned char lead) {
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead < 0xE0)
        return 2;
    if (lead >= 0xE0 && lead < 0xF0)
        return 3;
    return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

bool utf8_valid(const char *text) {
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int n = utf8_length(*s);
        if (n == 0 || (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
            (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
            return false;
        for (int i = 1; i < n; i++)
            if ((s[i] & 0xC0) != 0x80)
                return false;
        s += n;
    }
    return true;
}
