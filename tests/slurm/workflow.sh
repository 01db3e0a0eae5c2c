# shellcheck shell=bash disable=SC2317 # tests are called by name
# From raw files to figures through the queue: slurm/prepare.sbatch, then train.sbatch, then
# evaluate.sbatch and scaling.sh, with both launchers; and what is not right is refused.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
scripts=$CDSR_HOME/slurm
cluster_up 2 2
cd "$work" || exit 1

# Modules may be asked for; those of this cluster only say so.
module() {
    echo "module $*"
}
export -f module

# Users take turns through five items of either domain.
for user in $(seq 60); do
    for k in 0 1 2 3 4 5; do
        printf '%s\tu%d\t%s%d\t%d\n' $((k % 2)) "$user" "$([ $((k % 2)) = 0 ] && echo a || echo b)" \
            $(((user + k / 2) % 5)) $((1000 * user + k))
    done
done | awk -F'\t' 'BEGIN { print "user_id:token\titem_id:token\ttimestamp:float" }
    { print $2 "\t" $3 "\t" $4 }' >shop.inter
for i in 0 1 2 3 4; do
    printf 'a%d\tbooks\tred book %d\nb%d\tfilms\tred film %d\n' $i $((i % 2)) $i $((i % 2))
done | awk 'BEGIN { print "item_id:token\tdomain:token\ttitle:token_seq" } { print }' >shop.item
cat >shop.yaml <<'YAML'
data: {path: ../shop.h5}
run: {dir: run}
model: {dim: 8, blocks: 1, modalities: [id, text]}
train: {epochs: 3, batch: 16}
YAML

prepare=$(MODULES='gcc openmpi' FORMAT=interactions INPUT='../shop.inter ../shop.item' DATA=../shop.h5 \
    FEATURES='text=titles more=titles' FEATURE_OPTIONS='--dim 4' OPTIONS='--name shop' \
    submit prepare -n 2 -t 10 "$scripts/prepare.sbatch")
train=$(submit train -N 2 -n 2 -t 10 -d afterok:"$prepare" "$scripts/train.sbatch" ../shop.yaml)
evaluate=$(LAUNCH=mpirun OUTPUT=figures.json \
    submit train -N 2 -n 2 -t 10 -o evaluate -d afterok:"$train" "$scripts/evaluate.sbatch" run)
becomes "$prepare" COMPLETED 90
becomes "$train" COMPLETED 120
becomes "$evaluate" COMPLETED 90

test_prepare() { # prepare.sbatch makes the data set and its tables, with the modules that are asked for.
    has prepare/log 'module load gcc openmpi'
    has prepare/log 'modules gcc openmpi'
    has prepare/log "features ../shop.h5 --name more --from titles --dim 4"
}

test_train() { # train.sbatch trains on two hosts by srun.
    has train/log "ranks 1(x2) of 1 threads"
    has train/log "launch: srun --mpi=pmix"
    has train/run/result.txt VALID
}

test_evaluate() { # evaluate.sbatch finds the figures of the run, by mpirun.
    has train/evaluate "launch: mpirun $CDSR evaluate run"
    # What the run found itself.
    grep -E '^(valid|test) ' train/run/result.txt >found
    [ -s found ] || complain 'the run has figures'
    grep -E '^(valid|test) ' train/evaluate | cmp - found >&2 || complain 'figures of the run'
    [ -s train/figures.json ] || complain 'OUTPUT is written'
}

test_time_to_the_first_step() { # A first step is made soon; the seconds from sbatch to it are printed.
    started=$(date +%s%N)
    submit timed -N 2 -n 2 -t 10 "$scripts/train.sbatch" ../shop.yaml >/dev/null
    wait_for 60 steps timed 1
    echo "seconds from sbatch to the first step: $((($(date +%s%N) - started) / 10000000))" | sed 's/..$/.&/'
}

test_scaling() { # scaling.sh makes a table and a plot in a job.
    scaling=$(RANKS='1 2' BATCH=16 OUT=scaling THREADS=1 submit scaling -N 2 -n 2 -t 10 \
        "$scripts/scaling.sh" ../shop.yaml bench.steps=3 bench.skip=evaluation)
    becomes "$scaling" COMPLETED 120
    [ "$(awk '$1 == 1 || $1 == 2 { print $1, $2 }' scaling/log | tr '\n' ' ')" = '1 16 2 16 1 16 2 32 ' ] ||
        complain "strong and weak: $(cat scaling/log)"
    [ "$(grep -c '"efficiency": [0-9.]' scaling/scaling/scaling.json)" = 4 ] || complain 'scaling.json'
    grep -q '<svg' scaling/scaling/scaling.svg || complain 'scaling.svg is a plot'
}

# refused LINE SCRIPT ARGUMENT...: the job fails with it.
refused_job() {
    local line=$1 refused
    shift
    rm -rf refused
    refused=$(submit refused -n 1 -t 10 "$@")
    becomes "$refused" FAILED 60
    [ "$(field "$refused" ExitCode)" = 2:0 ] || complain "exit status 2 of $*"
    has refused/log "$line"
}

test_wrong_settings() { # A script without what it needs, or with a wrong setting, fails with a line.
    refused_job 'cdsr-train: no configuration given' "$scripts/train.sbatch"
    refused_job 'cdsr-evaluate: no run directory or checkpoint given' "$scripts/evaluate.sbatch"
    refused_job 'cdsr-prepare: FORMAT is not set' "$scripts/prepare.sbatch"
    BIND=socket refused_job "cdsr-train: BIND: 'socket' is not one of cores, none" "$scripts/train.sbatch" x.yaml
    CDSR=/nowhere CDSR_HOME=$work refused_job 'slurm/requeue.bash: No such file' "$scripts/train.sbatch" x.yaml
}

run_tests "$@"
