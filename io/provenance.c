#include "io/provenance.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "io/h5_attributes.h"
#include "io/h5_sum.h"
#include "io/report_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE "source_attributes"

/* The text of a record without "from" is shorter than RECORD: escapes and brackets make no more than
 * two and a half of a byte of text. */
enum {
    NAME = 64, /* bytes of an attribute's name */
    RECORD = 48000,
    DEPTH = 8 /* of a chain */
};

/* ---- reading ---- */

struct reading {
    const struct h5_file *file;
    const char *object;
    int64_t left; /* bytes of text */
};

/* Instead of a value. */
static json_t *leave_out(const struct reading *r, const char *name, const char *why) {
    log_warn("%s: attribute '%s' of %s %s, and is left out of its provenance", r->file->path, name,
             r->object, why);
    return json_null();
}

static json_t *text_json(char *text) {
    char *rest;
    if (!strchr(text, '\n'))
        return report_text(text);
    json_t *lines = json_array();
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(lines, report_text(line));
    return lines;
}

/* NULL if it cannot be read, which is not said; a text is at most `most` bytes long. */
static char *get_text(const struct reading *r, const struct h5_attribute *a, int64_t most,
                      const char **why) {
    char *text = NULL;
    *why = "is too long";
    if (a->bytes > most + 1) /* the NUL */
        return NULL;
    log_hold();
    enum status status = h5_get_text(r->file, r->object, a->name, &text);
    log_release();
    if (status != STATUS_OK)
        *why = "is damaged";
    if (status == STATUS_OK && (int64_t)strlen(text) <= most)
        return text;
    mem_free(text);
    return NULL;
}

static json_t *read_text(struct reading *r, const struct h5_attribute *a) {
    const char *why;
    char *text = get_text(r, a, r->left, &why);
    if (!text)
        return leave_out(r, a->name, why);
    r->left -= (int64_t)strlen(text);
    json_t *json = text_json(text);
    mem_free(text);
    return json_is_null(json) ? leave_out(r, a->name, "is not printable") : json;
}

static json_t *read_number(const struct reading *r, const struct h5_attribute *a) {
    int64_t whole = 0;
    double number = 0;
    log_hold();
    enum status status = a->kind == H5_INTEGER
                             ? h5_get_int(r->file, r->object, a->name, &whole)
                             : h5_get_double(r->file, r->object, a->name, &number);
    log_release();
    if (status != STATUS_OK)
        return leave_out(r, a->name, "is damaged");
    return a->kind == H5_INTEGER ? json_integer(whole) : report_number(number);
}

static json_t *read_source(const struct reading *r, const struct h5_attribute *a) {
    const char *why;
    char *text = get_text(r, a, RECORD, &why);
    if (!text)
        return leave_out(r, a->name, why);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    mem_free(text);
    if (provenance_is_record(json))
        return json;
    json_decref(json);
    return leave_out(r, a->name, "is damaged");
}

/* Names that are not an attribute's. */
static bool is_member(const char *name) {
    return !strcmp(name, PROVENANCE_FROM) || !strcmp(name, PROVENANCE_TAGS);
}

static void read_attribute(struct reading *r, const struct h5_attribute *a, json_t *record) {
    if (!strcmp(a->name, SOURCE) && a->kind == H5_STRING)
        json_object_set_new(record, PROVENANCE_FROM, read_source(r, a));
    else if (strcmp(a->name, H5_CHECKSUM) != 0 && !is_member(a->name) && strlen(a->name) < NAME &&
             text_is_printable(a->name) && json_object_size(record) < PROVENANCE_ATTRIBUTES)
        json_object_set_new(record, a->name,
                            a->kind == H5_STRING ? read_text(r, a) : read_number(r, a));
}

json_t *provenance_read(const struct h5_file *file, const char *object) {
    struct reading r = {file, object, PROVENANCE_TEXT};
    json_t *record = json_object();
    int64_t n = h5_attribute_count(file, object);
    for (int64_t i = 0; i < n; i++) {
        struct h5_attribute attribute;
        if (h5_attribute_at(file, object, i, &attribute))
            read_attribute(&r, &attribute, record);
    }
    return record;
}

static json_t *read_member(const struct dataset *dataset, const char *group, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", group, name);
    return provenance_read(&dataset->file, path);
}

json_t *provenance_of_table(const struct dataset *dataset, const char *name) {
    if (dataset->synth)
        return json_pack("{s:s}", "encoder", "synth");
    return read_member(dataset, "/features", name);
}

json_t *provenance_of_tags(const struct dataset *dataset, const char *name) {
    json_t *record = read_member(dataset, "/tags/features", name);
    json_object_set_new(record, PROVENANCE_TAGS, provenance_read(&dataset->file, "/tags"));
    return record;
}

json_t *provenance_of_text(const struct dataset *dataset, const char *name) {
    return read_member(dataset, "/items/text", name);
}

/* ---- writing ---- */

enum status provenance_put(struct h5_writer *writer, const char *object, const json_t *source) {
    char *text = json_dumps(source, JSON_COMPACT);
    if (strlen(text) > RECORD) {
        json_t *shorter = json_copy((json_t *)source);
        json_object_set_new(shorter, PROVENANCE_FROM, json_null());
        free(text);
        text = json_dumps(shorter, JSON_COMPACT);
        json_decref(shorter);
    }
    enum status status = h5_writer_put_text(writer, object, SOURCE, text);
    free(text);
    return status;
}

/* ---- what is read back ---- */

const char *provenance_line(const json_t *record) {
    const json_t *tags = json_object_get(record, PROVENANCE_TAGS);
    return json_string_value(json_object_get(json_is_object(tags) ? tags : record, "provenance"));
}

static bool is_text(const json_t *json) {
    return json_is_null(json) ||
           (json_is_string(json) && text_is_printable(json_string_value(json)));
}

static bool is_value(const json_t *json) {
    size_t i;
    json_t *line;
    if (!json_is_array(json))
        return json_is_number(json) || is_text(json);
    json_array_foreach(json, i, line) if (!is_text(line)) return false;
    return true;
}

static bool is_record(const json_t *json, int depth) {
    const char *name;
    json_t *value;
    if (!json_is_object(json) || depth == 0 ||
        json_object_size(json) > PROVENANCE_ATTRIBUTES + 2) /* and members */
        return false;
    json_object_foreach((json_t *)json, name, value) {
        bool sound = json_is_object(value) ? is_record(value, depth - 1) : is_value(value);
        if (!sound || strlen(name) >= NAME || !text_is_printable(name))
            return false;
    }
    return true;
}

bool provenance_is_record(const json_t *json) {
    return is_record(json, DEPTH);
}
