#include "io/llm/embedding.h"
#include "core/mem.h"
#include <endian.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- requests ---- */

/* Takes `value`, which is the body's `member`: what it asks about. */
static char *dump(const struct embedding_request *request, const char *member, json_t *value,
                  const char *format) {
    json_t *body = json_pack("{s:o,s:s}", member, value, "model", request->model);
    if (body && request->dimensions > 0)
        json_object_set_new(body, "dimensions", json_integer(request->dimensions));
    if (body && format)
        json_object_set_new(body, "encoding_format", json_string(format));
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (!text)
        mem_fail(1, sizeof text);
    char *copy = mem_string(text);
    free(text);
    json_decref(body);
    return copy;
}

static const char *format_of(const struct embedding_request *request) {
    return request->floats ? "float" : "base64";
}

/* Takes the body without encoding_format. */
static void hash_body(char *body, char key[SHA256_TEXT]) {
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, body, strlen(body));
    sha256_end(&hash, key);
    mem_free(body);
}

char *embedding_body(const struct embedding_request *request, const char *const *texts,
                     int64_t count) {
    json_t *input = json_array();
    for (int64_t i = 0; i < count; i++)
        json_array_append_new(input, json_string(texts[i]));
    return dump(request, "input", input, format_of(request));
}

void embedding_key(const struct embedding_request *request, const char *text,
                   char key[SHA256_TEXT]) {
    hash_body(dump(request, "input", json_string(text), NULL), key);
}

/* A chat of one message, which is the picture. */
static json_t *messages_of(const struct picture_file *picture) {
    int64_t room = (int64_t)(strlen("data:;base64,") + strlen(picture->type) +
                             (picture->size + 2) / 3 * 4 + 1);
    char *url = mem_alloc(room, 1);
    int n = sprintf(url, "data:%s;base64,", picture->type);
    EVP_EncodeBlock((unsigned char *)url + n, picture->bytes, (int)picture->size);
    json_t *messages = json_pack("[{s:s,s:[{s:s,s:{s:s}}]}]", "role", "user", "content", "type",
                                 "image_url", "image_url", "url", url);
    mem_free(url);
    return messages;
}

char *embedding_picture_body(const struct embedding_request *request,
                             const struct picture_file *picture) {
    return dump(request, "messages", messages_of(picture), format_of(request));
}

void embedding_picture_key(const struct embedding_request *request,
                           const struct picture_file *picture, char key[SHA256_TEXT]) {
    hash_body(dump(request, "messages", messages_of(picture), NULL), key);
}

/* ---- vectors ---- */

static bool all_finite(const float *numbers, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(numbers[i]))
            return false;
    return true;
}

static float swap(uint32_t bits) {
    float number;
    bits = le32toh(bits);
    memcpy(&number, &bits, sizeof number);
    return number;
}

int64_t embedding_decode(const char *base64, float **numbers) {
    size_t n = strlen(base64), padding = 0;
    *numbers = NULL;
    while (padding < 2 && padding < n && base64[n - 1 - padding] == '=')
        padding++;
    int64_t bytes = (int64_t)(n / 4 * 3 - padding), width = bytes / 4;
    if (n == 0 || n % 4 || bytes % 4 || width < 1 || width > EMBEDDING_WIDTH ||
        strcspn(base64, " \t\r\n") < n)
        return 0;
    unsigned char *raw = mem_alloc((int64_t)(n / 4 * 3), 1);
    bool good = EVP_DecodeBlock(raw, (const unsigned char *)base64, (int)n) == (int)(n / 4 * 3);
    float *out = mem_alloc(width, sizeof *out);
    for (int64_t i = 0; i < width && good; i++) {
        uint32_t bits;
        memcpy(&bits, raw + 4 * i, sizeof bits);
        out[i] = swap(bits);
    }
    mem_free(raw);
    if (good && all_finite(out, width)) {
        *numbers = out;
        return width;
    }
    mem_free(out);
    return 0;
}

static char *encode(const float *numbers, int64_t width) {
    uint32_t *bits = mem_alloc(width, sizeof *bits);
    for (int64_t i = 0; i < width; i++) {
        memcpy(&bits[i], &numbers[i], sizeof *bits);
        bits[i] = htole32(bits[i]);
    }
    char *text = mem_alloc((4 * width + 2) / 3 * 4 + 1, 1);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bits, (int)(4 * width));
    mem_free(bits);
    return text;
}

/* ---- replies ---- */

static int64_t numbers_of(const json_t *list, float **numbers) {
    size_t width = json_array_size(list);
    *numbers = NULL;
    if (width < 1 || width > EMBEDDING_WIDTH)
        return 0;
    float *out = mem_alloc((int64_t)width, sizeof *out);
    bool good = true;
    for (size_t i = 0; i < width && good; i++) {
        const json_t *number = json_array_get(list, i);
        out[i] = (float)json_number_value(number);
        good = json_is_number(number) && isfinite(out[i]);
    }
    if (good) {
        *numbers = out;
        return (int64_t)width;
    }
    mem_free(out);
    return 0;
}

/* Width of the vector in one member of `data`, whose base64 is set; 0: it is none. */
static int64_t take_vector(const json_t *member, char **vector) {
    const json_t *embedding = json_object_get(member, "embedding");
    float *numbers;
    int64_t width = json_is_string(embedding)
                        ? embedding_decode(json_string_value(embedding), &numbers)
                        : numbers_of(embedding, &numbers);
    if (width > 0)
        *vector = encode(numbers, width);
    mem_free(numbers);
    return width;
}

static const char *take_all(const json_t *reply, int64_t count, char **vector) {
    const json_t *data = json_object_get(reply, "data");
    int64_t width = 0;
    if (!json_is_array(data) || (int64_t)json_array_size(data) != count)
        return "the reply has another number of vectors than was asked for";
    for (int64_t i = 0; i < count; i++) {
        const json_t *member = json_array_get(data, (size_t)i);
        const json_t *index = json_object_get(member, "index");
        int64_t at = json_is_integer(index) ? json_integer_value(index) : -1;
        if (at < 0 || at >= count || vector[at])
            return "a vector's index is none of the texts', or another one's";
        int64_t found = take_vector(member, &vector[at]);
        if (found == 0)
            return "a vector is no list of finite numbers, nor base64 of them";
        if (width > 0 && found != width)
            return "the vectors are not of one width";
        width = found;
    }
    return NULL;
}

bool embedding_reply(const char *body, size_t n, int64_t count, char **vector,
                     char reason[EMBEDDING_REASON]) {
    json_error_t error;
    json_t *reply = json_loadb(body, n, 0, &error);
    memset(vector, 0, (size_t)count * sizeof *vector);
    const char *fault = reply ? take_all(reply, count, vector) : error.text;
    if (fault)
        snprintf(reason, EMBEDDING_REASON, "%s%.200s",
                 reply ? "" : "the reply is not JSON: ", fault);
    for (int64_t i = 0; fault && i < count; i++) {
        mem_free(vector[i]);
        vector[i] = NULL;
    }
    json_decref(reply);
    return !fault;
}
