#!/usr/bin/env bash
# tests/toolchains.sh [NAME...]   builds with every MPI, compiler and BLAS of the list below, or those that are
#                                 named, each into build/NAME, and runs the quick tests and those of MPI with it
#
# MPI, compiler and BLAS are named to CMake: what the system takes without being told stays as it is.
# Exit status 0 only if all of it succeeded. TESTS names others than `-L serial|mpi`, as ctest does.
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

jobs/packages.sh || exit
jobs/packages.sh clang libomp-dev mpich libmpich-dev libscalapack-mpich-dev libhdf5-mpich-dev libblas-dev || exit

# try NAME: the build and the tests of one toolchain.
try() {
    # shellcheck disable=SC2086 # lists of options
    cmake -S . -B "build/$1" -G Ninja -DCMAKE_COMPILE_WARNING_AS_ERROR=ON ${options[$1]} >/dev/null &&
        cmake --build "build/$1" &&
        "build/$1/cdsr" --version | head -n 4 &&
        ctest --test-dir "build/$1" --output-on-failure --no-tests=error ${TESTS:--L serial|mpi}
}

bad=()
for name in "$@"; do
    [ "${options[$name]:-}" ] || { echo "toolchains.sh: no toolchain is called $name" >&2; exit 2; }
    try "$name" || bad+=("$name")
done
echo "toolchains: $(($# - ${#bad[@]})) passed, ${#bad[@]} failed${bad[*]:+: ${bad[*]}}"
[ ${#bad[@]} = 0 ]
