# The lists of recommend are those that evaluate ranks, in every format; each line of the histories has
# lists of its own.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

walking_folder in 30 40 400 60
"$CDSR" prepare --format c2dsr in -o data.h5 >/dev/null 2>&1 || complain prepare
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1, modalities: [id]}
train: {epochs: 4, batch: 64, lr: 1.0e-2}
YAML
"$CDSR" train run.yaml >/dev/null 2>&1 || complain train

# Histories and targets of the test split, by key.
key='function key(i) { return i < 30 ? "a" i : "b" i - 30 }'
awk -F '\t' "$key"' {
    printf "%d", NR
    for (k = 3; k < NF; k++) printf "\t%s", key(int($k))
    print ""
    print NR "\t" key(int($NF)) > "targets"
}' in/testdata_new.txt >histories.tsv
ranks 1 recommend runs/run -i histories.tsv -k 7 -o lists.tsv

test_hits_are_those_of_evaluate() { # HR@5 of the lists is that of evaluate, own items among the candidates.
    "$CDSR" evaluate runs/run -o metrics.json >/dev/null 2>&1 || complain evaluate
    wanted=$(sed -n '/"test"/,$p' metrics.json | grep -A 9 -E '"(A|B)"' | sed -n 's/.*"hr@5": \([0-9.e-]*\).*/\1/p' | head -2)
    ranks 2 recommend runs/run -i histories.tsv -k 5 --seen -o seen.tsv
    statuses 0 0
    grep 'left out' err >&2 && complain 'all keys are known'
    [ "$(head -1 seen.tsv)" = "$(printf 'user\tdomain\trank\titem\tscore')" ] || complain 'a header'
    [ "$(wc -l <seen.tsv)" = $((1 + 60 * 2 * 5)) ] || complain 'five items of each domain for all'
    got=$(awk -F '\t' '
        NR == FNR { domain = $2 ~ /^a/ ? "A" : "B"; of[$1] = domain "\t" $2
                    count[domain]++; next }
        of[$1] == $2 "\t" $4 { hits[$2]++ }
        END { printf "%.12g\n%.12g\n", hits["A"] / count["A"], hits["B"] / count["B"] }' targets seen.tsv)
    paste <(echo "$wanted") <(echo "$got") | awk '
        NF != 2 || $1 - $2 > 1e-9 || $2 - $1 > 1e-9 { exit 1 } END { exit NR != 2 }' ||
        complain "HR@5 of evaluate: $wanted, of the lists: $got"
}

test_ranks_and_placement() { # The number of ranks and the placement of the tables change no list.
    for n in 1 3; do
        for placement in replicated sharded; do
            ranks $n recommend runs/run -i histories.tsv -k 7 -o $placement-$n.tsv train.placement=$placement
            cut -f 1-4 lists.tsv | cmp -s - <(cut -f 1-4 $placement-$n.tsv) ||
                complain "$n ranks, $placement: other lists"
        done
    done
}

test_history_is_not_listed() { # Without --seen nothing of a history is listed.
    awk -F '\t' '
        NR == FNR { for (k = 2; k <= NF; k++) own[$1 "\t" $k] = 1; next }
        ($1 "\t" $4) in own { exit 1 }' histories.tsv lists.tsv ||
        complain 'an item of the history is listed'
}

test_order() { # The best come first.
    awk -F '\t' 'NR > 1 && $3 > 1 && $5 > last { exit 1 } { last = $5 }' lists.tsv ||
        complain 'the best come first'
}

test_packed_histories() { # Packed, with a byte order mark, CRLF and an empty line at the end they are the same.
    { printf '\xef\xbb\xbf'; sed 's/$/\r/' histories.tsv; echo; } | gzip >histories.tsv.gz
    ranks 1 recommend runs/run -i histories.tsv.gz -k 7 -o packed.tsv
    cmp -s packed.tsv lists.tsv || complain 'a packed file of histories gives the same lists'
}

test_json() { # JSON Lines have a line per user, with the items of the other lists.
    ranks 2 recommend runs/run -i histories.tsv -k 7 --domain B -o top.jsonl
    [ "$(wc -l <top.jsonl)" = 60 ] || complain 'a line per user'
    item=$(awk -F '\t' '$1 == 9 && $2 == "B" && $3 == 1 { print $4 }' lists.tsv)
    grep -q "^{\"user\": \"9\", \"items\": {\"B\": \[{\"item\": \"$item\", \"score\"" top.jsonl ||
        complain "the best item $item of user 9: $(grep '"9"' top.jsonl)"
}

test_hdf5() { # HDF5 takes lists that are longer than the catalogue.
    ranks 2 recommend runs/run -i histories.tsv -k 100 -o top.h5
    statuses 0 0
}

test_more_places_than_items() { # Lists end with the catalogue, and what was listed is said.
    printf 'one\ta1\tnosuch\nnone\tneither\tnor\n' >odd.tsv
    ranks 2 recommend runs/run -i odd.tsv -k 100 -o odd.tsv.tsv
    statuses 0 0
    [ "$(grep -c '^one' odd.tsv.tsv)" = 69 ] || complain 'all but the item of the history'
    grep -q '^odd.tsv.tsv: 2 users, 100 items of each domain; 1 users have fewer of A, 29 to 29 of its 30 items; 1 users have fewer of B, 40 to 40 of its 40 items; listed in ' out ||
        complain "what was listed: $(cat out)"
    grep -q 'fewer' <("$CDSR" recommend runs/run -i odd.tsv -k 29 -o few.tsv -q 2>/dev/null) &&
        complain 'the list is full'
}

test_unknown_keys() { # Unknown keys are left out, and users without any known one get no list.
    printf 'one\ta1\tnosuch\nnone\tneither\tnor\n' >unknown.tsv
    ranks 2 recommend runs/run -i unknown.tsv -k 100 -o unknown.tsv.tsv
    has err "unknown.tsv:1: key 'nosuch' is no item's, one of 3 such keys, which are left out"
    has err 'unknown.tsv: 1 of 2 users have no known item: nothing is listed for them'
    grep -q '^none' unknown.tsv.tsv && complain 'nothing for a user without items'
}

test_user_with_several_lines() { # Each line has lists of its own.
    printf 'one\ta1\ntwo\tb1\none\tb2\none\n' >again.tsv
    ranks 2 recommend runs/run -i again.tsv -k 2 -o again.jsonl
    statuses 0 0
    has err "again.tsv:3: user 'one' had a line before, one of 2 such lines; each line has lists of its own"
    [ "$(sed 's/^{"user": "\([a-z]*\)".*/\1/' again.jsonl | tr '\n' ' ')" = 'one two one one ' ] ||
        complain "the order of the lines: $(cat again.jsonl)"
}

# refuses LINE CONTENT [ARGUMENT...]: histories with this content give no output.
refuses() {
    printf "$2" >bad.tsv
    refused "cdsr: error: $1" recommend runs/run -i bad.tsv -o x.tsv "${@:3}"
    [ ! -e x.tsv ] || complain 'a refused run leaves no output'
}

# refuses_here LINE CONTENT: the same as one process.
refuses_here() {
    printf "$2" >bad.tsv
    refused_here "$1" recommend runs/run -i bad.tsv -o x.tsv
    [ ! -e x.tsv ] || complain 'a refused run leaves no output'
}

test_output_that_is_there() { # It is not replaced.
    refused "cdsr: error: lists.tsv: exists already; name another output or give --overwrite" \
        recommend runs/run -i histories.tsv -o lists.tsv
}

test_empty_user_or_key() { # Histories with an empty user or key are refused.
    refuses "bad.tsv:2: the user is empty; write USER, then a tab before each key" 'u\ta1\n\ta2\n'
    refuses "bad.tsv:1: a key is empty; write USER, then a tab before each key" 'u\ta1\t\ta2\n'
}

test_no_users() { # An empty file is refused.
    refuses "bad.tsv: has no users; write USER TAB KEY TAB KEY ... in a line" ''
}

test_interactions_in_place_of_histories() { # The header of interactions is recognised.
    header='is the header of interactions, an event in a line; histories have a user in a line: USER, then
a tab before each key, oldest first'
    for fields in 'user_id:token\titem_id:token\ttimestamp:float' 'user_id,item_id,timestamp'; do
        refuses_here "bad.tsv:1: ${header//$'\n'/ }" "$fields\\nu\ta1\t5\\n"
    done
}

test_other_separators() { # Keys that no tab separates are recognised.
    refuses_here "bad.tsv:1: 'a1 b2' is several keys; write a tab before each" 'u\ta1 b2\n'
    refuses_here "bad.tsv:2: 'v b1,a2' is a user and keys; write a tab before each key" 'u\ta1\nv b1,a2\n'
}

test_unknown_domain() { # A domain that the data set has not is refused.
    refuses "--domain: 'C' is not one of A, B" 'u\ta1\n' --domain C
}

run_tests "$@"
