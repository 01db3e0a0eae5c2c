#!/usr/bin/env bash
# tests/toolchains.sh [NAME...]   builds with every MPI, compiler and BLAS of the list below, or those that are
#                                 named, each into build/NAME, and runs the serial tests and some with ranks
#
# MPI, compiler and BLAS are named to CMake: what the system takes without being told stays as it is.
# Exit status 0 only if all of it succeeded. TESTS is a pattern for other tests, . for all: MPICH waits without
# giving up the core, so that ranks beyond the cores make them slow.
set -u
cd "$(dirname "$0")/.." || exit

declare -A options=(
    [openmpi-gcc]='-DCDSR_MPI=openmpi -DCMAKE_C_COMPILER=gcc'
    [openmpi-clang]='-DCDSR_MPI=openmpi -DCMAKE_C_COMPILER=clang'
    [mpich-gcc]='-DCDSR_MPI=mpich -DCMAKE_C_COMPILER=gcc'
    [netlib-gcc]="-DCDSR_MPI=openmpi -DCMAKE_C_COMPILER=gcc -DBLA_VENDOR=Generic
        -DCMAKE_LIBRARY_PATH=/usr/lib/$(gcc -print-multiarch)/blas"
)
[ $# -gt 0 ] || set -- openmpi-gcc openmpi-clang mpich-gcc netlib-gcc

tests=${TESTS:-^(unit|numerics|fuzz|source)_|^mpi_(comm|h5|share|train)$|^cli_prepare_train_evaluate$}

jobs/packages.sh || exit
jobs/packages.sh clang libomp-dev mpich libmpich-dev libscalapack-mpich-dev libhdf5-mpich-dev libblas-dev || exit

# try NAME: the build and the tests of one toolchain.
try() {
    # shellcheck disable=SC2086 # lists of options
    cmake -S . -B "build/$1" -G Ninja -DCMAKE_COMPILE_WARNING_AS_ERROR=ON ${options[$1]} >/dev/null &&
        cmake --build "build/$1" &&
        "build/$1/cdsr" --version | head -n 4 &&
        ctest --test-dir "build/$1" --output-on-failure --no-tests=error -R "$tests"
}

bad=()
for name in "$@"; do
    [ "${options[$name]:-}" ] || { echo "toolchains.sh: no toolchain is called $name" >&2; exit 2; }
    try "$name" || bad+=("$name")
done
echo "toolchains: $(($# - ${#bad[@]})) passed, ${#bad[@]} failed${bad[*]:+: ${bad[*]}}"
[ ${#bad[@]} = 0 ]
