/* libyaml turns a file into events. A small recursive descent over these takes the document, its
 * sections and their keys, remembers the line of each, and gives every value as text to
 * core/options, which knows types and limits; so there is one parser of values for files and for
 * the command line. Behind the reader come the values of the command line, the loading of a file
 * by all ranks alike, and the writing of a configuration as YAML. */
#include "io/config.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/model.h"
#include "core/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum { LARGEST = 1 << 16 }; /* bytes of a configuration */

struct reader {
    const char *where;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    struct config *config;
    bool quiet; /* faults are the caller's to tell of */
    char section[OPTION_NAME];
    int *section_line,
        *key_line; /* by option (a section: its first), where it was set; 0: not yet */
};

static int event_line(const struct reader *r) {
    return (int)r->event.start_mark.line + 1;
}

#define COMPLAIN(r, format, ...)                                                                   \
    ((r)->quiet                                                                                    \
         ? STATUS_INPUT                                                                            \
         : log_error(STATUS_INPUT, "%s:%d: " format, (r)->where, event_line(r), ##__VA_ARGS__))

/* Bytes that are not text have an offset instead of a line. */
static enum status complain_syntax(const struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    size_t line = p->problem_mark.line + 1;
    if (r->quiet)
        return STATUS_INPUT;
    if (p->error == YAML_READER_ERROR) {
        const unsigned char *text = p->input.string.start;
        line = 1;
        for (size_t i = 0; i < p->problem_offset && text + i < p->input.string.end; i++)
            line += text[i] == '\n';
    }
    return log_error(STATUS_INPUT, "%s:%zu: not YAML: %s%s%s", r->where, line,
                     p->problem ? p->problem : "out of memory", p->context ? " " : "",
                     p->context ? p->context : "");
}

static const char *anchor_of(const yaml_event_t *e) {
    const yaml_char_t *anchor = e->type == YAML_ALIAS_EVENT    ? e->data.alias.anchor
                                : e->type == YAML_SCALAR_EVENT ? e->data.scalar.anchor
                                : e->type == YAML_SEQUENCE_START_EVENT
                                    ? e->data.sequence_start.anchor
                                : e->type == YAML_MAPPING_START_EVENT ? e->data.mapping_start.anchor
                                                                      : NULL;
    return (const char *)anchor;
}

static const char *tag_of(const yaml_event_t *e) {
    const yaml_char_t *tag = e->type == YAML_SCALAR_EVENT           ? e->data.scalar.tag
                             : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.tag
                             : e->type == YAML_MAPPING_START_EVENT  ? e->data.mapping_start.tag
                                                                    : NULL;
    return (const char *)tag;
}

static enum status next(struct reader *r) {
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event))
        return complain_syntax(r);
    if (anchor_of(&r->event))
        return COMPLAIN(r, "anchors and aliases ('%.50s') are not taken", anchor_of(&r->event));
    if (tag_of(&r->event))
        return COMPLAIN(r, "tags ('%.50s') are not taken", tag_of(&r->event));
    return STATUS_OK;
}

/* The text of the current event; NULL if it is not a scalar or holds a zero byte. What YAML takes
 * for null is "null". */
static const char *scalar(const struct reader *r) {
    static const char *const nulls[] = {"", "~", "Null", "NULL"};
    if (r->event.type != YAML_SCALAR_EVENT)
        return NULL;
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) != r->event.data.scalar.length)
        return NULL;
    if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
            if (!strcmp(text, nulls[i]))
                return "null";
    return text;
}

/* The first option of a section, -1 if there is none. */
static int find_section(const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < options_count(); i++)
        if (!strncmp(options_key(i), name, n) && options_key(i)[n] == '.')
            return i;
    return -1;
}

static void section_of(int i, char name[OPTION_NAME]) {
    snprintf(name, OPTION_NAME, "%.*s", (int)strcspn(options_key(i), "."), options_key(i));
}

static enum status unknown_section(const struct reader *r) {
    char name[OPTION_NAME], best[OPTION_NAME];
    section_of(0, best);
    for (int i = 1; i < options_count(); i++) {
        section_of(i, name);
        if (text_distance(r->section, name) < text_distance(r->section, best))
            memcpy(best, name, sizeof best);
    }
    return COMPLAIN(r, "unknown section '%s'; did you mean '%s'?", r->section, best);
}

/* Remember where an option or section was set; an error the second time. */
static enum status enter_once(const struct reader *r, int *line, const char *name) {
    if (*line)
        return COMPLAIN(r, "'%s' is already in line %d", name, *line);
    *line = event_line(r);
    return STATUS_OK;
}

/* Without room for all of it the text does not end in ']' and is no list. */
static enum status read_list(struct reader *r, const char *key, char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    bool first = true;
    TRY(next(r));
    for (; r->event.type != YAML_SEQUENCE_END_EVENT; first = false) {
        const char *entry = scalar(r);
        if (!entry)
            return COMPLAIN(r, "%s: a list holds plain values", key);
        if (strpbrk(entry, ",[]"))
            return COMPLAIN(r, "%s: '%.100s' is not one value; a list holds them one by one", key,
                            entry);
        if (at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", first ? "" : ", ", entry);
        TRY(next(r));
    }
    if (at < size)
        snprintf(text + at, size - at, "]");
    return STATUS_OK;
}

/* The current event begins the value of `key`; as text that options_set takes. */
static enum status value_text(struct reader *r, const char *key, char text[OPTION_PATH]) {
    if (r->event.type == YAML_SEQUENCE_START_EVENT)
        return read_list(r, key, text, OPTION_PATH);
    if (!scalar(r))
        return COMPLAIN(r, "%s: a value or a list of values is expected", key);
    if (strlen(scalar(r)) >= OPTION_PATH)
        return COMPLAIN(r, "%s: the value has %zu bytes", key, strlen(scalar(r)));
    snprintf(text, OPTION_PATH, "%s", scalar(r));
    return STATUS_OK;
}

static enum status read_value(struct reader *r, const char *key, int line) {
    char text[OPTION_PATH], where[OPTION_PATH];
    TRY(value_text(r, key, text));
    snprintf(where, sizeof where, "%s:%d", r->where, line);
    return options_set(r->config, where, key, text);
}

/* The current event is the key, within r->section. */
static enum status read_key(struct reader *r) {
    char key[2 * OPTION_NAME];
    int line = event_line(r);
    if (!scalar(r))
        return COMPLAIN(r, "a key is expected");
    snprintf(key, sizeof key, "%s.%.63s", r->section, scalar(r));
    int i = options_find(key);
    if (i >= 0)
        TRY(enter_once(r, &r->key_line[i], key));
    TRY(next(r));
    return read_value(r, key, line);
}

/* A section is a mapping, or nothing where all its keys are left out. */
static enum status read_section(struct reader *r) {
    if (!scalar(r))
        return COMPLAIN(r, "the name of a section is expected");
    snprintf(r->section, sizeof r->section, "%s", scalar(r));
    int i = find_section(r->section);
    if (i < 0)
        return unknown_section(r);
    TRY(enter_once(r, &r->section_line[i], r->section));
    TRY(next(r));
    if (scalar(r) && !strcmp(scalar(r), "null"))
        return STATUS_OK;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return COMPLAIN(r, "'%s' is a section: its keys stand below it", r->section);
    TRY(next(r));
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        TRY(read_key(r));
        TRY(next(r));
    }
    return STATUS_OK;
}

static enum status read_document(struct reader *r) {
    TRY(next(r));
    if (scalar(r) && !strcmp(scalar(r), "null"))
        return STATUS_OK;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return COMPLAIN(r, "sections are expected, as in 'train:'");
    TRY(next(r));
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        TRY(read_section(r));
        TRY(next(r));
    }
    return STATUS_OK;
}

/* A stream of no document is a file of defaults. */
static enum status read_stream(struct reader *r) {
    TRY(next(r));
    TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return STATUS_OK;
    TRY(read_document(r));
    TRY(next(r));
    TRY(next(r));
    if (r->event.type != YAML_STREAM_END_EVENT)
        return COMPLAIN(r, "a second document");
    return STATUS_OK;
}

/* libyaml knows the encoding by the byte order mark. */
static enum status open_parser(struct reader *r, const char *text, size_t size) {
    if (!yaml_parser_initialize(&r->parser))
        return log_error(STATUS_FAIL, "%s: out of memory", r->where);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, size);
    return STATUS_OK;
}

static enum status read_bytes(const char *text, size_t size, const char *where,
                              struct config *config) {
    struct config mine;
    struct reader r = {.where = where, .config = &mine};
    options_defaults(&mine);
    TRY(open_parser(&r, text, size));
    r.section_line = mem_zero(options_count(), sizeof *r.section_line);
    r.key_line = mem_zero(options_count(), sizeof *r.key_line);
    enum status status = read_stream(&r);
    mem_free(r.section_line);
    mem_free(r.key_line);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (status == STATUS_OK)
        *config = mine;
    return status;
}

/* What was saved under former names is not for the user to rename: no warning. */
enum status config_from_text(const char *text, const char *where, struct config *config) {
    enum log_level level = log_get_level();
    log_set_level(LOG_ERROR);
    enum status status = read_bytes(text, strlen(text), where, config);
    log_set_level(level);
    TRY(status);
    if (config->train.target != TARGET_BOTH && !strstr(text, "select_domain"))
        config->eval.select_domain = SELECT_DOMAIN_BOTH;
    if (!strstr(text, "repeats:"))
        config->model.repeats = REPEATS_FREE;
    if (!strstr(text, " time:"))
        config->model.time = TIME_NONE;
    if (!strstr(text, "schedule:"))
        config->train.schedule = SCHEDULE_CONSTANT;
    return STATUS_OK;
}

/* ---- the command line ---- */

/* The one value of a stream. */
static enum status only_value(struct reader *r, char text[OPTION_PATH]) {
    TRY(next(r));
    TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) { /* nothing is null */
        strcpy(text, "null");
        return STATUS_OK;
    }
    TRY(next(r));
    TRY(value_text(r, "", text));
    TRY(next(r));
    TRY(next(r));
    return r->event.type == YAML_STREAM_END_EVENT ? STATUS_OK : STATUS_INPUT;
}

/* A value of the command line as a file would have it. Of free text, which in a file is often
 * quoted for its '#' or ': ', only what has quotes here too, and null. */
static bool reads_as_yaml(int option, const char *value, char text[OPTION_PATH]) {
    struct reader r = {.where = "command line", .quiet = true};
    bool quoted = *value == '"' || *value == '\'';
    if (open_parser(&r, value, strlen(value)) != STATUS_OK)
        return false;
    bool is_value = only_value(&r, text) == STATUS_OK;
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return is_value && (quoted || !options_is_text(option) || !strcmp(text, "null"));
}

/* What is no value in YAML is left to options_set_pair as it stands. */
static enum status set_pair(struct config *config, const char *pair) {
    char key[OPTION_NAME], text[OPTION_PATH];
    const char *equals = strchr(pair, '=');
    snprintf(key, sizeof key, "%.*s", (int)(equals ? equals - pair : 0), pair);
    int option = options_find(key);
    if (option < 0 || !reads_as_yaml(option, equals + 1, text))
        return options_set_pair(config, pair);
    return options_set(config, "command line", key, text);
}

enum status config_override(struct config *config, char *const *pairs, int npairs) {
    for (int i = 0; i < npairs; i++)
        TRY(set_pair(config, pairs[i]));
    return model_configure(config);
}

static enum status read_file(const char *path, struct config *config) {
    enum status status = STATUS_OK;
    char *text;
    FILE *file = fopen(path, "rb");
    if (!file)
        return log_error(STATUS_IO, "%s: %s", path, strerror(errno));
    text = mem_alloc(LARGEST + 1, 1);
    size_t size = fread(text, 1, LARGEST + 1, file);
    if (ferror(file))
        status = log_error(STATUS_IO, "%s: %s", path, strerror(errno));
    else if (size > LARGEST)
        status = log_error(STATUS_INPUT, "%s: a configuration has at most %d bytes", path, LARGEST);
    else
        status = read_bytes(text, size, path, config);
    mem_free(text);
    fclose(file);
    return status;
}

/* runs/NAME of dir/NAME.yaml */
static enum status default_dir(const char *path, struct config *config) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path ? path : "run";
    const char *dot = strrchr(name, '.');
    char pair[OPTION_PATH];
    if (config->run.dir[0])
        return STATUS_OK;
    int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    snprintf(pair, sizeof pair, "runs/%.*s", length, name);
    return options_set(config, path ? path : "command line", "run.dir", pair);
}

static enum status load(const char *path, char *const *pairs, int npairs, struct config *config) {
    options_defaults(config);
    if (path)
        TRY(read_file(path, config));
    TRY(config_override(config, pairs, npairs));
    return default_dir(path, config);
}

/* The first key in which this rank would have another value than rank 0; NULL: none, or the file is
 * not here (rank 0's counts), or is none that can be read twice. */
static const char *other_key(const char *path, char *const *pairs, int npairs,
                             const struct config *config) {
    char here[OPTION_PATH], there[OPTION_PATH];
    struct config mine;
    struct stat info;
    if (!path || stat(path, &info) || !S_ISREG(info.st_mode))
        return NULL;
    log_hold();
    bool read = load(path, pairs, npairs, &mine) == STATUS_OK;
    (void)log_release();
    for (int i = 0; read && i < options_count(); i++) {
        options_value(&mine, i, here, sizeof here);
        options_value(config, i, there, sizeof there);
        if (strcmp(here, there) != 0)
            return options_key(i);
    }
    return NULL;
}

static enum status check_alike(const struct comm *comm, const char *path, char *const *pairs,
                               int npairs, const struct config *config) {
    const char *key = comm->rank ? other_key(path, pairs, npairs, config) : NULL;
    int first = comm_first(comm, key != NULL);
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(comm, first, STATUS_INPUT,
                         "%s: on rank %d, %s, is another file than on rank 0: %s differs; give "
                         "all ranks the same",
                         path, first, comm_host(), key);
}

enum status config_load(const struct comm *comm, const char *path, char *const *pairs, int npairs,
                        struct config *config) {
    struct config mine;
    TRY(COMM_ON_ROOT(comm, load(path, pairs, npairs, &mine)));
    comm_bcast(comm, &mine, sizeof mine);
    TRY(check_alike(comm, path, pairs, npairs, &mine));
    *config = mine;
    return STATUS_OK;
}

/* Printable text needs no other escapes. */
static void write_quoted(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text; text++)
        fprintf(file, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    fputc('"', file);
}

static void write_value(FILE *file, const struct config *config, int i) {
    char value[OPTION_PATH];
    options_value(config, i, value, sizeof value);
    if (options_is_text(i) && strcmp(value, "null") != 0)
        write_quoted(file, value);
    else
        fputs(value, file);
}

char *config_to_text(const struct config *config) {
    char section[OPTION_NAME], last[OPTION_NAME] = "", *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    for (int i = 0; i < options_count(); i++) {
        section_of(i, section);
        if (strcmp(section, last) != 0)
            fprintf(file, "%s:\n", section);
        fprintf(file, "  %s: ", options_key(i) + strlen(section) + 1);
        write_value(file, config, i);
        fputc('\n', file);
        memcpy(last, section, sizeof last);
    }
    fclose(file);
    char *copy = mem_string(text);
    free(text);
    return copy;
}
