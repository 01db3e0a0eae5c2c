# train.ema: training goes on as without it, figures and parameters for others are those of the average, on
# any number of ranks; the average may begin or end where a run goes on.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

ranks 1 synth --items-a 60 --items-b 80 --users 100 --seed 3 --valid 60 --features text:8 -o data.h5
statuses 0
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, heads: 2, dropout: 0.3}
train: {epochs: 3, batch: 16, lr: 0.01, loss: sampled, negatives: 20, patience: 0}
log: {ranks: false}
YAML

# run DIRECTORY RANKS KEY=VALUE...
run() {
    ranks "$2" train run.yaml run.dir="$1" "${@:3}"
    statuses $(yes 0 | head -n "$2")
}

# figures RUN_OR_FILE: validation MRR as evaluate has it.
figures() {
    "$CDSR" evaluate "$1" 2>>err | awk '$1 == "valid" && $3 == "model" { print $2, $5 }'
}

# of_epochs DIRECTORY: validation MRR of all domains as it stands in the log.
of_epochs() {
    sed -n 's/.*"event": "eval".*"all": {"mrr": \([^,]*\),.*/\1/p' "$1/log.jsonl" | awk '{ printf "%.4f\n", $1 }'
}

steps=$(($("$CDSR" train run.yaml run.dir=plain 2>&1 | sed -n 's/.*epochs, step //p') / 3))
run averaged 1 train.ema=0.8
last=checkpoints/step-$((3 * steps)).h5

test_training_without_it() { # Losses are those of a run without the average, figures are not.
    diff <(losses plain) <(losses averaged) >&2 || complain 'the same losses'
    [ "$(losses averaged | wc -l)" = $((3 * steps)) ] || complain 'a loss for each step'
    ! diff -q <(of_epochs plain) <(of_epochs averaged) >/dev/null || complain 'the figures of an average'
    has averaged/log.jsonl '"event": "end"'
}

test_what_is_evaluated() { # A checkpoint ranks as the average did in training; so does a run that starts from it.
    run every 1 train.ema=0.8 checkpoint.every_s=1e-6 checkpoint.keep=99
    for epoch in 1 2 3; do
        figures every/checkpoints/step-$((epoch * steps)).h5 | sed -n 's/^all //p'
    done | diff <(of_epochs every) - >&2 || complain 'the figures of three epochs'
    figures averaged | diff - <(awk '$1 == "valid" && $3 == "model" { print $2, $5 }' averaged/result.txt) >&2 ||
        complain 'the result is that of evaluate'
    run init 1 train.init=averaged/$last train.epochs=0
    diff <(figures averaged/$last) <(figures init/checkpoints/step-0.h5) >&2 || complain 'a start from the average'
}

test_ranks() { # With train.reproducible the average has the same bits on any number of ranks.
    for n in 1 4; do
        within on-$n ranks $n train ../run.yaml data.path=../data.h5 run.dir=run train.ema=0.8 train.reproducible=true
        statuses $(yes 0 | head -n $n)
    done
    cmp on-{1,4}/run/$last >&2 || complain 'the same checkpoint'
}

# goes_on EMA LATER: a run of both decays, the second from the middle of an epoch on, in run-EMA.
goes_on() {
    run run-"$1" 2 train.ema="$1" train.max_steps=$((steps + 2))
    run run-"$1" 2 train.ema="$2" --resume
    run whole 2 --overwrite
    diff <(losses whole) <(losses run-"$1") >&2 || complain "train.ema $1, then $2: the same losses"
}

test_average_that_ends() { # Without the average a run goes on with the parameters, not with their average.
    goes_on 0.8 0
    diff <(figures whole/$last) <(figures run-0.8/$last) >&2 || complain 'no average is left'
}

test_average_that_begins() { # It may begin where a run goes on, with the values of the next step.
    goes_on 0 0.8
    ! diff -q <(figures whole/$last) <(figures run-0/$last) >/dev/null || complain 'an average'
    run soon 2 train.max_steps=3
    run soon 2 train.max_steps=4 --resume
    run late 2 train.max_steps=3
    run late 2 train.max_steps=4 train.ema=0.8 --resume
    diff <(figures soon/checkpoints/step-4.h5) <(figures late/checkpoints/step-4.h5) >&2 ||
        complain 'the average of one step'
}

test_fitted_models() { # A model that is fitted has no steps.
    refused 'cdsr: error: train.ema: itemknn is fitted in closed form and has no steps to average over; leave the key out' \
        train run.yaml model.name=itemknn train.ema=0.9 run.dir=no
}

run_tests "$@"
