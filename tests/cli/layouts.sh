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

# three_layouts INTER ITEM [OPTION...]: one pair, a pair per domain and leave-one-out as a given split.
# The events of INTER are user, item and time, by user and time; ITEM has item, domain and more.
three_layouts() {
    local inter=$1 item=$2
    shift 2
    rm -rf A B
    mkdir A B
    hash "$inter" "$item" "$@"
    cp hash wanted
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

# ---- generated rows: 40 users, 25 items a domain; days, so that many events are tied ----

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
three_layouts x.inter x.item
cp wanted plain

# Ties: by the key, the order of the rows is of no account.
awk -F'\t' -v OFS='\t' 'NR > 1 { $3 -= $3 % 86400 } { print }' x.inter >day.inter
{ head -n 1 day.inter; tail -n +2 day.inter | sort -t "$(printf '\t')" -k1.2n -k3n -k2; } >key.inter
three_layouts key.inter x.item --ties key
three_layouts key.inter x.item --ties drop
grep -qE 'before them: 0 of [0-9]+ of validation, 0 of [0-9]+ of test' out || complain 'no target is tied'
hash key.inter x.item --ties key
cp hash wanted
same 'ties by the key, rows in another order' day.inter x.item --ties key
hash key.inter x.item --ties drop
cp hash wanted
same 'tied targets dropped, rows in another order' day.inter x.item --ties drop
hash key.inter x.item
cp hash wanted
hash day.inter x.item
cmp -s wanted hash && complain 'ties keep the order of the file unless told otherwise'

# The same rows in other clothes.
cp plain wanted
sed '1s/^/\xef\xbb\xbf/; s/$/\r/' x.inter >bom.inter
{ sed '1s/^/\xef\xbb\xbf/' x.item; printf '\r\n\n'; } >bom.item
same 'byte order marks, CRLF and empty last lines' bom.inter bom.item
gzip -c x.inter >packed.inter.gz
gzip -c bom.item >packed.item.gz
same 'gzip' packed.inter.gz packed.item.gz
mkdir packed && mv packed.*.gz packed/
same 'a folder of gzip' packed
awk -F'\t' -v OFS=, 'NR == 1 { print "sku,shop,name"; next } { gsub(/"/, "\"\"", $3); print $1, $2, "\"" $3 "\"" }' \
    x.item >goods.csv
awk -F'\t' -v OFS=, 'NR == 1 { print "stars,ts,buyer,sku"; next } { print 5, $3 "000", $1, $2 }' x.inter >sales.csv
same 'CSV with other names' goods.csv sales.csv --columns user=buyer,item=sku,time=ts,domain=shop,title=name
has err 'cdsr: sales.csv: columns not used: stars'
has err 'cdsr: sales.csv: timestamps: milliseconds'
awk -F'\t' -v OFS='\t' 'NR == 1 { print "\"user_id\"", "\"item_id\"", "\"timestamp\""; next }
    { print "\"" $1 "\"", "\"" $2 "\"", strftime("%Y-%m-%dT%H:%M:%SZ", $3, 1) }' x.inter >quoted.inter
same 'columns in quotes, dates' quoted.inter x.item
has err 'cdsr: quoted.inter: timestamps: dates of ISO 8601'
has err 'cdsr: quoted.inter: columns whose fields are all in quotes, read without them: user_id, item_id'
awk -F'\t' -v OFS='\t' '
    NR == 1 { print $0, "item_id_list:token_seq", "timestamp_list:float_seq"; next }
    $1 != user { user = $1; items = $2; times = $3; next }
    { print $0, items, times; items = items " " $2; times = times " " $3 }' x.inter >lists.inter
same 'lists of the events before' lists.inter x.item
{ cat x.item; sed -n '2p' x.item; printf 'j1\tC\tx\nj2\tC\n'; } >three.item
{ cat x.inter; printf 'u1\tj1\t1\nz\tj2\t5\n'; } >three.inter
same 'two of three domains' three.inter three.item --domains B,A
has err "cdsr: left out: 2 events and 2 items of 'C'"
has err 'cdsr: three.item: lines that repeat an earlier item word for word: 1'
has err 'cdsr: three.item: rows that end before the last columns, which are taken as empty: 1'
hash x.inter x.item --domains B
has out 'items: 25 of B, 0 of A: one domain'
{ cat x.inter; tail -n +2 x.inter | awk -F'\t' -v OFS='\t' '{ $3 = 2000000000; print }'; } >twice.inter
hash x.inter x.item --deduplicate first
cp hash wanted
same 'repeated events' twice.inter x.item --deduplicate first

# Ids that both domains have.
awk -F'\t' -v OFS='\t' -v f=items 'NR > 1 { $1 = "i" int(substr($1, 2) / 2) } { print }' x.item >clash.item
awk -F'\t' -v OFS='\t' 'NR == FNR { domain[$1] = $2; next }
    FNR == 1 { print $0, "domain:token"; next } { $4 = domain[$2]; $2 = "i" int(substr($2, 2) / 2); print }' \
    x.item x.inter >clash.inter
cp plain wanted
same 'the same ids in both domains' clash.inter clash.item
has err 'cdsr: 50 items have an id that is in both domains; their keys are LABEL:ID'

# denied LINE FILE...: one line is said; on one rank, for a file is read on one.
denied() {
    local line=$1
    shift
    ranks 1 prepare --format interactions "$@" -o no.h5
    statuses 2
    says err "$line"
}
iconv -f utf-8 -t utf-16 x.inter >wide.inter
denied 'cdsr: error: wide.inter:1: the file is UTF-16; convert it: iconv -f utf-16 -t utf-8' \
    wide.inter x.item
head -c 200 packed/packed.item.gz >cut.item
denied 'cdsr: error: cut.item: ends within its gzip data; is the file truncated?' \
    x.inter cut.item
sed '3s/^/\n/' x.item >gap.item
denied 'cdsr: error: gap.item:3: the line is empty, and others follow; complete it or remove it' \
    x.inter gap.item
sed '1s/item_id_list/past_list/' lists.inter >past.inter
denied "cdsr: error: past.inter:1: the column 'past_list' holds events of the past, but there is no column 'item_id_list'; name the lists with --columns items=NAME,times=NAME, or remove them" \
    past.inter x.item
denied "cdsr: error: given/x.test.inter: is part of a given split, whose file .train.inter is not there; name all three, or rename the file" \
    given/x.test.inter x.item
denied "cdsr: error: prepare: --ties: 'none' is not one of file, key, drop" \
    x.inter x.item --ties none
denied "cdsr: error: prepare: INPUT 'x.inter' stands beside --domain; name all files in one way" \
    x.inter --domain A=A
refused 'cdsr: error: prepare: --ties says nothing to --format c2dsr; leave it away' \
    prepare --format c2dsr in --ties key -o no.h5
denied "cdsr: error: prepare: --domains: 'A,' is not one label or two, as books,movies" \
    x.inter x.item --domains A,

# A C2DSR folder, as it is and with all this.
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

# ---- real rows, where they are ----

data=${CDSR_SHARED:-/absent}/data
if [ -d "$data" ]; then
    three_layouts "$data/afk/afk.inter" "$data/afk/afk.item"
    has out 'leak: targets at the time of the event before them: 2501 of 7144 of validation, 2275 of 7144 of test'
    awk -F'\t' -v OFS='\t' 'NR > 1 { $2 = substr($1, 2) % 2 ? "A" : "B" } { print }' \
        "$data/beauty/beauty.item" >beauty.item
    three_layouts "$data/beauty/beauty.inter" beauty.item
    hash "$data/beauty"
    cp hash wanted
    has out 'items: 54542 of A, 0 of B: one domain'
    same 'one domain under --domain' --domain A="$data/beauty"
    same 'one domain, a given split' given "$data/beauty/beauty.item"
else
    echo "no real data at $data: its layouts are not compared" >&2
fi
finish
