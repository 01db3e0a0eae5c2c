#!/usr/bin/env bash
# MPI is called in mpi/ alone, but for its start in jobs/main.c. Prints the other calls.
set -euo pipefail
cd "$(dirname "$0")/../.."
folders=(core io jobs partition)
call='\bMPI_[A-Z][a-z_]+ *\('

calls=$(grep -rnE --include='*.[ch]' "$call" "${folders[@]}" |
    grep -vE '^jobs/main\.c:.*\bMPI_(Init_thread|Abort) *\(' || true)
grep -rqE --include='*.c' "$call" mpi || { echo "no call is found in mpi"; exit 1; }
[ -z "$calls" ] || {
    printf 'MPI is called outside mpi/; give mpi/comm or mpi/exchange a function for it:\n%s\n' "$calls"
    exit 1
}
