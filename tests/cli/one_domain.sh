# A data set of one domain goes through every job: its sequences are the only stream.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# The same 40 items in one.h5, and in two.h5 beside a second domain without events.
walking_folder one 40 0 300 40
cp -r one two
for i in 0 1 2 3 4 5; do printf '%d\tb%d\t%d\n' $((40 + i)) $i $i; done >two/Blist.txt
for name in one two; do
    "$CDSR" prepare --format c2dsr $name -o $name.h5 >out 2>err || complain "prepare: $(cat err)"
done
cat >run.yaml <<'YAML'
data: {path: one.h5}
model: {dim: 16, blocks: 1, modalities: [id], dropout: 0}
train: {epochs: 2, batch: 64, lr: 1.0e-2}
eval: {candidates: both, sampled_negatives: 20}
YAML
"$CDSR" train run.yaml >trained 2>trained.err || complain "train: $(cat trained.err)"

# mrr DIR DOMAIN CANDIDATES: of the test split.
mrr() {
    awk -v domain="$2" -v candidates="$3" '
        $1 == "test" && $2 == domain && $3 == "model" && $4 == candidates { print $5 }' \
        "$1/result.txt"
}

# second_domain: the directory runs/two, the same run where there is a second domain without events.
second_domain() {
    [ ! -e runs/two/result.txt ] || return
    "$CDSR" train run.yaml -q data.path=two.h5 run.dir=runs/two model.lambda2=0 \
        model.share_encoders=streams >out 2>err || complain "train two: $(cat err)"
}

test_train() { # Training says that the domain's stream is the only one, and learns from it.
    has trained.err 'one domain: its sequences are the only stream; the streams'\'' weights, '
    [ "$(tail -n 1 trained)" = VALID ] || complain "$(tail -n 1 trained)"
    awk -v x="$(mrr runs/run all full)" 'BEGIN { exit !(x > 0.3) }' || complain "MRR $(mrr runs/run all full)"
}

test_figures() { # The figures of all are those of the one domain, and the empty one has none.
    [ "$(mrr runs/run A full)" = "$(mrr runs/run all full)" ] || complain 'all is the one domain'
    [ "$(mrr runs/run B full)" = - ] || complain "the empty domain has $(mrr runs/run B full)"
    grep -A 2 '"B": {' runs/run/metrics.json | grep -q '"mrr": null' || complain 'null in metrics.json'
}

test_second_domain_without_events() { # The loss is that of the domain's stream alone, whatever else there is.
    second_domain
    near 10 'a second domain without events' runs/run runs/two
    [ "$(mrr runs/run A full)" = "$(mrr runs/two A full)" ] || complain 'other figures with two domains'
}

test_resume() { # The run goes on, although the settings that it leaves out are given as before.
    cp -r runs/run runs/longer
    ranks 2 train run.yaml -q run.dir=runs/longer --resume train.epochs=3
    statuses 0 0
    has err 'cdsr: warning: train.epochs: 2 -> 3'
    [ "$(grep -c warning: err)" = 1 ] || complain "one warning, but: $(cat err)"
}

test_resume_with_another_model() { # It does not go on with another width.
    ranks 2 train run.yaml -q --resume model.dim=8
    statuses 2 2
    [ "$(grep -c . err)" = 1 ] || complain "one line, but: $(cat err)"
    has err 'model.dim: 16 -> 8 cannot change'
}

# alike SETTING...: one rank and three train alike with it.
alike() {
    for n in 1 3; do
        ranks $n train run.yaml -q --overwrite run.dir=runs/$n "$@" train.epochs=1
        [ "$(sort -u status)" = 0 ] && [ "$(tail -n 1 out)" = VALID ] ||
            complain "$* on $n ranks: $(tail -n 1 out) $(cat err)"
    done
    near 5 "$*" runs/1 runs/3
    [ "$(mrr runs/1 all sampled)" = "$(mrr runs/3 all sampled)" ] || complain "$*: MRR"
}

test_placement_sharded() { # The number of ranks changes nothing but rounding, with tables shared out.
    alike train.placement=sharded
}

test_sampled_loss() { # Nor does it with the sampled loss.
    alike train.loss=sampled model.mixed_softmax=all
}

test_gbce() { # Nor with gBCE and negatives by popularity.
    alike train.loss=gbce train.sampler=popularity
}

test_reproducible() { # Not a bit differs where that is asked for.
    for n in 1 4; do
        ranks $n train run.yaml -q run.dir=runs/same-$n train.epochs=1 train.reproducible=true
        losses runs/same-$n >same-$n
    done
    [ -s same-1 ] && cmp same-1 same-4 || complain 'other bits on four ranks'
}

test_recommend() { # Lists are of the domain that there is, and another one cannot be asked for.
    printf 'u\ta1\ta2\n' >histories.tsv
    ranks 2 recommend runs/run -i histories.tsv -k 3 -o top.tsv
    statuses 0 0
    [ "$(cut -f 1,2 top.tsv | sort | uniq -c | tr -s ' ')" = "$(printf ' 3 u\tA\n 1 user\tdomain')" ] ||
        complain "lists: $(cat top.tsv)"
    refused_here "--domain: 'B' is not one of A" \
        recommend runs/run -i histories.tsv -o x.tsv --domain B
}

test_evaluate() { # evaluate gives a valid result.
    ranks 2 evaluate runs/run -q eval.candidates=full
    statuses 0 0
    [ "$(tail -n 1 out)" = VALID ] || complain "evaluate: $(cat out)"
}

test_report() { # report has a column for all.
    second_domain
    "$CDSR" report runs/run runs/two >out || complain report
    has out '| all: MRR |'
}

test_plan() { # plan has a figure in every place.
    "$CDSR" plan run.yaml >out 2>err || complain "plan: $(cat err)"
    grep -qi nan out && complain "plan: $(cat out)"
}

test_bench() { # bench runs.
    "$CDSR" bench run.yaml bench.steps=1 bench.warmup=0 >out 2>err || complain "bench: $(cat err)"
}

# tagged: synth.h5, a data set of one domain with tags and texts.
tagged() {
    [ ! -e synth.h5 ] || return
    synth --items-a 40 --items-b 0 --users 60 --tags -o synth.h5
    has out '40 + 0 items'
    "$CDSR" features synth.h5 -q --name text --from titles --dim 4 --vocabulary >out || complain lsa
}

test_tema_llm() { # Texts and tags are made and used.
    tagged
    "$CDSR" train run.yaml -q data.path=synth.h5 run.dir=runs/tema model.name=tema_llm \
        model.tag_vectors=text 'model.modalities=[id, text]' train.epochs=1 >out 2>err ||
        complain "tema_llm: $(cat err)"
    [ "$(tail -n 1 out)" = VALID ] || complain "tema_llm: $(tail -n 1 out)"
}

test_what_needs_two_domains() { # Domain-agnostic texts, SemaCDR and targets of the other domain are refused.
    tagged
    refused_here "--agnostic: synth.h5 has items of 'A' only, from which no term tells" \
        features synth.h5 --name other --from titles --dim 4 --agnostic
    refused_here "model.name: sema_cdr fuses two domains, and one.h5 has items of 'A' only" \
        train run.yaml run.dir=runs/x model.name=sema_cdr
    refused_here "model.name: abxi fuses two domains, and one.h5 has items of 'A' only" \
        train run.yaml run.dir=runs/x model.name=abxi
    refused_here "model.name: c2dsr fuses two domains, and one.h5 has items of 'A' only" \
        train run.yaml run.dir=runs/x model.name=c2dsr
    refused_here "train.target: b has no targets, and one.h5 has items of 'A' only" \
        train run.yaml run.dir=runs/x train.target=b
    refused_here "eval.select_domain: b has no targets, and one.h5 has items of 'A' only" \
        train run.yaml run.dir=runs/x eval.select_domain=b
    refused_here "train.target: b has no targets, and one.h5 has items of 'A' only" \
        plan run.yaml train.target=b
}

test_interactions_without_domains() { # Interactions without a column of domains are of one.
    awk -F '\t' 'BEGIN { print "user_id:token\titem_id:token\ttimestamp:float" }
        { for (k = 3; k <= NF; k++) { split($k, e, "|"); print $1 "\ti" e[1] "\t" e[2] } }' \
        one/traindata_new.txt >one.inter
    "$CDSR" prepare --format interactions one.inter -o inter.h5 >out 2>err || complain "prepare: $(cat err)"
    has out 'items: 40 of A, 0 of B: one domain'
}

run_tests "$@"
