# The number of ranks changes nothing but rounding, with dropout, sampled negatives and features; and
# a model that learns beats popularity clearly on synthetic data.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

"$CDSR" synth --items-a 300 --items-b 300 --users 1500 --seed 2 --features text:16 -o data.h5 >/dev/null ||
    complain synth
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3}
train: {epochs: 12, batch: 64, lr: 3.0e-3}
YAML

for loss in exact sampled "gbce model.fusion=logit" "sampled train.sampler=batch train.logq=true"; do
    for n in 1 2 3 4; do
        # shellcheck disable=SC2086 # a loss and its keys
        ranks "$n" train run.yaml train.loss=$loss train.negatives=64 train.max_steps=12 eval.every=0 \
            run.dir="runs/$loss-$n"
        near 12 "$loss on $n ranks" "runs/$loss-1" "runs/$loss-$n"
    done
done

# Nor does the number of threads, with terms of different widths.
for n in 1 3; do
    OMP_NUM_THREADS=$n ranks 2 train run.yaml model.feature_proj=16 train.max_steps=12 eval.every=0 \
        run.dir=runs/threads-$n
done
near 12 'three threads' runs/threads-1 runs/threads-3

# More ranks than sequences in a step: some have nothing to do.
for loss in exact sampled; do
    ranks 4 train run.yaml train.loss=$loss train.batch=1 train.max_steps=10 eval.every=0 run.dir=few-$loss
    statuses 0 0 0 0
done

ranks 2 train run.yaml
statuses 0 0
# Columns of result.txt: split, domain, scorer, candidates, MRR.
for domain in A B; do
    awk -v domain=$domain '
        $1 == "test" && $2 == domain && $4 == "full" { mrr[$3] = $5 }
        END { exit !(mrr["model"] > 3 * mrr["popularity"]) }' runs/run/result.txt ||
        complain "three times popularity in $domain: $(cat runs/run/result.txt)"
done
finish
