#include "core/blas.h"
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Sets *function, a pointer to a function, to that of this name. False: there is none. */
static bool find_in(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

/* In the library that the products come from, or those that it needs. LAPACK may bring another one along. */
static bool find(const char *name, void *function) {
    Dl_info info;
    void *product = dlsym(RTLD_DEFAULT, "cblas_sgemm"), *library = NULL;
    if (product && dladdr(product, &info))
        library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    bool found = find_in(library ? library : RTLD_DEFAULT, name, function);
    if (library)
        dlclose(library);
    return found;
}

/* FlexiBLAS has functions of OpenBLAS's names too, but for its configuration. */
static bool is_flexiblas(void) {
    void (*version)(int *, int *, int *);
    return find("flexiblas_get_version", &version);
}

static bool is_openblas(void) {
    char *(*config)(void);
    return !is_flexiblas() && find("openblas_get_config", &config);
}

const char *blas_name(void) {
    return is_flexiblas() ? "flexiblas" : is_openblas() ? "openblas" : "blas";
}

static void flexiblas_version(char *text, size_t size) {
    void (*version)(int *, int *, int *);
    int (*backend)(char *, size_t);
    char name[128] = "an unknown library";
    int major = 0, minor = 0, patch = 0;
    if (find("flexiblas_get_version", &version))
        version(&major, &minor, &patch);
    if (find("flexiblas_current_backend", &backend))
        backend(name, sizeof name);
    snprintf(text, size, "%d.%d.%d with %s", major, minor, patch, name);
}

/* The name comes again in OpenBLAS's own description. */
static void openblas_version(char *text, size_t size) {
    static const char name[] = "OpenBLAS ";
    char *(*config)(void);
    const char *said = find("openblas_get_config", &config) ? config() : "unknown";
    if (!strncmp(said, name, strlen(name)))
        said += strlen(name);
    snprintf(text, size, "%s", said);
}

void blas_version(char *text, size_t size) {
    if (is_flexiblas())
        flexiblas_version(text, size);
    else if (is_openblas())
        openblas_version(text, size);
    else
        snprintf(text, size, "unknown");
}

int blas_threads(void) {
    int (*threads)(void);
    return find_in(RTLD_DEFAULT, "openblas_get_num_threads", &threads) ? threads() : 1;
}

void blas_set_threads(int n) {
    void (*set)(int);
    if (find_in(RTLD_DEFAULT, "openblas_set_num_threads", &set))
        set(n);
}

/* OpenBLAS has no header for these two. Any number below 3 as the argument does. */
void *blas_take_buffer(void) {
    void *(*take)(int);
    return is_openblas() && find("blas_memory_alloc", &take) ? take(0) : NULL;
}

void blas_give_buffer(void *buffer) {
    void (*give)(void *);
    if (buffer && find("blas_memory_free", &give))
        give(buffer);
}
