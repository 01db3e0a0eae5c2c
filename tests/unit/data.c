#include "core/log.h"
#include "core/mem.h"
#include "io/leak.h"
#include "io/lines.h"
#include "io/npy.h"
#include "io/readers/c2dsr.h"
#include "io/readers/order.h"
#include "io/sha256.h"
#include "io/string_list.h"
#include "io/synth.h"
#include "tests/unit/folder.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(data, .init = enter_folder, .fini = leave_folder);

/* FIPS 180-2, appendix B. */
Test(data, sha256_of_the_standard) {
    struct sha256 hash;
    char text[SHA256_TEXT];
    sha256_begin(&hash);
    sha256_add(&hash, "a", 1);
    sha256_add(&hash, "bc", 2);
    sha256_end(&hash, text);
    cr_expect_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    put("file", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
    cr_assert(sha256_file("file", text) == STATUS_OK);
    cr_expect_str_eq(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(data, utf8) {
    static const char *const good[] = {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    static const char *const bad[] = {"\x80",         "\xC3",     "\xC0\xAF",
                                      "\xED\xA0\x80", "\xE2\x82", "\xF4\x90\x80\x80",
                                      "a\xFF",        "\xE9t\xE9"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(utf8_valid(good[i]), "good %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!utf8_valid(bad[i]), "bad %zu", i);
}

Test(data, map_numbers_distinct_strings) {
    struct string_map map = {0};
    char text[32];
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < 5000; i++) {
            bool added;
            snprintf(text, sizeof text, "%lld", (long long)i);
            cr_assert(string_map_add(&map, text, &added) == i && added == (pass == 0));
        }
    cr_expect(string_map_find(&map, "4999") == 4999 && string_map_find(&map, "x") == -1);
    string_map_free(&map);
}

/* The lines of "file", each followed by "|", into text (64 bytes). */
static enum status read_lines(bool strict, char text[64]) {
    struct lines lines;
    bool more = true;
    *text = '\0';
    TRY(lines_open(&lines, "file", strict));
    enum status status = lines_next(&lines, &more);
    for (; status == STATUS_OK && more; status = lines_next(&lines, &more))
        strcat(strcat(text, lines.text), "|");
    lines_close(&lines);
    return status;
}

Test(data, lines_and_their_ends) {
    static const struct {
        const char *file, *lines;
    } cases[] = {{"one\r\n two\n", "one| two|"},
                 {"one\ntwo", "one|two|"},
                 {"one\ntwo\n\n\r\n\n", "one|two|"},
                 {"\n\n", ""},
                 {"\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n", "one|\xEF\xBB\xBFtwo|"},
                 {"\xEF\xBB\xBF", ""},
                 {"one\rtwo\n", "one\rtwo|"}};
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("file", cases[i].file);
        cr_expect(read_lines(false, text) == STATUS_OK, "case %zu", i);
        cr_expect_str_eq(text, cases[i].lines, "case %zu: %s", i, text);
    }
}

Test(data, lines_refused) {
    static const char *const cases[] = {"one\n\ntwo\n", "\xFF\xFE\x6F", "\xFE\xFF\x01",
                                        "one\rtwo\r"};
    char text[64];
    struct lines lines;
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("file", cases[i]);
        cr_expect(read_lines(false, text) == STATUS_INPUT, "case %zu", i);
    }
    put("file", "one\ntwo");
    cr_expect(read_lines(true, text) == STATUS_INPUT);
    cr_expect_str_eq(text, "one|");
    cr_expect(lines_open(&lines, "absent", false) == STATUS_IO);
}

/* At the end the number is that of a line more, whatever empty lines there are: files of keys are
 * counted so. */
Test(data, lines_are_numbered) {
    struct lines lines;
    bool more = true;
    put("file", "a\nb\n\n\n");
    cr_assert(lines_open(&lines, "file", false) == STATUS_OK);
    for (int i = 1; i <= 3; i++)
        cr_expect(lines_next(&lines, &more) == STATUS_OK && lines.number == i);
    cr_expect(!more);
    lines_close(&lines);
}

Test(data, lines_go_on) {
    struct lines lines;
    bool more;
    put("file", "a\n\nb\nc\n");
    cr_assert(lines_open(&lines, "file", false) == STATUS_OK);
    cr_assert(lines_next(&lines, &more) == STATUS_OK);
    cr_assert(lines_continue(&lines, &more) == STATUS_OK && more);
    cr_assert(lines_continue(&lines, &more) == STATUS_OK && more);
    cr_expect_str_eq(lines.text, "a\n\nb");
    cr_expect(lines.number == 1);
    cr_assert(lines_next(&lines, &more) == STATUS_OK && lines.number == 4);
    cr_assert(lines_continue(&lines, &more) == STATUS_OK && !more);
    cr_expect_str_eq(lines.text, "c");
    lines_close(&lines);
}

/* Two members, and the hash of the file as it stands. */
Test(data, lines_of_gzip) {
    struct lines lines;
    char text[64], hash[SHA256_TEXT], whole[SHA256_TEXT];
    bool more = true;
    cr_assert(system("{ printf '\\357\\273\\277one\\ntw' | gzip; printf 'o\\n' | gzip; } >file && "
                     "head -c 30 file >cut && { cat file; echo; } >tail") == 0);
    cr_assert(read_lines(true, text) == STATUS_OK);
    cr_expect_str_eq(text, "one|two|");
    cr_assert(lines_open(&lines, "file", false) == STATUS_OK);
    while (more)
        cr_assert(lines_next(&lines, &more) == STATUS_OK);
    lines_sha256(&lines, hash);
    lines_close(&lines);
    cr_assert(sha256_file("file", whole) == STATUS_OK);
    cr_expect_str_eq(hash, whole);
    log_set_level((enum log_level) - 1);
    cr_assert(rename("cut", "file") == 0);
    cr_expect(read_lines(false, text) == STATUS_INPUT);
    cr_assert(rename("tail", "file") == 0);
    cr_expect(read_lines(false, text) == STATUS_INPUT);
}

Test(data, numbers_are_whole_fields) {
    int64_t i;
    double x;
    cr_expect(parse_int("-12", &i) && i == -12);
    cr_expect(!parse_int("", &i) && !parse_int(" 1", &i) && !parse_int("1x", &i) &&
              !parse_int("99999999999999999999", &i));
    cr_expect(parse_double("1.5e9", &x) && x == 1.5e9);
    cr_expect(!parse_double("", &x) && !parse_double("nan", &x) && !parse_double("1 ", &x));
}

Test(data, order_is_stable) {
    enum { N = 1000 };
    struct moment key[N];
    int64_t order[N];
    for (int i = 0; i < N; i++)
        key[i] = (struct moment){INT64_MAX - i * 7 % 10 / 2, i * 7 % 10 % 2};
    identity_order(N, order);
    stable_order(key, N, order);
    for (int i = 1; i < N; i++)
        cr_assert(moment_after(key[order[i]], key[order[i - 1]]) ||
                  (moment_same(key[order[i]], key[order[i - 1]]) && order[i - 1] < order[i]));
}

Test(data, half_precision) {
    cr_expect(number_half(0x3C00) == 1 && number_half(0xC000) == -2 &&
              number_half(0x7BFF) == 65504);
    cr_expect(number_half(0x0001) == 0x1p-24f && number_half(0x03FF) == 1023 * 0x1p-24f);
    cr_expect(isinf(number_half(0x7C00)) && isnan(number_half(0x7E00)));
    cr_expect(number_bfloat(0x3FC0) == 1.5f && number_bfloat(0x8000) == 0);
    cr_expect(isinf(number_bfloat(0xFF80)) && isnan(number_bfloat(0x7FC0)));
}

static void put_npy_version(int version, const char *header, const void *data, size_t bytes) {
    FILE *stream = fopen("x.npy", "wb");
    size_t n = strlen(header);
    cr_assert(stream);
    fprintf(stream, "\x93NUMPY%c%c", version, 0);
    for (int i = 0; i < (version == 1 ? 2 : 4); i++)
        fputc((int)(n >> 8 * i) & 255, stream);
    fwrite(header, 1, n, stream);
    fwrite(data, 1, bytes, stream);
    fclose(stream);
}

static void put_npy(const char *header, const void *data, size_t bytes) {
    put_npy_version(1, header, data, bytes);
}

/* 1.5, -2, 0.25 in every type and version. */
Test(data, npy_versions_and_types) {
    static const uint16_t half[] = {0x3E00, 0xC000, 0x3400};
    static const float single[] = {1.5f, -2, 0.25f};
    static const double twice[] = {1.5, -2, 0.25};
    const void *const data[] = {half, single, twice};
    char header[80];
    struct numbers npy;
    float rows[3];
    for (int i = 0; i < 9; i++) {
        int size = 2 << i % 3;
        snprintf(header, sizeof header,
                 "{'descr': '<f%d', 'fortran_order': False, 'shape': (3, 1), }\n", size);
        put_npy_version(1 + i / 3, header, data[i % 3], 3 * (size_t)size);
        cr_assert(npy_open(&npy, "x.npy") == STATUS_OK);
        cr_assert(numbers_read(&npy, 0, 3, rows) == STATUS_OK);
        cr_expect(!memcmp(rows, single, sizeof rows), "f%d, version %d", size, 1 + i / 3);
        numbers_close(&npy);
    }
    put_npy_version(4, header, twice, sizeof twice);
    cr_expect(npy_open(&npy, "x.npy") == STATUS_INPUT);
}

Test(data, npy_tables) {
    static const double data[] = {1, 2, 3, 4, 5, 6};
    float rows[4];
    struct numbers npy;
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }\n", data, sizeof data);
    cr_assert(npy_open(&npy, "x.npy") == STATUS_OK);
    cr_expect(npy.rank == 2 && npy.rows == 3 && npy.width == 2);
    cr_assert(numbers_read(&npy, 1, 3, rows) == STATUS_OK);
    cr_expect(rows[0] == 3 && rows[3] == 6);
    numbers_close(&npy);
}

/* The columns 1 2 3 and 4 1e300 6, one after the other. */
Test(data, npy_in_fortran_order) {
    static const double data[] = {1, 2, 3, 4, 1e300, 6};
    float rows[6];
    double exact[2];
    struct numbers npy;
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }\n", data, sizeof data);
    cr_assert(npy_open(&npy, "x.npy") == STATUS_OK);
    cr_assert(numbers_read(&npy, 0, 3, rows) == STATUS_OK);
    cr_expect(rows[0] == 1 && rows[1] == 4 && rows[2] == 2 && isinf(rows[3]) && rows[5] == 6);
    cr_assert(numbers_read(&npy, 2, 3, rows) == STATUS_OK);
    cr_expect(rows[0] == 3 && rows[1] == 6);
    cr_assert(numbers_read_exact(&npy, 1, exact) == STATUS_OK);
    cr_expect(exact[0] == 2 && exact[1] == 1e300);
    numbers_close(&npy);
}

Test(data, npy_refusals) {
    static const char *const headers[] = {
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3, 2), }\n",
        "{'descr': '>f8', 'fortran_order': False, 'shape': (3, 2), }\n",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }\n",
        "{'descr': [('a', '<f8'), ('b', '<f8')], 'fortran_order': False, 'shape': (3,), }\n",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (3, 2), }\n",
        "{'descr': '<c16', 'fortran_order': False, 'shape': (3, 1), }\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 2), }\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 2), }\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2, 1), }\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 16), }\n",
        "{'descr': '<f8', 'fortran_order': False, }\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2",
        ""};
    static const double data[6] = {0};
    struct numbers npy;
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        put_npy(headers[i], data, sizeof data);
        cr_expect(npy_open(&npy, "x.npy") == STATUS_INPUT, "header %zu", i);
    }
    put("x.npy", "\x93NUMP");
    cr_expect(npy_open(&npy, "x.npy") == STATUS_INPUT);
    cr_expect(npy_open(&npy, "absent.npy") == STATUS_IO);
}

/* ---- readers ---- */

static void put_folder(void) {
    put("Alist.txt", "10\ta0\t0\n11\ta1\t1\n");
    put("Blist.txt", "12\tb0\t0\n13\tb1\t1\n14\tb2\t2\n");
    put("traindata_new.txt", "u\t0\t0|5|x|\t2|3|x|\t1|5|x|\t\t\nv\t1\t3|1\n");
    put("validdata_new.txt", "w\t0\t4|7|d|\t0|9|d|\n");
    put("testdata_new.txt", "x\t0\t4|7|d\t4|9|d\n");
}

Test(data, c2dsr_sorts_stably) {
    struct dataset_content content = {0};
    put_folder();
    cr_assert(c2dsr_read(".", true, &content) == STATUS_OK);
    const struct sequences *train = &content.split[SPLIT_TRAIN].sequences;
    cr_expect(content.domain_items[0] == 2 && content.domain_items[1] == 3);
    cr_expect(train->count == 2 && train->offsets[1] == 3 && train->offsets[2] == 4);
    cr_expect(train->items[0] == 2 && train->items[1] == 0 && train->items[2] == 1);
    cr_expect_str_eq(string_at(&content.keys, 3), "b1");
    cr_expect_str_eq(string_at(&content.split[SPLIT_TEST].users, 0), "x");
    cr_expect_str_eq(content.labels[1], "B");
    leak_check(&content);
    cr_expect(content.leaks.has_times && content.leaks.repeated_target == 1);
    dataset_content_free(&content);
}

Test(data, c2dsr_reads_items_and_tags) {
    struct dataset_content content = {0};
    put_folder();
    put("items.tsv", "index\tdomain\tkey\ttitle\n3\tBook\tb1\tTwo\n0\tFilm\ta0\t\xC3\xA9\n");
    put("tags.jsonl",
        "{\"item\": 4, \"tags\": [\"x\", {\"tag\": \"y\", \"weight\": 2}, \"x\", \"\"]}\n"
        "{\"item\": 1, \"tags\": [\"y\"]}\n");
    cr_assert(c2dsr_read(".", true, &content) == STATUS_OK);
    cr_expect_str_eq(string_at(&content.titles, 0), "\xC3\xA9");
    cr_expect_str_eq(string_at(&content.titles, 1), "");
    cr_expect_str_eq(string_at(&content.titles, 3), "Two");
    cr_expect_str_eq(content.labels[0], "Film");
    const struct tags_content *tags = &content.tags;
    cr_expect(tags->offsets[1] == 0 && tags->offsets[2] == 1 && tags->offsets[5] == 3);
    cr_expect(tags->items[0] == 1 && tags->items[1] == 0 && tags->items[2] == 1);
    cr_expect(tags->weights[0] == 1 && tags->weights[2] == 2);
    cr_expect(content.sources.count == 7);
    dataset_content_free(&content);
}

Test(data, c2dsr_of_one_domain) {
    struct dataset_content content = {0};
    put_folder();
    put("Blist.txt", "");
    put("traindata_new.txt", "u\t0\t1|3|d\t0|1|d\n");
    put("validdata_new.txt", "w\t0\t0|7|d\t1|9|d\n");
    put("testdata_new.txt", "x\t0\t1|7|d\t0|9|d\n");
    cr_assert(c2dsr_read(".", true, &content) == STATUS_OK);
    cr_expect(content.domain_items[0] == 2 && content.domain_items[1] == 0);
    cr_expect_str_eq(content.labels[1], "B");
    dataset_content_free(&content);
}

Test(data, c2dsr_refusals) {
    static const struct {
        const char *file, *text;
    } cases[] = {{"Alist.txt", "10\ta0\t0\n11\ta0\t1\n"},
                 {"Alist.txt", "10\ta0\t0\n11\tb1\t1\n"}, /* in both lists */
                 {"Alist.txt", "10\ta0\t0\n11\ta1\t2\n"},
                 {"Alist.txt", "10\ta0\n"},
                 {"Alist.txt", ""},
                 {"Blist.txt", "12\tb0\t0\n13\tb1\t3\n14\tb2\t2\n"}, /* local, then global */
                 {"traindata_new.txt", "u\t0\t5|1|x|\n"},
                 {"traindata_new.txt", "u\t0\t-1|1|x|\n"},
                 {"traindata_new.txt", "u\t0\t\t\n"},
                 {"traindata_new.txt", "u\t0\t1|1\t2\n"},
                 {"traindata_new.txt", "u\t0\t1|1\t2|x\n"},
                 {"traindata_new.txt", "\n"},
                 {"traindata_new.txt", ""},
                 {"validdata_new.txt", "w\t0\t4|7|d|\n"},
                 {"items.tsv", "index\tdomain\tkey\ttitle\n3\tB\tb1\t\xE9\n"},
                 {"items.tsv", "index\tdomain\tkey\ttitle\n3\tB\tb1\n"},
                 {"items.tsv", "index\tdomain\tkey\ttitle\n5\tB\tb1\tx\n"},
                 {"items.tsv", "index\tdomain\tkey\ttitle\n3\tB\tb1\tx\n3\tB\tb1\tx\n"},
                 {"items.tsv", "index\tdomain\tkey\ttitle\n3\tB\tb1\tx\n0\tB\tb1\tx\n"},
                 {"items.tsv", "index\tkey\ttitle\n"},
                 {"tags.jsonl", "{\"item\": 9, \"tags\": []}\n"},
                 {"tags.jsonl", "{\"item\": 1, \"tags\": [1]}\n"},
                 {"tags.jsonl", "{\"item\": 1, \"tags\": [\n"}};
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dataset_content content = {0};
        put_folder();
        unlink("items.tsv");
        unlink("tags.jsonl");
        put(cases[i].file, cases[i].text);
        cr_expect(c2dsr_read(".", true, &content) == STATUS_INPUT, "case %zu", i);
        dataset_content_free(&content);
    }
    struct dataset_content content = {0};
    unlink("Blist.txt");
    cr_expect(c2dsr_read(".", true, &content) == STATUS_IO);
    dataset_content_free(&content);
}

/* ---- leaks ---- */

static void sequence(struct dataset_content *content, enum split split, const char *user, int64_t n,
                     const int32_t *items, int64_t first_time) {
    int64_t times[8];
    for (int64_t i = 0; i < n; i++)
        times[i] = first_time + i;
    split_content_add(&content->split[split], user, n, items, times);
}

Test(data, leaks_are_counted) {
    static const int32_t up[] = {1, 2, 3, 4}, down[] = {4, 3, 2, 1}, again[] = {3, 2, 3};
    struct dataset_content content = {0};
    sequence(&content, SPLIT_TRAIN, "u", 4, up, 10);   /* two events after 11 */
    sequence(&content, SPLIT_TRAIN, "v", 4, down, 10); /* none of this user */
    sequence(&content, SPLIT_VALID, "u", 3, again, 9); /* target at 11, repeated */
    sequence(&content, SPLIT_TEST, "w", 4, down, 0);   /* is a training sequence */
    leak_check(&content);
    cr_expect(content.leaks.has_times && content.leaks.later == 2);
    cr_expect(content.leaks.repeated_target == 1 && content.leaks.in_training == 1);
    cr_expect(content.leaks.ascending == 1 && content.leaks.ascending_of == 3);
    cr_expect(leak_found(&content.leaks));
    dataset_content_free(&content);
}

/* Of the two of test one is known to be later within its second. */
Test(data, tied_targets_are_counted) {
    static const int32_t items[] = {1, 2, 3};
    static const int64_t tied[] = {7, 8, 8}, later[] = {7, 8, 9};
    struct dataset_content content = {0};
    split_content_add(&content.split[SPLIT_VALID], "u", 3, items, tied);
    split_content_add(&content.split[SPLIT_VALID], "v", 3, items, later);
    split_content_add(&content.split[SPLIT_TEST], "v", 3, items, tied);
    split_content_add(&content.split[SPLIT_TEST], "w", 3, items, tied);
    content.split[SPLIT_TEST].apart = 1;
    leak_check(&content);
    cr_expect(content.leaks.tied[SPLIT_VALID] == 1 && content.leaks.tied[SPLIT_TEST] == 1);
    cr_expect(!leak_found(&content.leaks));
    dataset_content_free(&content);
}

Test(data, positions_are_not_times) {
    static const int32_t items[] = {1, 2}, others[] = {2, 1};
    struct dataset_content content = {0};
    sequence(&content, SPLIT_TRAIN, "u", 2, items, 0);
    sequence(&content, SPLIT_TEST, "u", 2, others, 0);
    leak_check(&content);
    cr_expect(!content.leaks.has_times && !leak_found(&content.leaks));
    dataset_content_free(&content);
}

/* ---- synthetic data ---- */

Test(data, synth_has_distinct_items_in_bounds) {
    enum { A = 37, B = 50, N = A + B };
    struct synth synth;
    int32_t items[200];
    int64_t times[200], events = 0, of_a = 0;
    synth_init(&synth, A, B, 8, 6, 5);
    for (int64_t u = 0; u < 500; u++) {
        char seen[N] = {0};
        int64_t n = synth_length(&synth, u);
        cr_assert(n >= SYNTH_SHORTEST && n <= synth.longest);
        synth_events(&synth, u, items, times);
        for (int64_t i = 0; i < n; i++) {
            cr_assert(items[i] >= 0 && items[i] < N && (i == 0 || times[i] > times[i - 1]));
            events++, of_a += items[i] < A;
            if (n <= A / 8) /* as many as a topic has */
                cr_expect(!seen[items[i]], "user %lld", (long long)u);
            seen[items[i]] = 1;
        }
    }
    cr_expect(fabs((double)events / 500 - 6) < 0.5, "mean length %g", (double)events / 500);
    cr_expect(of_a > events / 3 && of_a < 2 * events / 3);
}
