#!/usr/bin/env bash
# From a fresh clone to a result: packages, build, a synthetic data set, two ranks of training; prints
# the table of result.txt, the popularity baseline under every line of the model.
#   jobs/quickstart.sh [--full] [DIRECTORY]      where everything goes; default runs/quickstart
# --full begins at titles and pictures: a model that only pretends to be one writes about the items
# (tests/chat_server.py), a CLIP model of random weights encodes the pictures (tests/clip_model.py), and runs
# of ids, with texts, with pictures and with both are compared. It fails where texts or pictures do not rank
# validation better than ids alone.
set -eu
cd "$(dirname "$0")/.."
full=false
if [ "${1:-}" = --full ]; then
    full=true
    shift
fi
place=${1:-runs/quickstart}
home=$PWD
program=$home/build/release/cdsr

step() {
    printf '\n== %s\n' "$*" >&2
}

# More ranks than cores, and root, as on a small machine or in a container: ranks yield while they
# wait and are not bound to cores.
export OMP_NUM_THREADS=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_hwloc_base_binding_policy=none
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

ranks() {
    mpirun -n 2 "$program" "$@"
}

train_one() {
    step 'data: two domains with planted structure, and a feature table'
    "$program" synth --items-a 2000 --items-b 2000 --users 6000 --seed 1 --features text:64 \
        -o data.h5 --overwrite
    cat >quickstart.yaml <<'YAML'
run: {dir: run}
data: {path: data.h5}
model: {dim: 64, blocks: 1, dropout: 0.2, modalities: [id, text]}
train: {epochs: 20, patience: 3, batch: 128, lr: 2.0e-3}
eval: {candidates: both}
YAML
    step training on two ranks
    ranks train quickstart.yaml --overwrite >/dev/null
    step "result, in $place/run"
    cat run/result.txt
}

# The server's port, once it listens.
port() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if [ -s port ]; then
            cat port
            return
        fi
        sleep 0.1
    done
    echo 'quickstart: tests/chat_server.py does not start' >&2
    return 1
}

# In a shell of its own, which ends the server however it ends itself.
write_texts() (
    rm -f port
    python3 "$home/tests/chat_server.py" serve port --faults 0.02 &
    server=$!
    trap 'kill $server' EXIT
    trap 'exit 130' INT TERM
    endpoint=http://127.0.0.1:$(port)
    ranks enrich data.h5 --name about --prompt description --model pretended --overwrite \
        --domain A=food --domain B=kitchen --endpoint "$endpoint"
)

# MRR of a run's validation targets of both domains.
valid_mrr() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["valid"]["full"]["all"]["mrr"])' "$1/metrics.json"
}

above() {
    if ! awk -v a="$(valid_mrr "$1")" -v b="$(valid_mrr "$2")" 'BEGIN { exit !(a > b) }'; then
        echo "quickstart: the validation MRR of $1 is not above that of $2" >&2
        return 1
    fi
}

train_all() {
    local modalities
    step 'data: two domains of few events, with titles and pictures'
    "$program" synth --items-a 3000 --items-b 3000 --users 2600 --valid 1000 --test 1000 --topics 64 \
        --seed 1 -o data.h5 --pictures pictures --overwrite
    step 'a language model writes about the items'
    write_texts
    ranks features data.h5 --name text --from text:about --dim 64
    step 'a CLIP model encodes the pictures'
    python3 "$home/tests/clip_model.py" clip
    ranks features data.h5 --name image --from images:pictures --encoder clip --model clip --pca 64
    cat >quickstart.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 64, blocks: 1, dropout: 0.2}
train: {epochs: 30, patience: 3, batch: 32, lr: 2.0e-3}
YAML
    for modalities in id id,text id,image id,image,text; do
        step "training on two ranks, $modalities"
        ranks train quickstart.yaml model.modalities="[$modalities]" run.dir="run-$modalities" \
            --overwrite >/dev/null
    done
    step "runs side by side, in $place"
    "$program" report run-*
    for modalities in id,text id,image; do
        above "run-$modalities" run-id
    done
}

step packages
jobs/packages.sh
if $full; then
    jobs/packages.sh python3
fi
step build
cmake --preset release >/dev/null
cmake --build --preset release

mkdir -p "$place"
cd "$place"
if $full; then
    train_all
else
    train_one
fi
