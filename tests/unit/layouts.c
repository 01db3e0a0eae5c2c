/* Events and items in the layouts that people have, and what a data set is made of them. */
#include "io/leak.h"
#include "io/readers/interactions.h"
#include "io/readers/sheet.h"
#include "io/readers/times.h"
#include "tests/unit/folder.h"
#include <sys/stat.h>

TestSuite(layouts, .init = enter_folder, .fini = leave_folder);

static struct interactions_options options;
static struct dataset_content content;

/* The inputs "a b c", and domains "A=x B=y", with the options; `content` is what comes out. */
static enum status prepare(const char *inputs, const char *domains) {
    const char *list[2][8];
    char text[2][256];
    int count[2] = {0, 0};
    struct layout layout;
    for (int i = 0; i < 2; i++) {
        snprintf(text[i], sizeof text[i], "%s", i ? domains : inputs);
        for (char *word = strtok(text[i], " "); word; word = strtok(NULL, " "))
            list[i][count[i]++] = word;
    }
    if (!*options.columns.name[ROLE_USER])
        columns_default(&options.columns);
    dataset_content_free(&content);
    TRY(layout_find(&layout, list[0], count[0], list[1], count[1], &options.columns));
    if (layout.given && options.split == SPLIT_LOO)
        options.split = SPLIT_GIVEN;
    enum status status = interactions_read(&layout, &options, &content);
    layout_free(&layout);
    return status;
}

static void forget(void) {
    dataset_content_free(&content);
    options = (struct interactions_options){0};
}

/* The keys of a sequence, "a b c"; "" if there is none. */
static const char *keys_of(enum split split, int64_t s) {
    static char text[256];
    const struct sequences *q = &content.split[split].sequences;
    *text = '\0';
    for (int64_t e = s < q->count ? q->offsets[s] : 0; s < q->count && e < q->offsets[s + 1]; e++)
        sprintf(text + strlen(text), "%s%s", *text ? " " : "",
                string_at(&content.keys, q->items[e]));
    return text;
}

static void refuse(const char *inputs, const char *domains, const char *what) {
    log_set_level((enum log_level) - 1);
    cr_expect(prepare(inputs, domains) == STATUS_INPUT, "%s", what);
    forget();
}

/* ---- one pair ---- */

static void put_interactions(void) {
    put("x.item", "title:token_seq\titem_id:token\tdomain:token\n"
                  "T\ti1\tB\nU\ti2\tA\n\ti3\tB\n");
    put("x.inter", "timestamp:float\tuser_id:token\titem_id:token\n"
                   "5\tu\ti1\n4\tu\ti2\n5\tu\ti3\n9\tv\ti2\n1\tv\ti1\n");
}

Test(layouts, leave_one_out) {
    put_interactions();
    cr_assert(prepare("x.inter x.item", "") == STATUS_OK);
    cr_expect(content.domain_items[0] == 1 && content.domain_items[1] == 2);
    cr_expect_str_eq(string_at(&content.keys, 0), "i2");
    cr_expect_str_eq(string_at(&content.titles, 1), "T");
    cr_expect_str_eq(content.protocol, "loo");
    cr_expect_str_eq(keys_of(SPLIT_TRAIN, 0), "i2");
    cr_expect_str_eq(keys_of(SPLIT_TRAIN, 1), "i1 i2");
    cr_expect_str_eq(keys_of(SPLIT_VALID, 0), "i2 i1");
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "i2 i1 i3");
    cr_expect(content.split[SPLIT_TEST].sequences.count == 1);
    forget();
}

/* Times 1, 4, 5, 5, 9: cut behind 4 and behind 5. */
Test(layouts, temporal) {
    options = (struct interactions_options){.split = SPLIT_TEMPORAL, .fractions = {0.4, 0.4, 0.2}};
    put_interactions();
    cr_assert(prepare("x.inter x.item", "") == STATUS_OK);
    cr_expect(content.split[SPLIT_TRAIN].sequences.count == 2);
    cr_expect_str_eq(keys_of(SPLIT_VALID, 0), "i2 i1 i3");
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "i1 i2");
    forget();
}

/* Without u2 the item i3 has one event, without i3 the user u1 has two. */
Test(layouts, filters_reach_a_fixed_point) {
    options =
        (struct interactions_options){.filters = {.min_user_events = 3, .min_item_events = 2}};
    put("x.inter", "user_id:token\titem_id:token\ttimestamp:float\tdomain:token\n"
                   "u1\ti1\t1\tA\nu1\ti2\t2\tB\nu1\ti3\t3\tA\nu2\ti3\t1\tA\nu2\ti1\t2\tA\n"
                   "u3\ti1\t1\tA\nu3\ti2\t2\tB\nu3\ti4\t3\tB\n"
                   "u4\ti1\t1\tA\nu4\ti2\t2\tB\nu4\ti4\t3\tB\n");
    cr_assert(prepare("x.inter", "") == STATUS_OK);
    cr_expect(content.domain_items[0] == 1 && content.domain_items[1] == 2);
    cr_expect(content.split[SPLIT_TEST].sequences.count == 2);
    cr_expect_str_eq(string_at(&content.split[SPLIT_TEST].users, 0), "u3");
    forget();
}

/* By the column of domains, or for want of one; a filter of both domains looks at the one there is.
 */
Test(layouts, one_domain) {
    options = (struct interactions_options){.filters = {.min_per_domain = 2}};
    put_interactions();
    put("x.item", "item_id:token\tdomain:token\ni1\tB\ni2\tB\ni3\tB\n");
    cr_assert(prepare("x.inter x.item", "") == STATUS_OK);
    cr_expect(content.domain_items[0] == 3 && content.domain_items[1] == 0);
    cr_expect_str_eq(content.labels[0], "B");
    cr_expect_str_eq(content.labels[1], "A");
    cr_expect(content.split[SPLIT_TRAIN].sequences.count == 2);
    put("x.item", "item_id:token\ttitle:token_seq\ni1\tT\ni2\tU\ni3\t\n");
    for (int listed = 0; listed < 2; listed++) {
        cr_assert(prepare(listed ? "x.inter x.item" : "x.inter", "") == STATUS_OK);
        cr_expect(content.domain_items[0] == 3 && content.domain_items[1] == 0);
        cr_expect_str_eq(content.labels[0], "A");
        cr_expect_str_eq(content.labels[1], "B");
    }
    cr_assert(prepare("", "shop=x.inter,x.item") == STATUS_OK);
    cr_expect_str_eq(content.labels[0], "shop");
    cr_expect_str_eq(content.labels[1], "B");
    forget();
    put("x.inter", "user_id:token\titem_id:token\ttimestamp:float\tdomain:token\nu\ti1\t1\tB\n");
    refuse("x.inter x.item", "", "a column of domains in one file only");
}

Test(layouts, refusals_of_a_pair) {
    static const struct {
        const char *file, *text;
    } cases[] = {{"x.item", "item_id:token\tdomain:token\ttitle:token\ni1\tB\tT\ni2\tA\t\ni3\tB\t\n"
                            "i1\tB\tS\n"},
                 {"x.item", "item_id:token\tdomain:token\ni1\tB\ni2\tA\ni3\tC\n"},
                 {"x.item", "item_id:token\tdomain:token\ni1\tB\ni2\tA\n"}, /* no i3 */
                 {"x.item", "item_id:token\tdomain:token\ni1\tB\ni1\tA\ni2\tA\ni3\tB\n"},
                 {"x.item", "domain:token\ttitle:token_seq\nB\tT\n"},
                 {"x.inter", "user_id:token\titem_id:token\ttimestamp:float\nu\ti1\n"},
                 {"x.inter", "user_id:token\titem_id:token\ttimestamp:float\nu\ti1\tnan\n"},
                 {"x.inter", "user_id:token\titem_id:token\ttimestamp:float\n\ti1\t1\n"},
                 {"x.inter", "user_id:token\titem_id:token\ttimestamp:float\n"},
                 {"x.inter", "user_id:token\titem_id:token\ttimestamp:float\nu\ti1\t1\n"},
                 {"x.inter", "user_id:token\titem_id:token\ttimestamp:float\titem_id:token\n"},
                 {"x.inter", "user_id\titem_id\ttimestamp\tdomain\nu\ti1\t1\tA\n"}, /* it is of B */
                 {"x.inter", "user_id\titem_id\ttimestamp\tsku_list\nu\ti1\t1\ti2\n"},
                 {"x.inter", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "case %zu", i);
        put_interactions();
        put(cases[i].file, cases[i].text);
        refuse("x.inter x.item", "", name);
    }
}

/* ---- tables ---- */

/* The fields of all rows, each with "|" behind it, and "/" behind a row. */
static enum status read_sheet(const char *path, char text[256]) {
    struct columns columns;
    struct sheet sheet;
    columns_default(&columns);
    *text = '\0';
    TRY(sheet_open(&sheet, path, false, &columns));
    bool more = true;
    enum status status = sheet_next(&sheet, &more);
    for (; status == STATUS_OK && more; status = sheet_next(&sheet, &more)) {
        for (int c = 0; c < sheet.count; c++)
            strcat(strcat(text, sheet.field[c]), "|");
        strcat(text, "/");
    }
    sheet_close(&sheet);
    return status;
}

Test(layouts, fields_and_their_quotes) {
    static const struct {
        const char *path, *file, *rows;
    } cases[] = {{"x.csv", "item_id,title\n1,\"a, \"\"b\"\"\"\n2,\n\"3\",5\" pipe\n",
                  "1|a, \"b\"|/2||/3|5\" pipe|/"},
                 {"x.csv", "item_id,title\r\n1,\"one\r\n\r\ntwo\"\r\n", "1|one\n\ntwo|/"},
                 {"x.csv", "\"item_id\";\"title\"\n1;a,b\n", "1|a,b|/"},
                 {"x.inter", "item_id:token,title:token\n1,\"a\"\n", "1|a|/"},
                 {"x.tsv", "item_id\ttitle\n1\t\"a\" b\n2\t\"a\n", "1|\"a\" b|/2|\"a|/"},
                 {"x.tsv",
                  "\"item_id\"\t\"title\"\n\"1\"\t\"a \"\"b\"\" \\\"c\\\"\"\n\"2\"\t\"\"\n",
                  "1|a \"b\" \"c\"|/2||/"},
                 {"x.tsv", " item_id : token \ttitle\n1\t\"a\"\n2\tb\n", "1|\"a\"|/2|b|/"},
                 {"x.tsv", "item_id\tprice\ttitle\n1\t2\n3\n", "1|2||/3|||/"}};
    char text[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].path, cases[i].file);
        cr_expect(read_sheet(cases[i].path, text) == STATUS_OK, "case %zu", i);
        cr_expect_str_eq(text, cases[i].rows, "case %zu: %s", i, text);
    }
}

Test(layouts, tables_refused) {
    static const struct {
        const char *path, *file;
    } cases[] = {
        {"x.csv", "item_id,title\n1,\"a\n2,b\n"},    {"x.csv", "item_id,title\n1,\"a\"b\n"},
        {"x.csv", "item_id,title\n1,a,b\n"},         {"x.tsv", "title\titem_id\na\n"},
        {"x.tsv", "item_id\ttitle\n1\ta\n\n2\tb\n"}, {"x.tsv", ""}};
    char text[256];
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].path, cases[i].file);
        cr_expect(read_sheet(cases[i].path, text) == STATUS_INPUT, "case %zu", i);
    }
}

Test(layouts, columns_have_names) {
    struct columns columns;
    columns_default(&columns);
    cr_expect(columns_parse(&columns, "item=sku,user=buyer"));
    cr_expect_str_eq(columns.name[ROLE_ITEM], "sku");
    cr_expect_str_eq(columns.name[ROLE_TIME], "timestamp");
    cr_expect_str_eq(columns.name[ROLE_ITEMS], "sku_list");
    cr_expect(columns_parse(&columns, "items=past") && columns_parse(&columns, "item=thing"));
    cr_expect_str_eq(columns.name[ROLE_ITEMS], "past");
    cr_expect(!columns_parse(&columns, "sku") && !columns_parse(&columns, "item=") &&
              !columns_parse(&columns, "thing=sku") && !columns_parse(&columns, "item=a,") &&
              !columns_parse(&columns, ""));
}

Test(layouts, csv_with_other_names) {
    put("events.csv", "buyer,sku,ts,shop\nu,1,1,b\nu,2,2,a\nu,3,3,b\n");
    put("goods.csv", "sku,shop,name,ts\n1,b,\"x, y\",\n2,a,,\n3,b,z,\n");
    columns_default(&options.columns);
    cr_assert(
        columns_parse(&options.columns, "user=buyer,item=sku,time=ts,domain=shop,title=name"));
    cr_assert(prepare("goods.csv events.csv", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "1 2 3");
    cr_expect_str_eq(string_at(&content.titles, 1), "x, y");
    forget();
}

/* ---- times ---- */

/* Three times that rise, and the second of them in seconds. */
static const struct {
    const char *first, *second, *third;
    int64_t seconds; /* of the second */
} forms[] = {
    {"1400000000", "1400000001", "1400000002", 1400000001},
    {"1400000000000", "1400000000999", "1400000001000", 1400000000},
    {"1400000000000001", "1400000000000002", "1400000000000003", 1400000000},
    {"1400000000000000001", "1400000000000000002", "1400000000000000003", 1400000000},
    {"1400000000.25", "1400000000.5", "1.4000000006e+09", 1400000000},
    {"2014-09-17", "2014-09-18", "2014-09-19", 1410998400},
    {"2014-09-18T10:11:12Z", "2014-09-18T10:11:12.5Z", "2014-09-18 12:11:13+02:00", 1411035072},
    {"2012-02-29 23:29", "2012-03-01T00:00:01+0030", "2012-03-01", 1330558201},
    {"1", "2", "9223372036854775807", 2},
    {"-9223372036854775808", "-1.5", "-1", -2}};

Test(layouts, times_in_their_forms) {
    char text[512];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(text, sizeof text,
                 "user_id\titem_id\ttimestamp\tdomain\nu\tc\t%s\tA\nu\tb\t%s\tA\nu\ta\t%s\tB\n",
                 forms[i].third, forms[i].second, forms[i].first);
        put("x.inter", text);
        cr_assert(prepare("x.inter", "") == STATUS_OK, "form %zu", i);
        cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a b c", "form %zu", i);
        cr_expect(content.split[SPLIT_TEST].times[1] == forms[i].seconds, "form %zu: %lld", i,
                  (long long)content.split[SPLIT_TEST].times[1]);
        leak_check(&content);
        cr_expect(content.leaks.tied[SPLIT_TEST] == 0, "form %zu", i);
        forget();
    }
}

Test(layouts, times_refused) {
    static const char *const cases[][2] = {{"1400000000", "1400000000000"},
                                           {"1400000000", "2014-09-18"},
                                           {"1400000000", ""},
                                           {"2014-09-18", "2014-13-18"},
                                           {"2014-09-18", "2014-02-29"},
                                           {"1400000000", "14,5"},
                                           {"2014-09-18", "2014-09-18T25:00"},
                                           {"2014-09-18", "18.09.2014"},
                                           {"1", "1e30"},
                                           {"1", "inf"},
                                           {"1", "99999999999999999999"}};
    char text[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "user_id\titem_id\ttimestamp\tdomain\nu\tc\t%s\tA\nu\tb\t%s\tA\nu\ta\t%s\tB\n",
                 cases[i][0], cases[i][1], cases[i][0]);
        put("x.inter", text);
        refuse("x.inter", "", cases[i][1]);
    }
}

/* ---- ties and repeats ---- */

static void put_ties(void) {
    put("x.inter", "user_id\titem_id\ttimestamp\tdomain\n"
                   "u\ta\t1\tA\nu\td\t2\tB\nu\tc\t2\tB\nu\tb\t3\tA\n"   /* validation is tied */
                   "v\tb\t1\tA\nv\ta\t2\tA\nv\td\t3\tB\nv\tc\t3\tB\n"   /* both are */
                   "w\ta\t1\tA\nw\tb\t2\tA\nw\tc\t3\tB\nw\td\t4\tB\n"); /* none is */
}

Test(layouts, ties_by_the_file_or_the_key) {
    put_ties();
    cr_assert(prepare("x.inter", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a d c b");
    cr_expect_str_eq(keys_of(SPLIT_TEST, 1), "b a d c");
    forget();
    options.ties = TIES_KEY;
    cr_assert(prepare("x.inter", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a c d b");
    cr_expect_str_eq(keys_of(SPLIT_TEST, 1), "b a c d");
    forget();
}

Test(layouts, tied_targets_are_dropped) {
    put_ties();
    options.ties = TIES_DROP;
    cr_assert(prepare("x.inter", "") == STATUS_OK);
    cr_expect(content.split[SPLIT_TRAIN].sequences.count == 3);
    cr_expect(content.split[SPLIT_VALID].sequences.count == 1);
    cr_expect_str_eq(keys_of(SPLIT_VALID, 0), "a b c");
    cr_expect(content.split[SPLIT_TEST].sequences.count == 2);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a c d b");
    leak_check(&content);
    cr_expect(content.leaks.tied[SPLIT_VALID] == 0 && content.leaks.tied[SPLIT_TEST] == 0);
    forget();
}

Test(layouts, repeats_are_dropped) {
    static const char *const test[] = {"a b a c b", "a b c", "a c b"};
    put("x.inter", "user_id\titem_id\ttimestamp\tdomain\n"
                   "u\ta\t1\tA\nu\tb\t2\tB\nu\ta\t3\tA\nu\tc\t4\tB\nu\tb\t5\tB\n");
    for (int r = 0; r < 3; r++) {
        options.filters.repeats = (enum repeats)r;
        cr_assert(prepare("x.inter", "") == STATUS_OK);
        cr_expect_str_eq(keys_of(SPLIT_TEST, 0), test[r], "%s", keys_of(SPLIT_TEST, 0));
        forget();
    }
}

/* ---- domains ---- */

Test(layouts, two_of_three_domains) {
    put("x.item", "item_id\tdomain\n1\tA\n2\tB\n3\tC\n4\tC\n");
    put("x.inter", "user_id\titem_id\ttimestamp\nu\t1\t1\nu\t3\t2\nu\t2\t3\nu\t1\t4\nv\t3\t1\n");
    options.domains[0] = "B";
    options.domains[1] = "A";
    cr_assert(prepare("x.inter x.item", "") == STATUS_OK);
    cr_expect_str_eq(content.labels[0], "A");
    cr_expect(content.domain_items[0] == 1 && content.domain_items[1] == 1);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "1 2 1");
    cr_expect(content.split[SPLIT_TRAIN].sequences.count == 1);
    forget();
    options.domains[0] = "D";
    options.domains[1] = "A";
    refuse("x.inter x.item", "", "there is no D");
}

/* Ids that both domains have become keys with the domain's label before them. */
Test(layouts, ids_of_both_domains) {
    put("x.inter", "user_id\titem_id\ttimestamp\tdomain\nu\t1\t1\tA\nu\t1\t2\tB\nu\t2\t3\tB\n");
    put("x.item", "item_id\tdomain\ttitle\n1\tB\tof B\n1\tA\tof A\n2\tB\n");
    for (int items = 0; items < 2; items++) {
        cr_assert(prepare(items ? "x.inter x.item" : "x.inter", "") == STATUS_OK);
        cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "A:1 B:1 2");
        cr_expect_str_eq(string_at(&content.titles, 0), items ? "of A" : "");
        forget();
    }
    put("x.inter", "user_id\titem_id\ttimestamp\nu\t1\t1\nu\t1\t2\nu\t2\t3\n");
    refuse("x.inter x.item", "", "1 may be of either domain");
    put("x.inter", "user_id\titem_id\ttimestamp\tdomain\nu\t1\t1\tA\nu\t1\t2\tB\nu\tA:1\t3\tB\n");
    refuse("x.inter", "", "A:1 is an item too");
}

static void put_domains(void) {
    cr_assert(mkdir("food", 0700) == 0 && mkdir("kitchen", 0700) == 0);
    put("food/f.inter", "user_id\titem_id\trating\ttimestamp\nu10\t1\t5\t1\nu10\t2\t5\t4\n"
                        "u9\t2\t5\t1\nu9\t1\t5\t2\n");
    put("kitchen/k.inter", "user_id\titem_id\ttimestamp\nu9\t1\t3\nu10\t3\t3\n");
    put("food/f.item", "item_id\ttitle\n2\ttwo\n1\tone\n");
}

Test(layouts, a_pair_per_domain) {
    static const char *const ways[][2] = {
        {"food kitchen", ""},
        {"kitchen/ food", ""},
        {"", "food=food kitchen=kitchen/k.inter"},
        {"", "kitchen=kitchen/k.inter food=food/f.item,food/f.inter"}};
    put_domains();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        cr_assert(prepare(ways[i][0], ways[i][1]) == STATUS_OK, "way %zu", i);
        cr_expect_str_eq(content.labels[1], "kitchen");
        cr_expect_str_eq(string_at(&content.split[SPLIT_TEST].users, 0), "u9");
        cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "2 food:1 kitchen:1");
        cr_expect_str_eq(keys_of(SPLIT_TEST, 1), "food:1 3 2");
        cr_expect_str_eq(string_at(&content.titles, 0), "two");
        forget();
    }
}

Test(layouts, refusals_of_files) {
    put_domains();
    put("x.train.inter", "user_id\titem_id\ttimestamp\tdomain\nu\t1\t1\tA\n");
    put("x.valid.inter", "user_id\titem_id\ttimestamp\tdomain\nu\t1\t2\tA\n");
    put("x.inter", "user_id\titem_id\ttimestamp\tdomain\nu\t2\t3\tB\n");
    put("x.txt", "one\ntwo\n");
    refuse("food/f.inter kitchen/k.inter", "", "two files of events");
    refuse("food/f.item", "", "items alone");
    refuse("x.train.inter x.valid.inter", "", "no test part");
    refuse("x.train.inter x.inter", "", "a part and a whole");
    refuse("x.txt", "", "neither events nor items");
    put("food/f.item", "item_id\tdomain\n1\tA\n2\tB\n");
    refuse("food kitchen", "", "a folder of two domains");
    refuse("", "food", "no label");
    refuse("", "=food", "no label");
    refuse("", "food=", "no file");
    refuse("", "A=food A=kitchen", "one label twice");
    rmdir("empty");
    cr_assert(mkdir("empty", 0700) == 0);
    refuse("empty", "", "an empty folder");
    options.split = SPLIT_GIVEN;
    refuse("x.inter", "", "no given split");
}

/* ---- given splits ---- */

static void put_given(void) {
    put("x.train.inter",
        "user_id\titem_id\ttimestamp\tdomain\nu\t2\t2\tB\nu\t1\t1\tA\nv\t1\t1\tA\n");
    put("x.valid.inter",
        "user_id\titem_id\ttimestamp\tdomain\nu\t3\t3\tA\nu\t1\t4\tA\nw\t1\t1\tA\n");
    put("x.test.inter", "user_id\titem_id\ttimestamp\tdomain\nu\t4\t0\tB\nv\t4\t1\tB\n");
}

/* Parts follow each other whatever their times; the last of a part is its target; w has no history.
 */
Test(layouts, given_split) {
    put_given();
    cr_assert(prepare("x.test.inter x.train.inter x.valid.inter", "") == STATUS_OK);
    cr_expect_str_eq(content.protocol, "given");
    cr_expect_str_eq(keys_of(SPLIT_TRAIN, 0), "1 2");
    cr_expect_str_eq(keys_of(SPLIT_VALID, 0), "1 2 3 1");
    cr_expect(content.split[SPLIT_VALID].sequences.count == 1);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "1 2 3 1 4");
    cr_expect_str_eq(keys_of(SPLIT_TEST, 1), "1 4");
    leak_check(&content);
    cr_expect(content.leaks.later == 2, "%lld", (long long)content.leaks.later);
    forget();
    options.split = SPLIT_TEMPORAL;
    options.fractions[0] = 0.5;
    options.fractions[1] = 0.3;
    cr_assert(prepare("x.test.inter x.train.inter x.valid.inter", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TRAIN, 0), "4 1");
    forget();
}

Test(layouts, parts_agree_about_domains) {
    put_given();
    put("x.test.inter", "user_id\titem_id\ttimestamp\nu\t4\t0\n");
    refuse(".", "", "no column of domains in the last");
    put_given();
    put("x.train.inter", "user_id\titem_id\ttimestamp\nu\t1\t1\n");
    refuse(".", "", "none in the first");
}

/* ---- lists ---- */

static const char list_items[] = "item_id\tdomain\na\tA\nb\tB\nc\tA\nd\tB\n";

Test(layouts, lists_hold_the_first_events) {
    put("x.item", list_items);
    put("x.inter", "user_id:token\titem_id:token\ttimestamp:float\titem_id_list:token_seq\t"
                   "timestamp_list:float_seq\n"
                   "u\td\t4\ta b c\t1 2 3\nu\tb\t2\ta\t1\nu\tb\t2\ta\t1\nu\tc\t3\ta b\t1 2\n"
                   "v\ta\t7\t\t\n");
    cr_assert(prepare("x.inter x.item", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a b c d");
    cr_expect_str_eq(keys_of(SPLIT_TRAIN, 1), "a");
    cr_expect(content.split[SPLIT_TEST].times[0] == 1 && content.split[SPLIT_TEST].times[3] == 4);
    forget();
}

/* Lists of at most two: the end of what was before. Without times, events have positions. */
Test(layouts, lists_that_were_cut) {
    put("x.item", list_items);
    put("x.inter", "user_id\titem_id\titem_id_list\nu\tb\ta\nu\tc\ta b\nu\td\tb c\nu\ta\tc d\n");
    cr_assert(prepare("x.inter x.item", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a b c d a");
    leak_check(&content);
    cr_expect(!content.leaks.has_times);
    forget();
    options.split = SPLIT_TEMPORAL;
    refuse("x.inter x.item", "", "no times to cut by");
}

/* Each part's lists go on from the parts before; w is in no part before. */
Test(layouts, lists_of_a_given_split) {
    put("x.item", list_items);
    put("x.train.inter", "user_id\titem_id\titem_id_list\nu\tb\ta\n");
    put("x.valid.inter", "user_id\titem_id\titem_id_list\nu\tc\ta b\nw\td\ta c\n");
    put("x.test.inter", "user_id\titem_id\titem_id_list\nu\td\ta b c\n");
    cr_assert(prepare(".", "") == STATUS_OK);
    cr_expect_str_eq(keys_of(SPLIT_TRAIN, 0), "a b");
    cr_expect_str_eq(keys_of(SPLIT_VALID, 0), "a b c");
    cr_expect_str_eq(keys_of(SPLIT_VALID, 1), "a c d");
    cr_expect_str_eq(keys_of(SPLIT_TEST, 0), "a b c d");
    forget();
}

Test(layouts, lists_refused) {
    static const char *const cases[] = {
        "user_id\titem_id\titem_id_list\nu\tb\ta\nu\tc\ta d\n",            /* contradict */
        "user_id\titem_id\titem_id_list\nu\tb\ta\nu\tc\ta\nu\ta\ta b c\n", /* as well */
        "user_id\titem_id\titem_id_list\nu\tb\tx\n",                       /* unknown item */
        "user_id\titem_id\ttimestamp\titem_id_list\ttimestamp_list\nu\tb\t2\ta\t\n",
        "user_id\titem_id\ttimestamp\titem_id_list\ttimestamp_list\nu\tb\t2\ta\t1 2\n"};
    put("x.item", list_items);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("x.inter", cases[i]);
        refuse("x.inter x.item", "", cases[i]);
    }
    cr_assert(unlink("x.inter") == 0);
    put_given();
    put("x.test.inter", "user_id\titem_id\titem_id_list\nu\td\ta b c\n");
    put("x.item", "item_id\tdomain\n1\tA\n2\tB\n3\tA\n4\tB\na\tA\nb\tB\nc\tA\nd\tB\n");
    refuse(".", "", "lists in one part only");
}
