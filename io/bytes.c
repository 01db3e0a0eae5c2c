#include "io/bytes.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { BLOCK = 1 << 16, GZIP_ONLY = 16 };

static enum status read_block(struct bytes *b) {
    if (b->held) {
        b->held = false;
        return STATUS_OK;
    }
    b->count = fread(b->read, 1, BLOCK, b->stream);
    if (ferror(b->stream))
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the disk", b->path,
                         strerror(errno));
    sha256_add(&b->hash, b->read, b->count);
    return STATUS_OK;
}

static enum status begin(struct bytes *b) {
    TRY(read_block(b));
    b->held = true;
    if (b->count < 2 || b->read[0] != 0x1F || b->read[1] != 0x8B)
        return STATUS_OK;
    b->inflater = mem_zero(1, sizeof *b->inflater);
    b->unpacked = mem_alloc(BLOCK, 1);
    if (inflateInit2(b->inflater, GZIP_ONLY + MAX_WBITS) != Z_OK)
        return log_error(STATUS_FAIL, "%s: zlib does not start", b->path);
    return STATUS_OK;
}

enum status bytes_open(struct bytes *bytes, const char *path) {
    struct stat info;
    *bytes = (struct bytes){0};
    if (stat(path, &info) != 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the path", path,
                         strerror(errno));
    if (!S_ISREG(info.st_mode))
        return log_error(STATUS_INPUT, "%s: is not a regular file; name a text file", path);
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", path,
                         strerror(errno));
    *bytes =
        (struct bytes){.stream = stream, .path = mem_string(path), .read = mem_alloc(BLOCK, 1)};
    sha256_begin(&bytes->hash);
    enum status status = begin(bytes);
    if (status != STATUS_OK)
        bytes_close(bytes);
    return status;
}

void bytes_close(struct bytes *bytes) {
    if (bytes->stream)
        fclose(bytes->stream);
    if (bytes->inflater)
        inflateEnd(bytes->inflater);
    mem_free(bytes->inflater);
    mem_free(bytes->unpacked);
    mem_free(bytes->read);
    mem_free(bytes->path);
    sha256_drop(&bytes->hash);
    *bytes = (struct bytes){0};
}

/* More of the file for the inflater; nothing at its end, where no member may be open. */
static enum status feed(struct bytes *b) {
    TRY(read_block(b));
    b->inflater->next_in = b->read;
    b->inflater->avail_in = (uInt)b->count;
    if (b->count == 0 && b->within)
        return log_error(STATUS_INPUT, "%s: ends within its gzip data; is the file truncated?",
                         b->path);
    return STATUS_OK;
}

/* A file may be several gzip members one after another. */
static enum status unpack(struct bytes *b) {
    z_stream *z = b->inflater;
    int code = inflate(z, Z_NO_FLUSH);
    b->within = code != Z_STREAM_END;
    if (code == Z_STREAM_END)
        code = inflateReset(z);
    if (code != Z_OK && code != Z_BUF_ERROR)
        return log_error(STATUS_INPUT, "%s: is not gzip data to its end: %s; copy the file again",
                         b->path, z->msg ? z->msg : "a dictionary is asked for");
    return STATUS_OK;
}

enum status bytes_next(struct bytes *bytes, const char **at, size_t *n) {
    z_stream *z = bytes->inflater;
    if (!z) {
        TRY(read_block(bytes));
        *at = (const char *)bytes->read;
        *n = bytes->count;
        return STATUS_OK;
    }
    z->next_out = bytes->unpacked;
    z->avail_out = BLOCK;
    while (z->avail_out == BLOCK) {
        if (z->avail_in == 0)
            TRY(feed(bytes));
        if (z->avail_in == 0)
            break;
        TRY(unpack(bytes));
    }
    *at = (const char *)bytes->unpacked;
    *n = BLOCK - z->avail_out;
    return STATUS_OK;
}

void bytes_sha256(struct bytes *bytes, char text[SHA256_TEXT]) {
    sha256_end(&bytes->hash, text);
}
