# Runs side by side: those that differ in the seed alone are one line, mean and deviation; those whose
# figures do not count say why.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 200 --seed 3 -o data.h5
small_run 'epochs: 2, batch: 64, lr: 0.01'
sed -i 's/blocks: 1/blocks: 1, dropout: 0.3/' run.yaml
for seed in 1 2 3; do
    "$CDSR" train run.yaml run.seed=$seed run.dir=s$seed --quiet >/dev/null || complain "seed $seed"
done

# mrr_of RUN: of all domains, the last of the file before the popularity.
mrr_of() {
    sed -n '/^  "test"/,/^  "popularity"/p' "$1/metrics.json" | grep '"mrr"' | tail -n 1 | tr -dc '0-9.\n'
}
want=$(for seed in 1 2 3; do mrr_of s$seed; done | awk '
    { x[NR] = 100 * $1; sum += x[NR] }
    END { mean = sum / NR; for (i in x) s += (x[i] - mean) ^ 2; printf "%.2f ± %.2f", mean, sqrt(s / (NR - 1)) }')

# in_folder NAME RUN...: the test goes on there, with copies of these runs to change.
in_folder() {
    mkdir "$1"
    cp -r "${@:2}" "$1"
    cd "$1" || exit 1
}

test_seeds() { # Runs that differ in the seed alone are one line, with mean and deviation; others are another.
    "$CDSR" train run.yaml model.dropout=0 run.dir="it's" --quiet >/dev/null || complain 'no dropout'
    ranks 2 report s1 s2 "it's" s3 --plot curves.svg
    statuses 0 0
    has out '| `model.dropout` | runs | split | candidates | A: MRR | NDCG@10 | B: MRR'
    [ "$(grep -c '^| 0.3 | 3 | ' out)" = 2 ] || complain 'three seeds, two splits'
    [ "$(grep -c '^| 0 | 1 | ' out)" = 2 ] || complain 'another setting, two splits'
    grep '^| 0.3 | 3 | test | full |' out | sed 's/[*][*]//g' | grep -qF "| $want |" || complain "$want in $(cat out)"
    grep -q '<svg' curves.svg || complain 'curves.svg is a plot'
}

test_no_run() { # At least one run is needed.
    refused 'cdsr: error: report: no run directory given' report
}

test_kind_of_plot() { # A plot has one of three kinds.
    refused 'cdsr: error: report: --plot x.bmp: the name must end with .svg, .png or .pdf' \
        report s1 --plot x.bmp
}

test_runs_that_do_not_count_twice() { # The same directory, a copy and the same seed again do not count twice.
    cp -r s1 copy
    "$CDSR" train run.yaml run.seed=2 run.dir=again --quiet >/dev/null || complain again
    ranks 1 report s1 s2 ./s1 copy again s3
    statuses 0
    has err 'cdsr: warning: ./s1: is the same directory as s1, and does not count again'
    has err 'cdsr: warning: copy: is a copy of s1, and does not count again'
    has err 'cdsr: warning: again: is of the same seed as s2, and does not count again'
    grep '^| 3 | test | full |' out | grep -qF "| $want |" || complain "three seeds: $want in $(cat out)"
}

test_other_sequences() { # Runs on another data set of the same name stand in lines of their own.
    within other synth --items-a 60 --items-b 80 --users 200 --seed 4 -o data.h5
    within other "$CDSR" train ../run.yaml run.seed=4 run.dir=../s4 --quiet >/dev/null || complain 'other data'
    ranks 1 report s1 s2 s3 s4
    statuses 0
    has err 'cdsr: warning: s1 and s4: data.h5 was another data set (column data): not to be compared'
    [ "$(grep -c 'another data set' err)" = 1 ] || complain "said once: $(cat err)"
    has out '| data | runs | split |'
    [ "$(grep -c '^| [0-9a-f]\{6\}/[0-9a-f]\{6\} | [13] | test | full |' out)" = 2 ] ||
        complain "a line for either data set: $(cat out)"
}

test_other_items() { # So it is with the same sequences of other items.
    in_folder items s1
    cp -r s1 copy
    sed -i 's/"items_hash": "[0-9a-f]\{4\}/"items_hash": "beef/' copy/log.jsonl copy/metrics.json
    ranks 1 report s1 copy
    statuses 0
    has err 'cdsr: warning: s1 and copy: data.h5 was another data set'
}

test_runs_without_a_result() { # Runs without a result that counts have a line that says why.
    in_folder ends s1 s2 s3
    cp -r s2 dead
    cp -r s2 stopped
    cp -r s2 failed
    cp -r s2 invalid
    sed -i '/"event": "end"/d; s/"time": "20/"time": "19/' dead/log.jsonl
    echo '{"event": "start", "time": "2030-01-01T00:00:00Z", "step": 6}' >>stopped/log.jsonl
    echo '{"event": "end", "status": 75, "reason": "USR1", "step": 7}' >>stopped/log.jsonl
    rm failed/metrics.json
    sed -i 's/"event": "end", \(.*\)"status": 0/"event": "end", \1"status": 1/' failed/log.jsonl
    sed -i 's/"verdict": "VALID"/"verdict": "INVALID", "reason": "for a test"/' invalid/metrics.json
    rm s2/metrics.json
    echo old >curves.svg
    ranks 4 report s1 s2 dead stopped failed invalid s3 --plot curves.svg --overwrite
    statuses 0 0 0 0
    says_nothing err
    [ "$(grep -c '^| 2 | ' "$work/out")" = 2 ] || complain "two seeds count: $(cat "$work/out")"
    for line in 's2: unfinished, step 6' 'dead: unfinished, step 6' 'stopped: stopped by USR1, step 7' \
        'failed: failed with exit status 1, step 6' 'invalid: INVALID: for a test'; do
        has out "| 0 | $line | | | | | | | |"
    done
}

test_no_result_at_all() { # Where no run has a result that is an error.
    in_folder none s2
    rm s2/metrics.json
    cp -r s2 dead
    sed -i '/"event": "end"/d; s/"time": "20/"time": "19/' dead/log.jsonl
    ranks 1 report s2 dead
    statuses 2
    has out '| 0 | s2: unfinished, step 6 |'
    has err 'cdsr: error: none of the 2 runs has finished with a valid result'
}

test_directory_that_is_no_run() { # It is an error, and the others are reported.
    ranks 1 report s1 nowhere
    statuses 3
    has err 'cdsr: error: nowhere/config.yaml: cannot be read: No such file or directory; give a run directory'
    [ "$(grep -c '^| 1 | ' out)" = 2 ] || complain "the other run: $(cat out)"
}

test_damaged_metrics() { # Metrics that are cut, or no metrics, are refused.
    in_folder damaged s3
    head -c 100 s3/metrics.json >cut && mv cut s3/metrics.json
    ranks 1 report s3
    statuses 2
    has err 'is not metrics of schema 1'
    echo '[]' >s3/metrics.json
    ranks 1 report s3
    statuses 2
}

test_metrics_and_split() { # The figures that are asked for, of one split.
    ranks 2 report --metrics mrr,hr@5 --split test s1 s2 s3
    statuses 0 0
    has out '| runs | split | candidates | A: MRR | HR@5 | B: MRR | HR@5 | all: MRR | HR@5 |'
    [ "$(grep -c '^| 3 | ' out)" = 1 ] || complain "one split: $(cat out)"
    hit=$(sed -n '/^  "test"/,/^  "popularity"/p' s1/metrics.json | grep '"hr@5"' | tail -n 1 | tr -dc '0-9.\n' |
        sed 's/^5//')
    ranks 1 report --metrics hr@5 --split test s1
    tail -n 1 <(grep '^| 1 | test' out) | grep -q "| $(awk -v x="$hit" 'BEGIN { printf "%.2f", 100 * x }') |\$" ||
        complain "HR@5 is $hit: $(cat out)"
    refused 'cdsr: error: report: --metrics: takes up to 8 of mrr, ndcg@K, hr@K, parted by commas' \
        report --metrics mrr,mpr s1
    refused 'cdsr: error: report: --split: is valid or test' report --split train s1
}

test_evaluations() { # What evaluate wrote into the run directories stands beside the training's figures.
    in_folder evaluations s1 s2
    "$CDSR" evaluate s1 data.path=../data.h5 eval.exclude_history=true -o s1/own.json >/dev/null || complain evaluate
    ranks 1 report --evaluation own.json s1 s2
    statuses 0
    [ "$(cat "$work/err")" = \
        "cdsr: warning: s2/own.json: is not there: the run's figures are those of its training alone" ] ||
        complain "$(cat "$work/err")"
    has out '| 2 | test | full |'
    has out '| 1 | test | full, history excluded |'
    sed -i 's/"dataset_hash": "[0-9a-f]\{4\}/"dataset_hash": "beef/' s1/own.json
    ranks 1 report --evaluation own.json s1
    statuses 2
    has err 'cdsr: error: s1/own.json: is of another data set than the run'
}

test_costs() { # A resumed run's seconds are those of the epochs that it was timed for.
    in_folder costs s1 s2
    "$CDSR" train ../run.yaml data.path=../data.h5 run.dir=s1 train.epochs=3 --resume >/dev/null || complain resume
    grep -q '^    "epochs": 1.0$' s1/metrics.json || complain "one epoch was timed: $(grep -A 5 seconds s1/metrics.json)"
    ranks 1 report --costs s1 s2
    statuses 0
    has out '| runs | best epoch | epochs | seconds per epoch | peak memory per rank, MB |'
    [ "$(grep -c '^| [^|]* | [23] | 1 | [1-3] | [23] | [0-9.]* | [0-9]* |$' "$work/out")" = 2 ] || complain "a line for either: $(cat "$work/out")"
}

test_compare() { # The difference to the first settings is that of their figures; equal runs do not differ.
    in_folder compare s1 s2
    for seed in 1 2; do
        "$CDSR" train ../run.yaml data.path=../data.h5 run.dir=other$seed run.seed=$seed model.dropout=0 --quiet >/dev/null ||
            complain other
    done
    sed -i 's|path: "data.h5"|path: "../data.h5"|' s?/config.yaml
    ranks 1 report --compare --split test s1 other1 s2 other2
    statuses 0
    has out '| `model.dropout` | split | candidates | users | A: MRR'
    sed 's/[*][*]//g' "$work/out" | awk -F ' *[|] *' '$3 == 2 && $4 == "test" { x[$2] = $10 + 0 } $3 == "test" && $5 == 20 { split($10, d, " "); got = d[1] + 0 }
        END { want = x["0"] - x["0.3"]; exit !(got - want < 0.011 && want - got < 0.011 && want) }' ||
        complain "MRR of all: $(cat "$work/out")"
    cp -r s1 same
    sed -i 's/dropout: 0.3/dropout: 0.4/' same/config.yaml # nothing but the name
    sed -i 's/"time": "20/"time": "19/' same/log.jsonl
    ranks 1 report --compare --split test s1 same
    has out '| 0.4 | test | full | 20 | +0.00 [+0.00, +0.00] | +0.00 [+0.00, +0.00] |'
    rm s1/ranks.h5
    ranks 1 report --compare s1 other1
    statuses 2
    has err 'cdsr: error: no two settings have ranks of the same targets to compare: train with log.ranks=true,'
    "$CDSR" evaluate s1 data.path=../data.h5 eval.exclude_history=true -o s1/own.json --ranks s1/own.h5 >/dev/null || complain evaluate
    "$CDSR" evaluate other1 eval.exclude_history=true -o other1/own.json --ranks other1/own.h5 >/dev/null || complain evaluate
    ranks 1 report --compare --evaluation own.json s1 other1
    statuses 0
    has out '| 0 | test | full, history excluded | 20 |'
}

test_best() { # The best figure of a column is bold, and what is within the deviations of it.
    in_folder best s1 s2 s3
    for seed in 1 2 3; do
        cp -r s$seed near$seed
        cp -r s$seed far$seed
        sed -i 's/"mrr": 0\./"mrr": 0.000/' far$seed/metrics.json
        sed -i 's/dropout: 0.3/dropout: 0.4/' near$seed/config.yaml
        sed -i 's/dropout: 0.3/dropout: 0.5/' far$seed/config.yaml
    done
    ranks 1 report --metrics mrr --split test s? near? far?
    statuses 0
    [ "$(grep -c '^| 0.[34] | 3 | test | full | \*\*[0-9. ±]*\*\* | \*\*[0-9. ±]*\*\* | \*\*' "$work/out")" = 2 ] ||
        complain "two are equal: $(cat "$work/out")"
    grep -q '^| 0.5 | 3 | test | full | 0.0[0-9 .±]* | 0.0[0-9 .±]* | 0.0' "$work/out" || complain "one is worse: $(cat "$work/out")"
    ranks 1 report --metrics mrr s1
    ! grep -q '\*\*' "$work/out" || complain 'alone, none is the best'
}

test_many_settings() { # With many settings that vary one column has them, without those that are the defaults.
    in_folder many s1
    "$CDSR" train ../run.yaml data.path=../data.h5 run.dir=other model.dropout=0.5 model.dim=16 train.lr=0.02 \
        train.weight_decay=0.1 --quiet >/dev/null || complain other
    ranks 1 report s1 other
    statuses 0
    has out '| settings | runs | split '
    # shellcheck disable=SC2016 # no command
    has out '`model.dim=16` `model.dropout=0.5` `train.lr=0.02` `train.weight_decay=0.1` | 1 | test |'
}

test_failed_training() { # A training that fails says so in its log.
    "$CDSR" train run.yaml run.dir=nan train.lr=1e30 train.grad_clip=0 --quiet >/dev/null 2>&1 &&
        complain 'a learning rate of 1e30 fails'
    ranks 1 report s1 nan
    statuses 0
    has out '| 0 | nan: failed with exit status 1, step '
}

run_tests "$@"
