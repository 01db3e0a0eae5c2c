# jobs/speed.sh: a table of the speed of cdsr and of a peer, which a script plays here.
. "$(dirname "$0")/common.bash"
speed=$(cd "$(dirname "$0")/../../jobs" && pwd)/speed.sh
cd "$work" || exit 1
synth --items-a 300 --items-b 500 --users 300 --seed 2 --features text:16 -o data.h5

# What it is asked, and figures that depend on it.
cat >peer.sh <<'PEER'
echo "$*" >>asked
case $* in
*precision=bf16*) echo '{"peer": "none", "sequences_per_s": 0.5, "peak_rss_mb": 1234.5}' ;;
*) echo '{"peer": "none", "sequences_per_s": 0.25, "peak_rss_mb": 2345.6}' ;;
esac
PEER

# speed STATUS FOLDER ARGUMENT...: the script at a tiny size, with one data set for both.
speed() {
    PYTHON=bash timeout 100 "$speed" -o "$2" -s 1 -d 16 -b 32 "${@:3}" data.h5 data.h5 >out 2>err
    [ $? = "$1" ] || complain "exit status $1: $(cat err)"
}

# cell N: of the one row of the table.
cell() {
    awk -F ' *[|] *' -v n="$1" 'NR == 3 { print $(n + 1) }' out
}

# refuses LINE ARGUMENT...: of the script, before anything is measured.
refuses() {
    timeout 10 "$speed" "${@:2}" >out 2>err
    [ $? = 2 ] || complain "exit status 2: ${*:2}"
    says err "speed: $1"
    says_nothing out
}

test_table() { # Processor, kernel, the figures of both programs and their ratios are in the table.
    speed 0 table -r 1 -w sampled -p peer.sh
    says_nothing err
    [ "$(wc -l <out)" = 3 ] || complain "one workload: $(cat out)"
    [ "$(cell 4) $(cell 7) $(cell 10)" = '0 0 2.35' ] || complain "figures of the peer: $(cat out)"
    case $(cell 2) in *', family '[0-9]*', model '[0-9]*) ;; *) complain "processor: $(cell 2)" ;; esac
    case $(cell 9) in amx | avx512_bf16 | portable) ;; *) complain "kernel: $(cell 9)" ;; esac
    own=$(sed -n 's/.*"sequences_per_s": \([0-9.]*\).*/\1/p' table/sampled.cdsr.bf16.1.json)
    awk -v own="$own" -v said="$(cell 8)" 'BEGIN {
        exit !(said == sprintf("%.0f (%.1f x)", own, own / 0.5)) }' || complain "speed in bf16 is $own: $(cell 8)"
}

test_same_work() { # The peer is asked for what cdsr is, in both precisions.
    rm -f asked
    speed 0 work -r 1 -w fused -p peer.sh
    keys='data.h5 modalities=id,text loss=exact max_len=15'
    says asked "$keys precision=fp32 dim=16 batch=32 steps=1 warmup=2 threads=2" \
        "$keys precision=bf16 dim=16 batch=32 steps=1 warmup=2 threads=2"
    grep -q '"batch": 32' work/fused.cdsr.fp32.1.json || complain 'a batch of 32'
}

test_parts() { # Repetitions add up, in any parts, and their median is what counts.
    speed 0 parts -r 0
    for n in 1 2 3 4; do
        for precision in fp32 bf16; do
            echo "{\"sequences_per_s\": $((n == 4 ? 100 : 10 * n)), \"fraction_of_peak\": 0.5, \"sgemm_gflops\": 100}" \
                >parts/exact.cdsr.$precision.$n.json
        done
    done
    speed 0 parts -r 0
    says_nothing err
    [ "$(cell 5)" = 25 ] && [ "$(cell 6)" = '50 %' ] || complain "the median of 10, 20, 30 and 100: $(cat out)"
    speed 0 parts -r 1 -w exact
    [ -e parts/exact.cdsr.bf16.5.json ] || complain "the fifth repetition: $(ls parts)"
}

test_all_digits() { # Ratios are of the figures as they are, not as they are shown.
    speed 0 digits -r 0
    echo '{"sequences_per_s": 10870.1707576868, "gemm_bf16": "portable"}' >digits/exact.cdsr.bf16.1.json
    echo '{"sequences_per_s": 0.5}' >digits/exact.peer.bf16.1.json
    speed 0 digits -r 0
    [ "$(cell 8)" = '10870 (21740.3 x)' ] || complain "10870.17 / 0.5: $(cat out)"
}

test_without_peer() { # Without a peer its columns are empty, and a line says why.
    speed 0 alone -r 1 -w exact -p nowhere.py
    says err "speed: nowhere.py: cannot be read: without the peer's columns"
    [ "$(cell 4) $(cell 7) $(cell 10)" = '- - -' ] || complain "no figures of a peer: $(cat out)"
    echo 'echo "no torch" >&2; exit 1' >broken.sh
    speed 0 alone -r 1 -w exact -p broken.sh
    says err 'speed: bash broken.sh fails (no torch): without its columns'
    [ "$(cell 4)" = - ] || complain "no figures of a peer: $(cat out)"
}

# mixed FOLDER: is refused.
mixed() {
    speed 2 "$1" -r 0
    has err "speed: $1: was measured on another processor or with other settings; name another folder with -o"
}

test_other_settings() { # Figures of other settings or of another processor are not mixed.
    speed 0 settings -r 0
    cp -r settings machine
    sed -i 's/dim: 16/dim: 8/' settings/speed.yaml
    mixed settings
    sed -i 's/family/line/' machine/processor
    mixed machine
}

test_usage() { # What is asked for wrongly is told in a line.
    refuses 'takes two data sets, FOOD-KITCHEN.h5 and AFK.h5; see --help' data.h5
    refuses 'nothere.h5: cannot be read; make it with cdsr prepare' data.h5 nothere.h5
    refuses "-w: 'half' is not one of exact fused sampled" -w half data.h5 data.h5
    refuses "-r: 'many' is not an integer of at least 0" -r many data.h5 data.h5
    refuses "-s: '0' is not an integer of at least 1" -s 0 data.h5 data.h5
    refuses '-x: there is no such option; see --help' -x data.h5 data.h5
    refuses '-o: takes a value; see --help' -o
    CDSR=nothing refuses 'nothing: cannot be run; build it, or name it by CDSR' data.h5 data.h5
    "$speed" --help >out 2>err || complain '--help'
    has out 'jobs/speed.sh [OPTION...] FOOD-KITCHEN.h5 AFK.h5'
    says_nothing err
}

run_tests "$@"
