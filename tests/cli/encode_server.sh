# Tables by a server that encodes texts or pictures (cdsr features --encoder server), with faults.
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/server.bash"
cd "$work" || exit 1
e='cdsr: error:'
good_folder
printf 'index\tdomain\tkey\ttitle\tdescription\n0\tA\tk\tRed chair\tof oak\n1\tA\tk\tred\tOAK\n3\tB\tk\tstrange\tlone\n4\tB\tk\tred\t\n' >in/items.tsv
"$CDSR" prepare --format c2dsr in -o small.h5 >out 2>err || complain "$(cat err)"
synth --items-a 300 --items-b 200 --users 40 -o plain.h5
synth --items-a 30 --items-b 20 --users 40 -o items.h5

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

# pictures: files of 50 items, which only begin like pictures, and in the file `rows` what the server makes of
# them. Seven items have none, one that is too large or one of no known kind; A7 and A8 have the same.
pictures() {
    rm -rf pictures
    mkdir pictures
    "$python" -B - "$(dirname "$chat")" <<'PYTHON'
import struct, sys
sys.path.insert(0, sys.argv[1])
from chat_server import picture_text, vector
kinds = [("jpeg", b"\xff\xd8\xff"), ("png", b"\x89PNG\r\n\x1a\n"), ("webp", b"RIFF\0\0\0\0WEBP")]
with open("rows", "wb") as rows:
    for i in range(50):
        kind, data = kinds[i % 3] if i != 8 else kinds[7 % 3]
        data += bytes(range(i if i != 8 else 7))
        numbers = [0] * 16
        if i % 10 != 3:
            with open(f"pictures/{'A' if i < 30 else 'B'}{i % 30}." + ["jpg", "jpeg", "png", "webp"][i % 4], "wb") as file:
                file.write(b"GIF89a" if i == 5 else data)
                if i == 4:
                    file.truncate((1 << 26) + 1)
            if i not in (4, 5):
                numbers = vector(picture_text("image/" + kind, data))
        rows.write(struct.pack("<16f", *numbers))
PYTHON
}

# views RANKS DATA ARGUMENT...: a table of the pictures.
views() {
    ranks "$1" features "$2.h5" --name image --from images:pictures --encoder server --model m "${@:3}"
}

test_pictures() { # Each is asked about once, as it is; rows are the server's, on any number of ranks.
    pictures
    serve
    fresh one items
    views 1 one --endpoint "$endpoint" --quiet
    statuses 0
    has out 'one.h5: table image, 50 rows of 16 columns by m of images:pictures, 7 missing'
    has out 'vectors: 42 new, the others from one.h5.answers.jsonl; '
    says err 'cdsr: warning: item 3, A3: there is no .jpg, .jpeg, .png or .webp' \
        'cdsr: warning: item 4, pictures/A4.jpg: it has more than 64 MiB' \
        'cdsr: warning: item 5, pictures/A5.jpeg: it is no JPEG, PNG or WebP' \
        'cdsr: warning: item 13, A13: there is no .jpg, .jpeg, .png or .webp' \
        'cdsr: warning: item 23, A23: there is no .jpg, .jpeg, .png or .webp'
    "$python" -c 'import sys; sys.exit(open("rows", "rb").read() not in open("one.h5", "rb").read())' ||
        complain 'the rows are those of the server'
    grep -qa 'm of images:pictures' one.h5 || complain 'what the table is made of is said'
    ! grep -q 'data:' one.h5.answers.jsonl || complain 'no pictures are kept'
    fresh three items
    views 3 three --endpoint "$endpoint" --encoding float
    statuses 0 0 0
    same three one
    [ "$(served 200)" = 84 ] || complain "$(served 200) requests, not 84"
    views 2 three --endpoint "$endpoint" --overwrite
    has out 'vectors: 0 new, '
    [ "$(served 200)" = 84 ] || complain 'nothing is asked twice'
    printf 'more' >>pictures/A0.jpg
    views 2 three --endpoint "$endpoint" --overwrite
    has out 'vectors: 1 new, '
}

test_faults_with_pictures() { # Requests come through them; what the server refuses fails alone.
    pictures
    serve
    fresh calm items
    views 1 calm --endpoint "$endpoint"
    serve --faults 0.3 --slow 3
    fresh faults items
    views 2 faults --endpoint "$endpoint" --timeout 1 --pause 0.1 --retries 12
    statuses 0 0
    [ "$(served index)" -gt 0 ] || complain 'faults of kind index'
    same faults calm
    serve --bad image/webp
    fresh bad items
    views 2 bad --endpoint "$endpoint" --failed failed
    statuses 3 3
    [ -s failed ] && ! grep -qv 'status 400: this text' failed || complain "$(head -3 failed)"
    views 1 bad --allow-missing
    has out " $((7 + $(wc -l <failed))) missing"
}

test_changed_picture() { # One that was changed or removed since it was looked at fails, and no other.
    pictures
    serve --delay 0.1
    fresh changed items
    views 1 changed --endpoint "$endpoint" --concurrency 1 --failed failed &
    until [ -s served ] || ! kill -0 $!; do sleep 0.05; done
    rm pictures/B19.jpeg
    printf 'more' >>pictures/B18.jpg
    wait $!
    statuses 3
    says failed 'B18	what it is about is not there any more, or has changed' \
        'B19	what it is about is not there any more, or has changed'
    views 2 changed --endpoint "$endpoint"
    has out 'vectors: 1 new, '
    has out ', 8 missing'
}

test_refused_pictures() { # No folder, and one without pictures.
    ranks 2 features plain.h5 --name x --from images:nowhere --encoder server --model m
    statuses 3 3
    says err "$e nowhere: cannot be listed: No such file or directory; name the folder of the pictures"
    mkdir empty
    ranks 2 features plain.h5 --name x --from images:empty --encoder server --model m
    statuses 2 2
    has err "$e images:empty: no item of plain.h5 has one that can be encoded"
}

test_refused() { # Arguments that do not go together, models and widths that are not there.
    refused "$e features: --encoder server: give the name of the model, --model MODEL" \
        features plain.h5 --name x --from titles --encoder server
    refused "$e features: --encoder server: goes with one --from titles, titles+description, text:NAME or images:DIR" \
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
