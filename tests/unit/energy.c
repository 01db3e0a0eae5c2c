/* Energy of processors, from a folder that looks as Linux shows its counters. */
#include "jobs/bench/energy.h"
#include "tests/unit/folder.h"
#include <sys/stat.h>

TestSuite(energy, .init = enter_folder, .fini = leave_folder);

Test(energy, adds_packages_whose_counters_come_round) {
    struct energy e;
    mkdir("intel-rapl:0", 0700);
    mkdir("intel-rapl:1", 0700);
    put("intel-rapl:0/energy_uj", "5000000\n");
    put("intel-rapl:1/energy_uj", "8000000\n");
    put("intel-rapl:0/max_energy_range_uj", "9000000\n");
    put("intel-rapl:1/max_energy_range_uj", "9000000\n");
    energy_begin(&e, ".");
    cr_assert_eq(e.packages, 2);
    put("intel-rapl:0/energy_uj", "7000000\n");
    put("intel-rapl:1/energy_uj", "1000000\n");
    energy_poll(&e);
    cr_expect_float_eq(e.joules, 2 + 2, 1e-9);
    put("intel-rapl:0/energy_uj", "7500000\n");
    energy_poll(&e);
    cr_expect_float_eq(e.joules, 4.5, 1e-9);
}

Test(energy, is_not_known_without_counters_or_when_they_go) {
    struct energy e;
    energy_begin(&e, ".");
    cr_expect_eq(e.packages, 0);
    mkdir("intel-rapl:0", 0700);
    put("intel-rapl:0/energy_uj", "5\n");
    put("intel-rapl:0/max_energy_range_uj", "9\n");
    energy_begin(&e, ".");
    cr_expect_eq(e.packages, 1);
    unlink("intel-rapl:0/energy_uj");
    energy_poll(&e);
    cr_expect_eq(e.packages, 0);
}
