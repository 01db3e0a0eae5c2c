# Damaged HDF5 files, those on which libhdf5 itself crashes among them (tests/fuzz/known/h5), wherever a
# user may name a file: one line, exit status 2 on every rank, the files as they were.
. "$(dirname "$0")/common.bash"
known=$(cd "$(dirname "$0")/../fuzz/known/h5" && pwd)
cd "$work" || exit 1

"$CDSR" synth --items-a 30 --items-b 20 --users 50 --features text:4 -o data.h5 >/dev/null || complain synth
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 8, blocks: 1}
train: {epochs: 1}
run: {dir: run}
YAML
ranks 1 train run.yaml
statuses 0

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

for crasher in "$known"/*; do
    cp "$crasher" bad.h5
    refuses bad.h5 train run.yaml data.path=bad.h5 run.dir=other
    refuses bad.h5 train run.yaml train.init=bad.h5 run.dir=other
    refuses bad.h5 evaluate bad.h5
    refuses bad.h5 recommend bad.h5 --input none.jsonl -o out.jsonl
    refuses bad.h5 features bad.h5 --name new --from data.h5:features/text
    refuses bad.h5 features data.h5 --name new --from bad.h5
    refuses bad.h5 features data.h5 --name new --from bad.h5:x
done
[ -n "$(ls "$known")" ] || complain 'there are known crashers'

# A run whose newest checkpoint is one goes on from the one before.
cp -r run two
cp "$known/local-heap" two/checkpoints/step-99.h5
ranks 2 evaluate two
statuses 0 0
has err 'step-99.h5: is damaged: the HDF5 library cannot read it ('

# The program by another name, as one process without mpirun.
cp "$CDSR" other
mkdir elsewhere
(cd elsewhere && ../other evaluate ../bad.h5 2>../err)
[ $? = 2 ] || complain 'exit status 2 of a program by another name'
has err 'bad.h5: is damaged'
finish
