# shellcheck shell=bash disable=SC2317 # tests are called by their names
# What shellcheck says of the scripts of slurm/ and of those that test them.
# shellcheck source=common.bash
. "$(dirname "$0")/common.bash"
cd "$(dirname "$0")/../.." || exit 1
command -v shellcheck >/dev/null || skip 'there is no shellcheck'

test_shellcheck() { # It has nothing to say.
    shellcheck slurm/*.sh slurm/*.bash slurm/*.sbatch tests/hosts.bash tests/slurm/* tests/net/*sh tests/cli/scripts.sh tests/cli/sweep.sh tests/cli/packages.sh \
        jobs/*.sh jobs/install/completion.bash.in tests/run.sh tests/toolchains.sh >"$work/out"
    says_nothing out
}

run_tests "$@"
