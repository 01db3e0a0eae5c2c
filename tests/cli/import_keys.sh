# Feature tables whose rows are found by the keys of the items, and masks.
. "$(dirname "$0")/tables.bash"
table 3 3 >three.npy

# has_rows ITEMS UNKNOWN MISSING RANKS ARGUMENT...: so many items have a row, and so many keys are no item's.
has_rows() {
    takes "$4" "keys.txt: $1 of 50 items have a row; $2 of 3 keys are no item's" \
        "copy.h5: table new, 50 rows of 3 columns, $3 missing; norms 1.294 to 1.294, mean 1.294" -- \
        --from three.npy --keys keys.txt "${@:5}"
}

test_rows_by_key() { # Items without a row are missing.
    printf 'A7\nB3\nA0\n' >keys.txt
    has_rows 3 0 47 4
}

test_packed_keys() { # Keys may be packed, with a byte order mark, CRLF and an empty line at the end.
    printf '\xef\xbb\xbfA7\r\nB3\r\nA0\r\n\r\n' | gzip >keys.txt.gz
    takes 1 'keys.txt.gz: 3 of 50 items have a row; 0 of 3 keys are no item'"'"'s' \
        'copy.h5: table new, 50 rows of 3 columns, 47 missing; norms 1.294 to 1.294, mean 1.294' -- \
        --from three.npy --keys keys.txt.gz
}

test_unknown_key() { # A key that is no item's is refused, unless that is wanted.
    printf 'A7\nwho\nA0\n' >keys.txt
    refuses 2 "keys.txt:2: key 'who' is no item's, one of 1 such lines; correct them or give --ignore-unknown" \
        --from three.npy --keys keys.txt
    has_rows 2 1 48 2 --ignore-unknown
}

test_mask() { # Rows that a mask leaves out are missing.
    printf 'A7\nwho\nA0\n' >keys.txt
    { npy 1 "'|b1'" False '(3,)'; printf '\x01\x01\x00'; } >mask.npy
    has_rows 2 1 49 3 --ignore-unknown --mask mask.npy
}

test_length_of_the_mask() { # A mask has an element per row.
    table 50 3 >good.npy
    { npy 1 "'|b1'" False '(3,)'; printf '\x01\x01\x00'; } >mask.npy
    refuses 2 'mask.npy: is not a vector of 50 u1 or bool, one per row' --from good.npy --mask mask.npy
}

test_key_twice() { # An item has one row.
    printf 'A7\nB3\nA7\n' >keys.txt
    refuses 2 "keys.txt:3: key 'A7' is on line 1 already; an item has one row" \
        --from three.npy --keys keys.txt
}

test_number_of_keys() { # A row has one key, and no line is empty.
    printf 'A7\nB3\n' >keys.txt
    refuses 2 'keys.txt: has 2 keys, but the table has 3 rows; give one key per row' \
        --from three.npy --keys keys.txt
    printf 'A7\n\nB3\n' >keys.txt
    refuses 2 'keys.txt:2: the line is empty, and others follow; complete it or remove it' --from three.npy --keys keys.txt
}

test_no_known_key() { # Keys that are no item's at all are refused.
    printf 'x\ny\nz\n' >keys.txt
    refuses 2 'keys.txt: has no key of an item' --from three.npy --keys keys.txt --ignore-unknown
}

test_absent_keys() { # So is a file of keys that is not there.
    refuses 3 'absent.txt: cannot be read: No such file or directory; check the path' \
        --from three.npy --keys absent.txt
}

test_ignore_unknown_without_keys() { # --ignore-unknown is about keys.
    refuses 2 'features: --ignore-unknown is about --keys; give both or none' \
        --from three.npy --ignore-unknown
}

run_tests "$@"
