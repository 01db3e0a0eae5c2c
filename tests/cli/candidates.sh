# Who is ranked against whom, and that every result says it: fewer items than negatives, targets without
# another candidate, and the user's own items.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 30 --items-b 1 --users 120 --seed 3 --valid 30 --test 30 -o data.h5
small_run 'epochs: 2, batch: 64, lr: 0.01' 'eval: {candidates: both}'
ranks 2 train run.yaml run.dir=run
statuses 0 0
cp out result

# lines FILE CANDIDATES: what result lines of the test split say of A, behind their candidates.
lines() {
    sed -n "s/^test   A        \([a-z]*\) *$2 * \([0-9]\)/\1 \2/p" "$1"
}

# number FILE SPLIT/CANDIDATES/DOMAIN KEY: of the model.
number() {
    awk -v path="$2" -v key="\"$3\":" '
        BEGIN { split(path, want, "/"); depth = 1 }
        depth <= 3 && $1 == "\"" want[depth] "\":" && $2 == "{" { depth++; next }
        depth > 3 && $1 == key { gsub(",", "", $2); print $2; exit }' "$1"
}

# is FILE SPLIT/CANDIDATES/DOMAIN KEY VALUE
is() {
    local got
    got=$(number "$1" "$2" "$3")
    [ "$got" = "$4" ] || complain "$1: $2 $3 is $4, not $got"
}

ranked=$(number run/metrics.json test/full/A count)
[ "$ranked" -gt 0 ] && [ "$ranked" -lt 30 ] || complain "targets of both domains: $ranked of 30 are of A"

# without_history: the directory without/, a run that ranks without the user's own items, and what it said.
without_history() {
    [ ! -e without.txt ] || return
    ranks 3 train run.yaml run.dir=without eval.exclude_history=true
    statuses 0 0 0
    cp err without.err
    cp out without.txt
}

test_few_items() { # Of 30 items 29 others are drawn, each once, whatever was wanted: sampled is full.
    [ "$(lines result full)" = "$(lines result sampled)" ] || complain 'sampled is full where items are few'
    [ "$(lines result full | wc -l)" = 2 ] || complain 'lines of A'
    for candidates in full sampled; do
        is run/metrics.json test/$candidates/A unranked 0
        is run/metrics.json test/$candidates/all count "$ranked"
    done
    is run/metrics.json test/sampled/A wanted 999
    is run/metrics.json test/sampled/A fewest 29
    is run/metrics.json test/sampled/A targets_with_fewer "$ranked"
    has result 'sampled: ranked among at most 999 sampled items, the user'"'"'s history included; not comparable'
    has result 'sampled: 30 of 30 targets of test have fewer, the fewest 0'
}

test_no_other_item() { # A target without another candidate is not ranked, and its domain has no figures.
    for candidates in full sampled; do
        is run/metrics.json test/$candidates/B mrr null
        is run/metrics.json test/$candidates/B ndcg@10 null
        is run/metrics.json test/$candidates/B count 0
        is run/metrics.json test/$candidates/B unranked $((30 - ranked))
    done
    is run/metrics.json test/sampled/B fewest 0
    has result "full: $((30 - ranked)) of 30 targets of test have no other candidate: not ranked"
    grep -q '^test   B        model       full              - ' result || complain 'B has no figures'
    [ "$(tail -n 1 result)" = 'VALID, without the targets that have no other candidate' ] || complain verdict
    ! grep -qiw -- '-\?nan' result run/metrics.json run/log.jsonl || complain 'a figure that is none'
}

test_sampled_negatives() { # As many as there are are all of them, fewer are drawn, more are all again.
    ranks 1 evaluate run eval.sampled_negatives=29 -o exact.json
    is exact.json test/sampled/A fewest 29
    is exact.json test/sampled/A targets_with_fewer 0
    ranks 1 evaluate run eval.sampled_negatives=28 -o drawn.json
    is drawn.json test/sampled/A fewest 28
    [ "$(lines out full)" != "$(lines out sampled)" ] || complain 'drawn ones are not all'
    ranks 1 evaluate run eval.sampled_negatives=9000000000000000000 -o most.json
    statuses 0
    is most.json test/sampled/A fewest 29
}

test_exclude_history() { # Without the user's own items full and sampled are one ranking, and another one.
    without_history
    lines without.txt 'full, history excluded' >full
    lines without.txt 'sampled, history excluded' >sampled
    [ "$(wc -l <full)" = 2 ] || complain 'lines of A'
    diff full sampled >&2 || complain 'sampled is full where items are few'
    for scorer in model popularity; do
        ! grep -q "^$(lines result full | grep $scorer)" full || complain "$scorer: own items change nothing"
    done
    ranks 1 evaluate without
    lines out 'full, history excluded' | diff - full >&2 || complain 'one rank, and three'
    [ "$(number without/metrics.json test/sampled/A fewest)" -lt 29 ] || complain 'fewer than all others'
}

test_every_file_names_the_candidates() { # Log, figures and results say whether the history was left out.
    without_history
    has without.err ' select ndcg@100 of all, full, history excluded 0.'
    has without.txt 'full: ranked among all items of the target'"'"'s domain, the user'"'"'s history excluded'
    has without/metrics.json '"history": "excluded"'
    has run/metrics.json '"history": "included"'
    has without/log.jsonl '"history": "excluded"'
}

# Also where an earlier version left the history out of sampled candidates only and said nothing.
test_report_keeps_protocols_apart() { # Runs of another protocol stand in lines of their own.
    without_history
    cp -r without old
    sed -i '/^    "history": /d; s/^    "lambda2": null,/    "lambda2": null/' old/metrics.json
    ranks 1 report run without old
    statuses 0
    for line in 'false | 1 | test | full |' 'true | 1 | test | full, history excluded |' \
        'true | 1 | test | full |' 'false | 1 | test | sampled |'; do
        [ "$(grep -cF "| $line" out)" = 1 ] || complain "one line '$line' in $(cat out)"
    done
    [ "$(grep -cF '| true | 1 | test | sampled, history excluded |' out)" = 2 ] || complain "$(cat out)"
    grep -qF '| - | - |' out || complain 'B has no figures'
}

run_tests "$@"
