# shellcheck shell=bash disable=SC2154,SC2317 # work is set in cli/common.bash; tests are called by name
# slurm/train.sbatch when one of its processes is killed: a rank, soon or after some time, or the daemon that
# SLURM has beside the ranks of a host. soak.sh kills at any time.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
needs pgrep
train=$CDSR_HOME/slurm/train.sbatch
cluster_up 2 8
data_set

# train_job FOLDER: two ranks on two hosts.
train_job() {
    submit "$1" -N 2 -n 2 -t 10 "$train" ../run.yaml
}

# kill_rank JOB: any one.
kill_rank() {
    local pid
    for pid in $(pgrep -f "^$CDSR train"); do
        if grep -qz "^SLURM_JOB_ID=$1\$" "/proc/$pid/environ"; then
            kill -KILL "$pid"
            return
        fi
    done
    complain "a rank of job $1"
}

# The daemon of one job and a rank of another, soon; then, where nothing of those two goes on, a rank of a third
# after the time that matters. The step at which all end is chosen when none of them takes another.
soon=$(train_job soon)
lost=$(train_job lost)
wait_for 60 steps soon 5
wait_for 60 steps lost 5
kill_rank "$soon"
pkill -KILL -o -f "^slurmstepd: \[$lost\.0\]" || complain "a daemon of job $lost"
becomes "$lost" FAILED 90
killed=$(AGAIN_AFTER=1 train_job killed)
wait_for 60 steps killed 5
kill_rank "$killed"
ahead=killed
[ "$(newest lost)" -le "$(newest killed)" ] || ahead=lost
end_after $ahead 40 # before the requeued job starts, for which SLURM waits for five seconds
whole=$(train_job whole)

# goes_on JOB FOLDER: it was resumed, and ends as one to which nothing happened.
goes_on() {
    becomes "$1" COMPLETED 120
    has "$2/log" 'cdsr: resumed at step'
    becomes "$whole" COMPLETED 120
    ended_alike "$2" whole "$last"
}

test_killed_rank() { # A job whose rank is killed after some time is requeued, and ends as one that was not.
    goes_on "$killed" killed
    has killed/log 'cdsr-train: end with 137'
    has killed/log 'cdsr-train: start 1 of job'
}

test_killed_soon() { # One whose rank is killed before that fails.
    becomes "$soon" FAILED 60
    [ "$(field "$soon" ExitCode)" = 137:0 ] || complain "exit status 137, not $(field "$soon" ExitCode)"
    [ "$(field "$soon" Restarts)" = 0 ] || complain 'what is killed soon is not requeued'
}

test_lost_daemon() { # Where SLURM does not notice that ranks are gone the others end; the next job goes on.
    becomes "$lost" FAILED 90
    has lost/log ' is gone, and nobody ends the job: the other ranks do'
    goes_on "$(train_job lost)" lost
}

# A program that takes no notice of USR1 in its first start.
program_that_waits() {
    cat >"$work/program" <<'SH'
#!/bin/sh
[ "$1" = train ] || exit 0
[ "$SLURM_RESTART_COUNT" ] || { echo waits; sleep 60 & wait; }
SH
    chmod +x "$work/program"
}

test_told_early() { # One that is told to save and requeue before the program listens is requeued too.
    program_that_waits
    early=$(CDSR=$work/program submit early -n 1 -t 10 "$train" ../run.yaml)
    wait_for 60 grep -q waits "$work/early/log"
    scancel -b -s USR1 "$early"
    becomes "$early" COMPLETED 60
    has early/log 'cdsr-train: end with 138'
    has early/log 'cdsr-train: start 1 of job'
}

run_tests "$@"
