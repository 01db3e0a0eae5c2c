/* Versions of the program and of the libraries it runs with. Not collective. */
#ifndef IO_VERSION_H
#define IO_VERSION_H

enum { VERSIONS = 12 };

struct version {
    const char *name; /* the program first */
    char text[256];   /* one line */
};

void versions_get(struct version versions[VERSIONS]);

/* The compiler, and the flags that CMake gave it for this kind of build. */
const char *version_compiler(void);
const char *version_flags(void);

#endif
