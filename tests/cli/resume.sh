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

cd whole && ranks 2 train run.yaml && cd .. || exit 1
statuses 0 0
cd parts && ranks 2 train run.yaml train.max_steps=7 && cd .. || exit 1
statuses 0 0
cd parts && ranks 2 train run.yaml --resume && cd .. || exit 1
statuses 0 0

losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"loss": \({[^}]*}\).*/\1 \2/p' \
        "$1/runs/run/log.jsonl"
}
losses whole >first
losses parts >second
[ "$(wc -l <first)" = 15 ] || complain "15 steps in the log, not $(wc -l <first)"
diff first second >&2 || complain 'a resumed run has the losses of an uninterrupted one'
cmp whole/runs/run/checkpoints/step-15.h5 parts/runs/run/checkpoints/step-15.h5 ||
    complain 'a resumed run ends in the checkpoint of an uninterrupted one'
finish
