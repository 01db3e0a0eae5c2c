# model.time: states change with the time of events where a data set has times of one clock. A checkpoint
# keeps the clock of its training, wherever it is evaluated.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# The same sequences with places for times, and with moments of a clock: user u begins at 1000 u.
walking_folder in 30 40 200 60
mkdir at
cp in/?list.txt at
for split in train valid test; do
    awk -F '\t' -v OFS='\t' '{ for (k = 3; k <= NF; k++) { split($k, e, "|"); $k = e[1] "|" 1000 * NR + 60 * e[2] "|" }
        print }' in/${split}data_new.txt >at/${split}data_new.txt
done
"$CDSR" prepare --format c2dsr in -o places.h5 >/dev/null 2>&1 || complain prepare
"$CDSR" prepare --format c2dsr at -o data.h5 >/dev/null 2>&1 || complain prepare
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, modalities: [id]}
train: {epochs: 2, batch: 64, lr: 1.0e-2, reproducible: true}
eval: {candidates: both, sampled_negatives: 20}
checkpoint: {every_s: 1.0e-6, keep: 99}
YAML

# run DIRECTORY RANKS ARGUMENT...
run() {
    ranks "$2" train run.yaml run.dir="$1" "${@:3}"
    statuses $(yes 0 | head -n "$2")
}

run timed 1
steps=$(losses timed | wc -l)
last=checkpoints/step-$steps.h5

# mrr FILE: of the validation targets in a JSON.
mrr() {
    sed -n '/^  "valid"/,/^  "popularity"/p' "$1" | grep '"mrr"'
}

# has_key RUN TEXT: a line of the settings that it saved.
has_key() {
    grep -q "^  $2\$" "$1/config.yaml" || complain "$1: $2: $(grep ' time:' "$1/config.yaml")"
}

test_times_are_used_where_they_are_known() { # By default, and said so. At first they change nothing.
    has_key timed 'time: state'
    has_key timed 'repeats: counted'
    ranks 1 train run.yaml run.dir=said train.max_steps=1
    has err 'time: states change with that of the events, knots 64'
    run still 1 model.time=none
    has_key still 'time: none'
    [ "$(losses timed | head -n 1)" = "$(losses still | head -n 1)" ] || complain 'rows begin as zero'
    [ "$(losses timed)" != "$(losses still)" ] || complain 'nothing changes with time'
}

test_ranks_agree() { # On three ranks the losses are those of one; in reproducible mode, on two, to the bit.
    run three 3 train.reproducible=false
    near "$steps" 'three ranks' timed three
    run two 2
    [ "$(losses two)" = "$(losses timed)" ] || complain 'other losses on two ranks'
    [ "$(mrr two/metrics.json)" = "$(mrr timed/metrics.json)" ] || complain 'other figures on two ranks'
}

test_a_checkpoint_has_its_clock() { # Evaluated, it gives the training's figures; and where no times are known, it ranks as of now.
    ranks 1 evaluate timed -o json --overwrite
    statuses 0
    [ -n "$(mrr json)" ] || complain 'no figures'
    [ "$(mrr json)" = "$(mrr timed/metrics.json)" ] || complain "$(mrr json), $(mrr timed/metrics.json)"
    ranks 1 evaluate timed data.path=places.h5 -o json --overwrite
    statuses 0
    [ "$(mrr json)" != "$(mrr timed/metrics.json)" ] || complain 'the same ranks as of now'
    ranks 1 evaluate timed model.time=none -o json.still --overwrite
    statuses 0
    [ "$(mrr json.still)" != "$(mrr json)" ] || complain 'time has no part in the scores'
}

test_a_run_goes_on() { # With the same bits; where events were at other times it does not.
    run part 1 train.max_steps=$((steps / 2))
    cp -r part other
    run part 1 --resume
    [ "$(losses part)" = "$(losses timed)" ] || complain 'other losses'
    [ "$(mrr part/metrics.json)" = "$(mrr timed/metrics.json)" ] || complain 'other figures'
    sed -i 's/|[1-9][0-9]*|/|7&/g; s/|7|/|7/g' at/*data_new.txt
    "$CDSR" prepare --format c2dsr at -o data.h5 --overwrite >/dev/null 2>&1 || complain prepare
    refused "cdsr: error: other/checkpoints/step-$((steps / 2)).h5: data.path: data.h5 has other times than the checkpoint; give the old data set, or start another run (run.dir, or --overwrite)" \
        train run.yaml run.dir=other --resume --quiet
}

test_a_training_from_another() { # It has the clock of what it starts from; where that has none, neither has it.
    run from 1 train.init=timed/$last train.epochs=1
    has_key from 'time: state'
    run bare 1 model.time=none train.max_steps=1
    run from-still 1 train.init=bare/checkpoints/step-1.h5 train.epochs=1
    has_key from-still 'time: none'
    run from 1 train.init=timed/$last --resume
    refused_here 'model.time: bare/checkpoints/step-1.h5 knows no time of events; leave the key out' \
        train run.yaml run.dir=refused train.init=bare/checkpoints/step-1.h5 model.time=state train.reproducible=false
}

test_without_times() { # There is no time in the model, and none can be asked for.
    run places 1 data.path=places.h5 train.max_steps=1
    has_key places 'time: none'
    refused 'cdsr: error: model.time: places.h5 does not say when its events were; leave the key out' \
        train run.yaml run.dir=refused data.path=places.h5 model.time=state
    refused 'cdsr: error: model.time: gru4rec knows no time of events; leave the key out' \
        train run.yaml run.dir=refused model.name=gru4rec model.time=state
    [ ! -e refused ] || complain 'a run of it'
}

test_recommendations_are_of_now() { # Histories have no times: the lists are those of the last moment of all.
    printf 'u\ta1\tb2\n' >histories.tsv
    ranks 1 recommend timed -i histories.tsv -k 3 -o now.tsv
    statuses 0
    ranks 1 recommend timed -i histories.tsv -k 3 -o still.tsv model.time=none
    statuses 0
    [ "$(wc -l <now.tsv)" = 7 ] || complain "$(cat now.tsv)"
    ! cmp -s now.tsv still.tsv || complain 'time has no part in the lists'
}

run_tests "$@"
