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
# The same vectors from a file: a row per tag, or none.
ranks 2 features data.h5 --name tagc --from data.h5:/tags/features/tagv --vocabulary
statuses 0 0
has out 'table tagc, 128 rows of 12 columns, '
refused 'cdsr: error: data.h5:/features/text: has 600 rows of 16 columns, but data.h5 has 128 tags; give one row per tag, in the order of /tags/vocabulary' \
    features data.h5 --name tagd --from data.h5:/features/text --vocabulary
refused "cdsr: error: data.h5: has a table 'tagc' already; name another or give --overwrite" \
    features data.h5 --name tagc --from data.h5:/tags/features/tagv --vocabulary
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, heads: 2, dropout: 0.3, tag_vectors: tagv}
train: {batch: 64, lr: 3.0e-3, negatives: 64, weight_decay: 0.01, max_steps: 6}
eval: {every: 0, candidates: both, sampled_negatives: 50}
YAML

metrics() {
    sed -n '/^  "valid"/,/^  "best_epoch"/p' "$1"
}

# run DIRECTORY RANKS KEY=VALUE...
run() {
    local dir=$1 n=$2
    shift 2
    ranks "$n" train run.yaml run.dir="$dir" "$@"
    [ "$(sort -u status)" = 0 ] || complain "$n ranks with $*: $(cat err)"
}

for model in tema_llm sema_cdr; do
    name=model.name=$model
    run $model-exact 1 $name
    for n in 2 3 4; do
        run $model-exact-$n $n $name
        near 6 "$model on $n ranks" $model-exact $model-exact-$n
    done
    run $model-exact-shared 3 $name train.placement=sharded
    near 6 "$model shared out over 3 ranks" $model-exact $model-exact-shared
    run $model-sampled 1 $name train.loss=sampled
    run $model-sampled-shared 4 $name train.loss=sampled train.placement=sharded
    near 6 "$model, sampled, shared out over 4 ranks" $model-sampled $model-sampled-shared
    # Stopped and gone on with, on other ranks.
    run $model-again 1 $name train.loss=sampled train.max_steps=3
    run $model-again 2 $name train.loss=sampled --resume
    near 6 "$model resumed on 2 ranks" $model-sampled $model-again
    # The metrics of a checkpoint do not depend on ranks and placement.
    ranks 1 evaluate $model-exact -o one.json --overwrite
    statuses 0
    metrics one.json >one
    has one mrr
    ranks 2 evaluate $model-exact -o many.json --overwrite
    metrics many.json | diff one - >&2 || complain "$model: metrics of 2 ranks"
    ranks 3 evaluate $model-exact -o many.json --overwrite train.placement=sharded
    metrics many.json | diff one - >&2 || complain "$model: metrics, shared out over 3 ranks"
    for n in 1 4; do
        run same $n $name --overwrite train.reproducible=true
        cp same/checkpoints/step-6.h5 same-$n.h5
    done
    cmp same-1.h5 same-4.h5 || complain "$model: other bits on 4 ranks"
    # More ranks than sequences in a step.
    run $model-few 4 $name train.batch=1 train.placement=sharded
done

# Ablations; no tags at all is LLM-EMF.
for keys in 'tags=none' 'tags=uniform' 'tag_attention=off'; do
    run tema-$keys 2 model.name=tema_llm model.$keys
done
run emf 1
run tema-copy 1 model.name=tema_llm model.tag_vectors=tagc
near 6 'tag vectors from a file' tema_llm-exact tema-copy
near 6 'tema_llm without tags' emf tema-tags=none
for keys in 'contrast_weight=0' 'stream_fusion=mean'; do
    run sema-$keys 2 model.name=sema_cdr model.$keys
done
run told 1 model.name=sema_cdr
has err "table agnostic: lsa of titles without the "
has err "a stand-in for domain-agnostic texts"
has out "a stand-in for domain-agnostic texts"

# Tags made of the titles are said to be a stand-in, language models' are not.
ranks 1 evaluate tema_llm-exact
if grep -q stand-in out; then complain 'data.h5 has tags of its own'; fi
cp data.h5 terms.h5
ranks 2 features terms.h5 --make-tags --from titles --overwrite
statuses 0 0
ranks 2 features terms.h5 --name tagt --from titles --dim 12 --vocabulary
statuses 0 0
has out ', 0 without a known term'
run terms 2 model.name=tema_llm model.tag_vectors=tagt data.path=terms.h5
note="table tags: the 5 terms of each item's titles with the greatest TF-IDF weight, a stand-in for a language model's tags"
has err "$note"
has out "$note"
has terms/result.txt "$note"
has terms/metrics.json "\"tags\": \"${note#table tags: }\""
run plain 2 data.path=terms.h5
if grep -q stand-in out; then complain 'llm_emf reads no tags'; fi

refused "cdsr: error: data.h5: has no tag vectors 'text'; it has: tagc, tagv; add some with 'cdsr features --vocabulary'" \
    train run.yaml model.name=tema_llm model.tag_vectors=text run.dir=no
refused "cdsr: error: data.h5: has no feature table 'own'; it has: agnostic, specific, tagv, text; add one with 'cdsr features'" \
    train run.yaml model.name=sema_cdr model.specific=own run.dir=no
refused "cdsr: error: data.h5: has no tag vectors 'text'; it has: tagc, tagv; add some with 'cdsr features --vocabulary'" \
    plan run.yaml model.name=tema_llm model.tag_vectors=text

# Both learn: three times popularity, as LLM-EMF.
for model in tema_llm sema_cdr; do
    run learn-$model 2 model.name=$model train.epochs=8 train.max_steps=0 eval.every=4 \
        eval.candidates=full
    for domain in A B; do
        awk -v domain=$domain '
            $1 == "test" && $2 == domain && $4 == "full" { mrr[$3] = $5 }
            END { exit !(mrr["model"] > 3 * mrr["popularity"]) }' learn-$model/result.txt ||
            complain "$model: three times popularity in $domain: $(cat learn-$model/result.txt)"
    done
done
finish
