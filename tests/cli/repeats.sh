# model.repeats: counted is what the training sequences repeat, on any number of ranks; it leaves the training
# as it is, ranks a user's own items by it, and is what a checkpoint had counted wherever that is evaluated.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# Every fourth user's last item is the third one again.
walking_folder in 30 40 400 60
awk -F '\t' -v OFS='\t' 'NR % 4 == 0 { split($5, third, "|"); $(NF + 1) = third[1] "|9|" } { print }' \
    in/traindata_new.txt >again.txt
mv again.txt in/traindata_new.txt
"$CDSR" prepare --format c2dsr in -o data.h5 >/dev/null 2>&1 || complain prepare
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, modalities: [id], repeats: free}
train: {epochs: 3, batch: 64, lr: 1.0e-2}
eval: {candidates: both, sampled_negatives: 20}
checkpoint: {every_s: 1.0e-6, keep: 99}
YAML

# Of the sequences of the folder: repeated targets and all of them, in A and B.
counts=$(awk -F '\t' '{
    delete seen
    for (k = 3; k <= NF; k++) {
        item = int($k); d = item >= 30
        all[d] += k > 3
        again[d] += item in seen
        seen[item]
    } } END { print again[0], all[0], again[1], all[1] }' in/traindata_new.txt)
line=$(echo "$counts" | awk '{
    printf "repeats: %.2f %% of A'"'"'s training targets, %.2f %% of B'"'"'s", 100 * $1 / $2, 100 * $3 / $4 }')

# run DIRECTORY RANKS KEY=VALUE...
run() {
    ranks "$2" train run.yaml run.dir="$1" "${@:3}"
    statuses $(yes 0 | head -n "$2")
}

run free 1
run counted 1 model.repeats=counted
run other 1 model.repeats=counted run.seed=2
steps=$(losses counted | wc -l)
last=checkpoints/step-$steps.h5

# figures FILE: what the ranks decide of a JSON.
figures() {
    sed -n '/^  "valid"/,/^  "popularity"/p' "$1"
}

# evaluates FILE RANKS ARGUMENT...: figures to FILE.
evaluates() {
    ranks "$2" evaluate "${@:3}" -o json --overwrite
    statuses $(yes 0 | head -n "$2")
    figures json >"$1"
    [ -s "$1" ] || complain "figures: $*"
}

test_counts() { # The line has what the sequences repeat, in the log and in the results; without the key there is none.
    [ "$(echo "$counts" | awk '{ print ($1 > 20) + ($3 > 20) }')" = 2 ] || complain "repeats: $counts"
    has counted/result.txt "$line"
    for n in 1 3; do
        run on-$n $n model.repeats=counted train.max_steps=1
        has err "$line"
        tr -d ' \n' <on-$n/metrics.json >flat
        has flat "$(echo "$counts" | awk '{
            printf "\"repeats\":[{\"targets\":%d,\"repeated\":%d},{\"targets\":%d,\"repeated\":%d}]", $2, $1, $4, $3 }')"
    done
    ! grep -q '^repeats' free/result.txt || complain 'not counted'
    ! grep -q '"repeats": \[' free/metrics.json || complain 'not counted'
}

test_training() { # Losses are those of a run that counts nothing, the figures are not.
    diff <(losses free) <(losses counted) >&2 || complain 'the same losses'
    ! diff -q <(figures free/metrics.json) <(figures counted/metrics.json) >/dev/null || complain 'other figures'
}

test_evaluate() { # Either way of ranking is there for the parameters of either run.
    evaluates counted-free 1 counted/$last model.repeats=free
    evaluates free-free 1 free/$last
    diff counted-free free-free >&2 || complain 'free'
    evaluates counted-counted 1 counted/$last
    has out "$line"
    evaluates free-counted 1 free/$last model.repeats=counted
    has out "$line"
    diff counted-counted free-counted >&2 || complain 'counted'
}

test_rates_of_the_training() { # A checkpoint's rates go with it to a data set of other sequences.
    sed -i 's/\t[0-9]*|9|$//' in/traindata_new.txt
    "$CDSR" prepare --format c2dsr in -o other.h5 >/dev/null 2>&1 || complain prepare
    ranks 1 evaluate counted/$last data.path=other.h5
    has out "$line"
    ranks 1 evaluate free/$last data.path=other.h5 model.repeats=counted
    ! grep -qF "$line" out || complain 'those of the other data set'
    grep -q '^repeats: ' out || complain 'counted anew'
}

test_ranks_and_placement() { # Ranks and placement change no figure, also of several runs of which some count.
    for runs in counted 'counted other model.repeats=counted' 'other free'; do
        evaluates one-rank 1 $runs
        for keys in '2 train.placement=sharded' '3 train.placement=sharded' '4 train.placement=replicated'; do
            evaluates more ${keys% *} $runs ${keys#* }
            diff one-rank more >&2 || complain "$runs, $keys"
        done
    done
}

test_reproducible() { # With train.reproducible a run has the same bits on any number of ranks.
    for n in 1 4; do
        within on-$n ranks $n train ../run.yaml data.path=../data.h5 run.dir=run model.repeats=counted \
            train.reproducible=true
        statuses $(yes 0 | head -n $n)
    done
    cmp on-{1,4}/run/$last >&2 || complain 'the same checkpoint'
    diff <(figures on-1/run/metrics.json) <(figures on-4/run/metrics.json) >&2 || complain 'the same figures'
}

test_history_excluded() { # Where a user's own items are no candidates, it matters for targets that repeat alone.
    for run in free counted; do
        ranks 1 evaluate counted model.repeats=$run eval.exclude_history=true --ranks $run.h5
        statuses 0
    done
    ! cmp -s free.h5 counted.h5 || complain 'a target that repeats'
}

test_recommend() { # HR@5 of the lists with the history is that of evaluate.
    key='function key(i) { return i < 30 ? "a" i : "b" i - 30 }'
    awk -F '\t' "$key"'{
        printf "%d", NR
        for (k = 3; k < NF; k++) printf "\t%s", key(int($k))
        print ""
        print NR "\t" key(int($NF)) > "targets"
    }' in/testdata_new.txt >histories.tsv
    ranks 2 recommend counted -i histories.tsv -k 5 --seen -o seen.tsv
    statuses 0 0
    ranks 1 recommend counted -i histories.tsv -k 5 --seen -o free.tsv model.repeats=free
    ! diff -q <(cut -f 1-4 seen.tsv) <(cut -f 1-4 free.tsv) >/dev/null || complain 'other lists than free'
    ranks 3 recommend counted -i histories.tsv -k 5 --seen -o sharded.tsv train.placement=sharded
    diff <(cut -f 1-4 seen.tsv) <(cut -f 1-4 sharded.tsv) >&2 || complain 'sharded'
    wanted=$(tr -d ' \n' <counted/metrics.json |
        sed 's/.*"test":{"full":{"A":{[^}]*"hr@5":\([0-9.e-]*\)[^}]*},"B":{[^}]*"hr@5":\([0-9.e-]*\),.*"popularity".*/\1 \2/')
    awk -F '\t' -v wanted="$wanted" '
        NR == FNR { domain = $2 ~ /^a/ ? "A" : "B"; of[$1] = domain "\t" $2; count[domain]++; next }
        of[$1] == $2 "\t" $4 { hits[$2]++ }
        END { split(wanted, w, " ")
              for (i = 1; i <= 2; i++) { d = substr("AB", i, 1); x = hits[d] / count[d] - w[i]
                  if (w[i] == "" || x > 1e-9 || x < -1e-9) { print d, hits[d] / count[d], wanted > "/dev/stderr"; exit 1 } } }' \
        targets seen.tsv || complain 'HR@5 of evaluate'
}

test_resume() { # A run that goes on is the run that was not stopped; it may go on to rank the other way.
    run part 1 model.repeats=counted train.max_steps=$((steps / 2))
    run part 1 model.repeats=counted --resume
    diff <(figures counted/metrics.json) <(figures part/metrics.json) >&2 || complain 'the same figures'
    diff <(losses counted) <(losses part) >&2 || complain 'the same losses'
    run changed 1 train.max_steps=$((steps / 2))
    run changed 1 --resume model.repeats=counted
    has err 'warning: model.repeats: free -> counted'
    has err 'the best epoch so far, 1, now has'
    diff <(figures counted/metrics.json) <(figures changed/metrics.json) >&2 || complain 'those of a counted run'
}

test_default() { # Repeats are counted for losses that are a softmax.
    for keys in 'exact counted' 'sampled counted' 'infonce counted' 'bce free' 'bpr free' 'gbce free'; do
        ranks 1 train run.yaml run.dir=by-${keys% *} train.loss=${keys% *} model.repeats=auto train.max_steps=1
        statuses 0
        grep -q "^  repeats: ${keys#* }\$" by-${keys% *}/config.yaml || complain "$keys: $(grep repeats: by-*/config.yaml)"
    done
    ranks 1 train run.yaml run.dir=by-itemknn model.name=itemknn model.repeats=auto
    statuses 0
    ! grep -q '^repeats' by-itemknn/result.txt || complain 'a model in closed form counts none'
}

test_closed_form() { # Scores of no probabilities are refused in one line.
    for model in ease itemknn; do
        refused "cdsr: error: model.repeats: $model is fitted in closed form, and its scores are no probabilities, of which repeats could have a part; leave the key out, or set eval.exclude_history=true" \
            train run.yaml run.dir=fitted model.name=$model model.repeats=counted
    done
    [ ! -e fitted ] || complain 'no run'
}

run_tests "$@"
