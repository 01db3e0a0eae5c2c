#include "core/amx.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ARCH_REQ_XCOMP_PERM = 0x1023, /* arch_prctl's: Linux 5.16, asm/prctl.h */
    XTILECFG = 17,                /* parts of a thread's state, bits of XCR0 */
    XTILEDATA = 18
};

static bool in_processor(void) {
    const unsigned wanted = 1u << 22 | 1u << 24; /* AMX-BF16, AMX-TILE */
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & wanted) == wanted;
}

__attribute__((target("xsave"))) static bool in_system(void) {
    const long long wanted = 1ll << XTILECFG | 1ll << XTILEDATA;
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE &&
           ((long long)_xgetbv(0) & wanted) == wanted;
}

bool amx_permitted(void) {
    return in_processor() && in_system() &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}
#else
bool amx_permitted(void) {
    return false;
}
#endif
