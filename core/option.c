/* One value of a configuration: reading each type from a text, with its range or choices; printing it so
 * that it reads back; the words that say what is allowed. */
#include "core/option.h"
#include "core/text.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int names_find(const struct names *names, const char *name) {
    for (int i = 0; i < names->count; i++)
        if (!strcmp(names->name[i], name))
            return i;
    return -1;
}

/* ---- text to value: false when the text is not one; `out` is set only on success ---- */

static bool in_range(const char *range, double x) {
    char open, close;
    double min, max;
    if (sscanf(range, "%c%lf, %lf%c", &open, &min, &max, &close) != 4)
        return true;
    return (open == '[' ? x >= min : x > min) && (close == ']' ? x <= max : x < max);
}

static bool is_digit(char c) {
    return isdigit((unsigned char)c);
}

/* A number as YAML has it, for the C library: digits may be grouped by underscores. A whole number
 * that begins with 0 is octal in YAML 1.1 and decimal in 1.2: it is none. */
static bool plain_number(const char *text, char out[OPTION_NAME]) {
    const char *digits = text + (*text == '-' || *text == '+');
    size_t n = 0, whole = strspn(digits, "0123456789_");
    if (isspace((unsigned char)*text) || (*digits == '0' && whole > 1 && !digits[whole]))
        return false;
    for (const char *c = text; *c; c++) {
        bool group = *c == '_' && c > text && is_digit(c[-1]) && is_digit(c[1]);
        if (n + 1 == OPTION_NAME)
            return false;
        if (!group)
            out[n++] = *c;
    }
    out[n] = '\0';
    return n > 0;
}

static bool read_real(const struct option_spec *o, const char *text, double *out) {
    char number[OPTION_NAME], *end = NULL;
    double x = plain_number(text, number) ? strtod(number, &end) : NAN;
    if (!end || end == number || *end || !isfinite(x) || !in_range(o->allowed, x))
        return false;
    *out = x;
    return true;
}

static bool read_integer(const struct option_spec *o, const char *text, int64_t *out) {
    char number[OPTION_NAME], *end = NULL;
    errno = 0;
    long long x = plain_number(text, number) ? strtoll(number, &end, 10) : 0;
    if (!end || end == number || *end || errno || !in_range(o->allowed, (double)x))
        return false;
    *out = x;
    return true;
}

/* The words of YAML 1.1, of which 1.2 kept true and false: one value follows another. */
static bool read_truth(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE",
                                        "no",    "yes",  "No",    "Yes",  "NO",    "YES",
                                        "off",   "on",   "Off",   "On",   "OFF",   "ON"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i])) {
            *out = i % 2;
            return true;
        }
    return false;
}

/* The i-th of "a|b|c" into `name`; false past the last. */
static bool choice_name(const char *allowed, int i, char *name, size_t size) {
    for (; i > 0 && allowed; i--)
        allowed = (allowed = strchr(allowed, '|')) ? allowed + 1 : NULL;
    if (!allowed)
        return false;
    snprintf(name, size, "%.*s", (int)strcspn(allowed, "|"), allowed);
    return true;
}

/* The number of a name in "a|b|c", -1: it is none of them. */
static int choice_number(const char *allowed, const char *text) {
    char name[OPTION_NAME];
    for (int i = 0; choice_name(allowed, i, name, sizeof name); i++)
        if (!strcmp(name, text))
            return i;
    return -1;
}

bool option_renamed(const struct option_spec *o, const char *text, char name[OPTION_NAME]) {
    if (!o->former || choice_number(o->allowed, text) >= 0)
        return false;
    int i = choice_number(o->former, text);
    return i >= 0 && choice_name(o->allowed, i, name, OPTION_NAME);
}

static bool read_choice(const struct option_spec *o, const char *text, int *out) {
    char name[OPTION_NAME];
    int i = choice_number(o->allowed, option_renamed(o, text, name) ? name : text);
    if (i >= 0)
        *out = i;
    return i >= 0;
}

static bool read_text(const struct option_spec *o, const char *text, char *out) {
    size_t n = strlen(text);
    if (n == 0 || n >= o->size || !text_is_printable(text))
        return false;
    memcpy(out, text, n + 1);
    return true;
}

/* "a, b" or "[a, b]" cut at the commas. */
static bool read_list(const char *text, struct names *out) {
    struct names list = {0};
    bool bracket = *text == '[';
    for (const char *at = text + bracket;; at++) {
        at += strspn(at, " ");
        size_t n = strcspn(at, " ,[]");
        if (n == 0 || n >= OPTION_NAME || list.count == OPTION_LIST)
            return false;
        memcpy(list.name[list.count++], at, n);
        at += n;
        at += strspn(at, " ");
        if (*at == ',')
            continue;
        if (strcmp(at, bracket ? "]" : "") != 0)
            return false;
        *out = list;
        return true;
    }
}

static bool read_names(const char *text, struct names *out) {
    struct names list;
    if (!read_list(text, &list))
        return false;
    for (int i = 0; i < list.count; i++)
        for (const char *c = list.name[i]; *c; c++)
            if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
                return false;
    *out = list;
    return true;
}

static bool read_numbers(const struct option_spec *o, const char *text, struct numbers *out) {
    struct names list;
    struct numbers numbers = {0};
    if (!read_list(text, &list))
        return false;
    for (; numbers.count < list.count; numbers.count++)
        if (!read_real(o, list.name[numbers.count], &numbers.value[numbers.count]))
            return false;
    *out = numbers;
    return true;
}

static bool read_pair(const struct option_spec *o, const char *text, double out[2]) {
    struct numbers numbers;
    if (!read_numbers(o, text, &numbers) || numbers.count != 2)
        return false;
    memcpy(out, numbers.value, 2 * sizeof *out);
    return true;
}

/* "null", "learned" and "auto" as the field holds them. */
static bool read_otherwise(const struct option_spec *o, void *field) {
    memset(field, 0, o->size);
    if (o->type == OPTION_REAL)
        *(double *)field = NAN;
    return true;
}

/* A number, also as a list of one, which earlier versions made of model.scale. */
static bool read_lone_real(const struct option_spec *o, const char *text, double *out) {
    struct names list;
    if (*text != '[')
        return read_real(o, text, out);
    return read_list(text, &list) && list.count == 1 && read_real(o, list.name[0], out);
}

bool option_read(const struct option_spec *o, const char *text, void *block) {
    void *field = (char *)block + o->offset;
    if (o->otherwise && !strcmp(text, o->otherwise))
        return read_otherwise(o, field);
    switch (o->type) {
    case OPTION_INTEGER:
        return read_integer(o, text, field);
    case OPTION_REAL:
        return read_lone_real(o, text, field);
    case OPTION_TRUTH:
        return read_truth(text, field);
    case OPTION_CHOICE:
        return read_choice(o, text, field);
    case OPTION_TEXT:
        return read_text(o, text, field);
    case OPTION_NAMES:
        return read_names(text, field);
    case OPTION_NUMBERS:
        return read_numbers(o, text, field);
    case OPTION_PAIR:
        return read_pair(o, text, field);
    }
    return false;
}

/* ---- value to text ---- */

/* A short text that reads back as `x`. */
static void print_real(double x, char *text, size_t size) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            return;
    }
}

static void print_numbers(const double *value, int count, char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < count && at < size; i++) {
        char number[32];
        print_real(value[i], number, sizeof number);
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", number);
    }
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static void print_names(const struct names *names, char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < names->count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", names->name[i]);
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static bool holds_otherwise(const struct option_spec *o, const void *field) {
    return o->otherwise &&
           ((o->type == OPTION_TEXT && !*(const char *)field) ||
            (o->type == OPTION_REAL && isnan(*(const double *)field)) ||
            (o->type == OPTION_NAMES && ((const struct names *)field)->count == 0) ||
            (o->type == OPTION_NUMBERS && ((const struct numbers *)field)->count == 0));
}

void option_print(const struct option_spec *o, const void *block, char *text, size_t size) {
    const void *field = (const char *)block + o->offset;
    const struct numbers *numbers = field;
    if (holds_otherwise(o, field)) {
        snprintf(text, size, "%s", o->otherwise);
        return;
    }
    switch (o->type) {
    case OPTION_INTEGER:
        snprintf(text, size, "%lld", (long long)*(const int64_t *)field);
        break;
    case OPTION_REAL:
        print_real(*(const double *)field, text, size);
        break;
    case OPTION_TRUTH:
        snprintf(text, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case OPTION_CHOICE:
        choice_name(o->allowed, *(const int *)field, text, size);
        break;
    case OPTION_TEXT:
        snprintf(text, size, "%s", (const char *)field);
        break;
    case OPTION_NAMES:
        print_names(field, text, size);
        break;
    case OPTION_NUMBERS:
        print_numbers(numbers->value, numbers->count, text, size);
        break;
    case OPTION_PAIR:
        print_numbers(field, 2, text, size);
        break;
    }
}

static void print_choices(const char *allowed, char *text, size_t size) {
    char name[OPTION_NAME];
    size_t at = (size_t)snprintf(text, size, "one of");
    for (int i = 0; at < size && choice_name(allowed, i, name, sizeof name); i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : " ", name);
}

static void print_expected(const struct option_spec *o, char *text, size_t size) {
    switch (o->type) {
    case OPTION_INTEGER:
        snprintf(text, size, "an integer in %s", o->allowed);
        break;
    case OPTION_REAL:
        snprintf(text, size, "a number in %s", o->allowed);
        break;
    case OPTION_TRUTH:
        snprintf(text, size, "true or false");
        break;
    case OPTION_CHOICE:
        print_choices(o->allowed, text, size);
        break;
    case OPTION_TEXT:
        snprintf(text, size, "text of 1 to %zu bytes", o->size - 1);
        break;
    case OPTION_NAMES:
        snprintf(text, size, "a list of 1 to %d names of letters, digits, _, . and -", OPTION_LIST);
        break;
    case OPTION_NUMBERS:
        snprintf(text, size, "a list of 1 to %d numbers in %s", OPTION_LIST, o->allowed);
        break;
    case OPTION_PAIR:
        snprintf(text, size, "a list of 2 numbers in %s", o->allowed);
        break;
    }
}

void option_expected(const struct option_spec *o, char *text, size_t size) {
    print_expected(o, text, size);
    size_t at = strlen(text);
    if (o->otherwise)
        snprintf(text + at, size - at, " or %s", o->otherwise);
}

void option_choices(const struct option_spec *o, char *text, size_t size) {
    char name[OPTION_NAME];
    size_t at = (size_t)snprintf(text, size, "%s", o->type == OPTION_TRUTH ? "true|false" : "");
    for (int i = 0;
         o->type == OPTION_CHOICE && at < size && choice_name(o->allowed, i, name, sizeof name);
         i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "|" : "", name);
    if (o->otherwise && at < size)
        snprintf(text + at, size - at, "%s%s", at ? "|" : "", o->otherwise);
}
