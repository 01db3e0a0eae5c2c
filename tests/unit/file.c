#include "io/file.h"
#include "core/mem.h"
#include "io/output.h"
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char home[PATH_MAX], root[] = "/tmp/cdsr-file-XXXXXX";

/* In a directory of its own, which must be empty again when it is removed. */
static void start(void) {
    cr_redirect_stderr();
    cr_assert(getcwd(home, sizeof home) && mkdtemp(root) && !chdir(root));
}

static void finish(void) {
    cr_expect(!chdir(home) && !rmdir(root), "something is left in %s", root);
    cr_expect_eq(mem_live(), 0);
}

TestSuite(file, .init = start, .fini = finish);

static int entries(const char *path) {
    int n = 0;
    DIR *directory = opendir(path);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n - 2;
}

Test(file, directories_come_with_their_parents) {
    cr_expect_eq(file_make_directory("a/b//c/"), STATUS_OK);
    cr_expect_eq(file_make_directory("a/b/c"), STATUS_OK);
    cr_expect(file_exists("a/b/c") && !file_exists("a/b/d"));
    cr_expect_eq(output_write("a/f", ""), STATUS_OK);
    cr_expect_eq(file_make_directory("a/f"), STATUS_IO);
    cr_expect_eq(file_make_directory("a/f/g"), STATUS_IO);
    cr_expect_eq(file_make_directory(""), STATUS_IO);
    cr_expect(!unlink("a/f") && !rmdir("a/b/c") && !rmdir("a/b") && !rmdir("a"));
}

Test(file, removes_what_killed_writers_left) {
    static const char *const left[] = {"a.tmp.1234", "b.h5.tmp.7", "b.h5.tmp.145-916606297-145.lock"};
    static const char *const kept[] = {"a.tmp.", "a.tmp.12b", "a.tmp", "a.tmp.1-2", "a.tmp.lock"};
    for (int i = 0; i < 3; i++)
        cr_expect_eq(output_write(left[i], ""), STATUS_OK);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(output_write(kept[i], ""), STATUS_OK);
    cr_expect_eq(file_remove_temporary("."), STATUS_OK);
    cr_expect_eq(entries("."), 5);
    cr_expect_eq(file_remove_all(".", "a.tmp"), STATUS_OK);
    cr_expect_eq(file_remove_temporary("absent"), STATUS_OK);
}

Test(file, removes_by_prefix) {
    cr_expect_eq(file_remove_all("absent", "step-"), STATUS_OK);
    cr_expect_eq(output_write("step-1", ""), STATUS_OK);
    cr_expect_eq(output_write("step-2", ""), STATUS_OK);
    cr_expect_eq(output_write("keep", ""), STATUS_OK);
    cr_expect_eq(file_remove_all(".", "step-"), STATUS_OK);
    cr_expect_eq(entries("."), 1);
    cr_expect_eq(file_remove("keep"), STATUS_OK);
}
