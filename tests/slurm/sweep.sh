# shellcheck shell=bash disable=SC2317 # tests are called by name
# slurm/sweep.sbatch: a grid, one of whose points is requeued alone, and its table.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
sweep=$CDSR_HOME/slurm/sweep.sbatch
cluster_up 2 2
data_set
grid=(../run.yaml 'model.dropout=0|0.5' 'run.seed=1|2' eval.every=1)

# The last point, to which SLURM gives the number of the whole array, is told to requeue.
begun() {
    grep -q "\"event\": \"$2\"" "$work/sweep/all/$1/log.jsonl"
}
end_at 30
array=$(OUT=all submit sweep --array=0-3%1 -n 1 -t 10 -o log.%a "$sweep" "${grid[@]}")
wait_for 120 begun 2 start
end_at 0
wait_for 120 begun 3 step
end_at 30
scancel -b -s USR1 "${array}_3"
table=$(sed -n 's/^Submitted batch job //p' "$work/sweep/log.0")
becomes "$table" COMPLETED 180

# The unfinished table goes over the finished one.
cp "$work/sweep/all/table.md" "$work/table.md"

# A list, whose stages follow one another.
echo 'model.dropout=0|0.5' >"$work/one.list"
list=(../run.yaml ../one.list 'run.seed=1|2' train.max_steps=0)
end_at 0
OUT=runs RUNGS=1 EVALUATE='eval.exclude_history=true' REPORT='--evaluation evaluation-1.json' \
    submit list --array=0-1 -n 1 -t 10 -o log.%A.%a "$sweep" "${list[@]}" eval.every=1 train.epochs=2 >"$work/jobs"
wait_for 120 test -s "$work/list/runs/table.md"

queue_is_empty() {
    [ -z "$(squeue -h)" ]
}

test_list() { # Of two points one goes on, has both seeds, is evaluated once more and stands in the table.
    wait_for 30 queue_is_empty
    (cd "$work/list/runs" && grep -c '^  "epochs": [12],' 0/metrics.json 1/metrics.json ./*-seed-2/metrics.json) \
        >"$work/epochs"
    [ "$(wc -l <"$work/epochs")" = 3 ] || complain "two points and a seed: $(cat "$work/epochs")"
    [ "$(cat "$work"/list/runs/*/metrics.json | grep -c '^  "epochs": 2,')" = 2 ] || complain 'one point goes on'
    has list/runs/table.md '| 2 | test | full |'
    has list/runs/table.md '| 2 | test | full, history excluded |'
    [ "$(grep -c '| yes |$' "$work/list/runs/choices.md")" = 1 ] || complain 'one is chosen'
}

test_points_are_shown() { # Outside of a job the points are shown, and how they are submitted.
    (cd "$work" && "$sweep" "${grid[@]}" >points 2>/dev/null) || complain 'the points are shown'
    says points 'runs/sweep/0: model.dropout=0 run.seed=1 eval.every=1' \
        'runs/sweep/1: model.dropout=0 run.seed=2 eval.every=1' \
        'runs/sweep/2: model.dropout=0.5 run.seed=1 eval.every=1' \
        'runs/sweep/3: model.dropout=0.5 run.seed=2 eval.every=1' \
        "sbatch --array=0-3 ... $sweep ../run.yaml$(printf " '%s'" "${grid[@]:1}")"
}

test_requeued_point() { # A point that is requeued goes on alone.
    has sweep/log.3 'cdsr-sweep: start 1 of job'
    has sweep/log.3 'cdsr: resumed at step'
    for i in 0 1 2; do
        ! grep -q 'start 1 of job' "$work/sweep/log.$i" || complain "point $i was not to be requeued"
    done
}

test_table() { # The last point makes a table of all, in which seeds are one line.
    # shellcheck disable=SC2016 # no command
    has table.md '| `model.dropout` | runs | split '
    for dropout in 0 0.5; do
        [ "$(grep -c "^| $dropout | 2 | test |" "$work/table.md")" = 1 ] || complain "dropout $dropout, two seeds"
    done
}

test_unfinished_grid() { # A table of a grid with a point that has not ended says so, and fails.
    table=$(OUT=all submit table -D "$work/sweep" -n 1 -t 10 "$sweep" ../run.yaml 'model.dropout=0|0.5|0.9' 'run.seed=1|2')
    becomes "$table" FAILED 60
    has sweep/log 'cdsr-sweep: all/4 has not ended'
    has sweep/all/table.md '| 0.5 | 2 | test |'
}

test_point_beyond_the_grid() { # A point that the grid has not fails.
    beyond=$(submit beyond --array=4 -n 1 -t 10 "$sweep" "${grid[@]}")
    becomes "${beyond}_4" FAILED 60
    has beyond/log 'cdsr-sweep: no point 4: --array=0-3'
}

run_tests "$@"
