# TEMA-LLM and SemaCDR through the ordinary commands: the number of ranks and the placement change
# nothing but rounding, runs resume, evaluation repeats, ablations run, what does not fit is refused.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

"$CDSR" synth --items-a 300 --items-b 300 --users 1500 --seed 2 --valid 150 --test 60 --tags \
    --features text:16 -o data.h5 >/dev/null || complain synth
ranks 2 features data.h5 --name tagv --from tags --dim 12 --vocabulary
statuses 0 0
has out 'tag vectors: 128, '
ranks 2 features data.h5 --name specific --from titles --dim 12
statuses 0 0
ranks 2 features data.h5 --name agnostic --from titles --agnostic --dim 10
statuses 0 0
has out 'terms that tell the domain left out: '
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3, tag_vectors: tagv}
train: {batch: 64, lr: 3.0e-3, negatives: 64, weight_decay: 0.01, max_steps: 6}
eval: {every: 0, candidates: both, sampled_negatives: 50}
YAML

losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"total": \([0-9.e+-]*\)}.*/\1 \2/p' \
        "$1/log.jsonl"
}

# near WHAT A B: runs A and B have the same losses to rounding.
near() {
    losses "$2" >first
    losses "$3" >second
    [ "$(wc -l <first)" = 6 ] || complain "$1: 6 losses"
    paste first second | awk '{ d = $2 - $4; if (d < 0) d = -d; if ($1 != $3 || d > 1e-5 * $2) exit 1 }' ||
        complain "$1: $(paste first second)"
}

metrics() {
    sed -n '/^  "valid"/,/^  "best_epoch"/p' "$1"
}

for model in tema_llm sema_cdr; do
    for loss in exact sampled; do
        keys="model.name=$model train.loss=$loss"
        dir=$model-$loss
        # shellcheck disable=SC2086 # words
        ranks 1 train run.yaml $keys run.dir=$dir
        statuses 0
        for n in 2 3 4; do
            # shellcheck disable=SC2086
            ranks $n train run.yaml $keys run.dir=$dir-$n
            near "$dir on $n ranks" $dir $dir-$n
        done
        # shellcheck disable=SC2086
        ranks 3 train run.yaml $keys run.dir=$dir-shared train.placement=sharded
        near "$dir shared out over 3 ranks" $dir $dir-shared
        # Stopped and gone on with, on other ranks.
        # shellcheck disable=SC2086
        ranks 1 train run.yaml $keys run.dir=$dir-again train.max_steps=3
        # shellcheck disable=SC2086
        ranks 2 train run.yaml $keys run.dir=$dir-again --resume
        statuses 0 0
        near "$dir resumed" $dir $dir-again
    done
    # The metrics of a checkpoint do not depend on ranks and placement.
    ranks 1 evaluate $model-exact -o one.json
    statuses 0
    metrics one.json >one
    has one mrr
    for placement in replicated sharded; do
        ranks 3 evaluate $model-exact -o many.json train.placement=$placement
        metrics many.json | diff one - >&2 || complain "$model: metrics of 3 ranks, $placement"
    done
    for n in 1 4; do
        ranks $n train run.yaml model.name=$model run.dir=same --overwrite train.reproducible=true
        cp same/checkpoints/step-6.h5 same-$n.h5
    done
    cmp same-1.h5 same-4.h5 || complain "$model: other bits on 4 ranks"
    # More ranks than sequences in a step.
    for placement in replicated sharded; do
        ranks 4 train run.yaml model.name=$model run.dir=few --overwrite train.batch=1 \
            train.placement=$placement
        statuses 0 0 0 0
    done
done

# Ablations; no tags at all is LLM-EMF.
for keys in 'tags=none' 'tags=uniform' 'tag_attention=off'; do
    ranks 2 train run.yaml model.name=tema_llm model.$keys run.dir=tema-$keys
    statuses 0 0
done
ranks 1 train run.yaml run.dir=emf
near 'tema_llm without tags' emf tema-tags=none
for keys in 'contrast_weight=0' 'stream_fusion=mean'; do
    ranks 2 train run.yaml model.name=sema_cdr model.$keys run.dir=sema-$keys
    statuses 0 0
done
ranks 1 train run.yaml model.name=sema_cdr run.dir=told
has err "table agnostic: lsa of titles without the "
has err "a stand-in for domain-agnostic texts"
has out "a stand-in for domain-agnostic texts"

refused "cdsr: error: data.h5: has no tag vectors 'text'; it has: tagv; add some with 'cdsr features --vocabulary'" \
    train run.yaml model.name=tema_llm model.tag_vectors=text run.dir=no
refused "cdsr: error: data.h5: has no feature table 'own'; it has: agnostic, specific, tagv, text; add one with 'cdsr features'" \
    train run.yaml model.name=sema_cdr model.agnostic=own run.dir=no
refused 'cdsr: error: plan: knows the cost of llm_emf, not of sema_cdr' \
    plan run.yaml model.name=sema_cdr

# Both learn: three times popularity, as LLM-EMF.
for model in tema_llm sema_cdr; do
    ranks 2 train run.yaml model.name=$model run.dir=learn-$model train.epochs=8 train.max_steps=0 \
        eval.every=1 eval.candidates=full
    statuses 0 0
    for domain in A B; do
        awk -v domain=$domain '
            $1 == "test" && $2 == domain && $4 == "full" { mrr[$3] = $5 }
            END { exit !(mrr["model"] > 3 * mrr["popularity"]) }' learn-$model/result.txt ||
            complain "$model: three times popularity in $domain: $(cat learn-$model/result.txt)"
    done
done
finish
