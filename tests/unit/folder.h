/* Tests that run in an empty folder of their own and leave no allocation. */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H
#include "core/log.h"
#include "core/mem.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static inline void enter_folder(void) {
    strcpy(folder, "/tmp/cdsr-test-XXXXXX");
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
    log_set_level(LOG_ERROR);
}

static inline void leave_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect(chdir("/") == 0 && system(command) == 0);
    cr_expect(mem_live() == 0, "%lld allocations left", (long long)mem_live());
}

static inline void put(const char *path, const char *text) {
    FILE *stream = fopen(path, "wb");
    cr_assert(stream && fputs(text, stream) >= 0 && fclose(stream) == 0);
}

#endif
