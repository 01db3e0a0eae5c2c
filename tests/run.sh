#!/usr/bin/env bash
# Everything: install what is missing, build, run all tests, then the serial ones again under
# AddressSanitizer and UndefinedBehaviorSanitizer. Exit status 0 only if all of it succeeded.
set -eu
cd "$(dirname "$0")/.."
jobs/packages.sh

build() {
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1"
}

build release
build asan
failed=0
ctest --preset release || failed=1
ctest --preset asan || failed=1
exit $failed
