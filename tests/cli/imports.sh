# Feature tables from files: .npy, .safetensors and HDF5, shards, rows by key, more rows than memory;
# what is refused, on one rank and on four: one line, the right exit status, the data set as it was.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# little BYTES VALUE: a little-endian integer.
little() {
    local i value=$2
    for ((i = 0; i < $1; i++)); do
        printf "\\x$(printf %02x $((value & 255)))"
        value=$((value >> 8))
    done
}

# npy VERSION DESCR FORTRAN SHAPE: what stands in front of the data.
npy() {
    local header="{'descr': $2, 'fortran_order': $3, 'shape': $4, }" digits=2
    [ "$1" = 1 ] || digits=4
    printf "\x93NUMPY\x0$1\x00"
    little $digits 118
    printf '%-117s\n' "$header"
}

# safetensors HEADER [LENGTH]: what stands in front of the data, with a right or another length.
safetensors() {
    little 8 "${2:-${#1}}"
    printf %s "$1"
}

# bytes N: as many of 0x3F, which are 0.747 as f32 and 1.81 as f16.
bytes() {
    head -c "$1" /dev/zero | tr '\0' '?'
}

"$CDSR" synth --items-a 30 --items-b 20 --users 50 --topics 4 -o data.h5 >/dev/null ||
    complain 'synth'
cp data.h5 before.h5

# refuses STATUS LINE ARGUMENT...
refuses() {
    local status=$1 line=$2 n
    shift 2
    for n in 1 4; do
        ranks "$n" features data.h5 --name new "$@"
        statuses $(yes "$status" | head -n "$n")
        says err "cdsr: error: $line"
        says_nothing out
        cmp -s data.h5 before.h5 || complain "data.h5 is as before after: $*"
        [ -z "$(ls | grep tmp)" ] || complain "something temporary after: $*"
    done
}

# takes RANKS LINES... -- ARGUMENT...: into a copy of the data set.
takes() {
    local n=$1 lines=()
    shift
    while [ "$1" != -- ]; do
        lines+=("$1")
        shift
    done
    shift
    cp before.h5 copy.h5
    ranks "$n" features copy.h5 --name new "$@"
    statuses $(yes 0 | head -n "$n")
    says_nothing err
    says out "${lines[@]}"
}

# ---- .npy ----

advice="save it again: numpy.save('x.npy', X.astype('f4')), a mask as 'bool'"
bad_npy() {
    refuses 2 "x.npy: $1; $advice" --from x.npy
}
{ npy 1 "'<f4'" False '(50, 3)'; bytes 600; } >good.npy
for type in 'f2 2 300' 'f4 1 600' 'f8 3 1200'; do
    set -- $type
    { npy "$2" "'<$1'" False '(50, 3)'; bytes "$3"; } >"$1.npy"
    ranks 2 features data.h5 --name new --overwrite --from "$1.npy"
    statuses 0 0
done
cp before.h5 data.h5
{ npy 1 "'<i8'" False '(50, 3)'; bytes 1200; } >x.npy
bad_npy 'it holds integers'
{ npy 1 "'>f4'" False '(50, 3)'; bytes 600; } >x.npy
bad_npy 'it is big-endian'
{ npy 1 "[('a', '<f4')]" False '(50,)'; bytes 200; } >x.npy
bad_npy 'it is a structured array'
{ npy 1 "'|O'" False '(50, 3)'; bytes 600; } >x.npy
bad_npy 'it holds Python objects'
{ npy 1 "'<f4'" False '(-50, 3)'; bytes 600; } >x.npy
bad_npy 'its shape is not that of a vector or a table'
{ npy 1 "'<f4'" False '(4611686018427387904, 4)'; bytes 600; } >x.npy
bad_npy 'its shape overflows'
{ npy 4 "'<f4'" False '(50, 3)'; bytes 600; } >x.npy
bad_npy 'it is of none of the versions 1, 2 and 3'
head -c 9 good.npy >x.npy
bad_npy 'it is truncated'
head -c 700 good.npy >x.npy
bad_npy 'it is truncated: it has fewer bytes than its shape needs'
echo 'not numbers' >x.npy
bad_npy 'it is not a .npy file'
: >x.npy
bad_npy 'it is not a .npy file'
{ npy 1 "'<f4'" False '(50,)'; bytes 200; } >x.npy
refuses 2 'x.npy: is not a table of f2, f4 or f8 with rows and columns' --from x.npy
{ npy 1 "'<f4'" False '(50, 0)'; } >x.npy
refuses 2 'x.npy: has 0 columns; a table has at least one' --from x.npy
# Infinity in row 10 and NaN in row 44, which different ranks find: the first is reported.
{ npy 1 "'<f4'" False '(50, 3)'; bytes 124; printf '\x00\x00\x80\x7f'; bytes 404
    printf '\x00\x00\xc0\x7f'; bytes 64; } >x.npy
refuses 2 'x.npy: row 10, column 1 is infinite; replace it, or mark the row as missing with --mask' \
    --from x.npy
{ npy 1 "'<f4'" False '(50, 3)'; head -c 600 /dev/zero; } >x.npy
refuses 2 'x.npy: all rows are zero, masked or not representable in f32; nothing to import' --from x.npy

# Columns one after the other; the rows are all alike, and a transposed read of them is too.
{ npy 1 "'<f4'" True '(50, 3)'; bytes 600; } >fortran.npy
takes 2 'copy.h5: table new, 50 rows of 3 columns, 0 missing; norms 1.294 to 1.294, mean 1.294' -- \
    --from fortran.npy
for kind in "z.npz:numpy.load('z.npz')['NAME']" "t.pt:torch.load('t.pt').float().numpy()" \
    "p.pkl:pickle.load(open('p.pkl', 'rb'))" "t.csv:numpy.loadtxt('t.csv', delimiter=',')" "a.parquet:X"; do
    ranks 1 features data.h5 --name new --from "${kind%%:*}"
    statuses 2
    says err "cdsr: error: ${kind%%:*}: is none of FILE.npy, FILE.safetensors, FILE.h5, FILE.h5:DATASET; convert it: numpy.save('table.npy', ${kind#*:})"
done

# ---- rows of extreme norm ----

# power K: 2^K as f4.
power() {
    little 4 $((($1 + 127) << 23))
}
# powers K: 50 rows of 3 columns, 2^K times small powers of two.
powers() {
    local i
    npy 1 "'<f4'" False '(50, 3)'
    for ((i = 0; i < 50; i++)); do
        power $(($1 + i % 3))
        power $(($1 + i % 5))
        power $(($1 + i % 7))
    done
}
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 8, blocks: 1, modalities: [id, scaled], id_init: random}
train: {epochs: 1}
YAML
for scale in 0 -100 100; do
    powers $scale >x.npy
    ranks 2 features data.h5 --name scaled --overwrite --from x.npy
    has out '50 rows of 3 columns, 0 missing; norms '
    ranks 1 train run.yaml "run.dir=scale$scale"
    statuses 0
done
for scale in -100 100; do
    [ "$(losses "scale$scale")" = "$(losses scale0)" ] || complain "rows scaled by 2^$scale count as others"
done
[ "$(losses scale0 | wc -l)" -gt 0 ] || complain 'a run on scaled rows has losses'
cp before.h5 data.h5
# 1e300, 1e-300, zero, then rows of 1.
rows8() {
    npy 1 "'<f8'" False '(50, 3)'
    for number in '\x9c\x75\x00\x88\x3c\xe4\x37\x7e' '\x59\xf3\xf8\xc2\x1f\x6e\xa5\x01' \
        '\x00\x00\x00\x00\x00\x00\x00\x00' $(yes '\x00\x00\x00\x00\x00\x00\xf0\x3f' | head -n 47); do
        printf "$number$number$number"
    done
}
rows8 >x.npy
for n in 1 4; do
    takes $n 'copy.h5: table new, 50 rows of 3 columns, 3 missing (1 zero, 2 not representable in f32); norms 1.732 to 1.732, mean 1.732' -- \
        --from x.npy
done
powers -30 >x.npy
refuses 2 'x.npy: all rows are zero, masked or not representable in f16; nothing to import' \
    --from x.npy --dtype f16

# ---- .safetensors ----

advice='save it again with the safetensors library'
bad_tensors() {
    refuses 2 "x.safetensors: $1" --from x.safetensors
}
tensor() { # DTYPE SHAPE BEGIN END
    printf '{"dtype":"%s","shape":%s,"data_offsets":[%s,%s]}' "$1" "$2" "$3" "$4"
}
two="{\"__metadata__\":{\"format\":\"pt\"},\"a\":$(tensor F32 '[50,3]' 0 600),\"b\":$(tensor BF16 '[50,2]' 600 800),\"c\":$(tensor I64 '[2]' 800 816)}  "
{ safetensors "$two"; bytes 816; } >two.safetensors
takes 4 'copy.h5: table new, 50 rows of 3 columns, 0 missing; norms 1.294 to 1.294, mean 1.294' -- \
    --from two.safetensors --tensor a
takes 2 'copy.h5: table new, 50 rows of 2 columns, 0 missing; norms 1.055 to 1.055, mean 1.055' -- \
    --from two.safetensors --tensor b
{ safetensors "{\"half\":$(tensor F16 '[50,1]' 0 100)}"; bytes 100; } >half.safetensors
takes 3 'copy.h5: table new, 50 rows of 1 columns, 0 missing; norms 1.812 to 1.812, mean 1.812' -- \
    --from half.safetensors --dtype f16
refuses 2 'two.safetensors: has several tables; choose one with --tensor: a, b' --from two.safetensors
refuses 2 "two.safetensors: has no tensor 'd'; it has tables: a, b" --from two.safetensors --tensor d
refuses 2 "two.safetensors: tensor 'c' has 1 dimensions; a table has 2, rows and columns" \
    --from two.safetensors --tensor c
refuses 2 'good.npy: --tensor is for .safetensors files; leave it out' --from good.npy --tensor a
{ safetensors "{\"a\":$(tensor F64 '[50,3]' 0 1200)}"; bytes 1200; } >x.safetensors
bad_tensors "tensor 'a' is of type F64; convert it to F32, F16 or BF16"
head -c 700 two.safetensors >x.safetensors
bad_tensors "tensor 'a' has data_offsets past the end of the file; $advice"
head -c 100 two.safetensors >x.safetensors
bad_tensors "it is truncated, or not a .safetensors file: its header ends past its end; $advice"
head -c 5 two.safetensors >x.safetensors
bad_tensors "it is not a .safetensors file: it has no header; $advice"
safetensors '{}' 9223372036854775807 >x.safetensors
bad_tensors "it is truncated, or not a .safetensors file: its header ends past its end; $advice"
safetensors '{}' -1 >x.safetensors
bad_tensors "it is truncated, or not a .safetensors file: its header ends past its end; $advice"
safetensors '' >x.safetensors
bad_tensors "its header is not a JSON object; $advice"
safetensors '{}' >x.safetensors
bad_tensors 'has no table of rows and columns; save one of shape [rows, columns]'
one() { # SHAPE BEGIN END LINE
    { safetensors "{\"a\":$(tensor F32 "$1" "$2" "$3")}"; bytes 600; } >x.safetensors
    bad_tensors "tensor 'a' $4; $advice"
}
one '[-50,3]' 0 600 'has a shape that is not of integers >= 0'
one '[50,3.0]' 0 600 'has a shape that is not of integers >= 0'
one '[4611686018427387904,4]' 0 600 'has a shape that overflows'
one '[50,3]' 600 0 'has data_offsets that are not ascending integers >= 0'
one '[50,3]' -600 0 'has data_offsets that are not ascending integers >= 0'
one '[50,3]' 1 601 'has data_offsets past the end of the file'
one '[50,2]' 0 600 'has data_offsets that do not fit its dtype and shape'
one '[50,2]' 200 600 'begins behind a gap'
{ safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600),\"b\":$(tensor F32 '[25,3]' 300 600)}"; bytes 600; } >x.safetensors
bad_tensors "tensor 'b' overlaps another one; $advice"
{ safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600)}"; bytes 601; } >x.safetensors
bad_tensors "it has bytes behind its last tensor; $advice"
{ safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600),\"a\":$(tensor F32 '[50,3]' 0 600)}"; bytes 600; } >x.safetensors
bad_tensors "its header is not JSON: duplicate object key near '\"a\"' at byte 62; $advice"
{ safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600)}"; bytes 596; printf '\x00\x00\xc0\x7f'; } >x.safetensors
bad_tensors 'row 49, column 2 is NaN; replace it, or mark the row as missing with --mask'

# ---- HDF5 ----

head -c 3000 data.h5 >x.h5
ranks 4 features data.h5 --name new --from x.h5:/features/text
statuses 2 2 2 2
has err 'cdsr: error: x.h5: is not a complete HDF5 file: '
echo 'not HDF5 either' >x.h5
ranks 4 features data.h5 --name new --from x.h5
statuses 2 2 2 2
has err 'cdsr: error: x.h5: is not a complete HDF5 file: '
table='a table has rows and columns of floating-point numbers: write it again from X.astype('"'f4'"')'
refuses 2 "data.h5: /items/domain: holds integers; $table" --from data.h5:/items/domain
refuses 2 "data.h5: items/key: holds strings; $table" --from data.h5:items/key
refuses 2 'data.h5: what is named is a group; say which as data.h5:DATASET: items/domain, items/key, items/title' \
    --from data.h5:items
ranks 2 features data.h5 --name new --from data.h5
statuses 2 2
has err 'data.h5: has several datasets; say which as data.h5:DATASET: items/domain, items/key, '

# ---- shards ----

for part in '1 20' '2 25' '10 5'; do
    set -- $part
    { npy 1 "'<f4'" False "($2, 3)"; bytes $(($2 * 12)); } >"part-$1.npy"
done
whole='copy.h5: table new, 50 rows of 3 columns, 0 missing; norms 1.294 to 1.294, mean 1.294'
takes 4 "$whole" -- --from 'part-*.npy'
takes 1 "$whole" -- --from part-1.npy --from part-2.npy --from part-10.npy
refuses 2 'part-1.npy to part-2.npy (2 files): has 45 rows of 3 columns, but data.h5 has 50 items; give one row per item, in the order of the items, or --keys' \
    --from 'part-[12].npy'
refuses 3 'none-*.npy: matches no file; check the path' --from 'none-*.npy'
{ npy 1 "'<f4'" False '(5, 4)'; bytes 80; } >part-11.npy
refuses 2 'part-11.npy: has 4 columns, but part-1.npy has 3; the parts of a table have one width' \
    --from 'part-*.npy'
head -c 150 part-10.npy >part-11.npy
refuses 2 "part-11.npy: it is truncated: it has fewer bytes than its shape needs; save it again: numpy.save('part-11.npy', X.astype('f4')), a mask as 'bool'" \
    --from 'part-*.npy'
{ npy 1 "'<f4'" False '(5, 3)'; bytes 44; printf '\x00\x00\xc0\x7f'; bytes 12; } >part-10.npy
refuses 2 'part-10.npy: row 3, column 2 is NaN; replace it, or mark the row as missing with --mask' \
    --from part-1.npy --from part-2.npy --from part-10.npy

# ---- rows by key ----

{ npy 1 "'<f4'" False '(3, 3)'; bytes 36; } >three.npy
printf 'A7\nB3\nA0\n' >keys.txt
takes 4 'keys.txt: 3 of 50 items have a row; 0 of 3 keys are no item'"'"'s' \
    'copy.h5: table new, 50 rows of 3 columns, 47 missing; norms 1.294 to 1.294, mean 1.294' -- \
    --from three.npy --keys keys.txt
printf '\xef\xbb\xbfA7\r\nB3\r\nA0\r\n\r\n' | gzip >keys.txt.gz
takes 1 'keys.txt.gz: 3 of 50 items have a row; 0 of 3 keys are no item'"'"'s' \
    'copy.h5: table new, 50 rows of 3 columns, 47 missing; norms 1.294 to 1.294, mean 1.294' -- \
    --from three.npy --keys keys.txt.gz
printf 'A7\nwho\nA0\n' >keys.txt
refuses 2 "keys.txt:2: key 'who' is no item's, one of 1 such lines; correct them or give --ignore-unknown" \
    --from three.npy --keys keys.txt
takes 2 'keys.txt: 2 of 50 items have a row; 1 of 3 keys are no item'"'"'s' \
    'copy.h5: table new, 50 rows of 3 columns, 48 missing; norms 1.294 to 1.294, mean 1.294' -- \
    --from three.npy --keys keys.txt --ignore-unknown
{ npy 1 "'|b1'" False '(3,)'; printf '\x01\x01\x00'; } >mask.npy
takes 3 'keys.txt: 2 of 50 items have a row; 1 of 3 keys are no item'"'"'s' \
    'copy.h5: table new, 50 rows of 3 columns, 49 missing; norms 1.294 to 1.294, mean 1.294' -- \
    --from three.npy --keys keys.txt --ignore-unknown --mask mask.npy
refuses 2 'mask.npy: is not a vector of 50 u1 or bool, one per row' --from good.npy --mask mask.npy
printf 'A7\nB3\nA7\n' >keys.txt
refuses 2 "keys.txt:3: key 'A7' is on line 1 already; an item has one row" \
    --from three.npy --keys keys.txt
printf 'A7\nB3\n' >keys.txt
refuses 2 'keys.txt: has 2 keys, but the table has 3 rows; give one key per row' \
    --from three.npy --keys keys.txt
printf 'A7\n\nB3\n' >keys.txt
refuses 2 'keys.txt:2: the line is empty, and others follow; complete it or remove it' --from three.npy --keys keys.txt
printf 'x\ny\nz\n' >keys.txt
refuses 2 'keys.txt: has no key of an item' --from three.npy --keys keys.txt --ignore-unknown
refuses 3 'absent.txt: cannot be read: No such file or directory; check the path' \
    --from three.npy --keys absent.txt
refuses 2 'features: --ignore-unknown is about --keys; give both or none' \
    --from three.npy --ignore-unknown

# ---- a table of 200 MB where no rank may have more than 80 MB of data ----

"$CDSR" synth --items-a 6400 --items-b 6400 --users 200 -o wide.h5 >/dev/null || complain 'synth'
{ npy 1 "'<f4'" False '(12800, 4096)'; bytes $((12800 * 4096 * 4)); } >wide.npy
for n in 1 4; do
    (
        ulimit -d 80000
        ranks $n features wide.h5 --name image --from wide.npy --overwrite
        [ "$(tr -d '\n' <"$work/status")" = "$(yes 0 | head -n $n | tr -d '\n')" ]
    ) || complain "under a memory limit, $n ranks: $(cat err)"
    says out 'wide.h5: table image, 12800 rows of 4096 columns, 0 missing; norms 47.81 to 47.81, mean 47.81'
done

# ---- no room for it: found before anything is written ----

cp wide.h5 kept.h5
refuses_wide() {
    statuses 3 3
    has err 'check the space on the disk and the permissions'
    [ "$(wc -l <"$work/err")" = 1 ] || complain "one line, but: $(cat err)"
    says_nothing out
}
(
    ulimit -f 250000
    ranks 2 features wide.h5 --name more --from wide.npy
    refuses_wide
    exit $failures
) || complain 'under a limit on file sizes'
cmp -s wide.h5 kept.h5 || complain 'the old data set is whole after a limit on file sizes'
"$CDSR" synth --items-a 6400 --items-b 6400 --users 200 -o small.h5 >/dev/null || complain 'synth'
if mkdir full && mount -t tmpfs -o size=16m full full 2>/dev/null; then
    trap 'umount "$work/full"; rm -rf "$work"' EXIT
    cp small.h5 full/data.h5
    ranks 2 features full/data.h5 --name image --from wide.npy
    refuses_wide
    cmp -s full/data.h5 small.h5 || complain 'the old data set is whole after a full disk'
    [ "$(ls full)" = data.h5 ] || complain "left on the disk: $(ls full)"
fi
finish
