# Feature tables from .safetensors files: which tensors are taken, and what is refused of the others.
. "$(dirname "$0")/tables.bash"
advice='save it again with the safetensors library'

# safetensors HEADER [LENGTH]: what stands in front of the data, with a right or another length.
safetensors() {
    little 8 "${2:-${#1}}"
    printf %s "$1"
}

# tensor DTYPE SHAPE BEGIN END: its entry in the header.
tensor() {
    printf '{"dtype":"%s","shape":%s,"data_offsets":[%s,%s]}' "$1" "$2" "$3" "$4"
}

# bad_tensors LINE: x.safetensors is refused.
bad_tensors() {
    refuses 2 "x.safetensors: $1" --from x.safetensors
}

# bad_tensor SHAPE BEGIN END LINE: a single tensor of 600 bytes is refused.
bad_tensor() {
    { safetensors "{\"a\":$(tensor F32 "$1" "$2" "$3")}"; bytes 600; } >x.safetensors
    bad_tensors "tensor 'a' $4; $advice"
}

two="{\"__metadata__\":{\"format\":\"pt\"},\"a\":$(tensor F32 '[50,3]' 0 600),\"b\":$(tensor BF16 '[50,2]' 600 800),\"c\":$(tensor I64 '[2]' 800 816)}  "
{ safetensors "$two"; bytes 816; } >two.safetensors

test_types() { # Tensors of F32, BF16 and F16 are taken.
    takes 4 'copy.h5: table new, 50 rows of 3 columns, 0 missing; norms 1.294 to 1.294, mean 1.294' -- \
        --from two.safetensors --tensor a
    takes 2 'copy.h5: table new, 50 rows of 2 columns, 0 missing; norms 1.055 to 1.055, mean 1.055' -- \
        --from two.safetensors --tensor b
    { safetensors "{\"half\":$(tensor F16 '[50,1]' 0 100)}"; bytes 100; } >half.safetensors
    takes 3 'copy.h5: table new, 50 rows of 1 columns, 0 missing; norms 1.812 to 1.812, mean 1.812' -- \
        --from half.safetensors --dtype f16
}

test_other_type() { # Other types are refused.
    { safetensors "{\"a\":$(tensor F64 '[50,3]' 0 1200)}"; bytes 1200; } >x.safetensors
    bad_tensors "tensor 'a' is of type F64; convert it to F32, F16 or BF16"
}

test_choice_of_a_tensor() { # Of several tensors one has to be named that is a table.
    refuses 2 'two.safetensors: has several tables; choose one with --tensor: a, b' --from two.safetensors
    refuses 2 "two.safetensors: has no tensor 'd'; it has tables: a, b" --from two.safetensors --tensor d
    refuses 2 "two.safetensors: tensor 'c' has 1 dimensions; a table has 2, rows and columns" \
        --from two.safetensors --tensor c
}

test_tensor_of_another_format() { # Files of other formats have no tensors.
    table 50 3 >good.npy
    refuses 2 'good.npy: --tensor is for .safetensors files; leave it out' --from good.npy --tensor a
}

test_truncated() { # A file that is cut is refused, wherever it ends.
    head -c 700 two.safetensors >x.safetensors
    bad_tensors "tensor 'a' has data_offsets past the end of the file; $advice"
    head -c 100 two.safetensors >x.safetensors
    bad_tensors "it is truncated, or not a .safetensors file: its header ends past its end; $advice"
    head -c 5 two.safetensors >x.safetensors
    bad_tensors "it is not a .safetensors file: it has no header; $advice"
}

test_length_of_the_header() { # A header has to end in the file.
    safetensors '{}' 9223372036854775807 >x.safetensors
    bad_tensors "it is truncated, or not a .safetensors file: its header ends past its end; $advice"
    safetensors '{}' -1 >x.safetensors
    bad_tensors "it is truncated, or not a .safetensors file: its header ends past its end; $advice"
}

test_header() { # A header is JSON and has a table.
    safetensors '' >x.safetensors
    bad_tensors "its header is not a JSON object; $advice"
    safetensors '{}' >x.safetensors
    bad_tensors 'has no table of rows and columns; save one of shape [rows, columns]'
    { safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600),\"a\":$(tensor F32 '[50,3]' 0 600)}"; bytes 600; } >x.safetensors
    bad_tensors "its header is not JSON: duplicate object key near '\"a\"' at byte 62; $advice"
}

test_shape() { # A shape is of integers that do not overflow.
    bad_tensor '[-50,3]' 0 600 'has a shape that is not of integers >= 0'
    bad_tensor '[50,3.0]' 0 600 'has a shape that is not of integers >= 0'
    bad_tensor '[4611686018427387904,4]' 0 600 'has a shape that overflows'
}

test_offsets() { # The offsets of a tensor fit its shape and the file.
    bad_tensor '[50,3]' 600 0 'has data_offsets that are not ascending integers >= 0'
    bad_tensor '[50,3]' -600 0 'has data_offsets that are not ascending integers >= 0'
    bad_tensor '[50,3]' 1 601 'has data_offsets past the end of the file'
    bad_tensor '[50,2]' 0 600 'has data_offsets that do not fit its dtype and shape'
}

test_gaps_and_overlaps() { # The tensors fill the file, one behind the other.
    bad_tensor '[50,2]' 200 600 'begins behind a gap'
    { safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600),\"b\":$(tensor F32 '[25,3]' 300 600)}"; bytes 600; } >x.safetensors
    bad_tensors "tensor 'b' overlaps another one; $advice"
    { safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600)}"; bytes 601; } >x.safetensors
    bad_tensors "it has bytes behind its last tensor; $advice"
}

test_nan() { # A number that is not finite is named.
    { safetensors "{\"a\":$(tensor F32 '[50,3]' 0 600)}"; bytes 596; printf '\x00\x00\xc0\x7f'; } >x.safetensors
    bad_tensors 'row 49, column 2 is NaN; replace it, or mark the row as missing with --mask'
}

run_tests "$@"
