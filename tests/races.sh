#!/usr/bin/env bash
# Look for races between threads: builds with ThreadSanitizer (clang, libclang-rt-dev, libomp-dev) and
# trains a few steps of every loss on three threads. Exit status 0 only if none was found. By hand.
set -eu
cd "$(dirname "$0")/.."
cmake --preset tsan >/dev/null
cmake --build --preset tsan --target cdsr
program=$PWD/build/tsan/cdsr
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_NUM_THREADS=3 OPENBLAS_NUM_THREADS=1 OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66"
OMP_TOOL_LIBRARIES=$(find /usr/lib/llvm* -name libarcher.so | tail -1) # OpenMP's waiting, explained
export OMP_TOOL_LIBRARIES
"$program" synth --items-a 2000 --items-b 2000 --users 400 --seed 2 --features text:16 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 32, blocks: 1, heads: 2, feature_proj: 16}
train: {max_steps: 3, batch: 64}
YAML
failed=0
for keys in train.loss=exact train.loss=sampled "train.loss=gbce model.fusion=logit" \
    train.precision=bf16 "train.loss=sampled train.optimizer=lazy_adamw" train.reproducible=true; do
    # shellcheck disable=SC2086 # keys are words
    "$program" train run.yaml $keys --overwrite >log 2>&1 || { echo "$keys:"; cat log; failed=1; }
done
[ $failed = 0 ] && echo "no races"
exit $failed
