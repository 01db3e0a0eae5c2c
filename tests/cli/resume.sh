# A run that is stopped and resumed is the run that was not stopped: the same losses to the last digit
# and the same checkpoint, byte for byte, with dropout, sampled negatives and the middle of an epoch.
# One that may not go on as it is asked to stays as it was.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

ranks 1 synth --items-a 60 --items-b 80 --users 100 --seed 3 --features text:8 -o data.h5
statuses 0
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, heads: 2, dropout: 0.3}
train: {epochs: 3, batch: 16, lr: 0.01, loss: sampled, negatives: 20, weight_decay: 0.01}
eval: {candidates: both, sampled_negatives: 10, select: mrr}
YAML

all_losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"loss": \({[^}]*}\).*/\1 \2/p' \
        "$1/runs/$2/log.jsonl"
}

# part FOLDER ARGUMENT...: training there, because a checkpoint holds its configuration.
part() {
    within "$1" ranks 2 train ../run.yaml data.path=../data.h5 "${@:2}"
    statuses 0 0
}

# same_runs NAME KEYS: the run in two parts is the whole one.
same_runs() {
    all_losses whole "$1" >first
    all_losses parts "$1" >second
    [ "$(wc -l <first)" = 15 ] || complain "$2: 15 steps in the log, not $(wc -l <first)"
    diff first second >&2 || complain "$2: a resumed run has the losses of an uninterrupted one"
    cmp {whole,parts}/runs/"$1"/checkpoints/step-15.h5 ||
        complain "$2: a resumed run ends in the checkpoint of an uninterrupted one"
}

# same NAME KEY=VALUE...: a run with these keys, whole and in two parts.
same() {
    local name=$1
    shift
    part whole run.dir=runs/$name "$@"
    part parts run.dir=runs/$name "$@" train.max_steps=7
    part parts run.dir=runs/$name "$@" --resume
    same_runs $name "$*"
}

test_stopped_run() { # A run that was stopped ends as one that was not.
    same plain
}

test_lazy_adamw() { # So does one that updates rows when they are used, which is another update.
    [ -e whole/runs/plain ] || same plain
    same lazy train.optimizer=lazy_adamw
    cmp -s whole/runs/{plain,lazy}/checkpoints/step-15.h5 && complain 'the lazy update is another one'
}

test_sharded_tables() { # So does one whose tables are shared out.
    same sharded train.placement=sharded
}

test_exact_loss() { # So does one with the exact loss.
    same exact train.placement=sharded train.loss=exact
}

# same_after_kill STEP NAME KEY=VALUE...: as same, but a rank dies in that step, and no key says where the
# first part ends.
same_after_kill() {
    local step=$1 name=$2
    shift 2
    set -- run.dir=runs/$name checkpoint.every_s=1e-6 "$@"
    part whole "$@"
    export CDSR_TEST_KILL=1:step:$step
    (within parts ranks 2 train ../run.yaml data.path=../data.h5 "$@") 2>/dev/null
    unset CDSR_TEST_KILL
    [ -e parts/runs/$name/checkpoints/step-$((step - 1)).h5 ] || complain "$*: the steps before are saved"
    part parts "$@" --resume
    same_runs $name "$*"
}

rates() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\),.*"lr": \([0-9.e-]*\).*/\1 \2/p' "$1/runs/$2/log.jsonl"
}

test_cosine() { # So does one whose learning rate rises, then follows a cosine.
    same_after_kill 9 cosine train.schedule=cosine train.warmup=1.5 train.min_lr=0.001
    rates whole cosine | diff - <(rates parts cosine) >&2 || complain 'the same rates'
    rates whole cosine | awk 'function far(x, y) { return (x - y) ^ 2 > 1e-24 }
        BEGIN { pi = atan2(0, -1) }
        {
            n = $1 - 1
            want = n < 7 ? 0.01 * (n + 1) / 7.5 : 0.01
            if (n > 7) want = 0.001 + 0.009 * (1 + cos(pi * (n - 7.5) / 7.5)) / 2
            if (far($2, want)) { print "step " $1 ": " $2 ", not " want; exit 1 }
        }
        END { exit NR != 15 }' >&2 || complain 'the rates of a warm-up and a cosine'
}

# With a rate this low no evaluation is better than the first.
test_plateau() { # So does one whose learning rate was lowered, or is about to be.
    set -- train.schedule=plateau train.plateau_factor=0.5 train.lr=1e-9 eval.cutoffs='[1]' eval.select=hr
    same_after_kill 12 lowered "$@" train.plateau_patience=0
    [ "$(rates parts lowered | cut -d ' ' -f 2 | uniq -c | xargs)" = '10 1e-9 5 5e-10' ] ||
        complain "$(rates parts lowered)"
    same_after_kill 12 waiting "$@" train.plateau_patience=1
    has err 'epoch 3: evaluations without improvement 2: learning rate 1e-09 -> 5e-10'
}

test_plateau_reductions() { # Where the rate would be lowered once more than it may be, training ends.
    set -- train.epochs=6 train.schedule=plateau train.lr=1e-9 train.plateau_patience=0 eval.cutoffs='[1]' eval.select=hr
    ranks 2 train run.yaml run.dir=flat "$@" train.plateau_reductions=2
    statuses 0 0
    has err 'training ended: plateau, step 20'
    ranks 2 train run.yaml run.dir=flat "$@" train.plateau_reductions=0 --resume
    statuses 0 0
    has err 'training ended: epochs, step 30'
}

# valid EPOCH: its figures on the validation split, from err.
valid() {
    sed -n "s/.*epoch $1 valid \(mrr [^)]*)\).*/\1/p" err
}

# With this rate epoch 2 is the best one, and next to nothing is left of it when it falls.
test_plateau_from() { # A lowered rate goes on from the best epoch, or from the latest one.
    for from in best latest; do
        ranks 2 train run.yaml run.dir=from-$from train.epochs=5 train.lr=0.1 train.schedule=plateau \
            train.plateau_factor=1e-12 train.plateau_from=$from
        statuses 0 0
        has err 'epoch 4: evaluations without improvement 2: learning rate 0.1 -> 1e-13'
        [ -n "$(valid 2)" ] && [ "$(valid 2)" != "$(valid 4)" ] || complain "$(cat err)"
        [ "$(valid 5)" = "$(valid $([ $from = best ] && echo 2 || echo 4))" ] || complain "$from: $(cat err)"
    done
}

# ---- other settings ----

ranks 2 train run.yaml run.dir=run train.epochs=1
statuses 0 0
at=run/checkpoints/step-5.h5

# own_copy: the test goes on in a folder of its own, with a copy of the run, which has made the 5 steps of
# an epoch.
own_copy() {
    local folder
    folder=$(mktemp -d -p "$work")
    cp -r run "$folder"
    ln -s "$work/run.yaml" "$work/data.h5" "$folder"
    cd "$folder" || exit 1
}

# state DIR: every file but the lock, with its time.
state() {
    find "$1" -type f ! -name lock -printf '%p %T@ ' -exec sha256sum {} \; | sort
}

# leaves LINE ARGUMENT...: a start of the run that is refused, in one line, and changes nothing.
leaves() {
    local line=$1
    shift
    state run >before
    ranks 2 train run.yaml run.dir=run "$@"
    [ "$(sort -u "$work/status")" != 0 ] || complain "$* is refused"
    [ "$(grep -c 'cdsr: error' "$work/err")" = 1 ] || complain "one error line, but: $(cat "$work/err")"
    has err "$line"
    state run | diff before - >&2 || complain "$*: the run stays as it was"
}

# goes_on WARNINGS ARGUMENT...: the run goes on, with so many warnings.
goes_on() {
    local warnings=$1
    shift
    ranks 2 train run.yaml run.dir=run --resume "$@"
    statuses 0 0
    [ "$(grep -c 'cdsr: warning:' "$work/err")" = "$warnings" ] ||
        complain "$warnings warnings, but: $(cat "$work/err")"
}

# configurations NAME...: the run has these and no others.
configurations() {
    ls run/config.* | diff - <(printf 'run/config.%s\n' "$@") >&2
}

test_what_cannot_change() { # Model, seed and data of a run that goes on cannot change.
    fixed='cannot change in a run that goes on; leave it as it was, or start another run (run.dir, or --overwrite)'
    leaves "cdsr: error: $at: model.dim: 16 -> 32 $fixed" --resume model.dim=32
    leaves "cdsr: error: $at: model.modalities: [id, text] -> [id] $fixed" --resume model.modalities='[id]' train.lr=0.5
    leaves "cdsr: error: $at: run.seed: 1 -> 2 $fixed" --resume run.seed=2
    leaves "cdsr: error: $at: data.max_len: 15 -> 9 $fixed" --resume data.max_len=9
}

test_other_sequences() { # A run does not go on with other sequences.
    ranks 1 synth --items-a 60 --items-b 80 --users 100 --seed 4 --features text:8 -o other.h5
    leaves "cdsr: error: $at: data.path: data.h5 -> other.h5 has other sequences than the checkpoint;" \
        --resume data.path=other.h5 train.lr=0.5
}

test_other_figure() { # A run does not go on by another figure.
    leaves ': its best epoch is that of the mrr of all, full, and those of the hr@10 of all, full may be gone;' \
        --resume eval.select=hr train.batch=32
}

test_input_that_is_not_there() { # A start without its input neither continues nor replaces a run.
    for mode in --resume --overwrite; do
        leaves 'nothing.h5: cannot be' $mode data.path=nothing.h5
    done
    leaves 'nothing.h5: cannot be' --overwrite train.init=nothing.h5
    leaves "has no feature table 'image'; it has: text" --overwrite model.modalities='[id, image]'
}

test_no_whole_checkpoint() { # A run without a whole checkpoint is neither continued nor replaced unasked.
    own_copy
    truncate -s 500000 $at
    leaves 'no checkpoint is whole' --resume
    leaves "already holds a run"
}

test_new_run_without_input() { # A start that fails makes no directory.
    ranks 2 train run.yaml run.dir=new data.path=nothing.h5
    [ ! -e new ] || complain 'a start that fails makes no directory'
}

test_same_settings() { # A run that goes on with the same settings has no warning and no other configuration.
    own_copy
    goes_on 0 train.epochs=1
    configurations yaml || complain 'one configuration'
}

# eight_steps: an own copy, with 3 of the second epoch's 5 steps of 16 sequences.
eight_steps() {
    own_copy
    goes_on 1 train.epochs=1 train.max_steps=8 log.every_s=7
    has err 'cdsr: warning: train.max_steps: 0 -> 8'
    configurations step-5.yaml yaml || complain 'one former configuration'
    goes_on 3 train.epochs=2 train.max_steps=8 log.every_s=7 train.lr=0.02
    has err 'cdsr: warning: train.epochs: 1 -> 2'
    has err 'cdsr: warning: train.lr: 0.01 -> 0.02'
}

test_former_configurations() { # Where settings change the former configurations stay, also two of one step.
    eight_steps
    configurations step-5-2.yaml step-5.yaml yaml || complain 'both former configurations at step 5'
    grep -q 'max_steps: 0$' run/config.step-5.yaml || complain 'the configuration of the first 5 steps'
    grep -q 'lr: 0.01$' run/config.step-5-2.yaml || complain 'the one after it'
    grep -q 'lr: 0.02$' run/config.yaml || complain 'config.yaml is the newest'
}

test_other_batch() { # 48 sequences seen are one step of 32 and a half, which is seen again.
    eight_steps
    goes_on 3 train.epochs=2 train.lr=0.02 train.batch=32
    has err 'cdsr: warning: train.batch: epoch 2 has seen 48 sequences, and goes on after 32: 16 are seen again'
    has err 'resumed at step 8 from run/checkpoints/step-8.h5'
    [ -e run/config.step-8.yaml ] || complain 'the configuration up to step 8'
    [ "$(losses run | tail -n 1 | cut -d ' ' -f 1)" = 10 ] || complain 'two more steps end the epoch'
}

test_same_figure_with_other_weights() { # The figure of the best epoch so far is taken again with new weights.
    own_copy
    goes_on 1 train.epochs=1 eval.lambda2=2
    has err 'cdsr: warning: eval.lambda2: null -> 2'
    now=$(sed -n 's/^cdsr: the best epoch so far, [12], now has mrr of all, full \([0-9.]*\)$/\1/p' "$work/err")
    [ "$(awk '$1 == "valid" && $2 == "all" && $3 == "model" && $4 == "full" { print $5 }' run/result.txt)" = "$now" ] ||
        complain "the figure of the best epoch in $(cat "$work/err")"
}

test_longer_cosine() { # With other epochs the cosine goes on as if it had them from the start.
    own_copy
    goes_on 2 train.epochs=2 train.schedule=cosine
    [ "$(sed -n 's/.*"step": 6,.*"lr": \([0-9.e-]*\),.*/\1/p' run/log.jsonl)" = 0.005 ] ||
        complain 'half of the learning rate in the middle'
}

test_overwritten_run() { # A run that is overwritten leaves no former configuration.
    own_copy
    goes_on 1 train.epochs=1 train.lr=0.02
    configurations step-5.yaml yaml || complain 'one former configuration'
    ranks 2 train run.yaml run.dir=run --overwrite train.epochs=0
    statuses 0 0
    [ "$(ls run/config.*)" = run/config.yaml ] || complain 'an overwritten run leaves no configuration'
}

run_tests "$@"
