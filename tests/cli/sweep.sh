# shellcheck shell=bash disable=SC2015,SC2016,SC2317 # complain never fails; no commands; tests are called by name
# slurm/sweep.sbatch on this machine: settings chosen from a list by successive halving, then their seeds.
. "$(dirname "$0")/common.bash"
sweep=$(cd "$(dirname "$0")/../../slurm" && pwd)/sweep.sbatch
cd "$work" || exit 1
export CDSR LAUNCH=env # a run has one rank
synth --items-a 60 --items-b 80 --users 200 --seed 3 -o data.h5
small_run 'epochs: 4, batch: 64, patience: 0' 'checkpoint: {keep: 1}'

# sweep STATUS FOLDER ARGUMENT...
sweep() {
    OUT=$2 timeout 100 "$sweep" --local 2 run.yaml "${@:3}" >out 2>err
    [ $? = "$1" ] || complain "exit status $1: $(cat out err)"
}

# epochs RUN...: how far each of them came, and best RUN: its validation figure.
epochs() {
    sed -n 's/^  "epochs": \(.*\),/\1/p' "${@/%//metrics.json}" | paste -sd ' '
}
best() {
    sed -n 's/^  "best_metric": \(.*\),/\1/p' "$1/metrics.json"
}

cat >models.list <<'LIST'
# four points, and two
train.lr=0.0001|0.003|0.01|0.03 # a comment

model.name=itemknn  model.knn=session|cosine
LIST

test_halving() { # Halves go on, the best one of each line gets the seeds and the further protocol.
    RUNGS='1 2' EVALUATE='eval.exclude_history=true|eval.candidates=sampled' sweep 0 half models.list 'run.seed=5|6'
    # shellcheck disable=SC2046 # numbers
    [ "$(epochs half/[0-3] | tr ' ' '\n' | sort | paste -sd ' ')" = '1 1 2 4' ] || complain "epochs: $(epochs half/[0-3])"
    winner=$(grep -l '^  "epochs": 4,' half/[0-3]/metrics.json | cut -d / -f 2)
    second=$(grep -l '^  "epochs": 2,' half/[0-3]/metrics.json | cut -d / -f 2)
    for run in half/[0-3]; do # of each epoch the figure, so that the halves can be made again
        sed -n 's/^{"event": "eval".*"split": "valid".*"select": \([0-9.e-]*\).*/\1/p' "$run/log.jsonl" | head -n 1
    done >first
    sort -gr first | head -n 2 | sort >want
    sed -n "$((winner + 1))p; $((second + 1))p" first | sort | cmp -s - want || complain "the better half: $(cat first)"
    awk -v a="$(best "half/$winner")" -v b="$(best "half/$second")" 'BEGIN { exit !(a >= b) }' || complain 'the better one'
    grep -q 'seed: 5$' "half/$winner/config.yaml" && grep -q 'seed: 6$' "half/$winner-seed-6/config.yaml" || complain seeds
    [ "$(epochs "half/$winner-seed-6")" = 4 ] || complain 'the other seed, to the end'
    has half/table.md '| 2 | test | full |'
    [ "$(printf '%s\n' half/*/evaluation-[12].json | wc -l)" = 8 ] || complain "evaluations: $(ls half/*)"
    [ "$(grep -c '| yes |$' half/choices.md)" = 2 ] || complain "two are chosen: $(cat half/choices.md)"
    grep -q "^| $winner | .* | 4 | .* | yes |\$" half/choices.md || complain "point $winner is chosen: $(cat half/choices.md)"
}

test_done_once() { # What has been done is not done again; what is missing is.
    RUNGS=1 sweep 0 again models.list 'run.seed=1|2'
    cp again/table.md table.old
    ls --full-time again/[0-9]/checkpoints >before
    rm -r again/[0-3]-seed-2
    RUNGS=1 sweep 0 again models.list 'run.seed=1|2'
    ls --full-time again/[0-9]/checkpoints >after
    cmp -s before after || complain "no checkpoint is written anew: $(diff before after)"
    cmp -s table.old again/table.md || complain "the same table: $(diff table.old again/table.md)"
}

test_failed_run() { # A run that fails is no better than any; the others go on, and the end says it.
    sweep 0 fails models.list 'train.grad_clip=0' 'run.seed=1'
    echo 'train.lr=1e30|0.01 train.grad_clip=0' >broken.list
    sweep 0 broken broken.list
    has err 'sweep.sbatch: broken/0: ends with 1'
    [ "$(grep -c '^| 0 .*| - | - |  |$' broken/choices.md)" = 1 ] || complain "$(cat broken/choices.md)"
    echo 'train.lr=1e30 train.grad_clip=0' >broken.list
    sweep 2 lost broken.list
    has err 'sweep.sbatch: no run has ended'
}

test_outer_axes() { # What stands beside a list is combined with all of its lines; each combination has its choice.
    echo 'train.lr=0.003|0.01' >two.list
    sweep 0 outer two.list 'model.dropout=0|0.5' train.epochs=1
    [ "$(grep -c '| yes |$' outer/choices.md)" = 2 ] || complain "$(cat outer/choices.md)"
    has outer/choices.md '`train.lr=0.01 model.dropout=0.5 train.epochs=1`'
}

test_at_once() { # As many runs beside one another as are asked for, each with a folder of its own for MPI.
    cat >counted.sh <<'COUNT'
#!/bin/sh
echo 1 >>trace
echo "$OMPI_MCA_orte_tmpdir_base" >>folders
"$@"
status=$?
echo -1 >>trace
exit $status
COUNT
    chmod +x counted.sh
    LAUNCH=./counted.sh sweep 0 counted models.list
    awk '{ n += $1; most = n > most ? n : most } END { exit !(NR == 12 && n == 0 && most == 2) }' trace ||
        complain "six runs, two at a time: $(paste -sd ' ' trace)"
    [ "$(sort -u folders | wc -l)" = 6 ] || complain "six folders: $(cat folders)"
    xargs ls -d <folders >left 2>/dev/null && complain "removed: $(cat left)"
}

test_interrupted() { # Ends at once with its runs, which are saved, and goes on.
    echo 'train.lr=0.003|0.01 train.epochs=100000 log.every_steps=1000 eval.every=0' >long.list
    OUT=stopped "$sweep" --local 2 run.yaml long.list >out 2>err &
    pid=$!
    for _ in {1..300}; do
        [ "$(grep -sl '"event": "step"' stopped/[01]/log.jsonl | wc -l)" != 2 ] || break
        sleep 0.1
    done
    kill -TERM "$pid"
    wait "$pid"
    [ $? = 75 ] || complain "exit status 75: $(cat err)"
    has err 'sweep.sbatch: interrupted: the runs in progress are saved; the same command goes on'
    for run in stopped/0 stopped/1; do
        tail -n 1 "$run/log.jsonl" | grep -q '"event": "end".*"status": 75' || complain "$run is saved: $(tail -n 1 "$run/log.jsonl")"
        [ ! -e "$run/end.done" ] || complain "$run is not done"
    done
}

test_usage() { # What is asked for wrongly is told in a line.
    sweep 2 wrong nothere.list run.seed=1
    has err 'sweep.sbatch: nothere.list: cannot be read: neither KEY=VALUE nor a list'
    "$sweep" --local x run.yaml run.seed=1 >out 2>err && complain '--local x'
    has err "sweep.sbatch: --local: 'x' is not a number of runs"
    echo '# nothing' >empty.list
    sweep 2 wrong empty.list
    has err 'sweep.sbatch: empty.list: has no line'
    RUNGS='1 x' sweep 2 wrong models.list
    has err "sweep.sbatch: RUNGS: 'x' is not a number of epochs"
}

run_tests "$@"
