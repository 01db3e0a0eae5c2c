# shellcheck shell=bash disable=SC2317 # tests are called by name
# slurm/train.sbatch and the end of its job: signals, a limit shorter than the margin, scancel.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
train=$CDSR_HOME/slurm/train.sbatch
cluster_up 2 8 30
data_set

# Two whose limit comes, in the background: one of a minute, which SLURM announces at once, and one that
# is shortened to two minutes after the start, so that SLURM's USR1 comes long before what the script
# takes for the end. They train without an end, and leave the processors to everything else.
printf '#!/bin/sh\nexec nice -n 10 "%s" "$@"\n' "$CDSR" >"$work/idle"
chmod +x "$work/idle"
short=$(CDSR=$work/idle \
    submit short -N 1 -n 1 -t 1 "$train" ../run.yaml log.every_steps=100 checkpoint.every_s=0)
shortened=$(CDSR=$work/idle \
    submit shortened -N 1 -n 1 -t 10 "$train" ../run.yaml log.every_steps=100 checkpoint.every_s=0)
wait_for 60 grep -q '"event": "start"' "$work/shortened/run/log.jsonl"
scontrol update JobId="$shortened" TimeLimit=2

# Told to save and requeue at once.
told=$(submit told -N 1 -n 2 -t 10 "$train" ../run.yaml)
wait_for 60 steps told 5
scancel -b -s USR1 "$told"
wait_for 60 grep -q 'end with 75' "$work/told/log"
end_after told 5
whole=$(submit whole -N 1 -n 2 -t 10 "$train" ../run.yaml)

# Cancelled: saved, and never started again.
cancelled=$(submit cancelled -N 1 -n 2 -t 10 "$train" ../run.yaml train.max_steps=0)
wait_for 60 steps cancelled 5
scancel "$cancelled"

test_signal() { # A job that gets USR1 saves and is requeued, and ends as one that was not.
    becomes "$told" COMPLETED 120
    has told/log 'cdsr-train: USR1: save and requeue'
    has told/log 'cdsr-train: start 1 of job'
    has told/log 'cdsr: resumed at step'
    has told/log 'cdsr-train: end with 0'
    becomes "$whole" COMPLETED 120
    ended_alike told whole $last
}

restarted() {
    [ "$(field "$1" Restarts)" -ge 1 ] && grep -q 'resumed at step' "$work/$2/log"
}

test_shortened_limit() { # So is one to which SLURM announces the end.
    wait_for 150 restarted "$shortened" shortened
    has shortened/log 'cdsr-train: USR1: save and requeue'
    has shortened/log 'stopped by signal USR1 after step'
}

test_short_limit() { # One that is shorter than the margin trains for all but a quarter of its time.
    wait_for 150 restarted "$short" short
    has short/log 'before the time limit: the program stops by its clock'
    has short/log 'stopped by time limit after step'
    # It trained until a quarter of the minute was left.
    seconds=$(sed -n 's/.*"event": "end".*"seconds": \([0-9.]*\).*/\1/p' "$work/short/run/log.jsonl" | head -n 1)
    awk "BEGIN { exit !(20 < $seconds && $seconds < 60) }" || complain "up to 45 s of training, not $seconds"
}

test_scancel() { # A job that is cancelled saves, and is not requeued.
    becomes "$cancelled" CANCELLED 60
    wait_for 60 grep -q 'cdsr-train: end with 75' "$work/cancelled/log"
    has cancelled/log 'stopped by signal'
    [ "$(field "$cancelled" Restarts)" = 0 ] || complain 'what is cancelled is not requeued'
}

run_tests "$@"
