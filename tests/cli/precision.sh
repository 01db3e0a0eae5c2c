# Training in bfloat16 is training in float32: on one rank and on two, every step's loss and every
# epoch's validation MRR agree, and not because the key is ignored.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

ranks 1 synth --items-a 300 --items-b 400 --users 2000 --valid 600 --seed 3 --features text:16 -o data.h5
statuses 0
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, feature_proj: 16, dropout: 0.1}
train: {epochs: 6, batch: 64, lr: 0.002, patience: 0}
YAML
ranks 1 train run.yaml run.dir=fp32
statuses 0
ranks 1 train run.yaml run.dir=bf16 train.precision=bf16
statuses 0
ranks 2 train run.yaml run.dir=bf16_two train.precision=bf16
statuses 0 0

losses() {
    sed -n 's/.*"event": "step".*"total": \([^}]*\)}.*/\1/p' "$1/log.jsonl"
}
mrrs() {
    sed -n 's/.*"event": "eval".*"all": {"mrr": \([^,]*\),.*/\1/p' "$1/log.jsonl"
}

# agree FIGURE RUN ABSOLUTE RELATIVE: all values of the run with those of float32.
agree() {
    $1 fp32 >want
    $1 "$2" >got
    [ -s want ] && [ "$(wc -l <want)" = "$(wc -l <got)" ] || complain "$1 of $2: $(wc -l <got)"
    paste want got | awk -v absolute="$3" -v relative="$4" '
        { off = $1 > $2 ? $1 - $2 : $2 - $1; if (off > absolute + relative * $1) exit 1 }' ||
        complain "$1 of $2: $(paste want got)"
}

test_losses() { # A loss is off by at most the rounding of the two operands of a product, 2^-7 of it.
    for run in bf16 bf16_two; do
        agree losses $run 0 0.0078
    done
}

# The MRR of 600 users with a standard deviation of 0.37 has a standard error of 0.015.
test_mrr() { # The validation MRR of every epoch agrees within its standard error, and another bit shows.
    for run in bf16 bf16_two; do
        agree mrrs $run 0.015 0
        cmp -s want got && complain "$run is not in bfloat16"
    done
    awk 'END { exit !($1 > 0.15) }' want || complain "a model that learned: $(cat want)"
}

test_kernel() { # A run in bfloat16 names the kernel of its products, another one none.
    for file in log.jsonl metrics.json; do
        grep -q '"gemm_bf16": "\(amx\|avx512_bf16\|portable\)"' bf16/$file || complain "$file of bf16"
        grep -q gemm_bf16 fp32/$file && complain "$file of fp32"
    done
    ranks 1 bench run.yaml bench.steps=1 bench.warmup=0 bench.skip=evaluation train.precision=bf16
    statuses 0
    has out 'products in bfloat16 by '
    grep -q '"gemm_bf16": "\(amx\|avx512_bf16\|portable\)"' runs/run/bench.json || complain 'bench.json'
}

test_resume_in_the_other() { # A run goes on in either precision.
    cp -r bf16 longer
    ranks 1 train bf16/config.yaml run.dir=longer train.precision=fp32 train.epochs=7 --resume
    statuses 0
}

test_evaluation_is_float32() { # What is evaluated is float32, in whatever precision it was trained.
    ranks 1 evaluate bf16_two train.precision=fp32
    statuses 0
    grep "full " out >fp32.out
    ranks 1 evaluate bf16_two
    grep "full " out | cmp - fp32.out || complain 'the precision of training changes the evaluation'
}

run_tests "$@"
