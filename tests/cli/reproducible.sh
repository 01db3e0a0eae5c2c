# train.reproducible: the same bits of losses and parameters for 1, 2, 4 and 8 ranks, with dropout,
# both losses, and a run that goes on with another number of ranks; other numbers are refused.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 300 --items-b 300 --users 1500 --seed 2 --features text:16 -o data.h5
cat >run.yaml <<'YAML'
data: {path: ../data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3}
train: {batch: 64, lr: 3.0e-3, negatives: 64, grad_clip: 1, reproducible: true, max_steps: 50}
YAML

losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"loss": \({[^}]*}\).*/\1 \2/p' \
        "$1/runs/run/log.jsonl"
}

# in_folder FOLDER RANKS ARGUMENT...: training there; each run stands in a folder of its own under the same
# name, because a checkpoint holds its configuration.
in_folder() {
    within "$1" ranks "$2" train ../run.yaml "${@:3}"
    statuses $(yes 0 | head -n "$2")
}

# same FOLDER LOSS: as the run on one rank.
same() {
    cmp "$2-1/runs/run/checkpoints/step-50.h5" "$1/runs/run/checkpoints/step-50.h5" ||
        complain "the checkpoint of $1 is that of $2-1"
}

# alike LOSS: on every number of ranks.
alike() {
    local loss=$1
    for n in 1 2 4 8; do
        in_folder $loss-$n $n train.loss=$loss
        has err "reproducible: 8 shards, $n ranks x threads 1, extra memory"
        losses $loss-$n >losses-$n
        [ "$(wc -l <losses-$n)" = 50 ] || complain "50 losses of $n ranks"
        diff losses-1 losses-$n >&2 || complain "$loss: $n ranks have the losses of one"
        same $loss-$n $loss
    done
}

test_exact_loss() { # The exact loss and its parameters are the same bits on 1, 2, 4 and 8 ranks.
    alike exact
}

test_sampled_loss() { # So are those of the sampled loss.
    alike sampled
}

test_resume_on_other_ranks() { # A run that goes on with another number of ranks ends in the same bits.
    [ -e sampled-1 ] || in_folder sampled-1 1 train.loss=sampled
    in_folder parts 4 train.loss=sampled train.max_steps=23
    in_folder parts 2 train.loss=sampled --resume
    same parts sampled
}

test_fewer_sequences_than_shards() { # Some shards may be empty.
    ranks 2 train run.yaml data.path=data.h5 train.batch=3 train.max_steps=4 eval.every=0 run.dir=few
    statuses 0 0
}

test_three_ranks() { # A number of ranks that does not divide the shards is refused.
    ranks 3 train run.yaml data.path=data.h5 run.dir=three
    statuses 2 2 2
    says err 'cdsr: error: train.reproducible: 3 ranks do not divide the 8 shards of a step; start 1, 2, 4 or 8'
    [ ! -e three ] || complain 'a refused run leaves no directory'
}

run_tests "$@"
