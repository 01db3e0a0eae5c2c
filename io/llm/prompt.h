/* Prompts: a text with places for what is known of an item. Not collective.
 *
 * {title}, {description}, {domain} and {tags} stand for the item's; another name in braces of small
 * letters is an error, and any other brace is itself. A line with a place for which an item has
 * nothing is left out for that item, so that one prompt serves items with and without a
 * description.
 *
 * The built-in prompts are worded here; what they ask for is the papers':
 *
 * | name | asks for | after |
 * |---|---|---|
 * | description | what an item is, its attributes, who would want it | LLM-EMF, arXiv 2506.17966 |
 * | tags | a list of tags, from title and description | TEMA-LLM, arXiv 2510.09224 |
 * | refine | that list again, corrected by the model itself: the second prompt of `tags` | the same |
 * | agnostic | what users of any domain would recognise | SemaCDR, arXiv 2604.09551 |
 * | specific | what tells the item from others of its domain | the same | */
#ifndef IO_LLM_PROMPT_H
#define IO_LLM_PROMPT_H
#include "core/status.h"
#include <stdbool.h>

enum prompt_place { PROMPT_TITLE, PROMPT_DESCRIPTION, PROMPT_DOMAIN, PROMPT_TAGS, PROMPT_PLACES };

struct prompt {
    char *text;
    bool uses[PROMPT_PLACES];
};

/* The built-in prompt of that name; NULL: there is none. */
const char *prompt_builtin(const char *name);

/* STATUS_INPUT, and a line that begins with "NAME:NUMBER:", for a place of another name, for a text
 * that is not UTF-8, and for one that would be the same for all items. On failure the object is
 * zeroed. */
CHECKED enum status prompt_open(struct prompt *prompt, const char *name, const char *text);
void prompt_close(struct prompt *prompt); /* safe on a zeroed object; zeroes it */

/* The prompt of an item; a value that is NULL or empty is not there. To be given to mem_free. NULL
 * where title, description and tags, as far as the prompt has places for them, are all empty. */
char *prompt_fill(const struct prompt *prompt, const char *const values[PROMPT_PLACES]);

#endif
