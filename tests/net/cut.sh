# shellcheck shell=bash disable=SC2154,SC2317 # work is set in cli/common.bash; tests are called by name
# The cable of a host is pulled out while ranks train there: nobody is told, and every packet is lost. It takes five
# minutes until the ranks believe it.
# shellcheck source=../hosts.bash
. "$(dirname "$0")/../hosts.bash"
needs mpirun
agent=$(cd "$(dirname "$0")" && pwd)/agent.bash
readonly EPOCH=15 # steps: 0.8 of 300 users by 16
host_up 1
host_up 2
# mpirun tells its daemon on the lost host to end, and waits until TCP gives that up: a quarter of an hour by default.
echo 5 >/proc/sys/net/ipv4/tcp_retries2
cd "$work" || exit 1

"$CDSR" synth --items-a 60 --items-b 80 --users 300 --seed 3 -o data.h5 >/dev/null || complain synth
cat >run.yaml <<YAML
run: {dir: run}
data: {path: $work/data.h5}
model: {dim: 16, blocks: 1, modalities: [id]}
train: {max_steps: 0, epochs: 100000, batch: 16, patience: 0}
eval: {every: 100000}
checkpoint: {every_s: 0.001}
YAML

# trained FOLDER KEY=VALUE...: one rank on either host; prints what mpirun says, and last its exit status.
trained() {
    mkdir -p "$1"
    (cd "$1" && timeout 500 mpirun --mca plm_rsh_agent "$agent" --mca oob_tcp_if_include 10.77.0.0/24 \
        --mca btl_tcp_if_include 10.77.0.0/24 --bind-to none --host n1,n2 -n 2 \
        "$CDSR" train ../run.yaml "${@:2}" 2>&1; echo "status $?")
}

# newest: the step of the newest checkpoint.
newest() {
    (cd cut/run/checkpoints && printf '%s\n' step-*.h5) | sed 's/step-\([0-9]*\).*/\1/' | sort -n | tail -n 1
}

test_cut() { # The ranks on both sides end with status 4, and the next start goes on as if nothing had been.
    local running last start=$SECONDS
    trained cut >log &
    running=$!
    until compgen -G 'cut/run/checkpoints/step-*.h5' >/dev/null; do
        kill -0 $running 2>/dev/null || { complain "training begins: $(cat log)"; return; }
        sleep 0.01
    done
    ip link set n2 down
    wait $running
    printf 'cut off, and noticed after %d s\n' $((SECONDS - start))
    has log 'is gone, and nobody ends the job: the other ranks do'
    has log 'status 4'
    ! pgrep -f "^$CDSR train" >&2 || complain 'no rank is left on either host'
    ip link set n2 up
    last=$(($(newest) + 4))
    [ $((last % EPOCH)) != 0 ] || last=$((last + 1)) # the position after an epoch has two forms
    trained cut train.max_steps=$last --resume >log
    has log 'status 0'
    trained whole train.max_steps=$last >log
    cmp {cut,whole}/run/checkpoints/step-$last.h5 >&2 || complain 'the same checkpoint as of one that was not cut'
}

run_tests "$@"
