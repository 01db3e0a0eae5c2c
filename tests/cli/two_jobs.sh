# Two jobs at a time: one writer of a data set, readers that a writer does not disturb, and evaluations
# beside a training. The first job is stopped at a point (core/fault.h) until the other one has been there.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
e='cdsr: error:'

synth --items-a 60 --items-b 80 --users 120 --seed 3 -o first.h5
small_run 'epochs: 2, batch: 32, lr: 0.03' 'run: {dir: run}'
text=(--from titles --dim 8)
waits='waits for process [0-9]* on [^ ]*, SLURM job -, which is writing it'

# new_data: data.h5 as it was at first, and link.h5, its other name.
new_data() {
    cp first.h5 data.h5
    ln -sf data.h5 link.h5
}

# soon WHAT COMMAND...: the command succeeds within 20 s.
soon() {
    local what=$1 tries=400
    shift
    until "$@" >/dev/null 2>&1 || [ $((tries--)) = 0 ]; do sleep 0.05; done
    [ $tries -ge 0 ] || complain "not in 20 s: $what"
}

is_stopped() {
    [ "$(cut -d ' ' -f 3 "/proc/$1/stat")" = T ]
}

# hold POINT ARGUMENT...: a job that stops at this point; leaves its process in $held, held.out and
# held.err.
hold() {
    CDSR_TEST_STOP=0:$1:1 "$CDSR" "${@:2}" >held.out 2>held.err &
    held=$!
    soon "$* stops at $1" is_stopped $held
}

# let_go STATUS: it goes on, and ends so.
let_go() {
    kill -CONT "$held"
    wait "$held"
    local got=$?
    [ $got = "$1" ] || complain "the job that was held ends with $1, but $got: $(cat held.err)"
}

# tables NAMES: the data set has these feature tables.
tables() {
    "$CDSR" train run.yaml model.modalities='[none]' 2>err
    has err "it has: $1;"
}

# no_lock: none is left.
no_lock() {
    [ -z "$(find . -name '*.lock')" ] || complain "left: $(find . -name '*.lock')"
}

test_second_writer_ends() { # With --wait 0 a second writer ends at once, on all ranks and by a link too.
    new_data
    hold lock features data.h5 --name one "${text[@]}"
    ranks 2 features link.h5 --name two "${text[@]}" --wait 0
    statuses 75 75
    [ "$(cat err)" = "$e link.h5: is being written by process $held on $(hostname), SLURM job -; nothing is done after waiting 0 s: try again, or --wait longer" ] ||
        complain "one line, but: $(cat err)"
    let_go 0
}

test_second_writer_waits_so_long() { # With --wait a second writer waits, and ends after that time.
    new_data
    hold lock features data.h5 --name one "${text[@]}"
    "$CDSR" prepare --format c2dsr nowhere -o data.h5 --overwrite --wait 0.3 2>err
    [ $? = 75 ] || complain "--wait: $(cat err)"
    grep -q "warning: data.h5: $waits" err || complain "it waits at first: $(cat err)"
    let_go 0
}

test_signal_ends_the_waiting() { # TERM ends the waiting.
    new_data
    hold lock features data.h5 --name one "${text[@]}"
    "$CDSR" features data.h5 --name three "${text[@]}" 2>err &
    soon 'it waits' grep -q "warning: data.h5: $waits" err
    kill -TERM $!
    wait $!
    [ $? = 143 ] || complain 'TERM ends the waiting'
    let_go 0
}

test_second_writer_follows() { # A second writer waits without working, then both have written.
    new_data
    hold lock features data.h5 --name one "${text[@]}"
    mpirun -n 2 bash -c 'echo /proc/$$/stat >>ranks; exec "$CDSR" "$@"' cdsr \
        features link.h5 --name two "${text[@]}" >out 2>err &
    second=$!
    soon 'the second waits' grep -q "warning: link.h5: $waits" err
    ticks() { xargs awk '{ sum += $14 } END { print sum }' <ranks; }
    before=$(ticks)
    sleep 0.5
    [ $(($(ticks) - before)) -le 5 ] || complain "the ranks that wait work: $(ticks), $before"
    let_go 0
    wait $second || complain "the second: $(cat err)"
    tables 'one, two'
    [ ! -e data.h5.lock ] || complain 'a lock is left'
}

test_new_data_set() { # A data set that is not there yet is locked too, and then is not replaced.
    hold lock synth --users 100 -o new.h5
    "$CDSR" synth --users 200 -o new.h5 >out 2>err &
    soon 'it waits' grep -q "warning: new.h5: $waits" err
    second=$!
    let_go 0
    wait $second
    [ $? = 2 ] || complain 'what the first has made is not replaced'
    has err "$e new.h5: exists already; name another output or give --overwrite"
    no_lock
}

test_killed_writer() { # The lock of a job that was killed holds nobody up.
    new_data
    hold lock features data.h5 --name four "${text[@]}"
    kill -KILL "$held"
    wait "$held" 2>/dev/null
    [ -e data.h5.lock ] || complain 'a job that is killed leaves its lock'
    "$CDSR" features data.h5 --name five "${text[@]}" --wait 0 >out 2>err || complain "the next: $(cat err)"
    tables 'five'
    no_lock
}

test_absent_data_set() { # A data set that is not there is not waited for.
    "$CDSR" features nowhere.h5 --name one "${text[@]}" 2>err
    has err "$e nowhere.h5: cannot be read: No such file or directory"
}

# ---- readers beside a writer ----

figures() {
    sed -n '/"dataset_hash"/p; /^  "valid"/,/^  "best_epoch"/p' "$1" | grep -v '"best_epoch"'
}

# undisturbed: the directory run/, that of a training beside which nothing happened, and its figures in wanted.
undisturbed() {
    [ ! -e wanted ] || return
    new_data
    "$CDSR" train run.yaml --quiet >/dev/null || complain train
    figures run/metrics.json >wanted
    [ "$(grep -c mrr wanted)" = 12 ] || complain 'metrics'
}

test_training_beside_a_new_data_set() { # A training ends with the data set that it began with.
    undisturbed
    new_data
    hold load train run.yaml run.dir=beside
    "$CDSR" synth --items-a 60 --items-b 80 --users 120 --seed 4 -o data.h5 --overwrite >/dev/null ||
        complain 'another data set'
    let_go 0
    figures beside/metrics.json | diff wanted - >&2 || complain 'the run is that of its data set'
}

test_evaluation_beside_a_new_table() { # An evaluation gives the same figures, and the table is written meanwhile.
    undisturbed
    cp first.h5 grows.h5
    hold load evaluate run data.path=grows.h5 -o beside.json
    "$CDSR" features grows.h5 --name one "${text[@]}" --wait 0 >out 2>err || complain "$(cat err)"
    let_go 0
    figures beside.json | diff wanted - >&2 || complain 'the same figures'
}

# ---- evaluate and recommend beside a training, which removes checkpoints ----

# two_states: the run grows/, and the checkpoints that it has after four steps and at its end, in four/ and
# six/.
two_states() {
    [ ! -e six ] || return
    new_data
    "$CDSR" train run.yaml run.dir=grows train.max_steps=4 --quiet >/dev/null || complain 'four steps'
    cp -r grows/checkpoints four
    "$CDSR" train run.yaml run.dir=grows --resume --quiet >/dev/null || complain 'to the end'
    cp -r grows/checkpoints six
    rm six/step-4.h5
    [ "$(echo $(ls four) / $(ls six))" = 'step-3.h5 step-4.h5 / step-6.h5' ] ||
        complain "the best after four steps is 3, then 6: $(ls four six)"
    printf 'u\tA0\tA1\n' >histories.tsv
}

# stands FOLDER: these are the checkpoints of the run.
stands() {
    rm -rf grows/checkpoints
    cp -r "$1" grows/checkpoints
}

# meanwhile POINT ARGUMENT...: the training goes from step 4 to its end while the job is held.
meanwhile() {
    stands four
    hold "$@"
    stands six
    let_go 0
    grep -qF 'cdsr: grows: its training has removed a checkpoint meanwhile; looks again' held.err ||
        complain "$1: $(cat held.err)"
    [ "$(grep -c "$e" held.err)" = 0 ] || complain "no error: $(cat held.err)"
}

test_evaluation_beside_a_training() { # An evaluation whose checkpoint is removed takes the next best one.
    undisturbed
    two_states
    for point in found load; do
        meanwhile $point evaluate grows -o $point.json
        figures $point.json | diff wanted - >&2 || complain "$point: the figures of step 6"
    done
}

test_lists_beside_a_training() { # So does recommend.
    two_states
    for point in found load; do
        meanwhile $point recommend grows -i histories.tsv -o $point.tsv
    done
    "$CDSR" recommend grows -i histories.tsv -o quiet.tsv >/dev/null 2>&1 || complain recommend
    cmp quiet.tsv load.tsv >&2 || complain 'the lists of step 6'
}

test_checkpoint_that_no_training_removed() { # What no training has removed is still said.
    two_states
    stands six
    hold load evaluate grows/checkpoints/step-6.h5
    rm grows/checkpoints/step-6.h5
    let_go 3
    [ "$(grep "$e" held.err)" = "$e grows/checkpoints/step-6.h5: cannot be read: No such file or directory; check the path" ] ||
        complain "the file is gone: $(cat held.err)"
}

run_tests "$@"
