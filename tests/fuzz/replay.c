/* Gives the target every file of the folders named, in the place of libFuzzer. */
#include "tests/fuzz/target.h"
#include <dirent.h>
#include <sys/stat.h>

static int replay_file(const char *path) {
    struct stat info;
    FILE *stream = fopen(path, "rb");
    REQUIRE(stream && fstat(fileno(stream), &info) == 0);
    if (!S_ISREG(info.st_mode)) {
        fclose(stream);
        return 0;
    }
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size + 1);
    REQUIRE(data && fread(data, 1, size, stream) == size);
    fclose(stream);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        REQUIRE(folder);
        for (struct dirent *e; (e = readdir(folder));) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            count += replay_file(path);
        }
        closedir(folder);
    }
    printf("%d inputs\n", count);
    return count ? 0 : 1;
}
