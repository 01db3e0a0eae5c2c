# Raw files in the layouts that people have: the same rows give the same data set.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
export LC_ALL=C

# hash ARGUMENT...: of the data set that `prepare` makes of them, in $work/hash.
hash() {
    "$CDSR" prepare --format interactions "$@" --overwrite -o out.h5 >out 2>err ||
        complain "prepare $*: $(cat err)"
    sed -n 's/^content hash: //p' out >hash
    [ -s hash ] || complain "no hash after: $*"
}

# same WHAT ARGUMENT...: they give the hash that is in $work/wanted.
same() {
    local what=$1
    shift
    hash "$@"
    cmp -s wanted hash || complain "$what: another data set than one pair's"
}

# leave_one_out INTER: its events as a given split in given/.
leave_one_out() {
    rm -rf given
    mkdir given
    awk -F'\t' '
        NR == FNR { events[$1]++; next }
        FNR == 1 { for (part in name) print >name[part]; next }
        {
            left = --events[$1]
            n = $1 == user ? n + 1 : 1
            user = $1
            print >name[n + left < 3 || left > 1 ? "train" : left ? "valid" : "test"]
        }
        BEGIN { for (i = split("train valid test", p, " "); i; i--) name[p[i]] = "given/x." p[i] ".inter" }
        ' "$1" "$1"
}

# wants ARGUMENT...: the hash of these is what `same` compares with.
wants() {
    hash "$@"
    cp hash wanted
}

# three_layouts INTER ITEM [OPTION...]: one pair, a pair per domain and leave-one-out as a given split.
# The events of INTER are user, item and time, by user and time; ITEM has item, domain and more.
three_layouts() {
    local inter=$1 item=$2
    shift 2
    rm -rf A B
    mkdir A B
    wants "$inter" "$item" "$@"
    awk -F'\t' -v OFS='\t' '
        FNR == 1 { if (NR == 1) { header = $0; next } print >"A/x.inter"; print >"B/x.inter"; next }
        NR == FNR {
            domain[$1] = $2
            file = $2 "/x.item"
            if (!(file in begun)) { begun[file] = 1; print header >file }
            print >file
            next
        }
        { print >(domain[$2] "/x.inter") }' "$item" "$inter"
    leave_one_out "$inter"
    same 'a folder per domain' A B "$@"
    same 'files under --domain' --domain B=B --domain A=A/x.item,A/x.inter "$@"
    same 'a given split' given "$item" "$@"
    awk -F'\t' 'NR == FNR { domain[$1] = $2; next }
        FNR == 1 { n = split(FILENAME, at, "/"); print >("A/" at[n]); print >("B/" at[n]); next }
        { print >(domain[$2] "/" at[n]) }' "$item" given/x.*.inter
    rm A/x.inter B/x.inter
    same 'a given split per domain' A B "$@"
}

# Generated rows: 40 users, 25 items a domain.
awk 'BEGIN {
    srand(7)
    print "item_id:token\tdomain:token\ttitle:token_seq" >"x.item"
    for (i = 0; i < 50; i++) printf "i%d\t%s\ttitle, \"%d\"\n", i, i % 2 ? "B" : "A", i >"x.item"
    print "user_id:token\titem_id:token\ttimestamp:float" >"x.inter"
    for (u = 0; u < 40; u++) {
        t = 1400000000 + int(1e6 * rand())
        for (n = 2 + int(9 * rand()); n; n--) {
            i = int(50 * rand())
            printf "u%d\ti%d\t%d\n", u, i, t += 1 + int(90000 * rand()) >"x.inter"
        }
    }
}'

# Ties by days; key.inter has them ordered by their keys.
awk -F'\t' -v OFS='\t' 'NR > 1 { $3 -= $3 % 86400 } { print }' x.inter >day.inter
{ head -n 1 day.inter; tail -n +2 day.inter | sort -t "$(printf '\t')" -k1.2n -k3n -k2; } >key.inter

test_files_per_domain_and_given_splits() { # A pair, a pair per domain and a given split are the same data set.
    three_layouts x.inter x.item
}

test_layouts_with_ties_by_key() { # So it is where events are tied, and ordered by their keys.
    three_layouts key.inter x.item --ties key
}

test_layouts_without_ties() { # So it is where tied targets are dropped.
    three_layouts key.inter x.item --ties drop
    grep -qE 'before them: 0 of [0-9]+ of validation, 0 of [0-9]+ of test' out || complain 'no target is tied'
}

test_order_of_tied_rows() { # The order of the rows is of no account then, and it is unless told otherwise.
    wants key.inter x.item --ties key
    same 'ties by the key, rows in another order' day.inter x.item --ties key
    wants key.inter x.item --ties drop
    same 'tied targets dropped, rows in another order' day.inter x.item --ties drop
    wants key.inter x.item
    hash day.inter x.item
    cmp -s wanted hash && complain 'ties keep the order of the file unless told otherwise'
}

# ---- the same rows in other clothes ----

# dressed: bom.inter and bom.item, with byte order marks, CRLF and empty last lines.
dressed() {
    wants x.inter x.item
    sed '1s/^/\xef\xbb\xbf/; s/$/\r/' x.inter >bom.inter
    { sed '1s/^/\xef\xbb\xbf/' x.item; printf '\r\n\n'; } >bom.item
}

test_byte_order_marks() { # Byte order marks, CRLF and empty last lines change nothing.
    dressed
    same 'byte order marks, CRLF and empty last lines' bom.inter bom.item
}

test_gzip() { # Nor does gzip, of files and in a folder.
    dressed
    gzip -c x.inter >packed.inter.gz
    gzip -c bom.item >packed.item.gz
    same 'gzip' packed.inter.gz packed.item.gz
    mkdir packed && mv packed.*.gz packed/
    same 'a folder of gzip' packed
}

test_csv() { # CSV is read, by names that are told; columns that are not used are named.
    wants x.inter x.item
    awk -F'\t' -v OFS=, 'NR == 1 { print "sku,shop,name"; next } { gsub(/"/, "\"\"", $3); print $1, $2, "\"" $3 "\"" }' \
        x.item >goods.csv
    awk -F'\t' -v OFS=, 'NR == 1 { print "stars,ts,buyer,sku"; next } { print 5, $3 "000", $1, $2 }' x.inter >sales.csv
    same 'CSV with other names' goods.csv sales.csv --columns user=buyer,item=sku,time=ts,domain=shop,title=name
    has err 'cdsr: sales.csv: columns not used: stars'
    has err 'cdsr: sales.csv: timestamps: milliseconds'
}

test_quotes_and_dates() { # Columns in quotes are read without them, and dates of ISO 8601 as times.
    wants x.inter x.item
    awk -F'\t' -v OFS='\t' 'NR == 1 { print "\"user_id\"", "\"item_id\"", "\"timestamp\""; next }
        { print "\"" $1 "\"", "\"" $2 "\"", strftime("%Y-%m-%dT%H:%M:%SZ", $3, 1) }' x.inter >quoted.inter
    same 'columns in quotes, dates' quoted.inter x.item
    has err 'cdsr: quoted.inter: timestamps: dates of ISO 8601'
    has err 'cdsr: quoted.inter: columns whose fields are all in quotes, read without them: user_id, item_id'
}

# lists.inter: x.inter with lists of the events before each.
past_lists() {
    awk -F'\t' -v OFS='\t' '
        NR == 1 { print $0, "item_id_list:token_seq", "timestamp_list:float_seq"; next }
        $1 != user { user = $1; items = $2; times = $3; next }
        { print $0, items, times; items = items " " $2; times = times " " $3 }' x.inter >lists.inter
}

test_lists_of_the_events_before() { # Rows with lists of the events before are the same data set.
    wants x.inter x.item
    past_lists
    same 'lists of the events before' lists.inter x.item
}

test_two_of_three_domains() { # Two of three domains are taken, and what is left out is said.
    wants x.inter x.item
    { cat x.item; sed -n '2p' x.item; printf 'j1\tC\tx\nj2\tC\n'; } >three.item
    { cat x.inter; printf 'u1\tj1\t1\nz\tj2\t5\n'; } >three.inter
    same 'two of three domains' three.inter three.item --domains B,A
    has err "cdsr: left out: 2 events and 2 items of 'C'"
    has err 'cdsr: three.item: lines that repeat an earlier item word for word: 1'
    has err 'cdsr: three.item: rows that end before the last columns, which are taken as empty: 1'
}

test_one_of_two_domains() { # One of two domains is taken.
    hash x.inter x.item --domains B
    has out 'items: 25 of B, 0 of A: one domain'
}

test_repeated_events() { # Repeated events may be left out.
    { cat x.inter; tail -n +2 x.inter | awk -F'\t' -v OFS='\t' '{ $3 = 2000000000; print }'; } >twice.inter
    wants x.inter x.item --deduplicate first
    same 'repeated events' twice.inter x.item --deduplicate first
}

test_ids_that_both_domains_have() { # Items of both domains may have the same ids.
    wants x.inter x.item
    awk -F'\t' -v OFS='\t' -v f=items 'NR > 1 { $1 = "i" int(substr($1, 2) / 2) } { print }' x.item >clash.item
    awk -F'\t' -v OFS='\t' 'NR == FNR { domain[$1] = $2; next }
        FNR == 1 { print $0, "domain:token"; next } { $4 = domain[$2]; $2 = "i" int(substr($2, 2) / 2); print }' \
        x.item x.inter >clash.inter
    same 'the same ids in both domains' clash.inter clash.item
    has err 'cdsr: 50 items have an id that is in both domains; their keys are LABEL:ID'
}

# ---- what is refused ----

# denied LINE FILE...: one line is said; on one rank, for a file is read on one.
denied() {
    local line=$1
    shift
    ranks 1 prepare --format interactions "$@" -o no.h5
    statuses 2
    says err "$line"
}

test_utf16() { # UTF-16 is refused with the way to convert it.
    iconv -f utf-8 -t utf-16 x.inter >wide.inter
    denied 'cdsr: error: wide.inter:1: the file is UTF-16; convert it: iconv -f utf-16 -t utf-8' \
        wide.inter x.item
}

test_truncated_gzip() { # gzip that is cut is refused.
    gzip -c x.item | head -c 200 >cut.item
    denied 'cdsr: error: cut.item: ends within its gzip data; is the file truncated?' \
        x.inter cut.item
}

test_empty_line() { # An empty line between others is refused.
    sed '3s/^/\n/' x.item >gap.item
    denied 'cdsr: error: gap.item:3: the line is empty, and others follow; complete it or remove it' \
        x.inter gap.item
}

test_list_of_times_alone() { # A list of events of the past needs its other list.
    past_lists
    sed '1s/item_id_list/past_list/' lists.inter >past.inter
    denied "cdsr: error: past.inter:1: the column 'past_list' holds events of the past, but there is no column 'item_id_list'; name the lists with --columns items=NAME,times=NAME, or remove them" \
        past.inter x.item
}

test_part_of_a_given_split() { # A given split has three files.
    leave_one_out x.inter
    denied "cdsr: error: given/x.test.inter: is part of a given split, whose file .train.inter is not there; name all three, or rename the file" \
        given/x.test.inter x.item
}

test_options() { # Options with a wrong value, or of another format, are refused.
    denied "cdsr: error: prepare: --ties: 'none' is not one of file, key, drop" \
        x.inter x.item --ties none
    denied "cdsr: error: prepare: INPUT 'x.inter' stands beside --domain; name all files in one way" \
        x.inter --domain A=A
    refused 'cdsr: error: prepare: --ties says nothing to --format c2dsr; leave it away' \
        prepare --format c2dsr in --ties key -o no.h5
    denied "cdsr: error: prepare: --domains: 'A,' is not one label or two, as books,movies" \
        x.inter x.item --domains A,
}

# ---- C2DSR ----

test_c2dsr_folder() { # A C2DSR folder with byte order marks, CRLF, empty last lines and gzip is the same data set.
    good_folder
    sed -i '1s/$/\tprice/; 2s/$/\t3/' in/items.tsv
    printf '{"item": 0, "tags": ["x"]}\n' >in/tags.jsonl
    "$CDSR" prepare --format c2dsr in -o good.h5 --name good >good 2>&1 || complain "$(cat good)"
    for file in in/*; do
        { printf '\xef\xbb\xbf'; sed 's/$/\r/' "$file"; echo; } | gzip >"$file.gz"
        rm "$file"
    done
    "$CDSR" prepare --format c2dsr in -o packed.h5 --name good >packed.out 2>&1 || complain "$(cat packed.out)"
    grep -qxF 'cdsr: in/items.tsv: columns not used: price' good || complain 'a column of items.tsv is named'
    diff <(sed 's/good.h5/packed.h5/; s/items.tsv/&.gz/' good) packed.out >&2 || complain 'a C2DSR folder of gzip'
}

# ---- real rows, where they are ----

# real_data: its folder in $data.
real_data() {
    data=${CDSR_SHARED:-/absent}/data
    [ -d "$data" ] || skip "no real data at $data: its layouts are not compared"
}

test_afk() { # AFK is the same data set in the three layouts, and its ties are counted.
    real_data
    three_layouts "$data/afk/afk.inter" "$data/afk/afk.item"
    has out 'leak: targets at the time of the event before them: 2501 of 7144 of validation, 2275 of 7144 of test'
}

test_beauty_in_two_domains() { # So is Beauty, with its items dealt to two domains.
    real_data
    awk -F'\t' -v OFS='\t' 'NR > 1 { $2 = substr($1, 2) % 2 ? "A" : "B" } { print }' \
        "$data/beauty/beauty.item" >beauty.item
    three_layouts "$data/beauty/beauty.inter" beauty.item
}

test_beauty() { # As one domain it is the same data set as a folder, under --domain and with a given split.
    real_data
    leave_one_out "$data/beauty/beauty.inter"
    wants "$data/beauty"
    has out 'items: 54542 of A, 0 of B: one domain'
    same 'one domain under --domain' --domain A="$data/beauty"
    same 'one domain, a given split' given "$data/beauty/beauty.item"
}

run_tests "$@"
