# A feature table of 200 MB: with less memory than that, and where there is no room for it.
. "$(dirname "$0")/tables.bash"
synth --items-a 6400 --items-b 6400 --users 200 -o small.h5
table 12800 4096 >wide.npy

# one_line_of_the_disk: two ranks end with 3, one line is said, nothing is printed.
one_line_of_the_disk() {
    statuses 3 3
    has err 'check the space on the disk and the permissions'
    [ "$(wc -l <"$work/err")" = 1 ] || complain "one line, but: $(cat err)"
    says_nothing out
}

test_less_memory_than_rows() { # No rank needs more than 80 MB of data.
    cp small.h5 wide.h5
    for n in 1 4; do
        (
            ulimit -d 80000
            ranks $n features wide.h5 --name image --from wide.npy --overwrite
            [ "$(tr -d '\n' <"$work/status")" = "$(yes 0 | head -n $n | tr -d '\n')" ]
        ) || complain "under a memory limit, $n ranks: $(cat err)"
        says out 'wide.h5: table image, 12800 rows of 4096 columns, 0 missing; norms 47.81 to 47.81, mean 47.81'
    done
    rm wide.h5
}

test_limit_on_file_sizes() { # That there is no room is found before anything is written.
    cp small.h5 kept.h5
    (
        ulimit -f 150000
        ranks 2 features kept.h5 --name more --from wide.npy
        one_line_of_the_disk
        exit $failures
    ) || complain 'under a limit on file sizes'
    cmp -s small.h5 kept.h5 || complain 'the old data set is whole after a limit on file sizes'
}

test_full_disk() { # So it is on a disk that is too small.
    disk 16m
    cp small.h5 disk/data.h5
    ranks 2 features disk/data.h5 --name image --from wide.npy
    one_line_of_the_disk
    cmp -s disk/data.h5 small.h5 || complain 'the old data set is whole after a full disk'
    [ "$(ls disk)" = data.h5 ] || complain "left on the disk: $(ls disk)"
}

run_tests "$@"
