#include "io/version.h"
#include "core/blas.h"
#include "io/http.h"
#include "mpi/comm.h"
#include <hdf5.h>
#include <jansson.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistring/version.h>
#include <webp/decode.h>
#include <yaml.h>
#include <zlib.h>

#include <jpeglib.h> /* needs stdio.h before it */

/* libjpeg-turbo does not say it when it runs: this is what the program was built with. */
#define TEXT_OF(macro) TEXT(macro)
#define TEXT(text) #text

/* Open MPI adds its package and build after a comma; others continue on a second line. MPICH begins
 * with "MPICH Version:" and a tab. */
static void mpi_version(char *text, size_t size) {
    static const char mpich[] = "MPICH Version:\t";
    const char *all = comm_library();
    if (!strncmp(all, mpich, strlen(mpich))) {
        all += strlen(mpich);
        snprintf(text, size, "MPICH %.*s", (int)strcspn(all, "\n"), all);
        return;
    }
    snprintf(text, size, "%.*s", (int)strcspn(all, ",\n"), all);
}

static void hdf5_version(char *text, size_t size) {
    unsigned major = 0, minor = 0, release = 0;
    if (H5get_libversion(&major, &minor, &release) < 0)
        snprintf(text, size, "unknown");
    else
        snprintf(text, size, "%u.%u.%u", major, minor, release);
}

void versions_get(struct version versions[VERSIONS]) {
    static const char *const names[VERSIONS] = {"cdsr",    "mpi",     "hdf5",         NULL,
                                                "jansson", "libyaml", "libunistring", "zlib",
                                                "libcurl", "libjpeg", "libpng",       "libwebp"};
    for (int i = 0; i < VERSIONS; i++)
        versions[i].name = names[i];
    snprintf(versions[0].text, sizeof versions[0].text, "%s", CDSR_VERSION);
    mpi_version(versions[1].text, sizeof versions[1].text);
    hdf5_version(versions[2].text, sizeof versions[2].text);
    versions[3].name = blas_name();
    blas_version(versions[3].text, sizeof versions[3].text);
    snprintf(versions[4].text, sizeof versions[4].text, "%s", jansson_version_str());
    snprintf(versions[5].text, sizeof versions[5].text, "%s", yaml_get_version_string());
    snprintf(versions[6].text, sizeof versions[6].text, "%d.%d.%d", _libunistring_version >> 16,
             _libunistring_version >> 8 & 255, _libunistring_version & 255);
    snprintf(versions[7].text, sizeof versions[7].text, "%s", zlibVersion());
    snprintf(versions[8].text, sizeof versions[8].text, "%s", http_library());
    snprintf(versions[9].text, sizeof versions[9].text, "%s", TEXT_OF(LIBJPEG_TURBO_VERSION));
    snprintf(versions[10].text, sizeof versions[10].text, "%s", png_get_libpng_ver(NULL));
    snprintf(versions[11].text, sizeof versions[11].text, "%d.%d.%d", WebPGetDecoderVersion() >> 16,
             WebPGetDecoderVersion() >> 8 & 255, WebPGetDecoderVersion() & 255);
}

const char *version_compiler(void) {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *version_flags(void) {
    return CDSR_FLAGS;
}
