#include "io/llm/prompt.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/string_list.h"
#include <string.h>

static const char *const places[PROMPT_PLACES] = {"title", "description", "domain", "tags"};

static const struct {
    const char *name, *text;
} builtins[] = {
    {"description",
     "You add background knowledge to the catalogue of a recommender system whose users act in "
     "several domains.\n\n"
     "Domain of the item: {domain}\n"
     "Title: {title}\n"
     "Description: {description}\n\n"
     "Write one paragraph about this item: what it is, its concrete attributes, how and where it "
     "is used, and which people would like it, so that their taste can be recognised in other "
     "domains too. Then add a line of keywords. Use what you know of the item; leave out prices, "
     "dates and praise, and do not repeat these instructions.\n"},
    {"tags",
     "Choose tags for an item of a catalogue, as its users would search for it.\n\n"
     "Domain of the item: {domain}\n"
     "Title: {title}\n"
     "Description: {description}\n\n"
     "Give between 5 and 15 tags of one to three words: kind of item, themes, attributes, use, "
     "audience. Prefer words that other items of this and of other domains can share; no names "
     "that only this item has. Answer with a JSON list of strings and nothing else.\n"},
    {"refine",
     "Below are tags that were proposed for an item of a catalogue.\n\n"
     "Domain of the item: {domain}\n"
     "Title: {title}\n"
     "Description: {description}\n"
     "Proposed tags: {tags}\n\n"
     "Check them: remove what is wrong, vague or said twice, use the most common wording, and add "
     "what is missing and certain. Keep at most 10 tags, the most telling first. Answer with a "
     "JSON list of strings and nothing else.\n"},
    {"agnostic",
     "Describe what an item has to offer in terms that hold in any domain.\n\n"
     "The item is from the domain: {domain}\n"
     "Title: {title}\n"
     "Description: {description}\n\n"
     "In three to five sentences, tell the themes, moods, needs and interests that it speaks to, "
     "and the people whom it suits. Use no word that belongs to its own domain or names its kind: "
     "somebody who likes it should find the same text fitting for items of quite different "
     "domains. Answer with the text alone.\n"},
    {"specific",
     "Describe what tells an item from the others of its own domain.\n\n"
     "Domain of the item: {domain}\n"
     "Title: {title}\n"
     "Description: {description}\n\n"
     "In three to five sentences, use the vocabulary of experts in this domain: kind and sub-kind, "
     "maker or author where known, materials, ingredients, genre or function, typical use, and "
     "what it is compared with. Answer with the text alone.\n"}};

const char *prompt_builtin(const char *name) {
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (!strcmp(builtins[i].name, name))
            return builtins[i].text;
    return NULL;
}

/* Bytes of the word between braces that begins at `text`; 0: there is none. */
static size_t word_length(const char *text) {
    size_t n = *text == '{' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
    return n > 0 && text[1 + n] == '}' ? n : 0;
}

/* PROMPT_PLACES: no place has that name. */
static enum prompt_place find_place(const char *word, size_t n) {
    enum prompt_place p = PROMPT_TITLE;
    while (p < PROMPT_PLACES && (strlen(places[p]) != n || memcmp(places[p], word, n)))
        p++;
    return p;
}

static enum status check(struct prompt *prompt, const char *name) {
    int line = 1;
    if (!utf8_valid(prompt->text))
        return log_error(STATUS_INPUT, "%s:1: the prompt is not UTF-8; convert it with iconv",
                         name);
    for (const char *c = prompt->text; *c; c++) {
        size_t n = word_length(c);
        line += *c == '\n';
        if (n == 0)
            continue;
        enum prompt_place p = find_place(c + 1, n);
        if (p == PROMPT_PLACES)
            return log_error(STATUS_INPUT,
                             "%s:%d: '{%.*s}' is not one of {title}, {description}, {domain}, "
                             "{tags}; correct it",
                             name, line, (int)(n < 60 ? n : 60), c + 1);
        prompt->uses[p] = true;
    }
    if (prompt->uses[PROMPT_TITLE] || prompt->uses[PROMPT_DESCRIPTION] || prompt->uses[PROMPT_TAGS])
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s:1: the prompt has no {title}, {description} or {tags}: it would be the "
                     "same for all items",
                     name);
}

enum status prompt_open(struct prompt *prompt, const char *name, const char *text) {
    *prompt = (struct prompt){.text = mem_string(text)};
    enum status status = check(prompt, name);
    if (status != STATUS_OK)
        prompt_close(prompt);
    return status;
}

void prompt_close(struct prompt *prompt) {
    mem_free(prompt->text);
    *prompt = (struct prompt){0};
}

static const char *value_of(const char *const values[PROMPT_PLACES], enum prompt_place place) {
    return values[place] ? values[place] : "";
}

/* Append the line [from, to) with its values to `at`, where there is room, or only count (NULL);
 * the bytes that it takes, 0 where a value is missing. */
static size_t fill_line(const char *from, const char *to, const char *const values[PROMPT_PLACES],
                        char *at) {
    size_t total = 0;
    while (from < to) {
        size_t n = word_length(from), bytes = 1;
        const char *piece = from;
        if (n > 0) {
            piece = value_of(values, find_place(from + 1, n));
            bytes = strlen(piece);
            if (bytes == 0)
                return 0;
        }
        if (at)
            memcpy(at + total, piece, bytes);
        total += bytes;
        from += n > 0 ? n + 2 : 1;
    }
    return total;
}

static size_t fill(const struct prompt *prompt, const char *const values[PROMPT_PLACES],
                   char *text) {
    size_t total = 0;
    for (const char *line = prompt->text, *next; *line; line = next) {
        const char *end = strchr(line, '\n');
        next = end ? end + 1 : line + strlen(line);
        size_t n = fill_line(line, next, values, NULL);
        if (text && n > 0)
            fill_line(line, next, values, text + total);
        total += n;
    }
    return total;
}

char *prompt_fill(const struct prompt *prompt, const char *const values[PROMPT_PLACES]) {
    bool known = false;
    for (int p = 0; p < PROMPT_PLACES; p++)
        known = known ||
                (p != PROMPT_DOMAIN && prompt->uses[p] && *value_of(values, (enum prompt_place)p));
    if (!known)
        return NULL;
    size_t n = fill(prompt, values, NULL);
    char *text = mem_alloc((int64_t)n + 1, 1);
    fill(prompt, values, text);
    text[n] = '\0';
    return text;
}
