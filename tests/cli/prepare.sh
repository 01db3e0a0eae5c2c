# Raw files become a data set, or are refused on one rank and on four: one line, the right exit status, no
# output and nothing temporary left behind. Other layouts of the same rows: layouts.sh.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# fails STATUS LINE ARGUMENT...: on 1 and on 4 ranks; out.h5 does not come to be.
fails() {
    local status=$1 line=$2 n
    shift 2
    rm -f out.h5
    for n in 1 4; do
        ranks "$n" "$@"
        statuses $(yes "$status" | head -n "$n")
        says err "$line"
        says_nothing out
        [ ! -e out.h5 ] || complain "no out.h5 after: $*"
        [ -z "$(ls | grep tmp)" ] || complain "something temporary after: $*"
    done
}

c2dsr() {
    fails "$1" "$2" prepare --format c2dsr in -o out.h5
}

test_c2dsr_folder() { # A C2DSR folder becomes a data set, whose counts are said.
    good_folder
    ranks 4 prepare --format c2dsr in -o out.h5 --name small
    statuses 0 0 0 0
    says_nothing err
    has out 'items: 3 of A, 2 of B'
    has out 'train: 3 sequences, 12 events; 3 mixed, 0 A only, 0 B only'
}

test_data_set_that_is_there() { # It is not replaced unasked; the same input gives the same bytes.
    good_folder
    ranks 4 prepare --format c2dsr in -o out.h5 --name small
    statuses 0 0 0 0
    cp out.h5 data.h5
    refused 'cdsr: error: out.h5: exists already; name another output or give --overwrite' \
        prepare --format c2dsr in -o out.h5
    cmp -s out.h5 data.h5 || complain 'a refused overwrite changes nothing'
    ranks 2 prepare --format c2dsr in -o out.h5 --name small --overwrite
    statuses 0 0
    cmp -s out.h5 data.h5 || complain 'the same input gives the same bytes'
}

test_unknown_item() { # A sequence with an item that the lists do not have is refused.
    good_folder
    printf 'u1\t0\t9|1|\n' >>in/traindata_new.txt
    c2dsr 2 'cdsr: error: in/traindata_new.txt:4: item 9 is unknown: the lists have items 0 to 4; correct it or complete the lists'
}

test_empty_sequence() { # So is an empty sequence.
    good_folder
    printf 'u1\t0\t\t\n' >>in/traindata_new.txt
    c2dsr 2 'cdsr: error: in/traindata_new.txt:4: the sequence is empty; remove the line'
}

test_line_without_end() { # With --strict a last line without its end is refused.
    good_folder
    printf 'u1\t0\t1|1|\t2' >>in/traindata_new.txt
    fails 2 "cdsr: error: in/traindata_new.txt:4: the last line has no line end; is the file truncated?" \
        prepare --strict --format c2dsr in -o out.h5
}

test_held_out_sequence_of_one_event() { # A held-out sequence needs a history and a target.
    good_folder
    printf 'v2\t0\t3|1|\n' >>in/validdata_new.txt
    c2dsr 2 'cdsr: error: in/validdata_new.txt:2: a valid sequence needs a history and a target, this has 1 event; remove the line'
}

test_key_of_two_items() { # A key is that of one item.
    good_folder
    printf '5\tkey1\t2\n' >>in/Blist.txt
    c2dsr 2 "cdsr: error: in/Blist.txt:3: key 'key1' is already item 1 of Alist.txt; an item has one line in one list"
}

test_title_that_is_not_utf8() { # A title has to be UTF-8.
    good_folder
    printf '1\tA\tkey1\tcaf\xe9\n' >>in/items.tsv
    c2dsr 2 'cdsr: error: in/items.tsv:3: the title of item 1 is not UTF-8; convert the file with iconv'
}

test_item_of_two_domains() { # An item belongs to one domain.
    good_folder
    printf '3\tA\tkey3\tx\n' >>in/items.tsv
    c2dsr 2 "cdsr: error: in/items.tsv:3: the item is of domain 'A' here, but stands in Blist.txt; an item belongs to one domain"
}

test_tags_that_are_not_json() { # Tags have to be JSON Lines.
    good_folder
    printf '{"item": 0, "tags": ["x"\n' >in/tags.jsonl
    c2dsr 2 "cdsr: error: in/tags.jsonl:1: is not JSON: ']' expected near end of file at column 24; is the line truncated?"
}

test_absent_file() { # A folder without all of its files is refused.
    good_folder
    rm in/testdata_new.txt
    c2dsr 3 'cdsr: error: in/testdata_new.txt: cannot be read: No such file or directory; check the path'
}

test_absent_folder_of_the_output() { # So is an output in a folder that is not there.
    good_folder
    fails 3 'cdsr: error: absent/out.h5: cannot be written: No such file or directory; check the folder and its permissions' \
        prepare --format c2dsr in -o absent/out.h5
}

test_leak() { # With --strict held-out sequences that are training sequences too are refused.
    good_folder
    cat in/traindata_new.txt >in/testdata_new.txt
    ranks 4 prepare --format c2dsr in -o out.h5 --strict
    statuses 2 2 2 2
    has out 'leak: held-out sequences that are also training sequences: 3'
    [ ! -e out.h5 ] || complain 'no out.h5 after --strict'
}

test_arguments() { # A format has to be named, and to be one; numbers have their range.
    refused "cdsr: error: prepare: missing --format c2dsr|interactions" prepare in -o x.h5
    refused "cdsr: error: prepare: --format: 'csv' is not one of c2dsr, interactions" \
        prepare --format csv in -o x.h5
    refused "cdsr: error: prepare: --max-len: '0' is not an integer from 1 to 1048576" \
        prepare --format c2dsr in -o x.h5 --max-len 0
}

test_interactions_with_an_unknown_item() { # An item has its line, or its domain in the event.
    printf 'item_id:token\tdomain:token\ttitle:token_seq\ni1\tA\tOne\ni2\tB\tTwo\n' >x.item
    printf 'user_id:token\titem_id:token\ttimestamp:float\nu\ti1\t1\nu\ti2\t2\nu\ti3\t3\n' >x.inter
    fails 2 "cdsr: error: x.inter:4: item 'i3' is unknown: it has no line in the .item file, and there is no column domain:token here; add one of both" \
        prepare --format interactions x.inter x.item -o out.h5
}

run_tests "$@"
