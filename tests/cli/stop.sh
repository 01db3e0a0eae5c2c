# A run that is told to stop saves its last step, ends with 75 on all ranks, and goes on later to what
# it would have been.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 300 --seed 3 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, modalities: [id]}
train: {epochs: 3000, batch: 16, lr: 1.0e-3, patience: 0}
eval: {every: 3000}
YAML

# of_here: process numbers of the ranks that run in this directory.
of_here() {
    local pid
    for pid in $(pgrep -x "$(basename "$CDSR")"); do
        [ "$(readlink "/proc/$pid/cwd")" = "$(pwd -P)" ] && echo "$pid"
    done
}

# signalled SIGNAL DIR: one rank of three gets the signal once the run has logged steps.
signalled() {
    {
        until [ -s "$2/log.jsonl" ] && grep -q '"step"' "$2/log.jsonl"; do sleep 0.05; done
        kill "-$1" "$(of_here | tail -n 1)"
    } &
    ranks 3 train run.yaml run.dir="$2"
    wait
    statuses 75 75 75
    has err "stopped by signal $1 after step"
    says_nothing out
    [ "$(tail -n 1 "$2/log.jsonl" | grep -c '"status": 75')" = 1 ] || complain "the log ends with 75"
    [ ! -e "$2/result.txt" ] || complain 'a run that is not complete has no result'
}

test_usr1() { # USR1 to one rank stops all of them.
    signalled USR1 run-USR1
}

test_term() { # So does TERM.
    signalled TERM run-TERM
}

test_int() { # So does INT.
    signalled INT run-INT
}

test_goes_on() { # A run that was stopped ends as the one that was not, byte for byte.
    [ -e run-USR1 ] || signalled USR1 run-USR1
    step=$(ls run-USR1/checkpoints | tr -dc '0-9\n' | sort -n | tail -n 1)
    steps=$((step + 30))
    ranks 3 train run.yaml run.dir=run-USR1 --resume train.max_steps=$steps eval.every=0
    statuses 0 0 0
    mv run-USR1 stopped
    ranks 3 train run.yaml run.dir=run-USR1 train.max_steps=$steps eval.every=0
    statuses 0 0 0
    cmp "stopped/checkpoints/step-$steps.h5" "run-USR1/checkpoints/step-$steps.h5" >&2 ||
        complain 'the stopped run ends as the whole one'
}

test_time_limit() { # A time limit of the run stops it.
    ranks 2 train run.yaml run.dir=short run.time_limit=0.2
    statuses 75 75
    has err 'stopped by time limit after step'
}

test_end_of_the_job() { # Of a job that is shorter than the margin all but a quarter is training.
    SLURM_JOB_END_TIME=$(($(date +%s) + 10)) ranks 2 train run.yaml run.dir=queue
    statuses 75 75
    has err 'stopped by time limit after step'
    seconds=$(sed -n 's/.*"event": "end".*"seconds": \([0-9.]*\).*/\1/p' queue/log.jsonl)
    awk "BEGIN { exit !($seconds > 2) }" || complain "up to 7.5 s of training, not $seconds"
}

test_end_of_an_earlier_job() { # The end of an earlier job counts no more.
    SLURM_JOB_END_TIME=$(($(date +%s) - 9)) ranks 2 train run.yaml run.dir=past train.max_steps=3
    statuses 0 0
}

test_end_of_a_later_job() { # That of a later one does not count before the run's own limit.
    SLURM_JOB_END_TIME=$(($(date +%s) + 9999)) ranks 2 train run.yaml run.dir=both run.time_limit=0.2
    statuses 75 75
}

run_tests "$@"
