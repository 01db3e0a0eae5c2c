# A run that is stopped and resumed is the run that was not stopped: the same losses to the last digit
# and the same checkpoint, byte for byte, with dropout, sampled negatives and the middle of an epoch.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

ranks 1 synth --items-a 60 --items-b 80 --users 100 --seed 3 --features text:8 -o data.h5
statuses 0
mkdir whole parts
for part in whole parts; do
    cat >$part/run.yaml <<'YAML'
data: {path: ../data.h5}
model: {dim: 16, blocks: 1, heads: 2, dropout: 0.3}
train: {epochs: 3, batch: 16, lr: 0.01, loss: sampled, negatives: 20, weight_decay: 0.01}
eval: {candidates: both, sampled_negatives: 10}
YAML
done

losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"loss": \({[^}]*}\).*/\1 \2/p' \
        "$1/runs/$2/log.jsonl"
}

# same NAME KEY=VALUE...: a run with these keys, whole and in two parts.
same() {
    local name=$1
    shift
    (cd whole && ranks 2 train run.yaml run.dir=runs/$name "$@" && statuses 0 0 &&
        cd ../parts && ranks 2 train run.yaml run.dir=runs/$name "$@" train.max_steps=7 && statuses 0 0 &&
        ranks 2 train run.yaml run.dir=runs/$name "$@" --resume && statuses 0 0 && finish) ||
        complain "runs with $*"
    losses whole $name >first
    losses parts $name >second
    [ "$(wc -l <first)" = 15 ] || complain "$*: 15 steps in the log, not $(wc -l <first)"
    diff first second >&2 || complain "$*: a resumed run has the losses of an uninterrupted one"
    cmp {whole,parts}/runs/$name/checkpoints/step-15.h5 ||
        complain "$*: a resumed run ends in the checkpoint of an uninterrupted one"
}
same plain
same lazy train.optimizer=lazy_adamw
same sharded train.placement=sharded
same exact train.placement=sharded train.loss=exact
cmp -s whole/runs/{plain,lazy}/checkpoints/step-15.h5 && complain 'the lazy update is another one'
finish
