# cdsr plan --scaling and --items: simulated ranks, of a data set and of a catalogue that no file has.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
cat >run.yaml <<'YAML'
data: {path: none.h5}
model: {dim: 32, blocks: 1, modalities: [id]}
train: {loss: sampled, optimizer: lazy_adamw, batch: 64}
YAML
rates=(--gflops 100 --memory-rate 50)

# simulated ARGUMENT...: as a table in $work/out.
simulated() {
    ranks 1 plan run.yaml "${rates[@]}" "$@"
    statuses 0
    says_nothing err
}

# column NAME PLACEMENT [NETWORK]: of the table of that placement, a line for each number of ranks.
column() {
    awk -v name="$1" -v table="# $2, ${3-}" '
        /^# / && / us, / { of = index($0, table) == 1; next }
        /^# *ranks/ { for (i in at) delete at[i]
                      gsub("^# *|s per ", ""); gsub("GB per ", "")
                      split("ranks step sequences/s efficiency GB network limit", at, " ")
                      for (i in at) if (at[i] == name) place = i; next }
        of && NF { print $place }' "$work/out"
}

# figures OF: of a line of plan or a row of scaling, but for what the process itself takes and the total.
figures() {
    grep -oE '"(parameters|gradients|moments|reduction|features|activations|tiles|evaluation|data|[a-z]+_per_step)": [0-9.]+' "$1"
}

# like_plan RANKS ARGUMENT...: memory and traffic on the most of the ranks are those of the plan for so many.
like_plan() {
    local n=$1
    shift
    simulated "$@" --scaling strong --ranks "$n" --latency 2 --bandwidth 10 --json
    figures out | sort >scaling
    ranks 1 plan run.yaml "$@" --ranks "$n" --json
    sed '/"choice"/q' out >line
    figures line >plan
    [ "$(wc -l <plan)" = 22 ] || complain "22 figures: $(wc -l <plan)"
    sort plan | comm -23 - scaling >missing
    says_nothing missing
}

test_one_rank_is_the_plan() { # Memory on one rank is that of the plan, and nothing is sent.
    synth --items-a 2000 --items-b 3000 --users 300 --seed 2 -o data.h5
    like_plan 1 data.path=data.h5
    has plan '"messages_per_step": 0.0'
}

test_the_plan_of_any_ranks() { # Memory and traffic on 8 ranks are those of the plan for 8.
    like_plan 8 --items 5000
}

test_nothing_but_work() { # Without time for the network, weak scaling of tables on every rank is perfect.
    simulated train.loss=exact train.batch=1024 --items 5000 --scaling weak --ranks 64 --latency 0.001 --bandwidth 1000000
    column efficiency replicated >efficiency
    [ "$(wc -l <efficiency)" = 7 ] || complain "7 numbers of ranks: $(wc -l <efficiency)"
    awk '{ if ($1 < 0.97 || $1 > 1.03) exit 1 }' efficiency || complain "efficiency: $(tr '\n' ' ' <efficiency)"
}

test_shared_candidates() { # The rows of all ranks' candidates move on every rank: less than perfect.
    simulated train.batch=1024 --items 100000 --memory-rate 1 --scaling weak --ranks 64 --latency 0.001 --bandwidth 1000000
    [ "$(column efficiency replicated | awk 'END { print ($1 < 0.9) }')" = 1 ] || complain 'the union of rows costs'
    [ "$(column efficiency sharded | awk 'END { print ($1 > 0.97) }')" = 1 ] || complain 'but not where they are shared out'
}

test_bandwidth() { # The faster network is never the slower, and on many ranks it is faster.
    local kind placement
    for kind in strong weak; do
        simulated --items 100000 --scaling "$kind"
        for placement in replicated sharded; do
            paste <(column step "$placement" '100 Gb/s') <(column step "$placement" '400 Gb/s') |
                awk '$2 > $1 { exit 1 } END { exit !(NR == 11 && $2 < $1) }' || complain "$kind, $placement"
        done
    done
}

test_item_rows() { # On 1,024 ranks a rank has a 1,024th of the items, or all.
    simulated --items 1024000 --scaling strong --json
    grep -o '"item_rows": [0-9]*' out | awk '{ print $2 }' >rows
    [ "$(sed -n '11p;44p' rows | tr '\n' ' ')" = '1024000 1000 ' ] || complain "$(tr '\n' ' ' <rows)"
}

test_memory_of_the_node() { # What limits is the memory of the node where it is too small.
    simulated --items 1000000 --scaling strong --memory 0.4
    [ "$(column limit replicated '100 Gb/s' | sort -u)" = memory ] || complain 'everywhere, of whole tables'
    [ "$(column limit sharded '100 Gb/s' | sed -n '1p;11p' | tr '\n' ' ')" = 'memory latency ' ] ||
        complain "of shared ones on few ranks: $(column limit sharded '100 Gb/s' | tr '\n' ' ')"
}

test_measured_rates() { # Rates that are not given are measured.
    ranks 1 plan run.yaml --items 5000 --scaling weak --ranks 2
    statuses 0
    grep -q '^# a rank: [1-9][0-9.]* GFLOP/s, [1-9][0-9.]* GB/s of memory; a node: 1 ranks' out || complain 'rates'
}

test_plot() { # The efficiencies can be drawn.
    simulated --items 5000 --scaling weak --ranks 8 --plot scaling.svg
    grep -q '<svg' scaling.svg || complain 'scaling.svg is a plot'
    grep -q 'simulated: weak scaling' scaling.svg || complain 'its title'
    [ "$(grep -cE '(replicated|sharded), [14]00 Gb/s' scaling.svg)" -ge 4 ] || complain 'four lines'
    refused 'cdsr: error: scaling.svg: exists already; name another output or give --overwrite' plan run.yaml "${rates[@]}" \
        --items 5000 --scaling weak --ranks 2 --plot scaling.svg
    refused 'cdsr: error: plan: --plot belongs to --scaling' plan run.yaml --items 5000 --plot x.svg
    refused 'cdsr: error: plan: --plot x.bmp: the name must end with .svg, .png or .pdf' \
        plan run.yaml --items 5000 --scaling weak --plot x.bmp
}

test_two_hops() { # On many ranks the messages of lookups grow with the root of the ranks.
    simulated --items 1024000 --scaling strong --json
    awk '/"messages_per_step"/ { print $2 + 0 }' out | tail -n 11 >messages
    [ "$(tail -n 1 messages | awk '{ print ($1 < 400) }')" = 1 ] || complain "on 1,024 ranks: $(tail -n 1 messages)"
    [ "$(sed -n 2p messages | awk '{ print ($1 < 10) }')" = 1 ] || complain "on two: $(sed -n 2p messages)"
}

test_refused() { # What cannot be simulated is refused.
    refused "cdsr: error: plan: --scaling: 'both' is neither strong nor weak" plan run.yaml --scaling both
    refused 'cdsr: error: --scaling: train.reproducible has at most 8 ranks; set it to false' \
        plan run.yaml --items 5000 --scaling weak train.reproducible=true train.optimizer=adamw --gflops 1 --memory-rate 1
    refused "cdsr: error: --items: 'tags' is made of tags, of which synthetic items have none; plan for a data set, or without that modality" \
        plan run.yaml --items 5000 model.name=tema_llm model.tag_vectors=tagv
}

run_tests "$@"
