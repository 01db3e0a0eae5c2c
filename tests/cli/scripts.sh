# shellcheck shell=bash
# What shellcheck says of the scripts of slurm/ and of those that test them: nothing.
# shellcheck source=common.bash
. "$(dirname "$0")/common.bash"
cd "$(dirname "$0")/../.." || exit 1

command -v shellcheck >/dev/null || {
    echo 'skipped: there is no shellcheck'
    exit 77
}
shellcheck slurm/*.sh slurm/*.sbatch tests/hosts.bash tests/slurm/* tests/net/*sh tests/cli/scripts.sh jobs/*.sh tests/run.sh >"$work/out"
says_nothing out
finish
