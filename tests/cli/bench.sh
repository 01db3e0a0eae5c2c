# cdsr bench: figures of every stage that belong together, stages left out, and slurm/scaling.sh on
# one and two ranks.
. "$(dirname "$0")/common.bash"
scaling=$(cd "$(dirname "$0")/../../slurm" && pwd)/scaling.sh
cd "$work" || exit 1

synth --items-a 300 --items-b 500 --users 300 --seed 2 --features text:16 --tags -o data.h5
ranks 1 features data.h5 --name tagv --from tags --dim 12 --vocabulary
ranks 1 features data.h5 --name specific --from titles --dim 12 --terms 200
ranks 1 features data.h5 --name agnostic --from titles --agnostic --dim 10 --terms 200
statuses 0
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, heads: 2}
train: {batch: 64}
bench: {steps: 3, warmup: 1}
YAML
json=runs/run/bench.json

# stages OUTPUT JSON: every stage has its line and its object, and no fraction is above 1. Products bound the losses,
# whose fraction is their rate over the peak; other work on the machine while the peak was measured may leave none.
stages() {
    local name
    for name in input encoder_forward loss encoder_backward reduction optimizer evaluation; do
        [ "$(grep -c "^ *\"$name\": {" "$2")" = 1 ] || complain "stage $name in $2"
        awk -v name=$name '$1 == name { seen = $2 > 0 } END { exit !seen }' "$1" ||
            complain "seconds of $name: $(cat "$1")"
    done
    sed -n '/_g\(flop\|b\)s":/p; /^ *"loss": {/,/}/p' "$2" | awk -F '[":, ]+' '
        { value[$2] = $3 }
        END {
            rate = value["gflops"] / value["sgemm_gflops"]
            none = rate > 1 || rate < value["gbs"] / value["triad_gbs"]
            error = rate - value["fraction"]
            exit !(none ? value["fraction"] == "null" : rate > 0 && error * error < 1e-6 * rate * rate)
        }' || complain "fraction of the loss in $2: $(cat "$2")"
    [ "$(grep -c '"fraction": \(null\|0\.[0-9e-]*\|1\.0\),\?$' "$2")" = 7 ] || complain "seven fractions in $2"
}

# operations OUTPUT: of a step are those of its stages, whatever the seconds.
operations() {
    awk '{ n[$1] = $2 * $3 }
        END { s = n["encoder_forward"] + n["loss"] + n["encoder_backward"]
            d = n["step"] - s; print n["step"], s; exit !(s > 0 && d * d < 0.01 * s * s) }' "$1" ||
        complain "operations of step and stages: $(cat "$1")"
}

ranks 2 bench run.yaml
statuses 0 0
says_nothing err
operations out >one
cp out bench.txt
cp $json bench.json

test_figures() { # Speed of the machine and of training, and memory, are given.
    has bench.txt 'peak of 2 ranks x threads 1: sgemm '
    for name in sgemm_gflops copy_gbs triad_gbs allreduce_gbs useful_gflops fraction_of_peak \
        sequences_per_s peak_rss_mb; do
        [ "$(grep -c "^ *\"$name\": [0-9]*[1-9.]" bench.json)" = 1 ] || complain "a figure of $name in bench.json"
    done
}

test_stages() { # Every stage of a step has its figures.
    stages bench.txt bench.json
}

test_other_models() { # So it is with the other models; tags take a term and attentions of their own.
    for model in tema_llm sema_cdr; do
        ranks 2 bench run.yaml model.name=$model model.tag_vectors=tagv
        statuses 0 0
        stages out $json
        operations out >$model
    done
    awk 'NR == 1 { one = $1 } NR == 2 { tags = $1 } END { exit !(tags > 1.3 * one) }' one tema_llm ||
        complain "operations with tags: $(cat one tema_llm)"
}

test_skip() { # Stages may be left out, and the figures go where they are wanted.
    ranks 2 bench run.yaml bench.skip=reduction,optimizer,evaluation,input --output skip.json
    statuses 0 0
    [ "$(awk '/^(input|encoder|loss|reduction|optimizer|evaluation)/ { print $1 }' out | tr '\n' ' ')" = \
        'encoder_forward loss encoder_backward ' ] || complain "stages that are left: $(cat out)"
    grep -q '"skipped"' skip.json || complain 'skip.json'
    [ ! -e runs/run/bench.json ] || [ "$json" -ot skip.json ] || complain '--output is where it goes'
}

test_one_rank() { # One rank has no reduction.
    ranks 1 bench run.yaml bench.skip=encoder,loss train.reproducible=true
    statuses 0
    has out 'loss '
    grep -q '"allreduce_gbs": null' $json || complain 'no reduction on one rank'
}

test_init() { # Steps can start from trained parameters, those of train.init.
    ranks 2 train run.yaml train.max_steps=2 eval.every=0 model.modalities=[id] run.dir=trained
    statuses 0 0
    ranks 2 bench run.yaml model.modalities=[id] train.init=trained/checkpoints/step-2.h5 bench.skip=evaluation
    statuses 0 0
    ranks 1 bench run.yaml model.modalities=[id] model.dim=16 train.init=trained/checkpoints/step-2.h5
    statuses 2
    has err 'trained/checkpoints/step-2.h5: '
}

test_unknown_stage() { # A stage that there is not cannot be left out.
    refused "cdsr: error: bench.skip: 'forward' is not one of input, encoder, loss, reduction, optimizer, \
evaluation" bench run.yaml bench.skip=forward
}

test_target() { # Of three trainings to a figure the middle one's seconds count.
    ranks 2 bench run.yaml model.modalities=[id] --target mrr=0.001 --seeds 3 -o target.json
    statuses 0 0
    tail -n 2 out | head -n 1 | grep -q '^TIME mrr=0.001 [0-9.e-]* s$' && [ "$(tail -n 1 out)" = VALID ] ||
        complain "time to target: $(cat out)"
    middle=$(sed -n 's/^ *"seconds": \([0-9.e-]*\),*$/\1/p' target.json | sort -g | sed -n 2p)
    [ "$(sed -n 's/^ *"seconds_to_target": \([0-9.e-]*\),*$/\1/p' target.json)" = "$middle" ] ||
        complain "the middle, $middle: $(cat target.json)"
    [ "$(awk '$1 ~ /^[123]$/ && $2 == 1' out | wc -l)" = 3 ] || complain "an epoch each: $(cat out)"
}

test_missed_target() { # A training that does not get there makes it no result.
    ranks 2 bench run.yaml model.modalities=[id] --target hr@5=1 --seeds 3 train.epochs=2
    statuses 1 1
    tail -n 1 out | grep -q '^INVALID: seed 1 ended with hr@5 0.[0-9]*, below 1$' || complain "missed: $(cat out)"
    grep -q '"verdict": "INVALID"' $json && ! grep -q seconds_to_target $json || complain "$json: $(cat $json)"
}

test_target_usage() { # What has no steps, or no evaluation, has no time to a target.
    refused "cdsr: error: bench: --target: 'mrr' is not FIGURE=VALUE, as mrr=0.025 or ndcg@10=0.03" \
        bench run.yaml --target mrr
    refused 'cdsr: error: --target: eval.every=0 never looks whether the target is reached' \
        bench run.yaml --target mrr=0.1 eval.every=0
    refused 'cdsr: error: bench: --target belongs to a configuration, and --seeds to --target' bench run.yaml --seeds 4
}

test_scaling() { # slurm/scaling.sh makes a table of strong and weak scaling.
    RANKS='1 2' BATCH=32 OUT=scaling timeout 300 "$scaling" run.yaml bench.skip=evaluation >table 2>err ||
        complain "scaling.sh: $(cat err)"
    [ "$(awk '$1 == 1 || $1 == 2 { print $1, $2 }' table | tr '\n' ' ')" = '1 32 2 32 1 32 2 64 ' ] ||
        complain "strong and weak: $(cat table)"
    awk '$1 == 1 && ($7 != 1 || $8 != 1) { exit 1 }' table || complain 'one rank is the measure'
    [ "$(grep -c '"efficiency": [0-9.]' scaling/scaling.json)" = 4 ] || complain 'scaling.json'
}

test_scaling_usage() { # Without a configuration it says how it is used.
    "$scaling" >/dev/null 2>usage
    [ $? = 2 ] && grep -q 'RANKS  ' usage || complain 'how scaling.sh is used'
}

test_clip() { # Rates of both encoders in both precisions, as a table or as JSON, without any file.
    [ "$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)" -ge 2 ] || skip 'less than 2 GiB of memory'
    ranks 1 bench --clip
    statuses 0
    [ "$(awk '($1 == "pictures" || $1 == "texts") && $3 > 0 && $5 > 0 { n++ } END { print n + 0 }' "$work/out")" = 4 ] ||
        complain "four rates: $(cat "$work/out")"
    refused 'cdsr: error: bench: --clip takes no configuration' bench --clip run.yaml
}

run_tests "$@"
