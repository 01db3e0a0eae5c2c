# The best epoch is the best of the domains that are trained for, or of those that eval.select_domain
# names; a run goes on only by the figure that has selected so far.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

"$CDSR" synth --items-a 60 --items-b 80 --users 200 --seed 2 --valid 40 --test 20 -o data.h5 >/dev/null ||
    complain synth
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 8, blocks: 1, modalities: [id]}
train: {epochs: 12, batch: 64, lr: 0.03, patience: 0, target: a}
YAML

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

for domain in auto both b; do
    ranks 2 train run.yaml run.dir=$domain eval.select_domain=$domain
    statuses 0 0
done
selects auto A 'A, full'
selects both all 'all, full'
selects b B 'B, full'
has err " select mrr of B, full 0."
[ "$(epoch_of auto A)" != "$(epoch_of auto all)" ] || complain 'the domains have other best epochs'

# Patience counts from the best epoch of the domain.
ranks 1 train run.yaml run.dir=patient train.epochs=40 train.patience=2
statuses 0
has patient/log.jsonl '"reason": "patience"'
[ "$(grep -c '"event": "eval"' patient/log.jsonl)" = $(($(epoch_of patient A) + 2)) ] ||
    complain 'two evaluations after the best of A'

# Where the domain has nothing to rank no epoch is better than another.
"$CDSR" synth --items-a 30 --items-b 1 --users 120 --seed 3 --valid 30 -o one.h5 >/dev/null || complain synth
ranks 2 train run.yaml data.path=one.h5 run.dir=none train.epochs=4 train.patience=2 eval.select_domain=b
statuses 0 0
[ "$(grep -c 'warning: mrr of B, full: there is no target with a rank' err)" = 1 ] || complain "$(cat err)"
has none/log.jsonl '"select": null'
grep -q '"best_epoch": 4,' none/metrics.json || complain 'the latest epoch counts'

# The parameters of the best epoch by another figure are gone.
ranks 2 train run.yaml run.dir=auto eval.select_domain=both train.epochs=13 --resume
statuses 2 2
has err ': its best epoch is that of the mrr of A, full, and those of the mrr of all, full may be gone; go on '
has err 'eval.select_domain=a'
ranks 2 train run.yaml run.dir=auto eval.select_domain=a train.epochs=13 --resume
statuses 0 0

# Names of an earlier version: one warning, today's name in the run's files.
ranks 2 train run.yaml run.dir=former train.epochs=1 train.target=x
statuses 0 0
[ "$(grep -c "warning: command line: train.target: 'x' is now called 'a'" err)" = 1 ] || complain "$(cat err)"
[ "$(grep -c warning: err)" = 1 ] || complain "one warning: $(cat err)"
has former/config.yaml 'target: a'
finish
