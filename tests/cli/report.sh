# Runs side by side: those that differ in the seed alone are one line, mean and deviation.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

"$CDSR" synth --items-a 60 --items-b 80 --users 200 --seed 3 -o data.h5 >/dev/null ||
    complain synth
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 8, blocks: 1, modalities: [id]}
train: {epochs: 2, batch: 64, lr: 0.01}
YAML
for seed in 1 2 3; do
    "$CDSR" train run.yaml run.seed=$seed run.dir=s$seed --quiet >/dev/null || complain "seed $seed"
done
"$CDSR" train run.yaml model.dropout=0 run.dir="it's" --quiet >/dev/null || complain 'no dropout'

# test_mrr RUN: of all domains, the last of the file before the popularity.
test_mrr() {
    sed -n '/^  "test"/,/^  "popularity"/p' "$1/metrics.json" | grep '"mrr"' | tail -n 1 | tr -dc '0-9.\n'
}
want=$(for seed in 1 2 3; do test_mrr s$seed; done | awk '
    { x[NR] = 100 * $1; sum += x[NR] }
    END { mean = sum / NR; for (i in x) s += (x[i] - mean) ^ 2; printf "%.2f ± %.2f", mean, sqrt(s / (NR - 1)) }')

ranks 2 report s1 s2 "it's" s3 --plot curves.svg
statuses 0 0
has out '| `model.dropout` | runs | split | candidates | A: MRR | NDCG@10 | B: MRR'
[ "$(grep -c '^| 0.3 | 3 | ' out)" = 2 ] || complain 'three seeds, two splits'
[ "$(grep -c '^| 0 | 1 | ' out)" = 2 ] || complain 'another setting, two splits'
grep '^| 0.3 | 3 | test | full |' out | grep -qF "| $want |" || complain "$want in $(cat out)"
grep -q '<svg' curves.svg || complain 'curves.svg is a plot'

refused 'cdsr: error: report: no run directory given' report
refused 'cdsr: error: report: --plot x.bmp: the name must end with .svg, .png or .pdf' \
    report s1 --plot x.bmp
rm s2/metrics.json
ranks 4 report s1 s2
has err 'cdsr: error: s2/metrics.json: cannot be read; the run has not ended'
head -c 100 s3/metrics.json >cut && mv cut s3/metrics.json
ranks 1 report s3
statuses 2
has err 'is not metrics of schema 1'
echo '[]' >s3/metrics.json
ranks 1 report s3
statuses 2
ranks 1 report nowhere
statuses 3
has err 'cdsr: error: nowhere/config.yaml: cannot be read: No such file or directory; give a run directory'
finish
