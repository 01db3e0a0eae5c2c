# cdsr bench --deck and plan --deck: figures of merit that prove themselves, without any file.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
json=runs/deck-tiny/bench.json

# invalid REASON: both ranks end with 1, the last line has the reason, and nowhere is a figure of merit.
invalid() {
    statuses 1 1
    tail -n 1 out | grep -q "^INVALID: $1" || complain "INVALID: $1: $(cat out err)"
    ! grep -q '^FOM' out || complain 'no figure of merit'
    grep -q '"verdict": "INVALID"' $json || complain "verdict in $json"
    ! grep -q '"fom"' $json || complain "no figure of merit in $json"
}

ranks 2 bench --deck tiny
statuses 0 0
cp out valid
cp $json valid.json

test_lines() { # The last lines are the figures of merit and VALID.
    [ "$(tail -n 4 valid | sed 's/ [0-9][0-9.e+-]* / N /')" = 'FOM train N sequences/s
FOM rank N users/s
FOM io N GB/s
VALID' ] || complain "last lines: $(cat valid)"
}

test_json() { # bench.json has them with their spread, and what was checked.
    grep -q '"verdict": "VALID"' valid.json || complain 'verdict'
    for name in value min median max repetitions fraction_of_peak network_share imbalance; do
        [ "$(sed -n '/^  "fom"/,/^  }/p' valid.json | grep -c "\"$name\": ")" = 3 ] || complain "three of $name"
    done
    [ "$(sed -n '/^  "checks"/,/^  }/p' valid.json | grep -c '"passed": true')" = 6 ] || complain 'six checks'
    [ "$(ls runs/deck-tiny)" = bench.json ] || complain "what is left: $(ls runs/deck-tiny)"
}

test_fractions() { # No stage and no figure shows more than its peak.
    ! grep -E '"fraction[_a-z]*": ([1-9]|[0-9.]*e\+)' valid.json | grep -v ': 1.0,*$' || complain 'a fraction above 1'
}

test_memory() { # The plan of a deck is near to the peak of its run.
    ranks 1 plan --deck tiny --ranks 2 --gflops 100 --memory-rate 10 --json
    statuses 0
    peak=$(sed -n 's/.*"peak_rss_mb": \([0-9.]*\).*/\1/p' valid.json)
    total=$(sed -n 's/.*"total": \([0-9]*\).*/\1/p' out | head -n 1)
    awk -v p="$peak" -v t="$total" 'BEGIN { t /= 1e6; exit !(p > 50 && t > 0.9 * p && t < 1.1 * p) }' ||
        complain "peak $peak MB, the plan says $total bytes"
}

test_ranks() { # The data, and in reproducible mode the losses, have the same bits on any number of ranks.
    for n in 1 2 4; do
        ranks $n bench --deck tiny --reference train.reproducible=true
        [ "$(sort -u status)" = 0 ] || complain "$n ranks: $(cat err)"
        cp out losses-$n
    done
    [ "$(wc -l <losses-1)" = 4 ] || complain "four steps: $(cat losses-1)"
    cmp losses-1 losses-2 && cmp losses-1 losses-4 || complain 'other bits'
}

test_wrong_loss() { # A constant of the loss that is off by a thousandth is found.
    CDSR_TEST_FACTOR=scale:1.001 ranks 2 bench --deck tiny
    invalid 'losses: off by'
}

test_wrong_gradient() { # So is a gradient that is a twentieth too long, which no loss shows.
    CDSR_TEST_FACTOR=gradient:1.05 ranks 2 bench --deck tiny
    invalid 'gradient: off by'
}

test_fixed() { # What a deck fixes is refused, with the key.
    refused 'cdsr: error: model.dim=32: deck tiny fixes it; a closed run may set run.dir, train.placement and '\
'train.reproducible, an open one (--open) train.precision too' bench --deck tiny model.dim=32
    refused 'cdsr: error: train.precision=bf16: deck tiny fixes it; a closed run may set run.dir, train.placement and '\
'train.reproducible, an open one (--open) train.precision too' bench run.dir=x --deck tiny train.precision=bf16
}

test_usage() { # A deck has a name that there is, and takes no file.
    refused "cdsr: error: bench: --deck: 'huge' is not one of tiny, small, medium, large" bench --deck huge
    refused "cdsr: error: bench: 'run.yaml' is no KEY=VALUE, and no file is needed" bench --deck tiny run.yaml
    refused 'cdsr: error: bench: --minutes, --open, --scratch and --reference belong to --deck' \
        bench run.yaml --open
}

test_scratch() { # A run that cannot write its checkpoints is INVALID, with the status of what failed.
    echo text >file
    ranks 2 bench --deck tiny --scratch file
    statuses 3 3
    has err 'file'
    tail -n 1 out | grep -q '^INVALID: ' && ! grep -q '^FOM' out || complain "INVALID: $(cat out)"
}

test_open() { # An open run may round to bfloat16; it takes as long, and writes where it is told, and records the machine.
    ranks 2 bench --deck tiny --open train.precision=bf16 --scratch elsewhere -o open.json --minutes 0.02
    statuses 0 0
    awk -F '[:,]' '/"training_seconds"/ { seen = $2 >= 1.2 } END { exit !seen }' open.json || complain 'minutes'
    for name in openblas flags compiler host processors_of_rank; do
        grep -q "\"$name\": " open.json || complain "record of $name"
    done
    [ "$(tail -n 1 out)" = VALID ] || complain "VALID: $(cat out)"
    grep -q '"division": "open"' open.json || complain 'division'
    [ -d elsewhere ] && [ -z "$(ls elsewhere)" ] || complain 'the checkpoint is gone'
}

run_tests "$@"
