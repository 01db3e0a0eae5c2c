# The number of ranks and of threads changes nothing but rounding, with dropout, sampled negatives and
# features; and a model that learns beats popularity clearly on synthetic data.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 300 --items-b 300 --users 1500 --seed 2 --features text:16 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3}
train: {epochs: 12, batch: 64, lr: 3.0e-3}
YAML

# alike DIR KEY=VALUE...: with these keys one to four ranks have the losses of one.
alike() {
    local dir=$1 n
    shift
    for n in 1 2 3 4; do
        ranks "$n" train run.yaml "$@" train.negatives=64 train.max_steps=12 eval.every=0 run.dir="$dir-$n"
        near 12 "$* on $n ranks" "$dir-1" "$dir-$n"
    done
}

test_exact_loss() { # The exact loss is the same on every number of ranks.
    alike exact train.loss=exact
}

test_sampled_loss() { # So is the sampled one.
    alike sampled train.loss=sampled
}

test_gbce_and_logit_fusion() { # So is gBCE, with the logits fused.
    alike gbce train.loss=gbce model.fusion=logit
}

test_negatives_of_the_batch() { # So it is with negatives that come from the batch.
    alike batch train.loss=sampled train.sampler=batch train.logq=true
}

test_threads() { # Nor does the number of threads change a loss, with terms of different widths.
    for n in 1 3; do
        OMP_NUM_THREADS=$n ranks 2 train run.yaml model.feature_proj=16 train.max_steps=12 eval.every=0 \
            run.dir=runs/threads-$n
    done
    near 12 'three threads' runs/threads-1 runs/threads-3
}

test_more_ranks_than_sequences() { # Where a step has fewer sequences than ranks some have nothing to do.
    for loss in exact sampled; do
        ranks 4 train run.yaml train.loss=$loss train.batch=1 train.max_steps=10 eval.every=0 run.dir=few-$loss
        statuses 0 0 0 0
    done
}

# Columns of result.txt: split, domain, scorer, candidates, MRR.
test_learns() { # A trained model has three times the MRR of popularity in either domain.
    ranks 2 train run.yaml
    statuses 0 0
    for domain in A B; do
        awk -v domain=$domain '
            $1 == "test" && $2 == domain && $4 == "full" { mrr[$3] = $5 }
            END { exit !(mrr["model"] > 3 * mrr["popularity"]) }' runs/run/result.txt ||
            complain "three times popularity in $domain: $(cat runs/run/result.txt)"
    done
}

run_tests "$@"
