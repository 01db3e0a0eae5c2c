# Feature tables from .npy files: which are taken, and what is refused of the others.
. "$(dirname "$0")/tables.bash"

bad_npy() {
    refuses 2 "x.npy: $1; save it again: numpy.save('x.npy', X.astype('f4')), a mask as 'bool'" --from x.npy
}

test_types_and_versions() { # f2, f4 and f8 in the versions 1, 2 and 3 of the format are taken.
    cp data.h5 types.h5
    for type in 'f2 2 300' 'f4 1 600' 'f8 3 1200'; do
        read -r name version size <<<"$type"
        { npy "$version" "'<$name'" False '(50, 3)'; bytes "$size"; } >"$name.npy"
        ranks 2 features types.h5 --name new --overwrite --from "$name.npy"
        statuses 0 0
    done
}

test_columns_one_after_the_other() { # Fortran's order is taken: the rows are all alike, and a transposed read of them is too.
    { npy 1 "'<f4'" True '(50, 3)'; bytes 600; } >fortran.npy
    takes 2 'copy.h5: table new, 50 rows of 3 columns, 0 missing; norms 1.294 to 1.294, mean 1.294' -- \
        --from fortran.npy
}

test_other_types() { # Other types of numbers and objects are refused.
    { npy 1 "'<i8'" False '(50, 3)'; bytes 1200; } >x.npy
    bad_npy 'it holds integers'
    { npy 1 "'>f4'" False '(50, 3)'; bytes 600; } >x.npy
    bad_npy 'it is big-endian'
    { npy 1 "[('a', '<f4')]" False '(50,)'; bytes 200; } >x.npy
    bad_npy 'it is a structured array'
    { npy 1 "'|O'" False '(50, 3)'; bytes 600; } >x.npy
    bad_npy 'it holds Python objects'
}

test_shape() { # A shape that is none of a table is refused.
    { npy 1 "'<f4'" False '(-50, 3)'; bytes 600; } >x.npy
    bad_npy 'its shape is not that of a vector or a table'
    { npy 1 "'<f4'" False '(4611686018427387904, 4)'; bytes 600; } >x.npy
    bad_npy 'its shape overflows'
    { npy 1 "'<f4'" False '(50,)'; bytes 200; } >x.npy
    refuses 2 'x.npy: is not a table of f2, f4 or f8 with rows and columns' --from x.npy
    { npy 1 "'<f4'" False '(50, 0)'; } >x.npy
    refuses 2 'x.npy: has 0 columns; a table has at least one' --from x.npy
}

test_unknown_version() { # Another version of the format is refused.
    { npy 4 "'<f4'" False '(50, 3)'; bytes 600; } >x.npy
    bad_npy 'it is of none of the versions 1, 2 and 3'
}

test_truncated() { # A file that is cut is refused, in its header and in its data.
    table 50 4 | head -c 9 >x.npy
    bad_npy 'it is truncated'
    table 50 3 | head -c 700 >x.npy
    bad_npy 'it is truncated: it has fewer bytes than its shape needs'
    table 50 3 | head -c 300 >cut.npy
    refuses 2 "cut.npy: it is truncated: it has fewer bytes than its shape needs; save it again: numpy.save('cut.npy', X.astype('f4')), a mask as 'bool'" \
        --from cut.npy
}

test_no_npy_file() { # So is a file of something else, and an empty one.
    echo 'not numbers' >x.npy
    bad_npy 'it is not a .npy file'
    : >x.npy
    bad_npy 'it is not a .npy file'
}

test_absent_file() { # A file that is not there has another exit status.
    refuses 3 'absent.npy: cannot be read: No such file or directory; check the path' --from absent.npy
}

test_other_formats() { # For files of other formats the line says how they are converted.
    for kind in "z.npz:numpy.load('z.npz')['NAME']" "t.pt:torch.load('t.pt').float().numpy()" \
        "p.pkl:pickle.load(open('p.pkl', 'rb'))" "t.csv:numpy.loadtxt('t.csv', delimiter=',')" "a.parquet:X"; do
        ranks 1 features data.h5 --name new --from "${kind%%:*}"
        statuses 2
        says err "cdsr: error: ${kind%%:*}: is none of FILE.npy, FILE.safetensors, FILE.h5, FILE.h5:DATASET; convert it: numpy.save('table.npy', ${kind#*:})"
    done
    refuses 2 "x.txt: is none of FILE.npy, FILE.safetensors, FILE.h5, FILE.h5:DATASET; convert it: numpy.save('table.npy', numpy.loadtxt('x.txt'))" \
        --from x.txt
}

run_tests "$@"
