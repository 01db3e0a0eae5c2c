# Models that are fitted in closed form through the ordinary commands: neither ranks nor placement change
# a figure, a run is fitted once, evaluation and lists repeat, the plan is near, what does not fit is
# refused.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
models='session cosine ease'

synth --items-a 900 --items-b 700 --users 1500 --seed 2 --valid 150 --test 60 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {name: itemknn, knn_neighbours: 20, ease_lambda: 20, ease_items: 201}
eval: {candidates: both, sampled_negatives: 50}
YAML
printf 'u\tA1\tB7\tA3\nv\tB2\nw\tA9\tA9\tB1\tB600\n' >histories.tsv

# keys MODEL: those that name it.
keys() {
    case $1 in
    session) echo model.name=itemknn ;;
    cosine) echo model.name=itemknn model.knn=cosine ;;
    ease) echo model.name=ease ;;
    esac
}

metrics() {
    sed -n '/^  "valid"/,/^  "best_epoch"/p' "$1" | grep -v best_epoch
}

# run DIRECTORY RANKS MODEL KEY=VALUE...
run() {
    local dir=$1 n=$2 model=$3
    shift 3
    # shellcheck disable=SC2046 # words of a command line
    ranks "$n" train run.yaml run.dir="$dir" $(keys "$model") "$@"
    [ "$(sort -u status)" = 0 ] || complain "$model on $n ranks with $*: $(cat err)"
}

# fitted MODEL: on one rank, in MODEL.
fitted() {
    [ -e "$1" ] || run "$1" 1 "$1"
}

test_ranks_and_placement() { # Ranks and placement change no figure.
    for model in $models; do
        fitted $model
        metrics $model/metrics.json >one
        for way in '2 replicated' '3 sharded' '4 replicated' '4 sharded'; do
            run many ${way% *} $model train.placement=${way#* } --overwrite
            metrics many/metrics.json | diff one - >&2 || complain "$model, $way: other figures"
        done
        has "$model/result.txt" VALID
    done
}

test_beats_popularity() { # The figures of the validation split are above those of popularity.
    for model in $models; do
        run best 1 $model model.ease_items=0 eval.candidates=full --overwrite
        awk '$1 == "valid" && $2 == "all" { mrr[$3] = $5 }
            END { exit !(mrr["model"] > 2 * mrr["popularity"]) }' best/result.txt ||
            complain "$model: $(cat best/result.txt)"
    done
}

test_ties_are_told() { # How many targets share their score is told, as most candidates have a score of zero.
    fitted session
    has session/result.txt 'targets of test share their score with other candidates'
    has session/metrics.json '"tied": '
}

test_keys_of_steps() { # What says how steps are taken changes nothing, and the log says so.
    fitted session
    metrics session/metrics.json >one
    run other 2 session train.epochs=3 train.batch=7 train.loss=sampled train.lr=9 model.dropout=0.9
    has err 'itemknn is fitted in closed form, once: keys of epochs, steps, losses and encoders do not apply'
    metrics other/metrics.json | diff one - >&2 || complain 'other figures'
    has other/log.jsonl '"reason": "fitted"'
}

test_resume() { # A run that is there is not fitted again, and ends as it did.
    for model in $models; do
        fitted $model
        cp -r $model again
        run again 2 $model --resume
        ! grep -qE '(itemknn|ease) fitted in ' err || complain "$model: fitted twice"
        has err 'resumed at step 1'
        diff <(metrics $model/metrics.json) <(metrics again/metrics.json) >&2 || complain "$model: other figures"
        rm -r again
    done
}

test_stop() { # Asked to stop while it is fitted it saves what it has, and goes on to the figures.
    fitted ease
    ranks 2 train run.yaml run.dir=stopped model.name=ease run.time_limit=1e-9
    statuses 75 75
    has err 'stopped by time limit after step 1, which is saved; go on with --resume'
    run stopped 2 ease --resume
    diff <(metrics ease/metrics.json) <(metrics stopped/metrics.json) >&2 || complain 'other figures'
}

test_without_evaluation() { # Without evaluation the fit is saved.
    run bare 2 session eval.every=0
    [ -e bare/checkpoints/step-1.h5 ] || complain 'a checkpoint'
    fitted session
    "$CDSR" evaluate bare -o bare.json eval.every=1 >out 2>err || complain "evaluate: $(cat err)"
    diff <(metrics session/metrics.json) <(metrics bare.json) >&2 || complain 'other figures'
}

test_evaluate_and_recommend() { # Figures and lists of a checkpoint depend on neither ranks nor placement.
    for model in $models; do
        fitted $model
        metrics $model/metrics.json >one
        "$CDSR" recommend $model -i histories.tsv -k 6 -o one.tsv --overwrite >out 2>err || complain "recommend: $(cat err)"
        [ "$(wc -l <one.tsv)" = 37 ] || complain "six items of each domain: $(cat one.tsv)"
        for placement in replicated sharded; do
            ranks 3 evaluate $model -o many.json --overwrite train.placement=$placement
            statuses 0 0 0
            metrics many.json | diff one - >&2 || complain "$model: figures, $placement"
            ranks 3 recommend $model -i histories.tsv -k 6 -o many.tsv --overwrite train.placement=$placement
            statuses 0 0 0
            cmp one.tsv many.tsv || complain "$model: lists, $placement"
        done
    done
}

test_reproducible() { # Counts are whole numbers: not a bit differs. An inverse in blocks is refused.
    for n in 1 2 4; do
        run same $n cosine train.reproducible=true --overwrite
        cp same/checkpoints/step-1.h5 same-$n.h5
    done
    cmp same-1.h5 same-2.h5 && cmp same-1.h5 same-4.h5 || complain 'other bits'
    refused 'cdsr: error: train.reproducible: the inverse of ease is rounded otherwise on other numbers of ranks; leave the key out' \
        train run.yaml model.name=ease train.reproducible=true run.dir=no
}

test_report() { # Runs stand side by side.
    fitted session
    fitted ease
    "$CDSR" report session ease >out 2>err || complain "report: $(cat err)"
    has out itemknn
    has out ease
}

test_bench() { # What is measured is the fit and an evaluation.
    "$CDSR" bench run.yaml model.name=ease run.dir=bench >out 2>err || complain "bench: $(cat err)"
    grep -q '^fit  *[0-9.]*  *[0-9.]* ' out || complain "a line of the fit: $(cat out)"
    grep -q '^evaluation ' out || complain 'a line of the evaluation'
    has bench/bench.json '"fit": {'
    ! grep -q encoder out || complain 'no encoder'
}

test_plan() { # The plan tells memory and seconds of the fit, and is near to the peak of a run.
    synth --items-a 3000 --items-b 3000 --users 3000 --seed 2 -o large.h5
    for placement in replicated sharded; do
        run large 2 ease data.path=large.h5 model.ease_items=3000 train.placement=$placement --overwrite
        peak=$(sed -n 's/.*"peak_rss_mb": \([0-9.]*\).*/\1/p' large/metrics.json)
        "$CDSR" plan run.yaml data.path=large.h5 model.name=ease model.ease_items=3000 --ranks 2 >out 2>err || complain "plan: $(cat err)"
        total=$(awk -v column=$([ $placement = replicated ] && echo 2 || echo 3) '$1 == "total" { print $column }' out)
        awk -v peak="$peak" -v total="$total" 'BEGIN { exit !(total > 0.85 * peak && total < 1.15 * peak) }' ||
            complain "$placement: peak $peak MB, the plan says $total: $(cat out)"
    done
    grep -q '^fit, s ' out || complain 'seconds of the fit'
    has out 'choice for the fit, with 2 ranks on a node of'
    refused 'cdsr: error: --scaling: simulates steps, and itemknn is fitted without any; leave the option out' \
        plan run.yaml --scaling strong
}

test_memory() { # A matrix that the node has no room for is refused before anything is taken.
    synth --items-a 400000 --items-b 400000 --users 50 --seed 2 -o huge.h5
    ranks 2 train run.yaml data.path=huge.h5 model.name=ease model.ease_items=300000 run.dir=no
    statuses 2 2
    has err ': the fit of ease takes '
    has err ' GB free; model.ease_items: keep fewer items, or share out the items over more nodes (train.placement: sharded)'
    [ ! -e no ] || complain 'no run directory'
}

test_refusals() { # What a fit has no use for, or other items, are refused.
    fitted session
    refused 'cdsr: error: train.init: itemknn is fitted in closed form and starts from nothing; leave the key out' \
        train run.yaml train.init=session/checkpoints/step-1.h5 run.dir=no
    refused "cdsr: error: command line: model.knn: 'jaccard' is not one of session, cosine" train run.yaml model.knn=jaccard run.dir=no
    synth --items-a 880 --items-b 700 --users 300 --seed 3 -o other.h5
    ranks 2 evaluate session data.path=other.h5
    statuses 2 2
    has err 'was trained on other items than those of other.h5'
    refused 'cdsr: error: session/checkpoints/step-1.h5: --items-by-key: its parameters name items of the training, so that itemknn cannot be moved to other items; fit it to other.h5' \
        evaluate session data.path=other.h5 --items-by-key
}

run_tests "$@"
