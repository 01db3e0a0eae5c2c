# A data set of one domain goes through every job: its sequences are the only stream.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# 40 items; the next follows from the last, but for every fifth user. Then the same beside a second
# domain without events.
mkdir one two
awk 'BEGIN {
    for (i = 0; i < 40; i++) printf "%d\ta%d\t%d\n", i, i, i > "one/Alist.txt"
    for (i = 0; i < 6; i++) printf "%d\tb%d\t%d\n", 40 + i, i, i > "two/Blist.txt"
    split("train valid test", split_name)
    for (s = 1; s <= 3; s++)
        for (u = 0; u < (s == 1 ? 300 : 40); u++) {
            printf "u%d\t0", u > ("one/" split_name[s] "data_new.txt")
            at = (u * 7 + s * 3) % 40
            for (k = 0; k < 8; k++) {
                printf "\t%d|%d|", at, k > ("one/" split_name[s] "data_new.txt")
                at = (at + (u % 5 ? 11 : k * k + u)) % 40
            }
            print "" > ("one/" split_name[s] "data_new.txt")
        }
}'
cp one/* two
: >one/Blist.txt
for name in one two; do
    "$CDSR" prepare --format c2dsr $name -o $name.h5 >out 2>err || complain "prepare: $(cat err)"
done
cat >run.yaml <<'YAML'
data: {path: one.h5}
model: {dim: 16, blocks: 1, modalities: [id], dropout: 0}
train: {epochs: 2, batch: 64, lr: 1.0e-2}
eval: {candidates: both, sampled_negatives: 20}
YAML

# mrr DIR DOMAIN CANDIDATES: of the test split.
mrr() {
    awk -v domain="$2" -v candidates="$3" '
        $1 == "test" && $2 == domain && $3 == "model" && $4 == candidates { print $5 }' \
        "$1/result.txt"
}

# The loss is that of the domain's stream alone, whatever else there may be.
"$CDSR" train run.yaml >out 2>err || complain "train: $(cat err)"
has err 'one domain: its sequences are the only stream; the streams'\'' weights, '
[ "$(tail -n 1 out)" = VALID ] || complain "$(tail -n 1 out)"
[ "$(mrr runs/run A full)" = "$(mrr runs/run all full)" ] || complain 'all is the one domain'
[ "$(mrr runs/run B full)" = - ] || complain "the empty domain has $(mrr runs/run B full)"
awk -v x="$(mrr runs/run all full)" 'BEGIN { exit !(x > 0.3) }' || complain "MRR $(mrr runs/run all full)"
grep -A 2 '"B": {' runs/run/metrics.json | grep -q '"mrr": null' || complain 'null in metrics.json'
"$CDSR" train run.yaml -q data.path=two.h5 run.dir=runs/two model.lambda2=0 \
    model.share_encoders=streams >out 2>err || complain "train two: $(cat err)"
near 10 'a second domain without events' runs/run runs/two
[ "$(mrr runs/run A full)" = "$(mrr runs/two A full)" ] || complain 'other figures with two domains'

# It goes on, although the settings that it leaves out are given as before.
ranks 2 train run.yaml -q --resume train.epochs=3
statuses 0 0
has err 'cdsr: warning: train.epochs: 2 -> 3'
[ "$(grep -c warning: err)" = 1 ] || complain "one warning, but: $(cat err)"
ranks 2 train run.yaml -q --resume model.dim=8
statuses 2 2
[ "$(grep -c . err)" = 1 ] || complain "one line, but: $(cat err)"
has err 'model.dim: 16 -> 8 cannot change'

# Ranks, placements and losses; not a bit differs where that is asked for.
for setting in train.placement=sharded 'train.loss=sampled model.mixed_softmax=all' \
    'train.loss=gbce train.sampler=popularity'; do
    for n in 1 3; do
        # shellcheck disable=SC2086 # words of a command line
        ranks $n train run.yaml -q --overwrite run.dir=runs/$n $setting train.epochs=1
        [ "$(sort -u status)" = 0 ] && [ "$(tail -n 1 out)" = VALID ] ||
            complain "$setting on $n ranks: $(tail -n 1 out) $(cat err)"
    done
    near 5 "$setting" runs/1 runs/3
    [ "$(mrr runs/1 all sampled)" = "$(mrr runs/3 all sampled)" ] || complain "$setting: MRR"
done
for n in 1 4; do
    ranks $n train run.yaml -q run.dir=runs/same-$n train.epochs=1 train.reproducible=true
    losses runs/same-$n >same-$n
done
[ -s same-1 ] && cmp same-1 same-4 || complain 'other bits on four ranks'

# Lists are of the domain that there is.
printf 'u\ta1\ta2\n' >histories.tsv
ranks 2 recommend runs/run -i histories.tsv -k 3 -o top.tsv
statuses 0 0
[ "$(cut -f 1,2 top.tsv | sort | uniq -c | tr -s ' ')" = "$(printf ' 3 u\tA\n 1 user\tdomain')" ] ||
    complain "lists: $(cat top.tsv)"
refused_here "--domain: 'B' is not one of A" \
    recommend runs/run -i histories.tsv -o x.tsv --domain B

ranks 2 evaluate runs/run -q eval.candidates=full
statuses 0 0
[ "$(tail -n 1 out)" = VALID ] || complain "evaluate: $(cat out)"
"$CDSR" report runs/run runs/two >out || complain report
has out '| all: MRR |'
"$CDSR" plan run.yaml >out 2>err || complain "plan: $(cat err)"
grep -qi nan out && complain "plan: $(cat out)"
"$CDSR" bench run.yaml bench.steps=1 bench.warmup=0 >out 2>err || complain "bench: $(cat err)"

# Texts and tags; what two domains are needed for.
"$CDSR" synth --items-a 40 --items-b 0 --users 60 --tags -o synth.h5 >out || complain synth
has out '40 + 0 items'
"$CDSR" features synth.h5 -q --name text --from titles --dim 4 --vocabulary >out || complain lsa
"$CDSR" train run.yaml -q data.path=synth.h5 run.dir=runs/tema model.name=tema_llm \
    model.tag_vectors=text 'model.modalities=[id, text]' train.epochs=1 >out 2>err ||
    complain "tema_llm: $(cat err)"
[ "$(tail -n 1 out)" = VALID ] || complain "tema_llm: $(tail -n 1 out)"
refused_here "--agnostic: synth.h5 has items of 'A' only, from which no term tells" \
    features synth.h5 --name other --from titles --dim 4 --agnostic
refused_here "model.name: sema_cdr fuses two domains, and one.h5 has items of 'A' only" \
    train run.yaml run.dir=runs/x model.name=sema_cdr
refused_here "train.target: b has no targets, and one.h5 has items of 'A' only" \
    train run.yaml run.dir=runs/x train.target=b
refused_here "eval.select_domain: b has no targets, and one.h5 has items of 'A' only" \
    train run.yaml run.dir=runs/x eval.select_domain=b
refused_here "train.target: b has no targets, and one.h5 has items of 'A' only" \
    plan run.yaml train.target=b

# Interactions without a column of domains.
awk -F '\t' 'BEGIN { print "user_id:token\titem_id:token\ttimestamp:float" }
    { for (k = 3; k <= NF; k++) { split($k, e, "|"); print $1 "\ti" e[1] "\t" e[2] } }' \
    one/traindata_new.txt >one.inter
"$CDSR" prepare --format interactions one.inter -o inter.h5 >out 2>err || complain "prepare: $(cat err)"
has out 'items: 40 of A, 0 of B: one domain'
finish
