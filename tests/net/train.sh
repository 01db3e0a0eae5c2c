# shellcheck shell=bash disable=SC2154,SC2016 # work is set in cli/common.bash; programs of awk
# Training on two hosts over a slow network: the same checkpoint as on one host, and traffic and time
# of a step are those of cdsr plan.
# shellcheck source=../hosts.bash
. "$(dirname "$0")/../hosts.bash"
needs mpirun
agent=$(cd "$(dirname "$0")" && pwd)/agent.bash
readonly MBIT=50 STEPS=8
host_up 1 $MBIT
host_up 2 $MBIT
cd "$work" || exit 1

"$CDSR" synth --items-a 300 --items-b 300 --users 300 --seed 3 -o data.h5 >/dev/null || complain synth
cat >run.yaml <<YAML
run: {dir: run}
data: {path: $work/data.h5}
model: {dim: 128, blocks: 1, modalities: [id]}
train: {max_steps: $STEPS, epochs: 1000, batch: 64, lr: 1.0e-3}
eval: {every: 0}
YAML

# trained FOLDER HOSTS: two ranks.
trained() {
    mkdir "$1"
    (cd "$1" && timeout 200 mpirun --mca plm_rsh_agent "$agent" --mca oob_tcp_if_include 10.77.0.0/24 \
        --mca btl_tcp_if_include 10.77.0.0/24 --bind-to none --host "$2" -n 2 \
        "$CDSR" train ../run.yaml >out 2>err) || complain "training on $2: $(cat "$1/err")"
}
# sent: bytes by host n1 so far.
sent() {
    on n1 awk '/eth0:/ { print $10 }' /proc/net/dev
}
trained one n1:2
before=$(sent)
trained two n1,n2
bytes=$((($(sent) - before) / STEPS))
cmp {one,two}/run/checkpoints/step-$STEPS.h5 >&2 || complain 'two hosts train what one does'

# step FOLDER: median seconds, without the first two steps.
step() {
    sed -n 's/.*"event": "step".*"sequences_per_s": \([0-9.]*\).*/\1/p' "$1/run/log.jsonl" | tail -n +3 |
        awk '{ print 64 / $1 }' | sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'
}

# The link carries MBIT either way at once, and TCP alone fills it, but Open MPI 4.1 does not: where two
# ranks send to each other by TCP, each has half of it.
LC_ALL=C "$CDSR" plan run.yaml --ranks 2 --latency 50 --json \
    --bandwidth "$(awk "BEGIN { print $MBIT / 8000 / 2 }")" >plan.json || complain plan
planned() {
    sed -n "s/.*\"$1\": \([0-9.e+-]*\).*/\1/p" plan.json | head -n 1
}
awk -v bytes="$bytes" -v plan="$(planned traffic_per_step)" -v one="$(step one)" -v two="$(step two)" \
    -v traffic="$(planned traffic_seconds)" -v rate=$MBIT 'BEGIN {
        printf "%d Mbit/s: %.2f MB per step, planned %.2f\n", rate, bytes / 1e6, plan / 1e6
        printf "step %.3f s: planned %.3f s = %.3f s on one host + %.3f s of traffic\n", two, one + traffic, one, traffic
        exit !(bytes > 0.9 * plan && bytes < 1.3 * plan && two > (one + traffic) / 2 && two < 2 * (one + traffic))
    }' || complain 'traffic within 30 %, time within a factor of two'
finish
