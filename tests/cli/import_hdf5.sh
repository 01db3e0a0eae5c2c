# Feature tables from HDF5 files, and HDF5 files that are no data set.
. "$(dirname "$0")/tables.bash"

# incomplete FILE ARGUMENT...: four ranks say in one line that the file is no complete HDF5 file.
incomplete() {
    local file=$1
    shift
    ranks 4 features "$@"
    statuses 2 2 2 2
    has err "cdsr: error: $file: is not a complete HDF5 file: "
    [ "$(wc -l <"$work/err")" = 1 ] || complain "one line, but: $(cat "$work/err")"
}

test_truncated() { # A file that is cut is refused as a table and as a data set.
    head -c 3000 data.h5 >x.h5
    incomplete x.h5 data.h5 --name new --from x.h5:/features/text
    head -c 5000 data.h5 >cut.h5
    incomplete cut.h5 cut.h5 --name x --from a.npy
}

test_other_file() { # So is a file of something else, and a folder.
    echo 'not HDF5 either' >x.h5
    incomplete x.h5 data.h5 --name new --from x.h5
    mkdir folder.h5
    refused 'cdsr: error: folder.h5: is not a regular file; name an HDF5 file' \
        features folder.h5 --name x --from a.npy
}

test_other_types() { # Integers and strings are no table.
    table='a table has rows and columns of floating-point numbers: write it again from X.astype('"'f4'"')'
    refuses 2 "data.h5: /items/domain: holds integers; $table" --from data.h5:/items/domain
    refuses 2 "data.h5: items/key: holds strings; $table" --from data.h5:items/key
}

test_choice_of_a_dataset() { # Of several datasets one has to be named.
    refuses 2 'data.h5: what is named is a group; say which as data.h5:DATASET: items/domain, items/key, items/title' \
        --from data.h5:items
    ranks 2 features data.h5 --name new --from data.h5
    statuses 2 2
    has err 'data.h5: has several datasets; say which as data.h5:DATASET: '
    has err 'items/domain, items/key, '
}

test_absent_dataset() { # One that is not there is refused.
    refuses 2 'data.h5: /features/none: is missing (soft and external links are not followed); make the file again' \
        --from data.h5:/features/none
}

run_tests "$@"
