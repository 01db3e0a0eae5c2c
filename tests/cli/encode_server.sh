# Tables by a server that encodes texts (cdsr features --encoder server), with faults.
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/server.bash"
cd "$work" || exit 1
e='cdsr: error:'
good_folder
printf 'index\tdomain\tkey\ttitle\tdescription\n0\tA\tk\tRed chair\tof oak\n1\tA\tk\tred\tOAK\n3\tB\tk\tstrange\tlone\n4\tB\tk\tred\t\n' >in/items.tsv
"$CDSR" prepare --format c2dsr in -o small.h5 >out 2>err || complain "$(cat err)"
synth --items-a 300 --items-b 200 --users 40 -o plain.h5

# fresh NAME [OF]: a copy of a data set without vectors.
fresh() {
    cp "${2:-plain}.h5" "$1.h5"
    rm -f "$1".h5.*
}

# encodes RANKS DATA ARGUMENT...: a table of the titles, with status 0.
encodes() {
    ranks "$1" features "$2.h5" --name text --from titles --encoder server --model m "${@:3}"
    # shellcheck disable=SC2046
    statuses $(yes 0 | head -n "$1")
}

same() {
    cmp "$1.h5" "$2.h5" || complain "$1.h5 and $2.h5 are the same"
}

test_titles() { # Every text is asked about once; items without one are missing.
    fresh titles small
    serve
    encodes 1 titles --endpoint "$endpoint" --quiet
    says_nothing err
    has out 'titles.h5: table text, 5 rows of 16 columns by m of titles, 1 missing'
    has out 'vectors: 3 new, the others from titles.h5.answers.jsonl; '
    says served '200	3'
    encodes 2 titles --overwrite
    has out 'vectors: 0 new, '
    "$CDSR" features titles.h5 --name more --from titles+description --encoder server --model m --endpoint "$endpoint" >out 2>err ||
        complain "$(cat err)"
    has out 'by m of titles+description, 1 missing'
}

test_forms() { # Base64 and lists of numbers give the same table, whatever the order and the ranks.
    serve
    local n
    fresh first
    encodes 1 first --endpoint "$endpoint"
    for n in 2 3; do
        fresh forms
        encodes $n forms --endpoint "$endpoint" --encoding float --inputs $n
        same forms first
    done
}

test_faults() { # Requests come through faults of every kind.
    fresh calm
    serve
    encodes 1 calm --endpoint "$endpoint"
    fresh faults
    serve --faults 0.3 --slow 3 --inputs 20
    encodes 2 faults --endpoint "$endpoint" --timeout 1 --pause 0.1 --retries 12 --inputs 7 --quiet
    says_nothing err
    [ "$(served index)" -gt 0 ] || complain 'faults of kind index'
    same faults calm
}

test_split() { # Where the server takes fewer texts than --inputs, requests are halved until it does.
    fresh calm
    serve --inputs 500
    encodes 1 calm --endpoint "$endpoint"
    fresh halves
    serve --inputs 5
    encodes 1 halves --endpoint "$endpoint" --inputs 64
    [ "$(served 413)" -gt 0 ] || complain 'requests that are too large'
    same halves calm
}

test_one_bad_text() { # What the server refuses of one text does not fail its neighbours.
    fresh bad
    serve --bad tenzan
    ranks 2 features bad.h5 --name text --from titles --encoder server --model m --endpoint "$endpoint" --inputs 50 --failed failed
    statuses 3 3
    [ -s failed ] && ! grep -qv 'status 400: this text' failed || complain "$(head -3 failed)"
    encodes 1 bad --allow-missing
    has out " $(wc -l <failed) missing"
}

test_kill() { # A killed job goes on with the vectors that it has.
    fresh calm
    serve
    encodes 1 calm --endpoint "$endpoint"
    fresh kill
    CDSR_TEST_KILL=1:answered:40 timeout 60 mpirun -n 2 "$CDSR" features kill.h5 --name text --from titles --encoder server \
        --model m --endpoint "$endpoint" >out 2>err
    [ $? = 137 ] || complain "killed: $(cat err)"
    cmp kill.h5 plain.h5 || complain 'kill.h5 is as before'
    encodes 3 kill --endpoint "$endpoint"
    ! grep -q 'vectors: 0 new' out || complain 'some were left'
    grep -q 'vectors: [0-9]* new' out || complain "$(cat out)"
    same kill calm
}

test_refused() { # Arguments that do not go together, models and widths that are not there.
    refused "$e features: --encoder server: give the name of the model, --model MODEL" \
        features plain.h5 --name x --from titles --encoder server
    refused "$e features: --encoder server: goes with one --from titles, titles+description or text:NAME" \
        features plain.h5 --name x --from a.npy --encoder server --model m
    refused "$e features: --encoder server: goes with the options of servers, --dim, --inputs, --encoding, --dtype and --overwrite alone" \
        features plain.h5 --name x --from titles --encoder server --model m --whiten
    refused "$e features: --model is about --encoder clip and server, --precision about clip, --endpoint about server" \
        features plain.h5 --name x --from titles --model m
    fresh none
    refused "$e none.h5: 500 of 500 items have no vector; the others are in none.h5.answers.jsonl; ask for them with --endpoint, or give --allow-missing" \
        features none.h5 --name x --from titles --encoder server --model m
    serve
    ranks 2 features none.h5 --name x --from titles --encoder server --model m --endpoint "$endpoint" --dim 5
    statuses 2 2
    has err "$e m: gives vectors of 16 numbers, not of --dim 5; leave --dim out"
}

test_written_texts_by_a_model() { # Texts that a model wrote are encoded by a CLIP model, which says who wrote them.
    local golden=${CDSR_SHARED:-../shared}/golden/clip-tiny
    [ -r "$golden/model.safetensors" ] || skip "$golden is not there"
    fresh written
    serve
    ranks 1 enrich written.h5 --name about --prompt description --model writer --endpoint "$endpoint" --quiet
    statuses 0
    ranks 2 features written.h5 --name text --from text:about --encoder clip --model "$golden" --quiet
    statuses 0 0
    has out 'written.h5: table text, 500 rows of 32 columns by clip of text:about, 0 missing'
    grep -qa 'clip of text:about (.*writer.*) (weights a64510582508)' written.h5 || complain 'who wrote the texts is said'
}

run_tests "$@"
