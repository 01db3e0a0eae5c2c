/* The tags in an answer of a language model. Not collective.
 *
 * Taken are the strings of the first JSON list in it (or the member "tag" of its objects), also
 * inside of a Markdown fence or an object; where there is no list, the lines, divided at commas and
 * semicolons, without bullets and numbers before them and without a "tags:" in front.
 *
 * A tag is case-folded and brought to Unicode's normal form KC, as words are (io/words.h); quotes
 * and full stops around it, and white space but single blanks, are left out. One that is empty or
 * longer than TAG_BYTES is no tag, one that is there already counts once; TAG_LIST are taken. */
#ifndef IO_LLM_TAG_LIST_H
#define IO_LLM_TAG_LIST_H
#include "io/string_list.h"

enum { TAG_BYTES = 100, TAG_LIST = 64 };

/* Add the tags of an answer to an empty map, in their order. */
void tag_list_parse(const char *answer, struct string_map *tags);

/* The tags with ", " between them; the caller's, to be given to mem_free. */
char *tag_list_join(const struct string_map *tags);

#endif
