# cdsr plan: its total is within 10 % of the peak of a real run, its choice follows the memory.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 2000 --items-b 3000 --users 300 --seed 2 --features text:32 --tags -o data.h5
ranks 1 features data.h5 --name tagv --from tags --dim 24 --vocabulary
ranks 1 features data.h5 --name specific --from titles --dim 48 --terms 200
ranks 1 features data.h5 --name agnostic --from titles --agnostic --dim 40 --terms 200
statuses 0
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 128, blocks: 1, tag_vectors: tagv}
train: {epochs: 2, batch: 256}
YAML

# peak RUN: of rank 0 at the last step, after an evaluation, and total LOSS PLACEMENT: of the last plan, for exact or
# sampled, or of another loss, which is the configured one; in MB.
peak() {
    sed -n 's/.*"event": "step".*"peak_rss_mb": \([0-9.]*\).*/\1/p' "$1/log.jsonl" | tail -n 1
}
total() {
    case $1 in
    exact | sampled) sed -n '/"loss"/,$p' plan | sed -n "/\"$1\"/,\$p" ;;
    *) cat plan ;;
    esac | sed -n "/\"$2\"/,\$s/.*\"total\": \([0-9]*\).*/\1/p" | head -n 1 | awk '{ print $1 / 1e6 }'
}

# planned RANKS KEY=VALUE...: a plan.
planned() {
    ranks 1 plan run.yaml "${@:2}" --ranks "$1" --json
    statuses 0
    says_nothing err
    cp out plan
}

# near_plan RANKS LOSS PLACEMENT KEY=VALUE...: the peak of a run is the total of the last plan.
near_plan() {
    local n=$1 loss=$2 placement=$3
    shift 3
    ranks "$n" train run.yaml "$@" train.loss="$loss" train.placement="$placement" run.dir=run --overwrite
    statuses $(yes 0 | head -n "$n")
    echo "$(peak run) $(total "$loss" "$placement")" |
        awk '{ exit !($1 > 50 && $2 > 0.9 * $1 && $2 < 1.1 * $1) }' ||
        complain "$n ranks, $loss, $placement, $*: peak $(peak run) MB, the plan says $(total "$loss" "$placement")"
}

# model_near_plan MODEL 'LOSS...' KEY=VALUE...: with each of the losses and either placement; the plan, with the last
# of them, has the others too.
model_near_plan() {
    local model=$1 losses=$2 loss
    shift 2
    planned 1 model.name="$model" train.loss="${losses##* }" "$@"
    for loss in $losses; do
        near_plan 1 $loss replicated model.name="$model" "$@"
    done
    planned 2 model.name="$model" train.loss="${losses##* }" "$@"
    for loss in $losses; do
        near_plan 2 $loss replicated model.name="$model" "$@"
        near_plan 2 $loss sharded model.name="$model" "$@"
    done
}

test_memory_of_llm_emf() { # The plan of LLM-EMF is near to the peak of its runs.
    model_near_plan llm_emf 'exact sampled'
}

test_memory_of_untied_llm_emf() { # With a table of its own for the ids that are ranked too.
    model_near_plan llm_emf 'exact sampled' model.output_table=untied
}

test_memory_of_tema_llm() { # So is that of TEMA-LLM.
    model_near_plan tema_llm 'exact sampled'
}

test_memory_of_sema_cdr() { # So is that of SemaCDR.
    model_near_plan sema_cdr 'exact sampled'
}

test_memory_of_sasrec() { # So is that of SASRec.
    model_near_plan sasrec 'exact sampled'
}

test_memory_of_bprmf() { # So is that of BPRMF, whose users have rows of their own.
    model_near_plan bprmf 'exact bpr' model.dim=512
}

test_memory_of_ncf() { # So is that of NCF.
    model_near_plan ncf bce model.dim=512
}

test_memory_of_tricdr() { # So is that of Tri-CDR.
    model_near_plan tricdr 'exact sampled'
}

test_memory_of_gru4rec() { # So is that of GRU4Rec.
    model_near_plan gru4rec 'exact sampled'
}

test_memory_of_srgnn() { # So is that of SR-GNN.
    model_near_plan srgnn 'exact sampled'
}

test_memory_of_abxi() { # So is that of ABXI, with the items that each position draws.
    planned 1 model.name=abxi
    near_plan 1 auto replicated model.name=abxi
    planned 2 model.name=abxi
    near_plan 2 auto sharded model.name=abxi
}

test_memory_of_c2dsr() { # So is that of C2DSR, with the graph of its items.
    model_near_plan c2dsr 'exact sampled'
}

test_memory_of_pinet() { # So is that of pi-Net.
    model_near_plan pinet 'exact sampled'
}

test_memory_of_psjnet() { # So is that of PSJNet.
    model_near_plan psjnet 'exact sampled'
}

test_memory_of_mifn() { # So is that of MIFN, with the graph of the items and those of the sessions.
    model_near_plan mifn 'exact sampled'
}

test_memory_with_negatives_of_the_batch() { # So it is with negatives that come from the batch.
    planned 1 train.loss=sampled train.sampler=batch train.negatives=4000
    near_plan 1 sampled replicated train.sampler=batch train.negatives=4000
}

test_json() { # The plan as JSON has its choice, and every part of the memory of each loss and placement.
    ranks 1 plan run.yaml train.loss=sampled --ranks 1 --json
    has out '"configured_loss": "sampled"'
    cp out plan
    for placement in replicated sharded; do
        [ "$(total configured $placement)" = "$(total sampled $placement)" ] || complain "$placement: the same loss twice"
    done
    has out '"choice": "replicated"'
    for name in parameters gradients moments reduction features activations tiles evaluation data base; do
        [ "$(grep -c "\"$name\": [0-9]" "$work/out")" = 6 ] || complain "6 figures of $name"
    done
}

test_choice() { # With the memory that the sharded table takes, the choice is it; with less, there is none.
    ranks 4 plan run.yaml model.dim=1024 --ranks 64 --per-node 8
    statuses 0 0 0 0
    [ "$(grep -c '^total ' "$work/out")" = 1 ] || complain 'one table'
    sharded=$(awk '$1 == "total" { print $3 }' "$work/out")
    [ "$(awk '$1 == "total" { print ($3 < $2) }' "$work/out")" = 1 ] || complain 'sharded takes less'
    ranks 1 plan run.yaml model.dim=1024 --ranks 64 --per-node 8 --memory "$(awk "BEGIN { print $sharded * 8.01 / 1000 }")"
    has out 'with 8 ranks on a node of'
    has out ': sharded'
    ranks 1 plan run.yaml model.dim=1024 --ranks 64 --per-node 8 --memory "$(awk "BEGIN { print $sharded * 7.9 / 1000 }")"
    has out ': none'
}

test_evaluation() { # However many ranks share the items out, they rank no more histories at once than one alone.
    synth --items-a 2000 --items-b 3000 --users 30000 --seed 2 -o many.h5
    ranks 1 plan run.yaml data.path=many.h5 model.modalities=id --ranks 64
    statuses 0
    [ "$(awk '$1 == "evaluation" { print ($3 > 0 && $3 < 2 * $2) }' "$work/out")" = 1 ] ||
        complain "sharded evaluation: $(grep evaluation "$work/out")"
}

test_threads() { # Ranks of a node share the processors, where OMP_NUM_THREADS does not say how many threads they have.
    local cores
    cores=$(nproc)
    OMP_NUM_THREADS=3 ranks 1 plan run.yaml --ranks 4
    has out 'ranks 4 x threads 3'
    unset OMP_NUM_THREADS
    ranks 1 plan run.yaml --ranks 1000000 --per-node $((2 * cores))
    has out 'ranks 1000000 x threads 1'
}

test_traffic() { # With latency and bandwidth it says how long the traffic of a step takes.
    ranks 1 plan run.yaml --ranks 4 --latency 2 --bandwidth 10
    has out 'traffic, s per step'
}

test_gbce() { # gBCE is planned as the sampled loss.
    ranks 1 plan run.yaml model.modalities=id train.loss=gbce
    statuses 0
    has out 'choice for the sampled loss, with 1 ranks'
}

test_refuses_what_train_refuses() { # A model that cannot be is refused as by train.
    for job in plan train; do
        refused "cdsr: error: model.heads: 3 heads do not divide the width 32 of modality 'text'; choose a divisor" \
            $job run.yaml model.dim=129 model.heads=3 run.dir=no
    done
}

test_arguments() { # Arguments that do not belong together or are out of range are refused.
    refused 'cdsr: error: plan: --latency and --bandwidth belong together' plan run.yaml --latency 2
    refused "cdsr: error: plan: --ranks: '0' is not an integer from 1 to 1000000" plan run.yaml --ranks 0
}

run_tests "$@"
