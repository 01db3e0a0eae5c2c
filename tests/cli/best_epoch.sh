# The best epoch is the best of the domains that are trained for, or of those that eval.select_domain
# names; a run goes on only by the figure that has selected so far.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 200 --seed 2 --valid 40 --test 20 -o data.h5
small_run 'epochs: 12, batch: 64, lr: 0.03, schedule: constant, patience: 0, target: a' 'eval: {select: mrr}'
sed -i 's/modalities:/attention_init: random, &/' run.yaml # a beginning from which the domains part

# trained DOMAIN: a run whose best epoch is that of the domain, in a directory of its name, and what it said.
trained() {
    [ ! -e "$1.err" ] || return
    ranks 2 train run.yaml run.dir="$1" eval.select_domain="$1" model.repeats=free model.dropout=0.3
    statuses 0 0
    cp err "$1.err"
}

# epoch_of RUN DOMAIN: the first epoch with the greatest validation MRR of a domain.
epoch_of() {
    sed -n 's/.*"event": "eval".*"epoch": \([0-9]*\),.*"'"$2"'": {"mrr": \([0-9.e-]*\),.*/\1 \2/p' "$1/log.jsonl" |
        awk '$2 > best { best = $2; epoch = $1 } END { print epoch }'
}

# selects RUN DOMAIN NAME: the best epoch in every file is the best of the domain.
selects() {
    local want
    want=$(epoch_of "$1" "$2")
    grep -q "\"best_epoch\": $want," "$1/metrics.json" || complain "$1: epoch $want is the best of $2"
    grep -q "; best epoch $want of 12, by mrr of $3" "$1/result.txt" || complain "$1: result.txt names $3"
    [ "$(grep -c '"event": "eval"' "$1/log.jsonl")" = 12 ] || complain "$1: twelve evaluations"
    grep -q "\"event\": \"eval\", .*\"select_name\": \"mrr of $3\"" "$1/log.jsonl" ||
        complain "$1: the log names $3"
}

test_auto() { # Unless told otherwise the best epoch is that of the domain that is trained for.
    trained auto
    selects auto A 'A, full'
    [ "$(epoch_of auto A)" != "$(epoch_of auto all)" ] || complain 'the domains have other best epochs'
}

test_both() { # It may be that of both domains.
    trained both
    selects both all 'all, full'
}

test_other_domain() { # Or that of the domain that is not trained for.
    trained b
    selects b B 'B, full'
    has b.err " select mrr of B, full 0."
}

test_patience() { # Patience counts from the best epoch of the domain.
    ranks 1 train run.yaml run.dir=patient train.epochs=40 train.patience=2
    statuses 0
    has patient/log.jsonl '"reason": "patience"'
    [ "$(grep -c '"event": "eval"' patient/log.jsonl)" = $(($(epoch_of patient A) + 2)) ] ||
        complain 'two evaluations after the best of A'
}

test_checkpoint_before_the_evaluation() { # One that is due with the last step of an epoch is written again behind its evaluation.
    ranks 1 train run.yaml run.dir=due train.epochs=2 train.lr=0.01 checkpoint.every_s=1e-6
    statuses 0
    grep -q '"best_epoch": 2,' due/metrics.json || complain 'the second epoch is to be the best'
    ranks 1 evaluate due -o due.json
    statuses 0
    for file in due.json due/metrics.json; do sed -n '/^  "valid"/,/^  }/p' $file | grep '"mrr"' >${file##*/}.mrr; done
    [ -s due.json.mrr ] || complain 'no figures'
    diff due.json.mrr metrics.json.mrr >&2 || complain 'figures of another epoch than the best'
}

test_figure() { # The figure has a cut-off of its own, and candidates of those that are ranked.
    ranks 2 train run.yaml run.dir=figure train.epochs=3 eval.candidates=both eval.sampled_negatives=20 \
        eval.select=ndcg@7 eval.select_candidates=sampled
    statuses 0 0
    has figure/result.txt ', by ndcg@7 of A, sampled'
    has err ' select ndcg@7 of A, sampled 0.'
}

test_no_figure() { # One line each.
    refused eval.select=ndgc@7 "eval.select: 'ndgc@7' is not one of mrr, ndcg, ndcg@K, hr, hr@K"
    refused eval.select_candidates=sampled 'eval.select_candidates: eval.candidates=full has none that are sampled'
}

# refused KEY=VALUE LINE
refused() {
    ranks 1 train run.yaml run.dir=refused "$1"
    statuses 2
    has err "$2"
    [ "$(wc -l <err)" = 1 ] || complain "one line: $(cat err)"
    [ ! -e refused ] || complain 'nothing is made'
}

test_nothing_to_rank() { # Where the domain has no target with a rank the latest epoch counts.
    synth --items-a 30 --items-b 1 --users 120 --seed 3 --valid 30 -o one.h5
    ranks 2 train run.yaml data.path=one.h5 run.dir=none train.epochs=4 train.patience=2 eval.select_domain=b
    statuses 0 0
    [ "$(grep -c 'warning: mrr of B, full: there is no target with a rank' err)" = 1 ] || complain "$(cat err)"
    has none/log.jsonl '"select": null'
    grep -q '"best_epoch": 4,' none/metrics.json || complain 'the latest epoch counts'
}

test_resume_by_another_figure() { # Refused: the parameters of the best epoch by that figure are gone.
    trained auto
    ranks 2 train run.yaml run.dir=auto eval.select_domain=both train.epochs=13 --resume
    statuses 2 2
    has err ': its best epoch is that of the mrr of A, full, and those of the mrr of all, full may be gone; go on '
    has err 'eval.select=mrr, eval.select_domain=a'
    cp -r auto longer
    ranks 2 train run.yaml run.dir=longer eval.select_domain=a train.epochs=13 --resume
    statuses 0 0
}

test_former_names() { # Names of an earlier version: one warning, today's name in the run's files.
    ranks 2 train run.yaml run.dir=former train.epochs=1 train.target=x
    statuses 0 0
    [ "$(grep -c "warning: command line: train.target: 'x' is now called 'a'" err)" = 1 ] || complain "$(cat err)"
    [ "$(grep -c warning: err)" = 1 ] || complain "one warning: $(cat err)"
    has former/config.yaml 'target: a'
}

run_tests "$@"
