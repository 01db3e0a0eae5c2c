# train.reproducible: the same bits of losses and parameters for 1, 2, 4 and 8 ranks, with dropout,
# both losses, and a run that goes on with another number of ranks; other numbers are refused.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

"$CDSR" synth --items-a 300 --items-b 300 --users 1500 --seed 2 --features text:16 -o data.h5 >/dev/null ||
    complain synth
cat >run.yaml <<'YAML'
data: {path: ../data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3}
train: {batch: 64, lr: 3.0e-3, negatives: 64, grad_clip: 1, reproducible: true, max_steps: 50}
YAML

losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"loss": \({[^}]*}\).*/\1 \2/p' \
        "$1/runs/run/log.jsonl"
}
# same FOLDER: as the run on one rank.
same() {
    cmp "$loss-1/runs/run/checkpoints/step-50.h5" "$1/runs/run/checkpoints/step-50.h5" ||
        complain "the checkpoint of $1 is that of $loss-1"
}
for loss in exact sampled; do
    for n in 1 2 4 8; do
        mkdir $loss-$n
        cd $loss-$n && ranks $n train ../run.yaml train.loss=$loss && cd .. || exit 1
        statuses $(yes 0 | head -n $n)
        has err "reproducible: 8 shards, $n ranks x threads 1, extra memory"
        losses $loss-$n >losses-$n
        [ "$(wc -l <losses-$n)" = 50 ] || complain "50 losses of $n ranks"
        diff losses-1 losses-$n >&2 || complain "$loss: $n ranks have the losses of one"
        same $loss-$n
    done
done
mkdir parts
cd parts && ranks 4 train ../run.yaml train.loss=sampled train.max_steps=23 && cd .. || exit 1
cd parts && ranks 2 train ../run.yaml train.loss=sampled --resume && cd .. || exit 1
statuses 0 0
same parts

# Fewer sequences than shards: some are empty.
ranks 2 train run.yaml data.path=data.h5 train.batch=3 train.max_steps=4 eval.every=0 run.dir=few
statuses 0 0

ranks 3 train run.yaml data.path=data.h5 run.dir=three
statuses 2 2 2
says err 'cdsr: error: train.reproducible: 3 ranks do not divide the 8 shards of a step; start 1, 2, 4 or 8'
[ ! -e three ] || complain 'a refused run leaves no directory'
finish
