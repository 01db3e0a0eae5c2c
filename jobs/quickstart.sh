#!/usr/bin/env bash
# From a fresh clone to a result: packages, build, a synthetic data set, two ranks of training; prints
# the table of result.txt, the popularity baseline under every line of the model.
#   jobs/quickstart.sh [DIRECTORY]      where everything goes; default runs/quickstart
set -eu
cd "$(dirname "$0")/.."
place=${1:-runs/quickstart}
program=$PWD/build/release/cdsr

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

step packages
jobs/packages.sh
step build
cmake --preset release >/dev/null
cmake --build --preset release

mkdir -p "$place"
cd "$place"
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
mpirun -n 2 "$program" train quickstart.yaml --overwrite >/dev/null
step "result, in $place/run"
cat run/result.txt
