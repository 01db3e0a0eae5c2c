# shellcheck shell=bash disable=SC2317 # tests are called by name
# A host of slurm/train.sbatch dies, once one without and once the one with the batch script: SLURM
# starts the job again on the others, and it ends as if nothing had happened.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
train=$CDSR_HOME/slurm/train.sbatch
cluster_up 4 2
data_set

# goes_on START: of the job, and it has saved steps of its own.
goes_on() {
    awk -v wanted="$1" '/"event": "start"/ { start++; n = 0 } /"event": "checkpoint"/ { n++ }
        END { exit start <= wanted || n < 2 }' "$work/job/run/log.jsonl"
}

# dies HOST: and an administrator finds out.
dies() {
    host_crash "$1"
    scontrol update NodeName="$1" State=DOWN Reason=crashed
}

test_hosts_that_die() { # The job ends as one to which nothing happened, and was resumed twice.
    # Without an end, until the hosts have died; every start reads its configuration.
    job=$(submit job -N 2 -n 2 -t 10 "$train" ../run.yaml)
    wait_for 120 goes_on 0
    dies n2
    wait_for 120 goes_on 1
    dies "$(field "$job" BatchHost)"
    end_after job 3
    becomes "$job" COMPLETED 180
    has job/log 'cdsr-train: start 2 of job'
    [ "$(grep -c 'cdsr: resumed at step' "$work/job/log")" = 2 ] || complain "resumed twice: $(cat "$work/job/log")"
    has job/run/result.txt VALID

    whole=$(submit whole -N 2 -n 2 -t 10 "$train" ../run.yaml)
    becomes "$whole" COMPLETED 180
    ended_alike job whole $last
}

run_tests "$@"
