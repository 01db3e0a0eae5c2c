# Sharing out the item tables changes nothing but rounding: losses, ranks, and what a checkpoint of
# one placement and number of ranks becomes under another.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 310 --items-b 290 --users 1500 --seed 2 --valid 150 --test 60 --features text:16 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3}
train: {batch: 64, lr: 3.0e-3, negatives: 64, weight_decay: 0.01, max_steps: 8}
eval: {every: 0, candidates: both, sampled_negatives: 50}
YAML

# alike DIR COUNTS KEY=VALUE...: replicated on one rank against sharded on these numbers of ranks.
alike() {
    local dir=runs/$1 counts=$2
    shift 2
    ranks 1 train run.yaml run.dir=$dir "$@"
    statuses 0
    for n in $counts; do
        ranks "$n" train run.yaml run.dir=$dir-$n train.placement=sharded "$@"
        near 8 "sharded over $n ranks, $*" $dir $dir-$n
    done
}

test_ids() { # The losses are the same with ids alone.
    alike id '1 2 3 4' model.modalities=id
}

test_logit_fusion() { # They are with fused logits and a bound of the gradient.
    alike logit '1 2 3 4' model.fusion=logit model.mixed_softmax=all train.grad_clip=0.5
}

test_projected_features() { # They are with features that are projected, and for one domain.
    alike projected 3 model.modalities=text,id model.feature_proj=8 train.target=a
}

test_sampled_loss() { # They are with sampled negatives.
    alike sampled '1 2 3 4' train.loss=sampled
}

test_lazy_adamw() { # They are with rows that are updated when they are used.
    alike lazy 3 train.loss=sampled model.modalities=id train.optimizer=lazy_adamw train.grad_clip=0.5
}

test_sampled_loss_and_logit_fusion() { # They are with sampled negatives and fused logits.
    alike sampled-logit 2 train.loss=sampled model.fusion=logit model.mixed_softmax=all model.feature_proj=8
}

test_more_ranks_than_sequences() { # A step may have fewer sequences than ranks.
    for loss in exact sampled; do
        ranks 4 train run.yaml run.dir=few-$loss train.loss=$loss train.batch=1 train.placement=sharded
        statuses 0 0 0 0
    done
}

test_more_ranks_than_items() { # The catalogue may have fewer items than ranks.
    synth --items-a 2 --items-b 1 --users 40 --seed 3 -o tiny.h5
    for placement in replicated sharded; do
        ranks 4 train run.yaml data.path=tiny.h5 run.dir=tiny-$placement train.placement=$placement \
            model.modalities=id train.batch=5 eval.every=1 eval.sampled_negatives=3
        statuses 0 0 0 0
    done
    near 8 'three items on four ranks' tiny-replicated tiny-sharded
}

test_moved_half_way() { # A run changes its placement and number of ranks half way and goes on as it would have.
    for loss in exact sampled; do
        keys="train.loss=$loss model.dropout=0.1"
        ranks 1 train run.yaml $keys run.dir=whole-$loss
        ranks 3 train run.yaml $keys run.dir=moved-$loss train.placement=sharded train.max_steps=3
        ranks 2 train run.yaml $keys run.dir=moved-$loss train.max_steps=5 --resume
        statuses 0 0
        ranks 4 train run.yaml $keys run.dir=moved-$loss train.placement=sharded --resume
        statuses 0 0 0 0
        near 8 "moved between placements, $loss" whole-$loss moved-$loss
    done
}

# metrics RANKS KEY=VALUE...: that evaluate finds.
metrics() {
    local n=$1
    shift
    ranks "$n" evaluate evaluated -o metrics.json --overwrite eval.exclude_history=true "$@"
    [ "$(sort -u status)" = 0 ] || complain "evaluate on $n ranks with $*"
    sed -n '/^  "valid"/,/^  "best_epoch"/p' metrics.json
}

test_evaluate() { # The metrics of a checkpoint are the same digits under any placement and number of ranks.
    ranks 1 train run.yaml train.loss=exact model.dropout=0.1 run.dir=evaluated
    metrics 1 >one
    has one mrr
    for n in 1 2 3 4; do
        metrics $n train.placement=sharded >many
        diff one many >&2 || complain "sharded over $n ranks: other metrics"
    done
}

run_tests "$@"
