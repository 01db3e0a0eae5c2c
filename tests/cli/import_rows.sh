# The rows of a feature table: how many there have to be, what their numbers may be, which are missing; and
# the data set that gets them.
. "$(dirname "$0")/tables.bash"

# 50 rows of 3 columns, all of them 1.
{ npy 1 "'<f4'" False '(50, 3)'; yes '\x00\x00\x80\x3f' | head -n 150 | tr -d '\n' | xargs -0 printf; } >ones.npy

test_number_of_rows() { # A table has a row per item.
    table 49 3 >short.npy
    refuses 2 'short.npy: has 49 rows of 3 columns, but data.h5 has 50 items; give one row per item, in the order of the items, or --keys' \
        --from short.npy
}

test_nan_and_infinity() { # Of several numbers that are not finite the first is named, whichever rank finds it.
    { npy 1 "'<f4'" False '(50, 3)'; bytes 124; printf '\x00\x00\x80\x7f'; bytes 404
        printf '\x00\x00\xc0\x7f'; bytes 64; } >x.npy
    refuses 2 'x.npy: row 10, column 1 is infinite; replace it, or mark the row as missing with --mask' \
        --from x.npy
    { head -c $((128 + 4 * (7 * 3 + 2))) ones.npy; printf '\x00\x00\xc0\x7f'; tail -c +$((128 + 4 * 24 + 1)) ones.npy; } >nan.npy
    refuses 2 'nan.npy: row 7, column 2 is NaN; replace it, or mark the row as missing with --mask' \
        --from nan.npy
}

test_zero_row() { # A row of zeros is missing, on any number of ranks.
    { head -c 128 ones.npy; head -c 12 /dev/zero; tail -c +141 ones.npy; } >zero.npy
    takes 4 'copy.h5: table new, 50 rows of 3 columns, 1 missing (1 zero, 0 not representable in f32); norms 1.732 to 1.732, mean 1.732' -- \
        --from zero.npy
}

test_no_row_left() { # A table without any row is refused.
    { npy 1 "'<f4'" False '(50, 3)'; head -c 600 /dev/zero; } >x.npy
    refuses 2 'x.npy: all rows are zero, masked or not representable in f32; nothing to import' --from x.npy
}

test_table_that_is_there() { # A table is replaced only where that is wanted, and may be copied.
    refuses 2 "data.h5: has a table 'text' already; name another or give --overwrite" \
        --name text --from ones.npy
    takes 2 'copy.h5: table text, 50 rows of 3 columns, 0 missing; norms 1.732 to 1.732, mean 1.732' -- \
        --name text --from ones.npy --overwrite
    ranks 2 features copy.h5 --name copy --from copy.h5:/features/text --dtype f16
    statuses 0 0
}

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

test_scale_of_the_rows() { # Training does not depend on the scale of the rows, however small or large.
    cp data.h5 scaled.h5
    cat >run.yaml <<'YAML'
data: {path: scaled.h5}
model: {dim: 8, blocks: 1, modalities: [id, scaled], id_init: random}
train: {epochs: 1}
YAML
    for scale in 0 -100 100; do
        powers $scale >x.npy
        ranks 2 features scaled.h5 --name scaled --overwrite --from x.npy
        has out '50 rows of 3 columns, 0 missing; norms '
        ranks 1 train run.yaml "run.dir=scale$scale"
        statuses 0
    done
    for scale in -100 100; do
        [ "$(losses "scale$scale")" = "$(losses scale0)" ] || complain "rows scaled by 2^$scale count as others"
    done
    [ "$(losses scale0 | wc -l)" -gt 0 ] || complain 'a run on scaled rows has losses'
}

# rows8: 1e300, 1e-300, zero, then rows of 1.
rows8() {
    npy 1 "'<f8'" False '(50, 3)'
    for number in '\x9c\x75\x00\x88\x3c\xe4\x37\x7e' '\x59\xf3\xf8\xc2\x1f\x6e\xa5\x01' \
        '\x00\x00\x00\x00\x00\x00\x00\x00' $(yes '\x00\x00\x00\x00\x00\x00\xf0\x3f' | head -n 47); do
        printf "$number$number$number"
    done
}

test_numbers_out_of_range() { # Rows that the type of the table cannot hold are missing.
    rows8 >x.npy
    for n in 1 4; do
        takes $n 'copy.h5: table new, 50 rows of 3 columns, 3 missing (1 zero, 2 not representable in f32); norms 1.732 to 1.732, mean 1.732' -- \
            --from x.npy
    done
    powers -30 >x.npy
    refuses 2 'x.npy: all rows are zero, masked or not representable in f16; nothing to import' \
        --from x.npy --dtype f16
}

test_full_disk() { # A full disk leaves the old data set.
    disk 192k
    cp before.h5 disk/data.h5
    head -c 1M /dev/zero >disk/ballast 2>/dev/null
    ranks 2 features disk/data.h5 --name image --from ones.npy
    statuses 3 3
    cmp -s disk/data.h5 before.h5 || complain 'the old data set is whole after a full disk'
    [ "$(ls disk | tr '\n' ' ')" = 'ballast data.h5 ' ] || complain "left on the disk: $(ls disk)"
}

run_tests "$@"
