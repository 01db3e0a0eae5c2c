# Texts and tags by a language model (cdsr enrich): from a server with faults, by batch files, from the
# cache alone; killed, damaged and locked. The model is tests/chat_server.py.
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/server.bash"
cd "$work" || exit 1
e='cdsr: error:'

# items FOLDER A B: a C2DSR folder of so many items, each with a title of its own and every third with a
# description; but item 1 has the title of item 0, and item 2 has neither.
items() {
    walking_folder "$1" "$2" "$3" 20 5
    awk -v n=$(($2 + $3)) -v a="$2" 'BEGIN {
        print "index\tdomain\tkey\ttitle\tdescription"
        for (i = 0; i < n; i++)
            printf "%d\t%s\tk\t%s\t%s\n", i, i < a ? "A" : "B",
                i == 2 ? "" : "Thing " (i == 1 ? 0 : i) " of kind " (i == 1 ? 0 : i % 7),
                i % 3 || i < 3 ? "" : "made in " i
    }' >"$1/items.tsv"
    "$CDSR" prepare --format c2dsr "$1" -o "$1.h5" >out 2>err || complain "prepare $1: $(cat err)"
}
items plain 70 50
said=(--model m --domain A=books --domain B=films)

# enriches RANKS DATA ARGUMENT...: with status 0.
enriches() {
    ranks "$1" enrich "$2.h5" "${said[@]}" "${@:3}"
    # shellcheck disable=SC2046
    statuses $(yes 0 | head -n "$1")
}

# fresh NAME: NAME.h5, a copy of the small data set without answers.
fresh() {
    cp plain.h5 "$1.h5"
    rm -f "$1".h5.*
}

# same A B: the data sets have the same bytes.
same() {
    cmp "$1.h5" "$2.h5" || complain "$1.h5 and $2.h5 are the same"
}

# tidy: no file is left that belongs to a job at work.
tidy() {
    [ -z "$(find . -name '*.lock' -o -name '*.part-*' -o -name '*.tmp.*')" ] ||
        complain "left: $(find . -name '*.lock' -o -name '*.part-*' -o -name '*.tmp.*')"
}

test_texts() { # Every item with a text gets an answer, once for the same prompt, and thoughts are dropped.
    fresh texts
    serve
    enriches 1 texts --name about --prompt description --endpoint "$endpoint" --quiet
    says_nothing err
    has out 'texts.h5: text about of 119 items by m, 1 missing, 0 truncated'
    has out 'answers: 118 new, the others from texts.h5.answers.jsonl; '
    [ "$(served 200)" = 118 ] || complain "118 requests, but $(served 200)"
    [ "$(grep -c '"text":"A text about Thing ' texts.h5.answers.jsonl)" = 118 ] || complain 'texts as they are'
    ! grep -q 'think\|not to be seen' texts.h5.answers.jsonl || complain 'thoughts are kept'
    "$CDSR" features texts.h5 --name about --from text:about --encoder lsa --dim 4 --quiet >out || complain 'the table'
    has out 'texts.h5: table about, 120 rows of 4 columns by lsa of text:about, 1 missing'
    "$CDSR" features texts.h5 --name other --from text:other --dim 4 2>err
    says err "$e texts.h5: has no text 'other'; it has: about; add one with 'cdsr enrich'"
    tidy
}

test_asks_nothing_twice() { # A second run asks nothing, another prompt or parameter anew.
    fresh twice
    serve
    enriches 1 twice --name about --prompt description --endpoint "$endpoint"
    fresh again
    enriches 2 again --name about --prompt description --endpoint "$endpoint" --cache twice.h5.answers.jsonl
    has out 'answers: 0 new, '
    same again twice
    [ "$(wc -l <served)" = 118 ] || complain "no request more than 118, but $(wc -l <served)"
    kill "$server"
    enriches 2 twice --name again --prompt description
    enriches 2 twice --name again --prompt description --overwrite --endpoint http://127.0.0.1:1
    refused "$e twice.h5: 119 of 120 items have no answer; the others are in twice.h5.answers.jsonl; ask for them with --endpoint or --batch-out, or give --allow-missing" \
        enrich twice.h5 "${said[@]}" --name more --prompt description --max-tokens 9
    refused "$e twice.h5: has a text 'again' already; name another or give --overwrite" \
        enrich twice.h5 "${said[@]}" --name again --prompt description
}

test_ranks() { # Any number of ranks makes the same file, also of a cache that others have begun.
    serve
    local n
    for n in 1 2 3; do
        fresh "ranks$n"
        enriches "$n" "ranks$n" --name about --prompt specific --endpoint "$endpoint"
        enriches $((4 - n)) "ranks$n" --prompt tags --endpoint "$endpoint"
        same ranks1 "ranks$n"
    done
    [ "$(wc -l <served)" = $((9 * 118)) ] || complain "$((9 * 118)) requests, but $(wc -l <served)"
    tidy
}

test_tags() { # Tags are parsed, folded, told apart, and asked about a second time.
    fresh tags
    serve
    enriches 2 tags --prompt tags --endpoint "$endpoint" --quiet
    says_nothing err
    has out ' tags of 119 items by m, '
    has out ' per item, 1 missing, 0 truncated, 0 without a tag in the answer'
    grep -q 'thing, 5, of, shared tag' served || complain 'the second prompt has the tags of the first'
    "$CDSR" features tags.h5 --name tags --from tags --vocabulary --dim 2 >out || complain 'vectors'
    refused "$e tags.h5: has tags already; give --overwrite to replace them" \
        enrich tags.h5 "${said[@]}" --prompt tags
    enriches 1 tags --prompt tags --overwrite
    has err "warning: tags.h5: the vectors of its former tags go with them"
    fresh bare
    enriches 1 bare --prompt tags --refine none --endpoint "$endpoint" --cache tags.h5.answers.jsonl
    has out 'answers: 0 new, '
}

test_faults() { # Ten thousand items come through 5 % faults of every kind.
    rm -rf many
    items many 6000 4000
    cp many.h5 calm.h5
    serve --faults 0.05 --slow 3
    enriches 2 many --name about --prompt description --endpoint "$endpoint" --concurrency 64 --timeout 1 \
        --pause 0.1 --retries 8 --quiet
    says_nothing err
    has out 'many.h5: text about of 9999 items by m, 1 missing, 0 truncated'
    [ "$(wc -l <many.h5.answers.jsonl)" = 9998 ] || complain "9998 answers"
    for kind in 429 500 413 slow drop half json index; do
        [ "$(served $kind)" -gt 5 ] || complain "faults of kind $kind"
    done
    serve
    enriches 1 calm --name about --prompt description --endpoint "$endpoint" --concurrency 64
    same calm many
}

test_retry_after() { # A request is not repeated before the time that the server asks for.
    items few 3 0
    serve --faults 1 --kinds 429
    local start=${EPOCHREALTIME/./}
    ranks 1 enrich few.h5 "${said[@]::4}" --name about --prompt description --endpoint "$endpoint" --retries 2 --pause 0
    statuses 75
    [ $((${EPOCHREALTIME/./} - start)) -ge 2000000 ] || complain 'two seconds for two repetitions'
    has err 'does not answer: status 429: slow down; what was answered is in the cache: run it again'
}

test_truncated_and_empty() { # Cut answers are kept and counted, empty ones have failed.
    fresh cut
    serve --faults 0.3 --kinds length
    enriches 1 cut --name about --prompt description --endpoint "$endpoint"
    [ "$(grep -c '"truncated":true' cut.h5.answers.jsonl)" = "$(served length)" ] || complain 'the cache has the mark'
    ! grep -q ', 0 truncated' out || complain 'they are counted'
    fresh empty
    serve --faults 0.3 --kinds empty
    ranks 2 enrich empty.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint" --retries 0
    statuses 3 3
    has err ': the answer is empty'
}

test_failed_for_good() { # What the server refuses is listed, the rest is kept, the data set as it was.
    fresh bad
    serve --faults 0.1 --kinds 400
    ranks 2 enrich bad.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint" --failed failed
    statuses 3 3
    local n
    n=$(served 400)
    [ "$(wc -l <failed)" = "$n" ] || complain "$n failures in $(cat failed)"
    grep -q "^[ab][0-9]*	status 400: so it is$" failed || complain "key and reason: $(cat failed)"
    has err "more items failed; --failed FILE lists them all"
    has err "of 120 items have no answer; the others are in bad.h5.answers.jsonl; run it again to ask for them once more, or give --allow-missing"
    same bad plain
    [ "$(wc -l <bad.h5.answers.jsonl)" = $((118 - n)) ] || complain "$((118 - n)) answers"
    enriches 1 bad --name about --prompt description --allow-missing
    has err 'items have no answer, and are written as missing'
    tidy
}

test_gone() { # A server that is not there ends the job with 75; one that refuses all, with 2.
    fresh gone
    ranks 2 enrich gone.h5 "${said[@]}" --name about --prompt description --endpoint http://127.0.0.1:1 --retries 1 --pause 0.1
    statuses 75 75
    has err '; it is tried again'
    has err "$e http://127.0.0.1:1/v1/chat/completions: does not answer: "
    serve --faults 1 --kinds empty
    ranks 1 enrich gone.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint" --retries 1 --pause 0
    statuses 3
    has err ': 20 requests in a row failed, the last one: the answer is empty; what was answered is in the cache'
    serve --only other
    ranks 3 enrich gone.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint/v1/"
    statuses 2 2 2
    has err 'status 404: no model m; check --endpoint, --model and the key in CDSR_API_KEY or OPENAI_API_KEY'
    [ "$(grep -c error: err)" = 1 ] || complain "one line, but: $(cat err)"
    [ "$(wc -l <served)" -le 64 ] || complain "not all requests are made: $(wc -l <served)"
    tidy
}

# killed STATUS COMMAND...: it ends so.
killed() {
    timeout 60 "${@:2}" >out 2>err
    local got=$?
    [ $got = "$1" ] || complain "exit status $1, but $got: $(cat err)"
}

test_kill() { # SIGKILL at any point loses no more than the answers on their way.
    local point count=0
    rm -rf some
    items some 300 200
    cp some.h5 kill.h5
    rm -f kill.h5.*
    serve --delay 0.02
    for point in 0:answer:1 0:answer:5 1:answer:3 1:answered:4 0:answered:9 1:answer:1 0:answered:1 1:answered:7; do
        CDSR_TEST_KILL=$point killed 137 mpirun -n 2 "$CDSR" enrich kill.h5 "${said[@]}" --name about --prompt description \
            --endpoint "$endpoint" --concurrency 4
        count=$((count + 1))
    done
    CDSR_TEST_KILL=0:flush:1 killed 137 "$CDSR" enrich kill.h5 "${said[@]}" --name about --prompt description \
        --endpoint "$endpoint" --concurrency 4
    same kill some
    rm kill.h5.tmp.*
    enriches 3 kill --name about --prompt description --endpoint "$endpoint"
    [ "$(cut -f 2 served | sort -u | wc -l)" = 498 ] || complain 'every item is asked about'
    [ "$(wc -l <served)" -le $((498 + 4 * count)) ] || complain "at most 4 requests for each of $count kills in vain: $(wc -l <served)"
    enriches 1 some --name about --prompt description --cache kill.h5.answers.jsonl
    same some kill
}

test_kill_while_parts_are_joined() { # Answers that stand in two files after a kill count once.
    fresh parts
    serve
    CDSR_TEST_KILL=0:part:1 killed 137 mpirun -n 3 "$CDSR" enrich parts.h5 "${said[@]}" --name about --prompt description \
        --endpoint "$endpoint"
    enriches 1 parts --name about --prompt description
    [ "$(wc -l <served)" = 118 ] || complain 'nothing is asked twice'
    tidy
}

test_signal() { # TERM: no further requests; what comes yet is kept.
    fresh term
    serve --delay 0.2
    "$CDSR" enrich term.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint" --concurrency 4 >out 2>err &
    local job=$!
    until [ -s term.h5.answers.jsonl ]; do sleep 0.05; done
    kill -TERM $job
    wait $job
    [ $? = 75 ] || complain "status 75: $(cat err)"
    has err 'stopped by a signal or the time limit after '
    [ "$(wc -l <term.h5.answers.jsonl)" = "$(wc -l <served)" ] || complain 'every request has its answer'
    tidy
}

test_key() { # The key is sent, and stands nowhere else.
    local secret=sk-T0pSecret-$RANDOM$RANDOM
    mkdir -p key
    cp plain.h5 key/data.h5
    serve --key "$secret" --delay 0.1
    cd key || exit 1
    OPENAI_API_KEY=wrong CDSR_API_KEY=$secret "$CDSR" enrich data.h5 "${said[@]}" --name about --prompt description \
        --endpoint "$endpoint" --concurrency 8 --log-level debug >out 2>err &
    local job=$!
    until [ -s data.h5.answers.jsonl ]; do sleep 0.05; done
    ps -ww -o args= -p $job >args
    wait $job || complain "status 0: $(cat err)"
    [ -s args ] || complain 'the command line was looked at'
    ! grep -rqF "$secret" . || complain "the key is in $(grep -rlF "$secret" .)"
    CDSR_API_KEY=other-$secret "$CDSR" enrich data.h5 "${said[@]}" --name more --prompt agnostic \
        --endpoint "$endpoint" >out 2>err
    [ $? = 2 ] || complain "status 2: $(cat err)"
    grep -q 'status 401: bad key Bearer \*\*\*' err || complain "what the server says, without the key: $(cat err)"
    ! grep -rqF "$secret" . || complain "the key is in $(grep -rlF "$secret" .)"
    CDSR_API_KEY=$'two\nlines' "$CDSR" enrich data.h5 "${said[@]}" --name more --prompt agnostic --endpoint "$endpoint" 2>err
    grep -q "$e the API key in the environment has characters that no key has" err || complain "$(cat err)"
    "$CDSR" enrich data.h5 "${said[@]}" --name more --prompt agnostic --endpoint http://me:you@host 2>err
    grep -q -- '--endpoint: holds a name or password' err || complain "$(cat err)"
}

test_tls() { # Certificates are verified.
    command -v openssl >/dev/null || skip 'no openssl'
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
        -keyout tls.pem -out cert.pem 2>/dev/null || skip 'openssl makes no certificate'
    cat cert.pem >>tls.pem
    fresh tls
    serve --tls tls.pem
    endpoint=${endpoint/http:/https:}
    ranks 1 enrich tls.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint" --retries 0
    statuses 75
    has err 'certificate'
    [ ! -s served ] || complain 'a server that is not trusted is asked'
    export CURL_CA_BUNDLE=$PWD/cert.pem
    enriches 1 tls --name about --prompt description --endpoint "$endpoint"
}

# by_batch DATA FORM ARGUMENT...: two rounds of requests, of which the first fails in parts.
by_batch() {
    rm -rf asked told asked2 told2
    enriches 2 "$1" --batch-out asked "${@:3}"
    "$python" "$chat" batch asked told --faults 0.2 --form "$2"
    ranks 2 enrich "$1.h5" "${said[@]}" --batch-in told --failed failed "${@:3}"
    statuses 2 2
    has err 'have no answer; the others are in '
    grep -q '	it failed$' failed && grep -q '	status 500: so it is$' failed && grep -q '	has no result$' failed ||
        complain "reasons: $(cat failed)"
    enriches 1 "$1" --batch-out asked2 "${@:3}"
    "$python" "$chat" batch asked2 told2 --form "$2"
}

test_batch() { # Requests go out in files, results come in any order and in parts, in both forms.
    fresh direct
    serve
    enriches 1 direct --name about --prompt agnostic --endpoint "$endpoint"
    local form
    for form in body bare; do
        fresh batch
        by_batch batch $form --name about --prompt agnostic
        [ "$(wc -l <asked/requests-0001.jsonl)" = 118 ] || complain '118 requests'
        [ "$(wc -l <asked2/requests-0001.jsonl)" = "$(wc -l <failed)" ] || complain 'what failed is asked again'
        [ "$(sed 's/.*custom_id":"//; s/".*//' asked/requests-0001.jsonl | sort -u | wc -l)" = 118 ] || complain 'names'
        enriches 3 batch --batch-in told2 --name about --prompt agnostic
        same batch direct
    done
    enriches 1 batch --batch-in told2 --name about --prompt agnostic --overwrite
    has out 'answers: 0 new, '
    refused "$e asked: has requests (requests-...) already; give --batch-out another folder or remove them" \
        enrich batch.h5 "${said[@]}" --batch-out asked --name x --prompt agnostic
    ranks 2 enrich batch.h5 "${said[@]}" --batch-in told3 --name x --prompt specific
    statuses 3 3
    says err "$e told3: cannot be read: No such file or directory"
}

test_batch_of_tags() { # The second prompt's requests come with the next --batch-out.
    fresh direct
    serve
    enriches 1 direct --prompt tags --endpoint "$endpoint"
    fresh batch
    rm -rf one two
    enriches 1 batch --prompt tags --batch-out one
    "$python" "$chat" batch one two
    ranks 1 enrich batch.h5 "${said[@]}" --prompt tags --batch-in two
    statuses 2
    enriches 2 batch --prompt tags --batch-out three
    has out 'three: 118 requests in 1 files; 118 answers are in batch.h5.answers.jsonl'
    "$python" "$chat" batch three two
    enriches 2 batch --prompt tags --batch-in two
    same batch direct
}

test_damaged_results() { # Lines that are no results are warned of, and the others count.
    fresh damaged
    rm -rf asked told
    enriches 1 damaged --batch-out asked --name about --prompt agnostic
    "$python" "$chat" batch asked told
    cp asked/requests-0001.jsonl told/
    { echo '{"custom_id": "x", "response": {}}'; printf 'a\0b\n\n[1]\n'; head -c 40 told/results.jsonl; } >told/a.jsonl
    enriches 1 damaged --batch-in told --name about --prompt agnostic
    has err 'told/a.jsonl:1: its custom_id is not one of --batch-out; the line is left out'
    has err 'told: 4 lines of results are damaged, and left out'
}

test_damaged_cache() { # A line that is torn or changed is asked for again, the others are not.
    fresh cache
    serve
    enriches 1 cache --name about --prompt description --endpoint "$endpoint"
    cp cache.h5 before.h5
    cp plain.h5 cache.h5
    sed -i '7s/Thing/thing/' cache.h5.answers.jsonl
    truncate -s -5 cache.h5.answers.jsonl
    : >served
    enriches 2 cache --name about --prompt description --endpoint "$endpoint"
    has err 'warning: cache.h5.answers.jsonl: the last line was not written to its end, and is cut off'
    has err 'warning: cache.h5.answers.jsonl: 1 lines are damaged, and passed over'
    has out 'answers: 2 new, '
    same cache before
    cp cache.h5 victim.h5
    refused "$e victim.h5: is not a cache of answers; give --cache another name, or remove it" \
        enrich cache.h5 "${said[@]}" --name x --prompt description --cache victim.h5
    same cache victim
}

test_lock() { # One job at a time writes a cache.
    fresh lock
    serve
    CDSR_TEST_STOP=0:answered:3 "$CDSR" enrich lock.h5 "${said[@]}" --name about --prompt description \
        --endpoint "$endpoint" >out1 2>err1 &
    local job=$!
    until [ -s lock.h5.answers.jsonl ]; do sleep 0.05; done
    ranks 2 enrich lock.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint" --wait 0
    statuses 75 75
    has err 'lock.h5.answers.jsonl: is being written by process '
    "$CDSR" features lock.h5 --name text --from titles --dim 3 --wait 5 >out 2>err || complain "$(cat err)"
    kill -CONT $job
    wait $job || complain "$(cat err1)"
    "$CDSR" features lock.h5 --name about --from text:about --dim 3 --wait 0 >out 2>err || complain "$(cat err)"
}

test_prompt_files() { # A prompt of the user's own; what is wrong with one is said with its line.
    fresh own
    serve
    printf 'Say what this is.\nTitle: {title}\n{description}\n{}{"a": 1}\n' >own.txt
    enriches 2 own --name about --prompt own.txt --endpoint "$endpoint"
    has out 'text about of 119 items'
    printf 'Title: {title}\n\nof {colour}\n' >bad.txt
    refused "$e bad.txt:3: '{colour}' is not one of {title}, {description}, {domain}, {tags}; correct it" \
        enrich own.h5 "${said[@]}" --name x --prompt bad.txt
    printf 'Domain: {domain}\n' >bad.txt
    refused "$e bad.txt:1: the prompt has no {title}, {description} or {tags}: it would be the same for all items" \
        enrich own.h5 "${said[@]}" --name x --prompt bad.txt
    refused "$e absent: is neither a file nor one of the prompts description, tags, refine, agnostic, specific" \
        enrich own.h5 "${said[@]}" --name x --prompt absent
    printf 'Tags: {tags}\n' >tags.txt
    refused "$e own.h5: has no tags for {tags} in tags.txt; make them first: --prompt tags" \
        enrich own.h5 "${said[@]}" --name x --prompt tags.txt
    refused "$e own.txt: has no place {tags} for the tags that it shall refine; add it" \
        enrich own.h5 "${said[@]}" --prompt tags --refine own.txt
    refused "$e --domain: 'C=x': the domains of own.h5 are called A and B" \
        enrich own.h5 --model m --domain C=x --name x --prompt own.txt
}

test_arguments() { # Options that are missing or do not belong together are refused.
    refuses() {
        refused "$e enrich: $1" enrich plain.h5 "${@:2}"
    }
    refuses 'missing --prompt PROMPT' --name x
    refuses 'missing --model MODEL' --name x --prompt tags
    refuses 'missing --name NAME' --prompt description --model m
    refuses '--name: tags have no name; leave it out' --prompt tags --model m --name x
    refuses '--refine is about tags' --prompt description --model m --name x --refine y
    refuses "--name: 'a/b' is not made of letters, digits, _ and -" --prompt description --model m --name a/b
    refuses 'give one of --endpoint, --batch-out and --batch-in' --prompt description --model m --name x --batch-in a --batch-out b
    refuses '--endpoint: does not begin with http:// or https://' --prompt description --model m --name x --endpoint host:80
    refuses '--endpoint: has a query (?, #), which is not known what to do with' --prompt description --model m --name x --endpoint 'http://h/?a'
    refused "$e --parameters: model, messages and stream are no parameters; leave them out" \
        enrich plain.h5 --prompt description --model m --name x --parameters '{"model": "a"}'
    refused "$e --parameters: is no JSON object such as '{\"seed\": 1}': '[' or '{' expected near '3'" \
        enrich plain.h5 --prompt description --model m --name x --parameters 3
}

run_tests "$@"
