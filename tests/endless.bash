# shellcheck shell=bash disable=SC2154 # work is set in cli/common.bash
# For the scripts that interrupt a training: one without an end, which is given one when it has been interrupted, and
# the comparison with a training that nothing befell.

readonly EPOCH=15 # steps: 0.8 of 300 users by 16

# data_set: a small one, and a configuration without an end. It saves every step, so that those are slow, and
# few are to be repeated, on machines of any speed.
data_set() {
    "$CDSR" synth --items-a 60 --items-b 80 --users 300 --seed 3 -o "$work/data.h5" >/dev/null ||
        complain synth
    cat >"$work/run.yaml" <<YAML
run: {dir: run}
data: {path: $work/data.h5}
model: {dim: 16, blocks: 1, modalities: [id]}
train: {max_steps: 0, epochs: 100000, batch: 16, lr: 1.0e-3, patience: 0}
eval: {every: 100000}
checkpoint: {every_s: 0.001}
YAML
}

# end_at STEP: runs that start from now on end there.
end_at() {
    sed -i "s/max_steps: [0-9]*/max_steps: $1/" "$work/run.yaml"
}

# newest FOLDER: the step of the newest checkpoint.
newest() {
    (cd "$work/$1/run/checkpoints" && printf '%s\n' step-*.h5) |
        sed 's/step-\([0-9]*\).*/\1/' | sort -n | tail -n 1
}

# end_after FOLDER STEPS: runs that start from now on end at the step `last`, so many after its newest one
# or one more: not with an epoch, whose position is saved before its evaluation or after it, as time falls.
end_after() {
    last=$(($(newest "$1") + $2))
    [ $((last % EPOCH)) != 0 ] || last=$((last + 1))
    end_at $last
}

# ended_alike FOLDER FOLDER STEP: two runs ended there with the same parameters, moments and position.
ended_alike() {
    cmp "$work"/{"$1","$2"}/run/checkpoints/step-"$3".h5 >&2 || complain "$1 ends as $2"
}
