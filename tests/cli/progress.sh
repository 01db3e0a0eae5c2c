# What a job says while it works: on a terminal a line that is replaced, elsewhere plain lines now and then.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
command -v script >/dev/null || skip 'there is no script(1), which gives a terminal'
synth --items-a 60 --items-b 80 --users 400 --seed 3 -o data.h5
small_run 'epochs: 3, batch: 64, lr: 0.01' 'log: {every_s: 0}'

# on_terminal COLUMNS ARGUMENT...: the program there; what the terminal shows, in $work/shown.
on_terminal() {
    script -qec "stty cols $1; $(printf '%q ' "$CDSR" "${@:2}")" /dev/null </dev/null >shown || complain "on a terminal: $(cat shown)"
}

# line PATTERN: one that is replaced.
line() {
    grep -qaE $'\r\033\\[K'"$1" shown || complain "a line '$1' in: $(cat -v shown)"
}

test_train() { # Epoch, step, loss, sequences per second and the time left are one line, whose place others take.
    on_terminal 100 train run.yaml run.dir=a
    line 'epoch 1 of 3, step 1 of [0-9]+, loss [0-9]+\.[0-9]{4}, [0-9]+ sequences/s, at most 0:[0-9]{2} left'
    ! grep -aqE 'cdsr: epoch [0-9]* step' shown || complain "plain lines: $(cat -v shown)"
    grep -aq 'cdsr: epoch 1 valid mrr' shown || complain "evaluations are messages: $(cat -v shown)"
    tail -n 1 shown | grep -aq VALID || complain "the result ends it: $(tail -n 3 shown | cat -v)"
    on_terminal 100 train run.yaml run.dir=b train.patience=0 train.max_steps=2
    line 'epoch 1 of 3, step 1 of [0-9]+, loss .* sequences/s, 0:[0-9]{2} left'
}

test_narrow() { # On a narrow terminal the line is cut, as one that wraps could not be taken away.
    on_terminal 30 train run.yaml run.dir=c
    line 'epoch 1 of 3, step 1 of [0-9]+'
    tr '\r' '\n' <shown | sed -n $'s/^\033\\[K//p' | grep '^epoch . of' | awk 'length > 29 { exit 1 }' || complain "$(cat -v shown)"
}

test_evaluate() { # Targets, their speed and the time left, gone before the table.
    "$CDSR" train run.yaml run.dir=d --quiet >/dev/null || complain train
    on_terminal 100 evaluate d
    line 'ranking valid targets, [0-9]+ of 40, [0-9]+ targets/s, 0:[0-9]{2} left'
    grep -aq $'^\\(.*\r\033\\[K\\)*cdsr [0-9]' shown || complain "the table begins a line: $(cat -v shown)"
}

test_elsewhere() { # Off a terminal there are plain lines, at most every log.every_s seconds, and no line is replaced.
    "$CDSR" train run.yaml run.dir=e >/dev/null 2>plain || complain "$(cat plain)"
    grep -qE '^cdsr: epoch 1 step 1 loss [0-9.]+ sequences/s [0-9]+$' plain || complain "$(cat plain)"
    ! grep -q $'[\r\033]' plain || complain "$(cat -v plain)"
    "$CDSR" train run.yaml run.dir=f log.every_s=1000 >/dev/null 2>plain || complain "$(cat plain)"
    ! grep -q 'step 1 loss' plain || complain "$(cat plain)"
    "$CDSR" train run.yaml run.dir=g --quiet >/dev/null 2>plain || complain "$(cat plain)"
    ! grep -q 'epoch' plain || complain "quiet: $(cat plain)"
}

run_tests "$@"
