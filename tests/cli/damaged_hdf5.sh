# Damaged HDF5 files, those on which libhdf5 itself crashes among them (tests/fuzz/known/h5), wherever a
# user may name a file: one line, exit status 2 on every rank, the files as they were.
. "$(dirname "$0")/common.bash"
known=$(cd "$(dirname "$0")/../fuzz/known/h5" && pwd)
cd "$work" || exit 1

synth --items-a 30 --items-b 20 --users 50 --features text:4 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 8, blocks: 1}
train: {epochs: 1}
run: {dir: run}
YAML
ranks 1 train run.yaml
statuses 0
[ -n "$(ls "$known")" ] || complain 'there are known crashers'

# refuses FILE ARGUMENT...: two ranks refuse the file in one line.
refuses() {
    local file=$1
    shift
    ranks 2 "$@" --log-level error
    statuses 2 2
    [ "$(wc -l <err)" = 1 ] || complain "one line after $*, but: $(cat err)"
    has err "cdsr: error: $file: is damaged: the HDF5 library cannot read it ("
    says_nothing out
    [ -z "$(find . -name '*.tmp.*')" ] || complain "something temporary after: $*"
}

test_data_set() { # Training on a damaged data set is refused.
    for crasher in "$known"/*; do
        cp "$crasher" bad.h5
        refuses bad.h5 train run.yaml data.path=bad.h5 run.dir=other
    done
}

test_checkpoint() { # A damaged checkpoint is refused by all that start from one.
    for crasher in "$known"/*; do
        cp "$crasher" bad.h5
        refuses bad.h5 train run.yaml train.init=bad.h5 run.dir=other
        refuses bad.h5 evaluate bad.h5
        refuses bad.h5 recommend bad.h5 --input none.jsonl -o out.jsonl
    done
}

test_features() { # So is a data set that gets a table, and a file that has one.
    for crasher in "$known"/*; do
        cp "$crasher" bad.h5
        refuses bad.h5 features bad.h5 --name new --from data.h5:features/text
        refuses bad.h5 features data.h5 --name new --from bad.h5
        refuses bad.h5 features data.h5 --name new --from bad.h5:x
    done
}

test_newest_checkpoint_of_a_run() { # A run whose newest checkpoint is damaged goes on from the one before.
    cp -r run two
    cp "$known/local-heap" two/checkpoints/step-99.h5
    ranks 2 evaluate two
    statuses 0 0
    has err 'step-99.h5: is damaged: the HDF5 library cannot read it ('
}

test_program_by_another_name() { # The program finds itself as one process without mpirun, whatever its name.
    cp "$known/local-heap" bad.h5
    cp "$CDSR" other
    mkdir elsewhere
    (cd elsewhere && ../other evaluate ../bad.h5 2>../err)
    [ $? = 2 ] || complain 'exit status 2 of a program by another name'
    has err 'bad.h5: is damaged'
}

run_tests "$@"
