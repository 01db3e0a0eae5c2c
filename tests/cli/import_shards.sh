# Feature tables whose rows are spread over several files.
. "$(dirname "$0")/tables.bash"

table 20 3 >part-1.npy
table 25 3 >part-2.npy
table 5 3 >part-10.npy
whole='copy.h5: table new, 50 rows of 3 columns, 0 missing; norms 1.294 to 1.294, mean 1.294'

test_pattern() { # A pattern names the files in the order of their numbers.
    takes 4 "$whole" -- --from 'part-*.npy'
}

test_several_files() { # Files may be named one by one.
    takes 1 "$whole" -- --from part-1.npy --from part-2.npy --from part-10.npy
}

test_number_of_rows() { # All of them together have a row per item.
    refuses 2 'part-1.npy to part-2.npy (2 files): has 45 rows of 3 columns, but data.h5 has 50 items; give one row per item, in the order of the items, or --keys' \
        --from 'part-[12].npy'
}

test_no_file() { # A pattern that matches no file is refused.
    refuses 3 'none-*.npy: matches no file; check the path' --from 'none-*.npy'
}

test_width() { # The parts have one width.
    table 5 4 >wide.npy
    refuses 2 'wide.npy: has 4 columns, but part-1.npy has 3; the parts of a table have one width' \
        --from part-1.npy --from part-2.npy --from part-10.npy --from wide.npy
}

test_truncated() { # A part that is cut is named.
    head -c 150 part-10.npy >cut.npy
    refuses 2 "cut.npy: it is truncated: it has fewer bytes than its shape needs; save it again: numpy.save('cut.npy', X.astype('f4')), a mask as 'bool'" \
        --from part-1.npy --from part-2.npy --from part-10.npy --from cut.npy
}

test_nan() { # A number that is not finite is named with its part and the row in it.
    { npy 1 "'<f4'" False '(5, 3)'; bytes 44; printf '\x00\x00\xc0\x7f'; bytes 12; } >nan.npy
    refuses 2 'nan.npy: row 3, column 2 is NaN; replace it, or mark the row as missing with --mask' \
        --from part-1.npy --from part-2.npy --from nan.npy
}

run_tests "$@"
