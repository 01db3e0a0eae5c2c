#!/usr/bin/env bash
# tests/run.sh          installs what is missing, builds, runs all tests but those of the label full, then the
#                       serial ones and those of MPI again under AddressSanitizer and
#                       UndefinedBehaviorSanitizer
# tests/run.sh quick    builds and runs the serial tests: below a minute after the build
# tests/run.sh NAME...  builds and runs the tests whose names have NAME in them, and shows their output
#
# Exit status 0 only if all of it succeeded; what this machine cannot test is named at the end.
set -eu
cd "$(dirname "$0")/.."
jobs/packages.sh

build() {
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1"
}

if [ "${1:-}" = quick ]; then
    build release
    exec ctest --preset release -L serial -j "$(nproc)"
elif [ $# -gt 0 ]; then
    build release
    exec ctest --preset release -V -R "$(printf '%s\n' "$@" | paste -sd '|')"
fi

# For the tests of slurm/, of several hosts, of the scripts, of what is installed and of a page; without them those
# are skipped.
jobs/packages.sh slurmctld slurmd slurm-client munge iproute2 procps shellcheck mandoc lmod ||
    echo 'run.sh: without SLURM, shellcheck, mandoc and Lmod' >&2
jobs/packages.sh chromium || echo 'run.sh: without chromium' >&2
build release
build asan
failed=0
ctest --preset release -LE full -j "$(nproc)" || failed=1
skipped=$(grep '^skipped: ' build/release/Testing/Temporary/LastTest.log || true)
ctest --preset asan -j "$(nproc)" || failed=1
[ -z "$skipped" ] || printf '%s\n' "$skipped" | sort | uniq -c
exit $failed
