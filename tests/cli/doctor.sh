# What cdsr doctor finds wrong with a launch, and what it does not.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
cores=$(env -u OMP_NUM_THREADS nproc)
export OMP_NUM_THREADS=1

# found STATUS TEXT...: each in a line of its own, and no other lines.
found() {
    sort -u status | diff - <(echo "$1") >&2 || complain "exit status $1"
    shift
    for text in "$@"; do
        has out "$text"
    done
    [ "$(wc -l <out)" = $# ] || complain "$# lines, but: $(cat out)"
    says_nothing err
}

test_nothing_is_wrong() { # A launch that fits its machine is found good.
    ranks $((cores < 4 ? cores : 4)) doctor --memory 0.01 --space 0.001
    found 0 'nothing is wrong: ranks '
}

test_memory_and_space() { # Less memory or disk than is asked for is found.
    ranks 1 doctor --memory 1e6 --space 1e6
    found 2 'GB of memory for each of 1 ranks where 1000000.00 are asked for' \
        'GB left where 1000000.00 are asked for; make room'
}

test_scratch_folder() { # A folder that cannot be written to is found.
    ranks 1 doctor --memory 0.01 --scratch nowhere
    found 2 'rank 0 on '
    has out 'nowhere/cdsr-doctor.'
}

test_more_threads_than_cores() { # Found for one rank as for all ranks of a node.
    OMP_NUM_THREADS=$((cores + 1)) ranks 2 doctor --memory 0.01 --space 0.001
    found 2 "$((cores + 1)) threads on "
    ranks $((cores + 1)) doctor --memory 0.01 --space 0.001
    found 2 "the $((cores + 1)) ranks of the node have $((cores + 1)) threads on $cores cores"
}

test_processes_that_are_no_ranks() { # Processes that srun starts without PMI do not know of each other.
    SLURM_NTASKS=2 "$CDSR" doctor --memory 0.01 --space 0.001 >out 2>err
    echo $? >status
    found 2 'SLURM_NTASKS is 2, but this process knows of no other'
}

test_train_warns_of_it() { # Training says the same of such processes, and goes on.
    synth --items-a 20 --items-b 20 --users 30 --seed 3 -o data.h5
    echo '{data: {path: data.h5}, model: {dim: 8, modalities: [id]}, train: {epochs: 1}}' >run.yaml
    SLURM_NTASKS=2 "$CDSR" train run.yaml >out 2>err || complain 'train goes on'
    has err 'cdsr: warning: rank 0 on '
    has err 'SLURM_NTASKS is 2, but this process knows of no other'
}

run_tests "$@"
