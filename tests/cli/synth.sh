# cdsr synth: the data set follows from its arguments, and is there whole or not at all.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

test_repeats() { # The same arguments give the same bytes, on four ranks as in one process.
    ranks 4 synth --items-a 30 --items-b 20 --users 50 --topics 4 --tags --features text:8 -o synth.h5
    statuses 0 0 0 0
    "$CDSR" synth --items-a 30 --items-b 20 --users 50 --topics 4 --tags --features text:8 -o again.h5 \
        >/dev/null || complain 'synth again'
    cmp synth.h5 again.h5 || complain 'synth repeats'
}

test_pictures() { # One of every item, the same every time; not into a directory that is there.
    synth_with_pictures() {
        "$CDSR" synth --items-a 30 --items-b 20 --users 50 --topics 2 -o "$@" >/dev/null
    }
    synth_with_pictures pictured.h5 --pictures pictures || complain 'synth --pictures'
    [ "$(ls pictures | wc -l)" = 50 ] || complain "pictures: $(ls pictures | wc -l)"
    refused 'cdsr: error: pictures: exists; remove it, or add --overwrite to write into it' \
        synth --items-a 30 --items-b 20 --users 50 -o other.h5 --pictures pictures
    [ ! -e other.h5 ] || complain 'a data set without its pictures'
    cp -r pictures first
    synth_with_pictures pictured.h5 --pictures pictures --overwrite || complain 'synth --overwrite'
    diff -r first pictures || complain 'pictures repeat'
}

test_users_for_training() { # Some users have to be left for training.
    refused 'cdsr: error: synth: --users: 50 users leave none for training after 25 for validation and 25 for test' \
        synth --users 50 --valid 25 --test 25 -o out.h5
}

test_full_disk() { # On a full disk nothing is left.
    disk 192k
    head -c 1M /dev/zero >disk/ballast 2>/dev/null
    ranks 2 synth --users 5000 -o disk/out.h5
    statuses 3 3
    [ "$(ls disk)" = ballast ] || complain "left on the disk: $(ls disk)"
}

run_tests "$@"
