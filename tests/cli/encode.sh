# Tables made from titles, descriptions and tags, and tables reduced to principal components.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

ranks 1 synth --items-a 120 --items-b 80 --users 40 --topics 8 --tags --features wide:48 -o data.h5
statuses 0

# encodes RANKS NAME ARGUMENT...: a table of a copy of the data set.
encodes() {
    cp data.h5 copy.h5
    ranks "$1" features copy.h5 --name "$2" --quiet "${@:3}"
    statuses $(yes 0 | head -n "$1")
}

# refuses LINE ARGUMENT...: and the data set stays as it was.
refuses() {
    cp data.h5 before.h5
    refused "cdsr: error: $1" features data.h5 "${@:2}"
    cmp -s data.h5 before.h5 || complain 'data.h5 is as before'
}

test_titles() { # Titles are encoded by LSA, and what it explains is said.
    encodes 2 text --from titles --encoder lsa --dim 16
    says_nothing err
    has out 'copy.h5: table text, 200 rows of 16 columns by lsa of titles, 0 missing'
    has out 'singular values'
    has out 'explained share'
}

test_titles_by_default() { # With no word on how, they know which items occur together.
    encodes 2 text --from titles --dim 16 --vocabulary
    says_nothing err
    has out 'copy.h5: table text, 200 rows of 16 columns by lsa of titles, whitened, of items that occur together (mu 1), smoothed, 0 missing'
    grep '^terms:' "$work/out" | cut -d';' -f1,2 >by_default
    encodes 2 text --from titles --dim 16 --vocabulary --graph 1 --whiten --smooth
    grep '^terms:' "$work/out" | cut -d';' -f1,2 | cmp - by_default || complain 'another table than with these options'
}

test_items_that_are_never_together() { # Then texts are all there is, and the table says so.
    described
    printf 'u%d\t0\t0|1|\t3|2|\n' 1 2 3 >in/traindata_new.txt
    ranks 2 prepare --format c2dsr in -o apart.h5
    ranks 2 features apart.h5 --name text --from titles+description --dim 1
    statuses 0 0
    has err 'lsa: no two items of a domain are in one training sequence; texts alone decide'
    has out 'apart.h5: table text, 5 rows of 1 columns by lsa of titles+description, whitened, 3 missing'
}

test_whitened_titles() { # Columns of the same norm give another table, which says so.
    encodes 2 text --from titles --dim 16 --vocabulary --whiten
    says_nothing err
    has out 'copy.h5: table text, 200 rows of 16 columns by lsa of titles, whitened, 0 missing'
}

test_titles_by_what_occurs_together() { # Components by the items of training sequences, on any ranks, say so.
    encodes 3 text --from titles --dim 16 --whiten --graph 1
    says_nothing err
    has out 'copy.h5: table text, 200 rows of 16 columns by lsa of titles, whitened, of items that occur together (mu 1), 0 missing'
    refuses 'features: --graph is about --from titles, titles+description, tags and text:NAME' --name text --from a.npy --graph 1
    refuses "features: --graph: '1.5' is not a number from 1e-06 to 1" --name text --from titles --graph 1.5
    encodes 2 text --from titles --dim 16 --whiten --graph 1 --smooth
    has out ', of items that occur together (mu 1), smoothed, 0 missing'
    refuses 'features: --smooth goes with --graph' --name text --from titles --smooth
}

test_tags() { # So are tags, with so many terms.
    encodes 3 tags --from tags --dim 8 --terms 20 --dtype f16
    has out 'copy.h5: table tags, 200 rows of 8 columns by lsa of tags'
    has out 'terms: 20 of '
}

test_principal_components() { # A table is reduced to its principal components, whitened if wanted.
    encodes 4 small --from data.h5:/features/wide --pca 12 --whiten
    has out 'copy.h5: table small, 200 rows of 48 columns, 0 missing'
    has out 'pca: 12 of 48 columns, whitened, explained variance 0.'
}

test_principal_components_of_some_rows() { # Missing rows do not count.
    { seq -f A%g 0 99; seq -f X%g 0 99; } >keys.txt
    encodes 3 half --from data.h5:/features/wide --keys keys.txt --ignore-unknown --pca 5
    has out 'copy.h5: table half, 200 rows of 48 columns, 100 missing'
    has out 'pca: 5 of 48 columns, explained variance 0.'
}

test_overwrite() { # A table that is there is replaced when that is wanted.
    encodes 1 wide --from titles --dim 16 --overwrite
}

test_table_that_is_there() { # Unasked it is not.
    refuses "data.h5: has a table 'wide' already; name another or give --overwrite" \
        --name wide --from titles
}

test_no_descriptions() { # Descriptions have to be in the data set.
    refuses 'data.h5: has no descriptions (a column '"'description'"' of the items); prepare it again with them' \
        --name text --from titles+description
}

test_arguments() { # Arguments that are out of range or do not belong together are refused.
    refuses 'features: --encoder: '"'bert'"' is not one of lsa, server, clip' \
        --name text --from titles --encoder bert
    refuses "features: --dim: '0' is not an integer from 1 to 32767" \
        --name text --from titles --dim 0
    refuses 'features: --from titles: is alone, without files, --tensor, --keys and --mask' \
        --name text --from titles --mask a.npy
    refuses 'features: --encoder, --dim and --terms are about --from titles, titles+description, tags and text:NAME' \
        --name text --from a.npy --dim 5
    refuses 'features: --pca is about tables in files; give --dim' \
        --name text --from titles --pca 5
    refuses 'features: --whiten is about texts and --pca' \
        --name text --from a.npy --whiten
}

test_too_many_columns() { # More columns than there are to take are refused.
    refuses 'data.h5:/features/wide: has 48 columns, fewer than --pca 49; lower it' \
        --name text --from data.h5:/features/wide --pca 49
    cp data.h5 before.h5
    ranks 2 features data.h5 --name text --from titles --dim 500
    statuses 2 2
    has err 'too few for --dim 500; lower it'
    cmp -s data.h5 before.h5 || complain 'data.h5 is as before'
}

test_models() { # What goes with a CLIP model, and what there has to be.
    refuses 'features: --encoder clip: give the folder of the model, --model DIR' \
        --name text --from titles --encoder clip
    refuses 'features: --from images:dir: goes with --encoder clip or server, and --model' \
        --name image --from images:dir
    refuses 'features: --model is about --encoder clip and server, --precision about clip, --endpoint about server' \
        --name text --from titles --model dir
    refuses 'features: --encoder clip: goes with one --from titles, titles+description, text:NAME or images:DIR' \
        --name text --from tags --encoder clip --model dir
    refuses 'features: --encoder clip: goes with --model, --precision, --picture-seconds, --pca, --whiten, --dtype and --overwrite alone' \
        --name text --from titles --encoder clip --model dir --dim 8
    refuses "features: --precision: 'f16' is not one of fp32, bf16" \
        --name text --from titles --encoder clip --model dir --precision f16
    refuses "data.h5: has a table 'wide' already; name another or give --overwrite" \
        --name wide --from titles --encoder clip --model dir
    mkdir -p empty
    ranks 2 features data.h5 --name text --from titles --encoder clip --model empty
    statuses 3 3
    says err 'cdsr: error: empty/config.json: cannot be read: No such file or directory'
    ranks 2 features data.h5 --name image --from images:nowhere --encoder clip --model empty
    statuses 3 3
    says err 'cdsr: error: nowhere: cannot be listed: No such file or directory; name the folder of the pictures'
}

test_golden_model() { # Titles and pictures by a model, damaged ones named, in both precisions.
    local golden=${CDSR_SHARED:-../shared}/golden/clip-tiny name picture
    [ -r "$golden/model.safetensors" ] || skip "$golden is not there"
    mkdir pictures
    for picture in "$golden"/images/*; do
        name=A$(ls pictures | wc -l)
        cp "$picture" "pictures/$name.${picture##*.}"
    done
    head -c 900 "$golden/images/photo.jpg" >pictures/A11.jpg
    encodes 2 image --from images:pictures --encoder clip --model "$golden"
    has out 'copy.h5: table image, 200 rows of 32 columns by clip of images:pictures, 189 missing'
    has out 'clip: weights a64510582508edc45c069b4cbdd84edf3cfa0099af2f6bc5189af2acc5a149eb; '
    has err 'cdsr: warning: item 11, pictures/A11.jpg: Premature end of JPEG file'
    has err 'cdsr: warning: item 12, A12: there is no .jpg, .jpeg, .png or .webp'
    [ "$(wc -l <"$work/err")" = 5 ] || complain "five warnings: $(cat "$work/err")"
    encodes 3 text --from titles --encoder clip --model "$golden" --precision bf16 --dtype f16
    says_nothing err
    has out 'copy.h5: table text, 200 rows of 32 columns by clip of titles, 0 missing'
    described
    ranks 1 prepare --format c2dsr in -o golden.h5
    ranks 2 features golden.h5 --name text --from titles+description --encoder clip --model "$golden" --quiet
    has out 'golden.h5: table text, 5 rows of 32 columns by clip of titles+description, 2 missing'
}

# norms TABLE: of both.h5, which signs of components do not change.
norms() {
    "$CDSR" features pictured.h5 --name norms --from both.h5:/features/"$1" --overwrite | grep -o 'missing; norms.*'
}

test_slow_picture() { # One that takes too long is named, and missing.
    command -v python3 >/dev/null || skip 'no python3'
    python3 "$(dirname "$script")/../clip_model.py" model
    "$CDSR" synth --items-a 120 --items-b 80 --users 40 --topics 8 -o slow.h5 --pictures slow >/dev/null
    python3 - slow/A7.png <<'PYTHON'
import struct, sys, zlib
chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
side = 4000
rows = zlib.compress((b"\4" + bytes(range(1, 251)) * (3 * side // 250)) * side, 1)
with open(sys.argv[1], "wb") as file:
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
               chunk(b"IDAT", rows) + chunk(b"IEND", b""))
PYTHON
    ranks 2 features slow.h5 --name image --from images:slow --encoder clip --model model --picture-seconds 0.02
    statuses 0 0
    has out 'slow.h5: table image, 200 rows of 64 columns by clip of images:slow, 1 missing'
    has err 'warning: item 7, slow/A7.png: it takes too long'
    ranks 2 features slow.h5 --name image --from images:slow --encoder clip --model model --overwrite
    has out 'slow.h5: table image, 200 rows of 64 columns by clip of images:slow, 0 missing'
}

test_components_of_a_model() { # They are those of the model's own rows, on any number of ranks; missing rows stay so.
    command -v python3 >/dev/null || skip "no python3"
    python3 "$(dirname "$script")/../clip_model.py" model
    "$CDSR" synth --items-a 120 --items-b 80 --users 40 --topics 8 -o pictured.h5 --pictures drawn >/dev/null
    rm drawn/A3.png drawn/B70.png
    ranks 2 features pictured.h5 --name own --from images:drawn --encoder clip --model model --quiet
    ranks 3 features pictured.h5 --name reduced --from images:drawn --encoder clip --model model --pca 16 --quiet
    has out 'pictured.h5: table reduced, 200 rows of 16 columns by clip of images:drawn, 2 missing'
    has out 'pca: 16 of 64 columns, explained variance 0.'
    grep '^pca:' "$work/out" >by_model
    cp pictured.h5 own.h5
    ranks 1 features pictured.h5 --name again --from own.h5:/features/own --pca 16 --quiet
    grep '^pca:' "$work/out" | cmp - by_model || complain 'another share of the variance'
    cp pictured.h5 both.h5
    [ "$(norms again)" = "$(norms reduced)" ] || complain "norms: $(norms again); $(norms reduced)"
    refuses 'features: --encoder clip: --whiten goes with --pca' --name x --from titles --encoder clip --model model --whiten
    refuses 'model: makes 64 columns, fewer than --pca 65; lower it' --name x --from titles --encoder clip --model model --pca 65
}

# described: in/, a folder with descriptions.
described() {
    good_folder
    printf 'index\tdomain\tkey\ttitle\tdescription\n0\tA\tk\tRed chair\tof oak\n1\tA\tk\tred\tOAK\n3\tB\tk\tstrange\tlone\n' \
        >in/items.tsv
}

test_descriptions() { # Descriptions come from items.tsv; items without a shared word are missing.
    described
    ranks 2 prepare --format c2dsr in -o small.h5
    statuses 0 0
    ranks 3 features small.h5 --name text --from titles+description --encoder lsa --dim 1 --quiet
    statuses 0 0 0
    has out 'small.h5: table text, 5 rows of 1 columns by lsa of titles+description, 3 missing'
    has out 'terms: 2 of 2; '
}

test_description_that_is_not_utf8() { # It is refused with its line.
    described
    printf '4\tB\tk\tfine\tcaf\xe9\n' >>in/items.tsv
    ranks 1 prepare --format c2dsr in -o other.h5
    statuses 2
    says err 'cdsr: error: in/items.tsv:5: the description of item 4 is not UTF-8; convert the file with iconv'
}

run_tests "$@"
