#include "io/table.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/key_rows.h"
#include "io/safetensors.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static void enter(void) {
    strcpy(folder, "/tmp/cdsr-test-XXXXXX");
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
    log_set_level((enum log_level) - 1);
}

static void leave(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect(chdir("/") == 0 && system(command) == 0);
    cr_expect(mem_live() == 0, "%lld allocations left", (long long)mem_live());
}

TestSuite(table, .init = enter, .fini = leave);

static void put(const char *path, const char *text) {
    FILE *stream = fopen(path, "wb");
    cr_assert(stream && fputs(text, stream) >= 0 && fclose(stream) == 0);
}

static void put_tensors(const char *path, const char *header, const void *data, size_t bytes) {
    FILE *stream = fopen(path, "wb");
    cr_assert(stream);
    for (int i = 0; i < 8; i++)
        fputc((int)(strlen(header) >> 8 * i & 255), stream);
    fputs(header, stream);
    fwrite(data, 1, bytes, stream);
    fclose(stream);
}

static void expect_rows(const char *tensor, const float wanted[4]) {
    struct numbers table;
    float rows[4];
    cr_assert(safetensors_open(&table, "x.safetensors", tensor) == STATUS_OK, "%s", tensor);
    cr_expect(table.rows == 2 && table.width == 2);
    cr_assert(numbers_read(&table, 0, 2, rows) == STATUS_OK);
    cr_expect(!memcmp(rows, wanted, sizeof rows), "%s", tensor);
    numbers_close(&table);
}

/* The types in another order than their places, an empty tensor between. */
Test(table, tensors_of_every_type) {
    static const struct {
        float single[4];
        uint16_t half[4], brain[4];
    } data = {{1.5f, -2, 0.25f, 0}, {0x3E00, 0xC000, 0x3400, 0}, {0x3FC0, 0xC000, 0x3E80, 0}};
    put_tensors("x.safetensors",
                "{\"brain\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[24,32]},"
                "\"__metadata__\":{\"format\":\"pt\"},"
                "\"none\":{\"dtype\":\"F32\",\"shape\":[0,2],\"data_offsets\":[16,16]},"
                "\"half\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[16,24]},"
                "\"single\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}   ",
                &data, sizeof data);
    expect_rows("single", data.single);
    expect_rows("half", data.single);
    expect_rows("brain", data.single);
    struct numbers table;
    cr_expect(safetensors_open(&table, "x.safetensors", NULL) == STATUS_INPUT);
    cr_expect(safetensors_open(&table, "x.safetensors", "__metadata__") == STATUS_INPUT);
}

#define TENSOR(dtype, shape, offsets)                                                              \
    "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

Test(table, malformed_tensors) {
    static const char *const headers[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"a\":1}",
        "{\"a\":" TENSOR("4", "[2,2]", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "4", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[0,16,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[0,\"16\"]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[16,0]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[-16,0]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[0,99999999999999999999]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[1,17]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,1]", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[-2,-2]", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[4611686018427387904,4611686018427387904]", "[0,0]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,1,2]", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F4\"", "[2,2]", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F64\"", "[2,1]", "[0,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[1,2]", "[0,8]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[1,2]", "[8,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[0,16]") ",\"b\":" TENSOR("\"F32\"", "[1]",
                                                                        "[12,16]") "}",
        "{\"a\":" TENSOR("\"F32\"", "[2,2]", "[0,16]") ",\"a\":" TENSOR("\"F32\"", "[2,2]",
                                                                        "[0,16]") "}"};
    static const float data[4] = {0};
    struct numbers table;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        put_tensors("x.safetensors", headers[i], data, sizeof data);
        cr_expect(safetensors_open(&table, "x.safetensors", NULL) == STATUS_INPUT, "%s",
                  headers[i]);
    }
    put("x.safetensors", "1234567");
    cr_expect(safetensors_open(&table, "x.safetensors", NULL) == STATUS_INPUT);
    put("x.safetensors", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}");
    cr_expect(safetensors_open(&table, "x.safetensors", NULL) == STATUS_INPUT);
    cr_expect(safetensors_open(&table, "absent.safetensors", NULL) == STATUS_IO);
}

Test(table, patterns) {
    struct string_list sources = {0};
    put("part-10.npy", "");
    put("part-9.npy", "");
    put("part-007.h5", "");
    put("odd[1].npy", "");
    cr_assert(table_expand("part-*.npy", &sources) == STATUS_OK && sources.count == 2);
    cr_expect_str_eq(string_at(&sources, 0), "part-9.npy");
    cr_expect_str_eq(string_at(&sources, 1), "part-10.npy");
    cr_assert(table_expand("odd[1].npy", &sources) == STATUS_OK && sources.count == 3);
    cr_expect_str_eq(string_at(&sources, 2), "odd[1].npy");
    cr_assert(table_expand("p*.h5:/a*", &sources) == STATUS_OK && sources.count == 4);
    cr_expect_str_eq(string_at(&sources, 3), "part-007.h5:/a*");
    cr_expect(table_expand("none-*.npy", &sources) == STATUS_IO && sources.count == 4);
    string_list_free(&sources);
}

/* Two files of two rows each of one column: 0, 1, 2, 3. */
Test(table, rows_in_any_order) {
    static const float data[] = {0, 1, 2, 3};
    static const int64_t wanted[] = {3, -1, 1, 2, 0, 1};
    static const char header[] = "{\"a\":" TENSOR("\"F32\"", "[2,1]", "[0,8]") "}";
    struct string_list sources = {0};
    struct table table;
    float out[6];
    put_tensors("0.safetensors", header, data, 8);
    put_tensors("1.safetensors", header, data + 2, 8);
    cr_assert(table_expand("?.safetensors", &sources) == STATUS_OK);
    cr_assert(table_open(&table, &sources, "a") == STATUS_OK && table.rows == 4);
    cr_assert(table_gather(&table, wanted, 6, out) == STATUS_OK);
    for (int i = 0; i < 6; i++)
        cr_expect(out[i] == (wanted[i] < 0 ? 0 : (float)wanted[i]), "row %d", i);
    cr_expect(table_read(&table, 3, 5, out) == STATUS_FAIL);
    put_tensors("0.safetensors", "{\"a\":" TENSOR("\"F32\"", "[1,2]", "[0,8]") "}", data, 8);
    cr_expect(table_read(&table, 0, 1, out) == STATUS_INPUT, "changed since it was opened");
    table_close(&table);
    cr_expect(table_open(&table, &sources, "a") == STATUS_INPUT, "of two widths");
    string_list_free(&sources);
}

Test(table, keys) {
    static char *names[] = {"a", "b", "c"}, *twins[] = {"a", "b", "a"};
    const struct h5_strings items = {3, names, NULL}, same = {3, twins, NULL};
    struct key_counts counts;
    int64_t row_of[3];
    put("keys", "c\nx\na\ny\n");
    cr_expect(key_rows_read("keys", &items, 4, false, row_of, &counts) == STATUS_INPUT);
    cr_expect(key_rows_read("keys", &items, 3, true, row_of, &counts) == STATUS_INPUT);
    cr_expect(key_rows_read("keys", &same, 4, true, row_of, &counts) == STATUS_INPUT);
    cr_assert(key_rows_read("keys", &items, 4, true, row_of, &counts) == STATUS_OK);
    cr_expect(row_of[0] == 2 && row_of[1] == -1 && row_of[2] == 0);
    cr_expect(counts.unknown == 2 && counts.covered == 2);
    put("keys", "c\nc\n");
    cr_expect(key_rows_read("keys", &items, 2, true, row_of, &counts) == STATUS_INPUT);
}
