# From raw files to a result and back: what train reports, evaluate finds again on another number of
# ranks; a run is refused, resumed and overwritten.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

labels=AB
# 60 users with 12 events each that walk through both domains in steps of one.
{
    printf 'user_id:token\titem_id:token\ttimestamp:float\tdomain:token\n'
    for user in $(seq 60); do
        for t in $(seq 12); do
            domain=$(((user + t) % 2))
            printf 'u%d\t%d-%d\t%d\t%s\n' "$user" $domain $(((user * 7 + t) % 40)) "$t" "${labels:domain:1}"
        done
    done
} >walk.inter

ranks 2 prepare --format interactions walk.inter -o walk.h5
statuses 0 0
cat >run.yaml <<'YAML'
data: {path: walk.h5}
model: {dim: 8, blocks: 1, modalities: [id], dropout: 0}
train: {epochs: 3, batch: 16, lr: 0.01}
eval: {candidates: both, sampled_negatives: 10}
YAML
ranks 2 train run.yaml
statuses 0 0
[ "$(tail -n 1 out)" = VALID ] || complain "the last line is VALID, not $(tail -n 1 out)"
tail -n 1 out | diff - <(tail -n 1 runs/run/result.txt) >&2 || complain 'result.txt ends as stdout does'
for name in config.yaml log.jsonl metrics.json result.txt checkpoints; do
    [ -s "runs/run/$name" ] || complain "the run has $name"
done

# The metrics, without what belongs to the occasion.
metrics() {
    sed -n '/"valid": {/,/^  "best_epoch"/p' "$1" | grep -v best_epoch
}
ranks 3 evaluate runs/run -o again.json
statuses 0 0 0
metrics runs/run/metrics.json >first
metrics again.json >second
[ -s first ] || complain 'metrics.json has metrics'
diff first second >&2 || complain 'evaluate finds what train reported'

refused "cdsr: error: runs/run: already holds a run; continue it with --resume, replace it with \
--overwrite, or give another run.dir" train run.yaml
ranks 1 train run.yaml --resume train.epochs=4
statuses 0
[ "$(grep -c '"event": "start"' runs/run/log.jsonl)" = 2 ] || complain 'the log goes on'
ranks 2 train run.yaml --overwrite
statuses 0 0
[ "$(grep -c '"event": "start"' runs/run/log.jsonl)" = 1 ] || complain 'the log begins anew'
finish
