# Raw files, data sets and feature tables that are refused, on one rank and on four: one line, the
# right exit status, no output and nothing temporary left behind.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# fails STATUS LINE ARGUMENT...: on 1 and on 4 ranks; out.h5 does not come to be.
fails() {
    local status=$1 line=$2 n
    shift 2
    for n in 1 4; do
        ranks "$n" "$@"
        statuses $(yes "$status" | head -n "$n")
        says err "$line"
        says_nothing out
        [ ! -e out.h5 ] || complain "no out.h5 after: $*"
        [ -z "$(ls | grep tmp)" ] || complain "something temporary after: $*"
    done
}

c2dsr() {
    fails "$1" "$2" prepare --format c2dsr in -o out.h5
}

good_folder
ranks 4 prepare --format c2dsr in -o out.h5 --name small
statuses 0 0 0 0
says_nothing err
has out 'items: 3 of A, 2 of B'
has out 'train: 3 sequences, 12 events; 3 mixed, 0 A only, 0 B only'
cp out.h5 data.h5
refused 'cdsr: error: out.h5: exists already; name another output or give --overwrite' \
    prepare --format c2dsr in -o out.h5
cmp -s out.h5 data.h5 || complain 'a refused overwrite changes nothing'
ranks 2 prepare --format c2dsr in -o out.h5 --name small --overwrite
statuses 0 0
cmp -s out.h5 data.h5 || complain 'the same input gives the same bytes'

good_folder
printf 'u1\t0\t9|1|\n' >>in/traindata_new.txt
c2dsr 2 'cdsr: error: in/traindata_new.txt:4: item 9 is unknown: the lists have items 0 to 4; correct it or complete the lists'
good_folder
printf 'u1\t0\t\t\n' >>in/traindata_new.txt
c2dsr 2 'cdsr: error: in/traindata_new.txt:4: the sequence is empty; remove the line'
good_folder
printf 'u1\t0\t1|1|\t2' >>in/traindata_new.txt
fails 2 "cdsr: error: in/traindata_new.txt:4: the last line has no line end; is the file truncated?" \
    prepare --strict --format c2dsr in -o out.h5
good_folder
printf 'v2\t0\t3|1|\n' >>in/validdata_new.txt
c2dsr 2 'cdsr: error: in/validdata_new.txt:2: a valid sequence needs a history and a target, this has 1 event; remove the line'
good_folder
printf '5\tkey1\t2\n' >>in/Blist.txt
c2dsr 2 "cdsr: error: in/Blist.txt:3: key 'key1' is already item 1 of Alist.txt; an item has one line in one list"
good_folder
printf '1\tA\tkey1\tcaf\xe9\n' >>in/items.tsv
c2dsr 2 'cdsr: error: in/items.tsv:3: the title of item 1 is not UTF-8; convert the file with iconv'
good_folder
printf '3\tA\tkey3\tx\n' >>in/items.tsv
c2dsr 2 "cdsr: error: in/items.tsv:3: the item is of domain 'A' here, but stands in Blist.txt; an item belongs to one domain"
good_folder
printf '{"item": 0, "tags": ["x"\n' >in/tags.jsonl
c2dsr 2 "cdsr: error: in/tags.jsonl:1: is not JSON: ']' expected near end of file at column 24; is the line truncated?"
good_folder
rm in/testdata_new.txt
c2dsr 3 'cdsr: error: in/testdata_new.txt: cannot be read: No such file or directory; check the path'
good_folder
fails 3 'cdsr: error: absent/out.h5: cannot be written: No such file or directory; check the folder and its permissions' \
    prepare --format c2dsr in -o absent/out.h5
good_folder
cat in/traindata_new.txt >in/testdata_new.txt
ranks 4 prepare --format c2dsr in -o out.h5 --strict
statuses 2 2 2 2
has out 'leak: held-out sequences that are also training sequences: 3'
[ ! -e out.h5 ] || complain 'no out.h5 after --strict'

refused "cdsr: error: prepare: missing --format c2dsr|interactions" prepare in -o x.h5
refused "cdsr: error: prepare: --format: 'csv' is not one of c2dsr, interactions" \
    prepare --format csv in -o x.h5
refused "cdsr: error: prepare: --max-len: '0' is not an integer from 1 to 1048576" \
    prepare --format c2dsr in -o x.h5 --max-len 0

printf 'item_id:token\tdomain:token\ttitle:token_seq\ni1\tA\tOne\ni2\tB\tTwo\n' >x.item
printf 'user_id:token\titem_id:token\ttimestamp:float\nu\ti1\t1\nu\ti2\t2\nu\ti3\t3\n' >x.inter
fails 2 "cdsr: error: x.inter:4: item 'i3' is unknown: it has no line in the .item file, and there is no column domain:token here; add one of both" \
    prepare --format interactions x.inter x.item -o out.h5

# Data sets
ranks 4 synth --items-a 30 --items-b 20 --users 50 --topics 4 --tags --features text:8 -o synth.h5
statuses 0 0 0 0
"$CDSR" synth --items-a 30 --items-b 20 --users 50 --topics 4 --tags --features text:8 -o again.h5 \
    >/dev/null || complain 'synth again'
cmp synth.h5 again.h5 || complain 'synth repeats'
refused 'cdsr: error: synth: --users: 50 users leave none for training after 25 for validation and 25 for test' \
    synth --users 50 --valid 25 --test 25 -o out.h5

head -c 5000 synth.h5 >cut.h5
ranks 4 features cut.h5 --name x --from a.npy
statuses 2 2 2 2
has err 'cdsr: error: cut.h5: is not a complete HDF5 file: '
[ "$(wc -l <"$work/err")" = 1 ] || complain "one line, but: $(cat "$work/err")"
mkdir folder.h5
refused 'cdsr: error: folder.h5: is not a regular file; name an HDF5 file' \
    features folder.h5 --name x --from a.npy

# Feature tables: npy ROWS COLUMNS [VALUE BYTES-FROM-THE-FIRST] makes a table of zeros and ones.
npy() {
    local header="{'descr': '<f4', 'fortran_order': False, 'shape': ($1, $2), }"
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$header"
    yes '\x00\x00\x80\x3f' | head -n $(($1 * $2)) | tr -d '\n' | xargs -0 printf
}
npy 50 3 >a.npy
npy 49 3 >short.npy
head -c 300 a.npy >cut.npy
{ head -c $((128 + 4 * (7 * 3 + 2))) a.npy; printf '\x00\x00\xc0\x7f'; tail -c +$((128 + 4 * 24 + 1)) a.npy; } >nan.npy
{ head -c 128 a.npy; head -c 12 /dev/zero; tail -c +141 a.npy; } >zero.npy
cp synth.h5 before.h5
table() {
    fails "$1" "$2" features synth.h5 --name image --from "$3"
    cmp -s synth.h5 before.h5 || complain "synth.h5 is as before after $3"
}
table 2 'cdsr: error: short.npy: has 49 rows of 3 columns, but synth.h5 has 50 items; give one row per item, in the order of the items, or --keys' short.npy
table 2 'cdsr: error: nan.npy: row 7, column 2 is NaN; replace it, or mark the row as missing with --mask' nan.npy
table 2 "cdsr: error: cut.npy: it is truncated: it has fewer bytes than its shape needs; save it again: numpy.save('cut.npy', X.astype('f4')), a mask as 'bool'" cut.npy
table 3 'cdsr: error: absent.npy: cannot be read: No such file or directory; check the path' absent.npy
table 2 'cdsr: error: synth.h5: /features/none: is missing (soft and external links are not followed); make the file again' synth.h5:/features/none
table 2 "cdsr: error: x.txt: is none of FILE.npy, FILE.safetensors, FILE.h5, FILE.h5:DATASET; convert it: numpy.save('table.npy', numpy.loadtxt('x.txt'))" x.txt
fails 2 "cdsr: error: synth.h5: has a table 'text' already; name another or give --overwrite" \
    features synth.h5 --name text --from a.npy

ranks 4 features synth.h5 --name image --from zero.npy
statuses 0 0 0 0
says out 'synth.h5: table image, 50 rows of 3 columns, 1 missing (1 zero, 0 not representable in f32); norms 1.732 to 1.732, mean 1.732'
ranks 2 features synth.h5 --name copy --from synth.h5:/features/image --dtype f16
statuses 0 0
ranks 1 features synth.h5 --name image --from a.npy --overwrite
statuses 0
says out 'synth.h5: table image, 50 rows of 3 columns, 0 missing; norms 1.732 to 1.732, mean 1.732'

# A full disk leaves the old data set.
if mkdir full && mount -t tmpfs -o size=192k full full 2>/dev/null; then
    trap 'umount "$work/full"; rm -rf "$work"' EXIT
    cp before.h5 full/data.h5
    head -c 1M /dev/zero >full/ballast 2>/dev/null
    ranks 2 features full/data.h5 --name image --from a.npy
    statuses 3 3
    cmp -s full/data.h5 before.h5 || complain 'the old data set is whole after a full disk'
    ranks 2 synth --users 5000 -o full/out.h5
    statuses 3 3
    [ "$(ls full | tr '\n' ' ')" = 'ballast data.h5 ' ] || complain "left on the disk: $(ls full)"
fi
finish
