# The models beside LLM-EMF through the ordinary commands: the number of ranks and the placement change
# nothing but rounding, runs resume, evaluation repeats, ablations run, what does not fit is refused.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
models='tema_llm sema_cdr sasrec tricdr c2dsr bprmf ncf gru4rec srgnn abxi pinet psjnet mifn'

synth --items-a 300 --items-b 300 --users 1500 --seed 2 --valid 150 --test 60 --tags --features text:16 -o data.h5
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

metrics() {
    sed -n '/^  "valid"/,/^  "best_epoch"/p' "$1"
}

# same_metrics WHAT ONE OTHER: but for rounding, which may make an item's score equal to the target's, and
# then moves a mean by less than 1e-3 of it.
same_metrics() {
    paste -d ' ' <(metrics "$2") <(metrics "$3") | tr -d '",:{}' |
        awk 'function off(a, b) { return a > b ? a - b : b - a }
            NF % 2 || $1 != $(NF / 2 + 1) { exit 1 }
            NF == 4 && off($2, $4) > ($1 == "tied" ? 1 : 1e-3 * $2) { exit 1 }' >&2 ||
        complain "$1: $(diff <(metrics "$2") <(metrics "$3"))"
}

# run DIRECTORY RANKS KEY=VALUE...
run() {
    local dir=$1 n=$2
    shift 2
    ranks "$n" train run.yaml run.dir="$dir" "$@"
    [ "$(sort -u status)" = 0 ] || complain "$n ranks with $*: $(cat err)"
}

# loss MODEL exact and loss MODEL sampled: the losses of two runs, the second one of those that draw items,
# the first one of the others where the model has any.
loss() {
    case $1-$2 in
    bprmf-sampled) echo bpr ;;
    ncf-exact) echo bce ;;
    ncf-sampled) echo bpr ;;
    *) echo "$2" ;;
    esac
}

# exact MODEL and sampled MODEL: a run on one rank with that loss, in MODEL-exact and MODEL-sampled; the first one is
# evaluated at its end, the second one has a checkpoint after each step.
exact() {
    [ -e "$1-exact" ] || run "$1-exact" 1 model.name="$1" train.loss="$(loss "$1" exact)" eval.every=1
}
sampled() {
    [ -e "$1-sampled" ] || run "$1-sampled" 1 model.name="$1" train.loss="$(loss "$1" sampled)" \
        checkpoint.every_s=1.0e-6 checkpoint.keep=9
}

test_ranks() { # The number of ranks changes nothing but rounding; three of them share tables out, in test_placement.
    for model in $models; do
        exact $model
        for n in 2 4; do
            run $model-exact-$n $n model.name=$model train.loss="$(loss $model exact)"
            near 6 "$model on $n ranks" $model-exact $model-exact-$n
        done
    done
}

test_placement() { # Tables that are shared out change nothing but rounding, with either loss.
    for model in $models; do
        exact $model
        run $model-exact-shared 3 model.name=$model train.loss="$(loss $model exact)" train.placement=sharded
        near 6 "$model shared out over 3 ranks" $model-exact $model-exact-shared
        sampled $model
        run $model-sampled-shared 4 model.name=$model train.loss="$(loss $model sampled)" train.placement=sharded
        near 6 "$model, sampled, shared out over 4 ranks" $model-sampled $model-sampled-shared
    done
}

# ended_after_three RUN COPY: a copy of the run, as if it had been killed after its third step.
ended_after_three() {
    cp -r "$1" "$2"
    rm "$2"/checkpoints/step-[456].h5 "$2"/{metrics.json,result.txt}
    sed -i '/"step": [456],/d; /"event": "end"/d' "$2/log.jsonl"
}

test_resume() { # A run that was killed goes on, on other ranks.
    for model in $models; do
        sampled $model
        ended_after_three $model-sampled $model-again
        run $model-again 2 model.name=$model train.loss="$(loss $model sampled)" --resume
        has err 'resumed at step 3'
        near 6 "$model resumed on 2 ranks" $model-sampled $model-again
    done
}

test_evaluate() { # The metrics of a checkpoint depend on ranks and placement by rounding alone.
    for model in $models; do
        exact $model
        grep -q mrr $model-exact/metrics.json || complain "$model: the figures of its training, on one rank"
        ranks 2 evaluate $model-exact -o many.json --overwrite
        same_metrics "$model on 2 ranks" $model-exact/metrics.json many.json
        ranks 3 evaluate $model-exact -o many.json --overwrite train.placement=sharded
        same_metrics "$model, shared out over 3 ranks" $model-exact/metrics.json many.json
    done
}

test_reproducible() { # Where that is asked for not a bit differs on four ranks.
    for model in $models; do
        for n in 1 4; do
            run same $n model.name=$model --overwrite train.reproducible=true
            cp same/checkpoints/step-6.h5 same-$n.h5
        done
        cmp same-1.h5 same-4.h5 || complain "$model: other bits on 4 ranks"
    done
}

test_more_ranks_than_sequences() { # A step may have fewer sequences than ranks.
    for model in $models; do
        run $model-few 4 model.name=$model train.batch=1 train.placement=sharded
    done
}

test_ablations_of_tema_llm() { # Its ablations train; no tags at all is LLM-EMF.
    for keys in 'tags=none' 'tags=uniform' 'tag_attention=off'; do
        run tema-$keys 2 model.name=tema_llm model.$keys
    done
    run emf 1
    near 6 'tema_llm without tags' emf tema-tags=none
}

test_output_table() { # A table of their own that ids are ranked by depends on neither ranks nor placement.
    for model in llm_emf tema_llm sasrec; do
        for loss in exact sampled; do
            keys="model.name=$model model.output_table=untied train.loss=$loss"
            run untied 1 $keys eval.every=1 --overwrite
            run untied-3 3 $keys train.placement=sharded --overwrite
            near 6 "$model, $loss, untied, shared out over 3 ranks" untied untied-3
        done
        run untied-2 2 $keys train.max_steps=3 --overwrite
        run untied-2 1 $keys --resume
        near 6 "$model, untied, resumed" untied untied-2
        ranks 2 evaluate untied -o two.json --overwrite train.placement=sharded
        statuses 0 0
        same_metrics "$model, untied, on 2 ranks" untied/metrics.json two.json
    done
    refused 'cdsr: error: model.output_table: untied is a second table of the ids; add id to model.modalities, or take tied' \
        train run.yaml model.modalities=text model.output_table=untied run.dir=no
}

test_ablations_of_sema_cdr() { # Its ablations train.
    for keys in 'contrast_weight=0' 'stream_fusion=mean'; do
        run sema-$keys 2 model.name=sema_cdr model.$keys
    done
}

test_members_of_pinet() { # One member, and projections of their own, train.
    for keys in 'members=1' 'member_projections=separate'; do
        run pinet-$keys 2 model.name=pinet model.$keys
    done
}

test_roles_of_psjnet() { # One role trains, and more than there are by default.
    for keys in 'roles=1' 'roles=7'; do
        run psjnet-$keys 2 model.name=psjnet model.$keys
    done
}

test_graph_of_c2dsr() { # Without the contrast, and with few targets, it trains; other losses are refused.
    for keys in 'infomax_weight=0' 'last_targets=2'; do
        run c2dsr-$keys 2 model.name=c2dsr model.$keys
    done
    refused 'cdsr: error: train.loss: the softmax of c2dsr has a class that is no item, which only exact and sampled know; take one of them' \
        train run.yaml model.name=c2dsr train.loss=bce run.dir=no
}

test_graphs_of_mifn() { # Graphs of all targets, and of two nodes, train; losses without probabilities are refused.
    for keys in 'graph_targets=0' 'graph_nodes=2' 'switch_weight=0'; do
        run mifn-$keys 2 model.name=mifn model.$keys
    done
    has mifn-graph_targets=0/log.jsonl '"switch": '
    refused 'cdsr: error: train.loss: mifn mixes probabilities, of which gbce, bce, bpr and infonce have none; take exact or sampled' \
        train run.yaml model.name=mifn train.loss=bce run.dir=no
}

test_own_negatives() { # Negatives that each position draws do not depend on ranks and placement.
    run bce 1 model.name=sasrec train.loss=bce train.bce_negatives=2
    run bce-2 2 model.name=sasrec train.loss=bce train.bce_negatives=2
    run bce-3 3 model.name=sasrec train.loss=bce train.bce_negatives=2 train.placement=sharded
    near 6 'bce on 2 ranks' bce bce-2
    near 6 'bce shared out over 3 ranks' bce bce-3
    run bce-own 1 model.name=gru4rec train.loss=bce
    run bce-own-3 3 model.name=gru4rec train.loss=bce train.placement=sharded
    near 6 'bce with a table of outputs, shared out over 3 ranks' bce-own bce-own-3
    for loss in bce bpr gbce; do
        run $loss-two 1 model.name=pinet train.loss=$loss
        run $loss-two-3 3 model.name=pinet train.loss=$loss train.placement=sharded
        near 6 "$loss of two streams, shared out over 3 ranks" $loss-two $loss-two-3
    done
    refused 'cdsr: error: train.loss: bce, bpr and infonce have one score per item; set model.modalities to one, or take another model' \
        train run.yaml train.loss=bce run.dir=no
}

test_lazy_users() { # With lazy AdamW the rows of a step's users move, whatever the ranks and the placement.
    keys='model.name=bprmf train.optimizer=lazy_adamw train.grad_clip=0.01'
    run lazy 1 $keys
    run lazy-2 2 $keys
    run lazy-3 3 $keys train.placement=sharded
    near 6 'lazy users on 2 ranks' lazy lazy-2
    near 6 'lazy users, items shared out over 3 ranks' lazy lazy-3
}

test_shares_of_positions() { # ABXI's targets do not count the same; nor does that depend on ranks, with any loss.
    for loss in exact gbce bce; do
        run shares-$loss 1 model.name=abxi train.loss=$loss
        run shares-$loss-3 3 model.name=abxi train.loss=$loss train.placement=sharded
        near 6 "abxi, $loss, shared out over 3 ranks" shares-$loss shares-$loss-3
    done
}

test_learns() { # They learn: three times popularity, as LLM-EMF.
    for model in $models; do
        case $model in
        bprmf | tricdr) keys='train.epochs=24' ;;
        ncf) keys='train.epochs=60 train.lr=0.01' ;;
        *) keys='train.epochs=8' ;;
        esac
        run learn-$model 2 model.name=$model $keys train.max_steps=0 eval.every=4 eval.candidates=full
        for domain in A B; do
            awk -v domain=$domain '
                $1 == "test" && $2 == domain && $4 == "full" { mrr[$3] = $5 }
                END { exit !(mrr["model"] > 3 * mrr["popularity"]) }' learn-$model/result.txt ||
                complain "$model: three times popularity in $domain: $(cat learn-$model/result.txt)"
        done
    done
}

# ---- tables ----

# copied_vectors: copied.h5, with tag vectors tagc that are those of tagv, from a file.
copied_vectors() {
    [ ! -e copied.h5 ] || return
    cp data.h5 copied.h5
    ranks 2 features copied.h5 --name tagc --from data.h5:/tags/features/tagv --vocabulary
    statuses 0 0
    has out 'table tagc, 128 rows of 12 columns, '
}

test_tag_vectors_from_a_file() { # The same vectors from a file, a row per tag, train the same.
    copied_vectors
    exact tema_llm
    run tema-copy 1 data.path=copied.h5 model.name=tema_llm model.tag_vectors=tagc
    near 6 'tag vectors from a file' tema_llm-exact tema-copy
}

test_number_of_tag_vectors() { # There is a vector per tag, or none.
    refused 'cdsr: error: data.h5:/features/text: has 600 rows of 16 columns, but data.h5 has 128 tags; give one row per tag, in the order of /tags/vocabulary' \
        features data.h5 --name tagd --from data.h5:/features/text --vocabulary
}

test_tag_vectors_that_are_there() { # They are not replaced unasked.
    copied_vectors
    refused "cdsr: error: copied.h5: has a table 'tagc' already; name another or give --overwrite" \
        features copied.h5 --name tagc --from data.h5:/tags/features/tagv --vocabulary
}

test_absent_tables() { # Tables that the data set has not are refused, with those that it has.
    copied_vectors
    refused "cdsr: error: copied.h5: has no tag vectors 'text'; it has: tagc, tagv; add some with 'cdsr features --vocabulary'" \
        train run.yaml data.path=copied.h5 model.name=tema_llm model.tag_vectors=text run.dir=no
    refused "cdsr: error: copied.h5: has no feature table 'own'; it has: agnostic, specific, tagv, text; add one with 'cdsr features'" \
        train run.yaml data.path=copied.h5 model.name=sema_cdr model.specific=own run.dir=no
    refused "cdsr: error: copied.h5: has no tag vectors 'text'; it has: tagc, tagv; add some with 'cdsr features --vocabulary'" \
        plan run.yaml data.path=copied.h5 model.name=tema_llm model.tag_vectors=text
}

# ---- stand-ins for what a language model makes ----

test_agnostic_texts_are_a_stand_in() { # Titles without the terms that tell the domain are said to be one.
    run told 1 model.name=sema_cdr
    has err "table agnostic: lsa of titles without the "
    has err "a stand-in for domain-agnostic texts"
    has out "a stand-in for domain-agnostic texts"
}

test_tags_of_titles_are_a_stand_in() { # Tags made of the titles are said to be one, wherever a result stands.
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
    ! grep -q stand-in out || complain 'llm_emf reads no tags'
}

test_own_tags_are_none() { # Tags that the data set came with are not said to be one.
    exact tema_llm
    ranks 1 evaluate tema_llm-exact
    ! grep -q stand-in out || complain 'data.h5 has tags of its own'
}

run_tests "$@"
