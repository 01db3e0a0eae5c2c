# Several runs rank together: by the mean of their standardised logs of probabilities, the same on any ranks
# and under either placement; results name the protocol and the runs, and do not pass for one run's.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 30 --items-b 40 --users 120 --seed 3 --valid 40 --test 40 --features text:8 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, heads: 2, repeats: free}
train: {epochs: 2, batch: 32, lr: 0.01, loss: sampled, negatives: 20}
YAML

# run DIRECTORY KEY=VALUE...
run() {
    "$CDSR" train run.yaml run.dir="$@" >/dev/null 2>err || complain "train $*: $(cat err)"
}

run one model.name=sasrec
run two model.name=sasrec run.seed=2
run other
"$CDSR" evaluate two one -o named.json >/dev/null 2>&1 || complain evaluate
two=$(sed -n 's/.*"checkpoint": "\(two[^"]*\)".*/\1/p' named.json)
one=$(sed -n 's/.*"checkpoint": "\(one[^"]*\)".*/\1/p' named.json)
printf 'u%d\t%s\n' 1 A1 >histories.tsv

# figures FILE: what the ranks decide of an evaluation's JSON.
figures() {
    sed -n '/^  "valid"/,/^  "popularity"/p' "$1"
}

# evaluates RANKS FILE ARGUMENT...: of all three runs, with sampled candidates too.
evaluates() {
    ranks "$1" evaluate one two other eval.candidates=both eval.sampled_negatives=20 -o "$2" "${@:3}"
    statuses $(yes 0 | head -n "$1")
}

test_names() { # The table and the JSON say that the figures are of three runs, and of which.
    evaluates 1 three.json --ranks three.h5 eval.exclude_history=true
    [ "$(grep -c '^test .* model  *full, history excluded, mean of 3 runs ' out)" = 3 ] || complain "full: $(cat out)"
    [ "$(grep -c '^valid .* model  *sampled, history excluded, mean of 3 runs ' out)" = 3 ] || complain "sampled: $(cat out)"
    [ "$(grep -c ' popularity  *full, history excluded  *[0-9]' out)" = 6 ] || complain "popularity: $(cat out)"
    grep -qE "^run 2: sasrec of id, seed 2, step [0-9]+, parameters [0-9a-f]{16}, $two\$" out ||
        complain "run 2: $(cat out)"
    has out VALID
    has three.json '"scores": "mean of 3 runs"'
    has three.json "\"checkpoint\": \"$two\""
    has three.json '"seed": 2'
    for key in step parameters_hash config_hash; do
        [ "$(grep -c "^      \"$key\"" three.json)" = 3 ] || complain "$key of three runs"
    done
}

test_ranks_and_placement() { # Figures do not depend on ranks and placement, nor their bits if asked for.
    evaluates 1 first.json
    figures first.json >first
    [ -s first ] || complain 'figures'
    for keys in '3 train.placement=sharded' '3 eval.ties=mean' '4 train.reproducible=true' '1 train.reproducible=true'; do
        evaluates ${keys% *} more.json --overwrite ${keys#* }
        figures more.json | diff first - >&2 || complain "$keys"
    done
}

# lists FILE RUN...: the scores of all items of domain A, by key.
lists() {
    "$CDSR" recommend "${@:2}" -i histories.tsv -o "$1.tsv" -k 40 --seen --domain A --overwrite >/dev/null 2>err ||
        complain "recommend: $(cat err)"
    awk -F '\t' 'NR > 1 { print $4, $5 }' "$1.tsv" | sort >"$1"
}

test_scores() { # Lists have the mean over the runs of the logs of their scores, of mean 0 and variance 1.
    "$CDSR" recommend one -i histories.tsv -o all.tsv -k 40 --seen --domain A 2>err >/dev/null
    key=$(awk -F '\t' 'NR == 2 { print $4 }' all.tsv)
    printf 'u1\t%s\n' "$key" >histories.tsv
    lists of-one one
    lists of-two two
    lists of-other other
    lists of-all one two other
    [ "$(wc -l <of-all)" = 30 ] || complain "30 items: $(cat of-all)"
    awk '{ n++; key[FNR] = $1; items = FNR; run = FILENAME; x[run, FNR] = log($2); s[run] += log($2); q[run] += log($2) ^ 2 }
        END {
            for (run in s) { m = s[run] / items; d = sqrt(q[run] / items - m * m)
                for (i = 1; i <= items; i++) mean[i] += (x[run, i] - m) / d / 3 }
            for (i = 1; i <= items; i++) print key[i], mean[i]
        }' of-one of-two of-other | paste - of-all |
        awk '{ d = $2 - $4 } $1 != $3 || d > 1e-4 || d < -1e-4 { exit 1 } END { exit NR != 30 }' ||
        complain "means of $(paste of-one of-two of-other of-all)"
}

test_lists_on_ranks() { # The number of ranks and the placement change no list.
    "$CDSR" recommend one two -i histories.tsv -o lists-1.tsv >out 2>err || complain "recommend: $(cat err)"
    has out '; mean of 2 runs; listed in '
    ranks 3 recommend one two -i histories.tsv -o lists-3.tsv train.placement=sharded
    diff <(cut -f 1-4 lists-1.tsv) <(cut -f 1-4 lists-3.tsv) >&2 || complain 'the same lists'
    "$CDSR" recommend one two -i histories.tsv -o lists.h5 >/dev/null 2>err || complain "recommend: $(cat err)"
    tr '\n' ' ' <lists.h5 | grep -qa "$one $two" || complain 'both checkpoints'
}

test_one_run() { # One run alone is called by no other name, and has the figures of its training.
    "$CDSR" evaluate one -o one.json >out 2>/dev/null || complain evaluate
    figures one.json | diff - <(figures one/metrics.json) >&2 || complain 'the figures of the training'
    ! grep -E 'runs|mean of' out one.json >&2 || complain 'one run'
}

test_protocol_of_the_first() { # Where the protocols of the runs differ it is the first one's, which is said.
    run both model.name=sasrec run.seed=3 eval.candidates=both eval.cutoffs='[3]'
    "$CDSR" evaluate one both -o first.json --overwrite >out 2>err || complain "evaluate: $(cat err)"
    says err 'cdsr: warning: eval.candidates is full in one and both in both: the first counts' \
        'cdsr: warning: eval.cutoffs is [1, 5, 10] in one and [3] in both: the first counts'
    ! grep -q '"sampled": {' first.json || complain 'full candidates'
    "$CDSR" evaluate one both eval.candidates=sampled eval.cutoffs='[2]' >out 2>err || complain "evaluate: $(cat err)"
    says_nothing err
    has out 'sampled, mean of 2 runs'
}

test_not_one_runs() { # A report does not take them for the figures or the ranks of a run.
    for name in one own; do cp -r one report-$name; done
    "$CDSR" evaluate one two -o report-one/own.json --ranks report-own/own.h5 >/dev/null 2>&1 || complain evaluate
    refused_here 'report-one/own.json: has the figures of several runs together, not those of the run' \
        report --evaluation own.json report-one
    "$CDSR" evaluate one -o report-own/own.json >/dev/null 2>&1
    rm report-*/ranks.h5
    "$CDSR" report --compare --evaluation own.json report-own other >out 2>err && complain 'the ranks of several'
    has err 'report-own/own.h5: has the ranks of several runs together, not those of the run'
}

# mrr_of FILE: of all test targets.
mrr_of() {
    sed -n '/^  "test"/,/^  "popularity"/p' "$1" | grep '"mrr"' | sed -n '3s/[^0-9.]//gp'
}

test_compared() { # A report has a row of how much several runs together differ from the first settings.
    "$CDSR" evaluate one two --ranks pair.h5 -o pair.json >/dev/null 2>&1 || complain evaluate
    "$CDSR" report --compare --together pair.h5 --metrics mrr --split test one other >out || complain report
    grep -F 'pair.h5' out >row
    grep -q '^| pair.h5 |\( |\)* test | full, mean of 2 runs | 40 | ' row || complain "$(cat out)"
    awk -F ' *[|] *' -v one="$(mrr_of one/metrics.json)" -v pair="$(mrr_of pair.json)" '
        { split($(NF - 1), d, " "); off = d[1] - 100 * (pair - one) }
        END { exit !(NR == 1 && pair > 0 && off < 0.0051 && off > -0.0051) }' row ||
        complain "$(mrr_of pair.json) against $(mrr_of one/metrics.json): $(cat row)"
    "$CDSR" report --compare --together pair.h5 --split test one >out || complain 'beside one run'
    has out '| test | full, mean of 2 runs | 40 |'
    "$CDSR" report --html pair.html --together pair.h5 one >/dev/null || complain page
    has pair.html 'test, full, mean of 2 runs</th>'
    refused_here 'report: --together: is for --compare and --html' report --together pair.h5 one
    "$CDSR" report --compare --together one/ranks.h5 one other >out 2>err && complain 'of one run'
    has err 'one/ranks.h5: has the ranks of one run, not those of several together'
}

test_refusals() { # What does not go together is refused with a line that names it.
    synth --items-a 30 --items-b 40 --users 110 --seed 4 --features text:8 -o else.h5
    run else data.path=else.h5
    run knn model.name=itemknn model.modalities='[id]' train.loss=auto
    refused 'cdsr: error: one and else: are of different data sets, data.h5 and else.h5; runs that rank together have the same' \
        evaluate one else
    refused 'cdsr: error: ./one: has the parameters of one; give each run once' evaluate one two ./one
    refused_here "$one: has the parameters of one; give each run once" \
        recommend one "$one" -i histories.tsv -o no.tsv
    refused_here 'knn: itemknn is fitted in closed form, and its scores are no logs of probabilities, which several runs rank by; leave the run out' \
        evaluate one knn
    refused_here "command line: unknown key 'eval.x'; did you mean 'eval.ties'?" evaluate one two eval.x=1
    "$CDSR" evaluate one nowhere >out 2>err
    [ $? = 3 ] || complain 'another exit status than 3'
    says err 'cdsr: error: nowhere: cannot be read: No such file or directory; check the path'
    refused_here 'evaluate: more than 16 runs' evaluate $(yes one | head -n 17)
    [ ! -e no.tsv ] || complain 'nothing is written'
}

run_tests "$@"
