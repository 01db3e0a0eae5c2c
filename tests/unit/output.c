#include "io/output.h"
#include "core/mem.h"
#include "io/file.h"
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char home[PATH_MAX], root[] = "/tmp/cdsr-output-XXXXXX";

/* In a directory of its own, of which `rm -r` leaves nothing. */
static void start(void) {
    cr_redirect_stderr();
    umask(022);
    cr_assert(getcwd(home, sizeof home) && mkdtemp(root) && !chdir(root));
}

static void finish(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_expect(!chdir(home) && !system(command));
    cr_expect_eq(mem_live(), 0);
}

TestSuite(output, .init = start, .fini = finish);

static void expect_text(const char *path, const char *wanted) {
    char text[64] = "";
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    cr_expect_str_eq(text, wanted, "%s holds '%s'", path, text);
}

static int entries(const char *path) {
    int n = 0;
    DIR *directory = opendir(path);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n - 2;
}

static struct stat look(const char *path) {
    struct stat info;
    cr_assert(!lstat(path, &info), "%s", path);
    return info;
}

Test(output, replaces_and_leaves_nothing_beside) {
    cr_expect_eq(output_write("a", "one\n"), STATUS_OK);
    cr_expect_eq(output_write("a", "two\n"), STATUS_OK);
    expect_text("a", "two\n");
    cr_expect_eq(look("a").st_mode & 0777, 0644);
    cr_expect_eq(entries("."), 1);
}

Test(output, failing_leaves_nothing_beside) {
    cr_assert(!mkdir("d", 0777));
    cr_expect_eq(output_write("d", "text"), STATUS_INPUT);
    cr_expect_eq(output_write("absent/a", "text"), STATUS_IO);
    cr_expect_eq(entries("."), 1);
    cr_expect_eq(entries("d"), 0);
}

Test(output, is_given_up_without_a_trace) {
    struct output output;
    cr_expect_eq(output_write("a", "old"), STATUS_OK);
    cr_assert_eq(output_begin(&output, "a", OUTPUT_HDF5), STATUS_OK);
    cr_expect_eq(look(output.file).st_mode & 0777, 0600);
    cr_expect_eq(output_end(&output, STATUS_FAIL), STATUS_FAIL);
    expect_text("a", "old");
    cr_expect_eq(entries("."), 1);
}

Test(output, follows_links_and_keeps_them) {
    cr_assert(!mkdir("far", 0777) && !mkdir("far/off", 0777));
    cr_assert(!symlink("far/second", "first") && !symlink("off/target", "far/second"));
    for (int there = 0; there < 2; there++) {
        cr_expect_eq(output_write("first", there ? "two" : "one"), STATUS_OK);
        cr_expect(S_ISLNK(look("first").st_mode) && S_ISLNK(look("far/second").st_mode));
        cr_expect(S_ISREG(look("far/off/target").st_mode));
        expect_text("first", there ? "two" : "one");
    }
    cr_expect(entries(".") == 2 && entries("far") == 2 && entries("far/off") == 1);
}

Test(output, refuses_links_in_a_circle) {
    cr_assert(!symlink("b", "a") && !symlink("a", "b"));
    cr_expect_eq(output_write("a", "text"), STATUS_IO);
    cr_expect_null(output_target("a"));
    cr_expect_eq(entries("."), 2);
}

Test(output, keeps_owner_and_permissions) {
    bool root_here = geteuid() == 0;
    cr_expect_eq(output_write("a", "one"), STATUS_OK);
    cr_assert(!root_here || !chown("a", 65534, 65533));
    cr_assert(!chmod("a", 04604));
    struct stat before = look("a");
    cr_expect_eq(output_write("a", "two"), STATUS_OK);
    struct stat after = look("a");
    expect_text("a", "two");
    cr_expect_eq(after.st_mode & 07777, 0604, "%o", after.st_mode);
    cr_expect(after.st_uid == before.st_uid && after.st_gid == before.st_gid);
    cr_expect_neq(after.st_ino, before.st_ino);
}

Test(output, leaves_other_names_of_the_old_file) {
    cr_expect_eq(output_write("a", "old"), STATUS_OK);
    cr_assert(!link("a", "b"));
    cr_expect_eq(output_write("a", "new"), STATUS_OK);
    expect_text("a", "new");
    expect_text("b", "old");
}

/* As a process of the same number does that was killed, or that runs on another node. */
Test(output, leaves_a_temporary_file_of_another) {
    char name[64];
    snprintf(name, sizeof name, "a.tmp.%ld", (long)getpid());
    cr_expect_eq(output_write(name, "another's"), STATUS_OK);
    cr_expect_eq(output_write("a", "mine"), STATUS_OK);
    expect_text(name, "another's");
    expect_text("a", "mine");
    cr_expect_eq(entries("."), 2);
}

Test(output, goes_straight_into_a_fifo) {
    char got[8] = "";
    cr_assert(!mkfifo("fifo", 0600));
    pid_t child = fork();
    if (child == 0) {
        int file = open("fifo", O_RDONLY);
        _exit(read(file, got, sizeof got) == 4 && !memcmp(got, "text", 4) ? 0 : 1);
    }
    int outcome = -1;
    cr_expect_eq(output_write("fifo", "text"), STATUS_OK);
    cr_expect(waitpid(child, &outcome, 0) == child && outcome == 0);
    cr_expect(S_ISFIFO(look("fifo").st_mode));
    cr_expect_eq(entries("."), 1);
}

Test(output, fails_when_the_reader_of_a_fifo_goes) {
    enum { MORE = 1 << 20 }; /* than a pipe holds */
    char *text = mem_alloc(MORE, 1);
    memset(text, 'x', MORE);
    text[MORE - 1] = '\0';
    signal(SIGPIPE, SIG_IGN);
    cr_assert(!mkfifo("fifo", 0600));
    pid_t child = fork();
    if (child == 0)
        _exit(open("fifo", O_RDONLY) < 0);
    cr_expect_eq(output_write("fifo", text), STATUS_IO);
    waitpid(child, NULL, 0);
    mem_free(text);
}

Test(output, hdf5_wants_a_regular_file) {
    struct output output;
    cr_assert(!mkfifo("fifo", 0600) && !mkdir("d", 0777) && !symlink("fifo", "link"));
    static const char *const paths[] = {"fifo", "d", "link", "-"};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(output_begin(&output, paths[i], OUTPUT_HDF5), STATUS_INPUT, "%s", paths[i]);
    cr_expect(S_ISFIFO(look("fifo").st_mode) && S_ISLNK(look("link").st_mode));
    cr_expect_eq(entries("."), 3);
}
