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
cp out trained

# starts DIR: how often its log says that training started.
starts() {
    grep -c '"event": "start"' "$1/log.jsonl"
}

# metrics FILE: without what belongs to the occasion.
metrics() {
    sed -n '/"valid": {/,/^  "best_epoch"/p' "$1" | grep -v best_epoch
}

test_verdict() { # The last line of training is VALID, that of result.txt too.
    [ "$(tail -n 1 trained)" = VALID ] || complain "the last line is VALID, not $(tail -n 1 trained)"
    tail -n 1 trained | diff - <(tail -n 1 runs/run/result.txt) >&2 || complain 'result.txt ends as stdout does'
}

test_files_of_a_run() { # A run leaves its configuration, log, figures and checkpoints.
    for name in config.yaml log.jsonl metrics.json result.txt checkpoints; do
        [ -s "runs/run/$name" ] || complain "the run has $name"
    done
}

test_evaluate_finds_what_train_reported() { # On another number of ranks evaluate gives the same figures.
    ranks 3 evaluate runs/run -o again.json
    statuses 0 0 0
    metrics runs/run/metrics.json >first
    metrics again.json >second
    [ -s first ] || complain 'metrics.json has metrics'
    diff first second >&2 || complain 'evaluate finds what train reported'
}

test_run_that_is_there() { # A second run in the same directory is refused.
    refused "cdsr: error: runs/run: already holds a run; continue it with --resume, replace it with \
--overwrite, or give another run.dir" train run.yaml
}

test_resume() { # --resume goes on with the log.
    cp -r runs/run resumed
    ranks 1 train run.yaml run.dir=resumed --resume train.epochs=4
    statuses 0
    [ "$(starts resumed)" = 2 ] || complain 'the log goes on'
}

test_overwrite() { # --overwrite begins anew, the log too.
    cp -r runs/run replaced
    ranks 2 train run.yaml run.dir=replaced --overwrite
    statuses 0 0
    [ "$(starts replaced)" = 1 ] || complain 'the log begins anew'
}

run_tests "$@"
