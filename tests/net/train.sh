# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # work is set in cli/common.bash; programs of awk; tests are called by name
# Training on two hosts over a slow network, and over one that is far too: the same checkpoint as on one
# host, and traffic and time of a step are those of cdsr plan.
# shellcheck source=launch.bash
. "$(dirname "$0")/launch.bash"
wire=${WIRE:-$(dirname "$CDSR")/tests/net_wire}
readonly MBIT=20 STEPS=7 DELAY_US=10000
host_up 1 $MBIT
host_up 2 $MBIT
"$wire" "$(cat "$HOSTS_PIDS/n1")" "$(cat "$HOSTS_PIDS/n2")" $DELAY_US >"$work/wire" &
until [ -s "$work/wire" ]; do
    kill -0 $! || skip 'this machine allows no TUN devices'
    sleep 0.05
done
for host in n1 n2; do
    shape $host wire $MBIT
done
cd "$work" || exit 1

"$CDSR" synth --items-a 300 --items-b 300 --users 300 --seed 3 -o data.h5 >/dev/null || complain synth
cat >run.yaml <<YAML
run: {dir: run}
data: {path: $work/data.h5}
model: {dim: 128, blocks: 1, modalities: [id]}
train: {max_steps: $STEPS, epochs: 1000, batch: 64, lr: 1.0e-3}
eval: {every: 0}
YAML

# trained FOLDER HOSTS NETWORK: two ranks, whose messages take that network.
trained() {
    mkdir "$1"
    (cd "$1" && timeout 200 "${launch[@]}" --mca btl_tcp_if_include "$3" --host "$2" -n 2 \
        "$CDSR" train ../run.yaml >out 2>err) || complain "training on $2: $(cat "$1/err")"
}

# sent DEVICE: bytes by host n1 so far.
sent() {
    on n1 awk -v device="$1:" '$1 == device { print $10 }' /proc/net/dev
}

# step FOLDER: median seconds, without the first two steps.
step() {
    sed -n 's/.*"event": "step".*"sequences_per_s": \([0-9.]*\).*/\1/p' "$1/run/log.jsonl" | tail -n +3 |
        awk '{ print 64 / $1 }' | sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'
}

# planned NAME: of the first placement.
planned() {
    sed -n "s/.*\"$1\": \([0-9.e+-]*\).*/\1/p" plan.json | head -n 1
}

# compared FOLDER DEVICE NETWORK LATENCY_US: with one host, and with the plan. A link carries MBIT either
# way at once, and TCP alone fills it, but Open MPI 4.1 does not: where two ranks send to each other by
# TCP, each has half of it.
compared() {
    local before bytes
    before=$(sent "$2")
    trained "$1" n1,n2 "$3"
    bytes=$((($(sent "$2") - before) / STEPS))
    cmp {one,"$1"}/run/checkpoints/step-$STEPS.h5 >&2 || complain 'two hosts train what one does'
    "$CDSR" plan run.yaml --ranks 2 --latency "$4" --json \
        --bandwidth "$(awk "BEGIN { print $MBIT / 8000 / 2 }")" >plan.json || complain plan
    awk -v bytes="$bytes" -v plan="$(planned traffic_per_step)" -v one="$(step one)" -v two="$(step "$1")" \
        -v traffic="$(planned traffic_seconds)" -v rate=$MBIT -v us="$4" 'BEGIN {
            printf "%d Mbit/s, %d us: %.2f MB per step, planned %.2f; ", rate, us, bytes / 1e6, plan / 1e6
            printf "%.3f s, planned %.3f s (%.3f s on one host and %.3f s of traffic)\n", two, one + traffic,
                one, traffic
            exit !(bytes > 0.9 * plan && bytes < 1.3 * plan &&
                two > (one + traffic) / 2 && two < 2 * (one + traffic))
        }' || complain 'traffic within 30 %, time within a factor of two'
}
trained one n1:2 10.77.0.0/24

test_slow_network() { # Over a slow network training is that of one host, with the bytes and seconds of the plan.
    compared near eth0 10.77.0.0/24 50
}

test_slow_and_far_network() { # So it is where every message takes 10 ms more.
    compared far wire 10.78.0.0/24 $DELAY_US
}

run_tests "$@"
