# The same rows with their items in another order, and a catalogue that has changed: a model takes its
# own items only, or finds them by their keys when it is asked to.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# 60 users with 12 events each; items 0 .. 29 of either domain, of which the titles are one word.
awk 'BEGIN {
    print "user_id:token\titem_id:token\ttimestamp:float"
    for (u = 0; u < 60; u++)
        for (t = 0; t < 12; t++)
            printf "u%d\t%s%d\t%d\n", u, (u + t) % 2 ? "A" : "B", (u * 7 + t * t) % 30, 100 * u + t
}' >one.inter
head='item_id:token\tdomain:token\ttitle:token_seq\n'
items() {
    for i in $(seq 0 29); do printf '%s%d\t%s\tword%d\n' A "$i" food $((i % 9)) B "$i" tea $((i % 7)); done
}
(printf "$head"; items) >one.item
(printf "$head"; items | tac) >two.item
# Without A3 and B5, with A77 and B77 and B78 in front.
(printf "$head"; printf 'A77\tfood\tword1\nB77\ttea\tword2\nB78\ttea\tword3\n'; items | grep -v '^A3	\|^B5	') >next.item
(sed 's/	A3	/	A77	/; s/	B5	/	B77	/' one.inter; printf 'u0\tB78\t9\n') >next.inter
cp one.inter two.inter
for name in one two next; do
    ranks 1 prepare --format interactions $name.inter $name.item -o $name.h5
    statuses 0
    ranks 1 features $name.h5 --name text --from titles --dim 8
    statuses 0
done

# shop NAME: the data set that the runs are asked with.
shop() {
    cp "$1.h5" shop.h5
}
shop one
cat >run.yaml <<'YAML'
data: {path: shop.h5}
model: {dim: 8, blocks: 1, modalities: [id], dropout: 0}
train: {epochs: 2, batch: 16, lr: 0.01}
YAML
for placement in replicated sharded; do
    ranks 2 train run.yaml train.placement=$placement run.dir=$placement
    statuses 0 0
done
ranks 2 train run.yaml model.modalities='[text]' run.dir=text
statuses 0 0

# figures FILE: of metrics as JSON, without what belongs to the occasion.
figures() {
    sed -n '/^  "valid"/,/^  "popularity"/p' "$1"
}

# evaluates RANKS RUN OUTPUT ARGUMENT...
evaluates() {
    rm -f "$3"
    ranks "$1" evaluate "$2" -o "$3" "${@:4}"
    [ "$(sort -u status)" = 0 ] || complain "$2: $(cat err)"
    [ "$(figures "$3" | grep -c mrr)" = 6 ] || complain "$2: figures"
}
lists() {
    rm -f list.tsv
    ranks 2 recommend "$1" -i histories.tsv -k 3 -o list.tsv "${@:2}"
    cut -f 1-4 list.tsv
}
printf 'u1\tA1\tB2\tA4\nu2\tB9\tA20\n' >histories.tsv
for run in replicated sharded text; do
    evaluates 2 $run $run.json
    lists $run >$run.list
    [ "$(wc -l <$run.list)" = 13 ] || complain "$run: $(cat $run.list)"
done

# starts RUN DIR ARGUMENT...: a model that starts as the run and is not trained.
starts() {
    local run=$1 dir=$2
    shift 2
    ranks 2 train run.yaml run.dir="$dir" train.init="$run/checkpoints/$(cd "$run/checkpoints" && ls | tail -n 1)" \
        train.epochs=0 "$@"
    statuses 0 0
}

# ---- the same items in another order ----

test_other_order_is_refused() { # evaluate and recommend refuse items in another order, in one line, and write nothing.
    shop two
    same=': was trained on other items than those of shop.h5: item 0 is '\''A0'\'' of food here and '\''A29'\'' of food there;'
    for run in replicated sharded; do
        for job in evaluate 'recommend -i histories.tsv -o refused.tsv'; do
            ranks 2 $job $run
            statuses 2 2
            [ "$(grep -c . err)" = 1 ] || complain "one line, but: $(cat err)"
            has err "cdsr: error: $run/checkpoints/step-"
            has err "$same give the data set of the training, or --items-by-key"
        done
    done
    [ ! -e refused.tsv ] || complain 'a refusal writes nothing'
}

test_evaluate_by_key() { # With --items-by-key the figures are those of the original order, and say so.
    shop two
    for run in replicated sharded; do
        for n in 1 2; do
            evaluates $n $run again.json --items-by-key
            has err 'cdsr: items by key: kept 60, new 0, dropped 0'
            diff <(figures $run.json) <(figures again.json) >&2 || complain "$run: the figures of the original"
        done
        grep -q '"items_by_key"' again.json || complain 'the figures say how the items were found'
    done
}

test_best_epochs_by_key() { # With a best epoch of each domain the rows of both checkpoints are found.
    shop one
    ranks 2 train run.yaml run.dir=each eval.select_domain=each train.epochs=8 checkpoint.keep=1 eval.select=mrr
    statuses 0 0
    ls each/checkpoints >kept
    evaluates 2 each each.json
    shop two
    evaluates 2 each again.json --items-by-key
    diff <(figures each.json) <(figures again.json) >&2 || complain 'the figures of the original'
    shop next
    evaluates 1 each again.json --items-by-key
    has err 'cdsr: items by key: kept 58, new 3, dropped 2'
    epochs=$(sed -n '/^  "best_epoch"/,/}/s/.*: \([0-9]*\),*$/\1/p' each/metrics.json)
    [ "$(printf '%s\n' $epochs | sort -u | wc -l)" = 2 ] || complain "other best epochs: $epochs"
    steps=$(($(grep -c '"event": "step"' each/log.jsonl) / 8))
    for domain in food tea; do
        evaluates 1 each/checkpoints/step-$((${epochs%%[^0-9]*} * steps)).h5 apart.json --items-by-key
        epochs=${epochs#*[^0-9]}
        diff <(figures again.json | sed -n "/\"$domain\"/,/}/p") <(figures apart.json | sed -n "/\"$domain\"/,/}/p") >&2 ||
            complain "the figures of $domain"
    done
}

test_recommend_by_key() { # With --items-by-key the lists are those of the original order.
    shop two
    for run in replicated sharded; do
        diff $run.list <(lists $run --items-by-key) >&2 || complain "$run: the lists of the original"
    done
}

test_model_without_ids() { # Without an item table the order of the items is nobody's business.
    shop two
    evaluates 1 text again.json
    diff <(figures text.json) <(figures again.json) >&2 || complain "text: the figures of the original"
}

test_init_by_key() { # A training that starts from a checkpoint finds its items by their keys.
    shop two
    for run in replicated sharded; do
        last=$run/checkpoints/$(cd $run/checkpoints && ls | tail -n 1)
        evaluates 1 "$last" last.json data.path=one.h5
        starts $run $run-init train.placement=$run
        [ "$(grep -c 'train.init: item rows kept 60, new 0, dropped 0' err)" = 1 ] || complain "$(cat err)"
        diff <(figures last.json) <(figures $run-init/metrics.json) >&2 || complain "$run: train.init maps rows"
    done
}

# ---- a catalogue that has changed ----

test_other_catalogue_is_refused() { # Another catalogue is refused with the first item that differs.
    shop next
    ranks 1 evaluate replicated
    statuses 2
    has err "item 0 is 'A0' of food here and 'A77' of food there;"
}

test_init_from_another_catalogue() { # A training keeps the items that there are, under either placement.
    shop next
    starts replicated whole
    has err 'train.init: item rows kept 58, new 3, dropped 2'
    starts replicated parts train.placement=sharded
    has err 'train.init: item rows kept 58, new 3, dropped 2'
    diff <(figures whole/metrics.json) <(figures parts/metrics.json) >&2 || complain 'either placement'
}

test_evaluate_another_catalogue() { # evaluate says how many rows were trained.
    shop next
    ranks 1 evaluate replicated --items-by-key
    has out 'items by key: 58 of the training, 3 new ones with rows not trained'
}

test_recommend_new_items() { # Items that are new can be recommended.
    shop next
    lists replicated --items-by-key --seen -k 31 >all.list
    for key in A77 B77 B78; do
        grep -q "	$key\$" all.list || complain "$key can be recommended"
    done
}

run_tests "$@"
