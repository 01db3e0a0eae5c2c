#!/usr/bin/env bash
# Sequences per second of training, beside a PyTorch program for the same model: a Markdown table.
#
#   jobs/speed.sh [OPTION...] FOOD-KITCHEN.h5 AFK.h5
#
# The data sets are those of jobs/README.md, with a feature table of the items' titles. Each repetition
# takes every program once, one after the other. Repetitions add to those that the folder of the results
# has, and the table is of them all: a long measurement can be made in parts.
#
#   -w WORKLOAD     only this one: exact, fused or sampled; may be given again
#   -r REPETITIONS  to add; 0 prints the table of what there is                    (3)
#   -s STEPS        to measure in each, after 2 others; the median counts          (5)
#   -o FOLDER       of the results                                                 (runs/speed)
#   -n RANKS        of one thread each; PyTorch takes as many threads              (2)
#   -t TABLE        feature table of both data sets                                (text)
#   -d WIDTH        of the id embedding                                            (256)
#   -b SEQUENCES    of a step                                                      (256)
#   -p PEER         the PyTorch program; without it its columns stay empty         ($PEER)
#   -h, --help      print this
#
# The peer is called as `PYTHON PEER DATA.h5 KEY=VALUE...` with the keys that peer_keys lists, and prints
# a JSON object with sequences_per_s and peak_rss_mb. Environment: PEER, PYTHON (python3), CDSR, the
# program (build/release/cdsr).
set -euo pipefail

say() {
    echo "speed: $*" >&2
}

fail() {
    say "$*"
    exit 2
}

workloads=(exact fused sampled)

title() {
    case $1 in
    exact) echo "food-kitchen, exact loss, \`[id]\`" ;;
    fused) echo "food-kitchen, exact loss, \`[id, $table]\`" ;;
    sampled) echo 'afk, 2,048 negatives, max_len 50' ;;
    esac
}

data_set() {
    if [ "$1" = sampled ]; then
        echo "$afk"
    else
        echo "$food_kitchen"
    fi
}

# The workload in the keys of cdsr, and in those of the peer.
cdsr_keys() {
    case $1 in
    exact) echo 'model.modalities=[id] train.loss=exact data.max_len=15' ;;
    fused) echo "model.modalities=[id,$table] train.loss=exact data.max_len=15" ;;
    sampled) echo 'model.modalities=[id] train.loss=sampled train.negatives=2048 data.max_len=50' ;;
    esac
}

peer_keys() {
    case $1 in
    exact) echo 'modalities=id loss=exact max_len=15' ;;
    fused) echo "modalities=id,$table loss=exact max_len=15" ;;
    sampled) echo 'modalities=id loss=sampled negatives=2048 max_len=50' ;;
    esac
}

# ---- what is measured ----

# run_cdsr WORKLOAD PRECISION FILE
run_cdsr() {
    local keys
    read -ra keys <<<"$(cdsr_keys "$1")"
    OMP_NUM_THREADS=1 mpirun -n "$ranks" "$program" bench "$out/speed.yaml" --output "$3" --overwrite --quiet \
        data.path="$(data_set "$1")" "${keys[@]}" train.precision="$2" >/dev/null ||
        fail "cdsr bench of $1 in $2 failed"
}

# run_peer WORKLOAD PRECISION FILE: where it fails once it is left out from then on.
run_peer() {
    local keys
    [ "$peer" ] || return 0
    read -ra keys <<<"$(peer_keys "$1")"
    if ! OMP_NUM_THREADS=$ranks "$python" "$peer" "$(data_set "$1")" "${keys[@]}" precision="$2" dim="$width" \
        batch="$batch" steps="$steps" warmup=2 threads="$ranks" >"$3" 2>"$out/peer.err"; then
        say "$python $peer fails ($(tail -n 1 "$out/peer.err")): without its columns"
        rm -f "$3"
        peer=
    fi
}

# The number of the next repetition of a workload.
next() {
    local n=1
    while [ -e "$out/$1.cdsr.fp32.$n.json" ]; do
        n=$((n + 1))
    done
    echo $n
}

measure() {
    local n precision
    n=$(next "$1")
    for precision in fp32 bf16; do
        run_peer "$1" $precision "$out/$1.peer.$precision.$n.json"
        run_cdsr "$1" $precision "$out/$1.cdsr.$precision.$n.json"
    done
}

# ---- the table ----

# values NAME FILE...: the first number of that name in each.
values() {
    local name=$1 file
    shift
    for file; do
        grep -o "\"$name\": [0-9.e+-]*" "$file" | head -n 1
    done | awk '{ print $2 }'
}

# middle NAME PROGRAM WORKLOAD: the median over the repetitions; empty where there is none.
middle() {
    local files=("$out/$3.$2."*.json)
    [ -e "${files[0]}" ] || return 0
    values "$1" "${files[@]}" | sort -g |
        awk '{ x[NR] = $1 } END { printf "%.17g\n", (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }'
}

# shown FORMAT FACTOR NUMBER: the number times the factor, or a dash where there is none.
shown() {
    if [ "$3" ]; then
        awk -v form="$1" -v factor="$2" -v x="$3" 'BEGIN { printf form, factor * x }'
    else
        printf -- -
    fi
}

# speed WORKLOAD PRECISION: sequences per second, and how many times the peer's.
speed() {
    local own other
    own=$(middle sequences_per_s "cdsr.$2" "$1")
    other=$(middle sequences_per_s "peer.$2" "$1")
    shown %.0f 1 "$own"
    [ ! "$other" ] || awk -v own="$own" -v other="$other" 'BEGIN { printf " (%.1f x)", own / other }'
}

row() {
    local kernel
    kernel=$(sed -n 's/.*"gemm_bf16": "\(.*\)".*/\1/p' "$out/$1.cdsr.bf16."*.json | sort -u)
    printf '| %s, d %s, batch %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$(title "$1")" "$width" \
        "$batch" "$(cat "$out/processor")" "$(shown %.0f 1 "$(middle sgemm_gflops cdsr.fp32 "$1")")" \
        "$(shown %.0f 1 "$(middle sequences_per_s peer.fp32 "$1")")" "$(speed "$1" fp32)" \
        "$(shown '%.0f %%' 100 "$(middle fraction_of_peak cdsr.fp32 "$1")")" \
        "$(shown %.0f 1 "$(middle sequences_per_s peer.bf16 "$1")")" "$(speed "$1" bf16)" "$kernel" \
        "$(shown %.2f 0.001 "$(middle peak_rss_mb peer.fp32 "$1")")" \
        "$(shown %.2f 0.001 "$(middle peak_rss_mb cdsr.fp32 "$1")")"
}

print_table() {
    local workload
    echo '| workload | processor | sgemm, GFLOP/s | PyTorch, float32 | cdsr, float32 | of sgemm | PyTorch, bf16 |' \
        'cdsr, bf16 | bf16 by | GB: PyTorch | GB: cdsr, per rank |'
    echo '|---|---|---|---|---|---|---|---|---|---|---|'
    for workload in "${workloads[@]}"; do
        [ ! -e "$out/$workload.cdsr.bf16.1.json" ] || row "$workload"
    done
}

# ---- the job ----

processor() {
    awk -F '[ \t]*: ' '$1 == "model name" || $1 == "cpu family" || $1 == "model" { seen[$1] = $2 }
        /^$/ { exit }
        END { printf "%s, family %s, model %s\n", seen["model name"], seen["cpu family"], seen["model"] }' /proc/cpuinfo
}

# keep FILE: the standard input, which must be what the file has held before.
keep() {
    local new
    new=$(cat)
    if [ -e "$1" ] && [ "$new" != "$(cat "$1")" ]; then
        fail "$out: was measured on another processor or with other settings; name another folder with -o"
    fi
    echo "$new" >"$1"
}

# A folder is of one processor and of one size.
open_folder() {
    mkdir -p "$out"
    processor | keep "$out/processor"
    keep "$out/speed.yaml" <<YAML
run: {dir: $out/run}
model: {dim: $width, blocks: 2, dropout: 0.3}
train: {batch: $batch}
bench: {steps: $steps, warmup: 2, skip: [evaluation]}
YAML
}

# number OPTION VALUE LEAST
number() {
    [[ $2 =~ ^[0-9]{1,9}$ && $2 -ge $3 ]] || fail "$1: '$2' is not an integer of at least $3"
}

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
}

[ "${1-}" != --help ] || { usage; exit 0; }
repetitions=3 steps=5 out=runs/speed ranks=2 table=text width=256 batch=256 peer=${PEER-} chosen=()
python=${PYTHON:-python3} program=${CDSR:-$(dirname "$0")/../build/release/cdsr}
while getopts :w:r:s:o:n:t:d:b:p:h option; do
    case $option in
    w)
        [[ " ${workloads[*]} " == *" $OPTARG "* ]] || fail "-w: '$OPTARG' is not one of ${workloads[*]}"
        chosen+=("$OPTARG")
        ;;
    r) number -r "$OPTARG" 0; repetitions=$OPTARG ;;
    s) number -s "$OPTARG" 1; steps=$OPTARG ;;
    o) out=$OPTARG ;;
    n) number -n "$OPTARG" 1; ranks=$OPTARG ;;
    t) table=$OPTARG ;;
    d) number -d "$OPTARG" 1; width=$OPTARG ;;
    b) number -b "$OPTARG" 1; batch=$OPTARG ;;
    p) peer=$OPTARG ;;
    h) usage; exit 0 ;;
    :) fail "-$OPTARG: takes a value; see --help" ;;
    *) fail "-$OPTARG: there is no such option; see --help" ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 2 ] || fail 'takes two data sets, FOOD-KITCHEN.h5 and AFK.h5; see --help'
food_kitchen=$1 afk=$2
for file in "$@"; do
    [ -r "$file" ] || fail "$file: cannot be read; make it with cdsr prepare"
done
[ -x "$program" ] || fail "$program: cannot be run; build it, or name it by CDSR"
if [ "$repetitions" = 0 ]; then
    peer=
elif [ ! "$peer" ]; then
    say 'no peer is named: without its columns'
elif [ ! -r "$peer" ]; then
    say "$peer: cannot be read: without the peer's columns"
    peer=
fi
[ ${#chosen[@]} -gt 0 ] || chosen=("${workloads[@]}")
open_folder
for ((i = 0; i < repetitions; i++)); do
    for workload in "${chosen[@]}"; do
        measure "$workload"
    done
done
print_table
