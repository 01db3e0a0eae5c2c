# For the scripts beside it: run the program, look at what it said. At the top of a script stands what its
# tests share, then `test_WHAT() { # What must hold.` for each behaviour, and at the end
# `run_tests "$@"`. A test makes all the rest that it needs: it must also pass alone.
set -u
: "${CDSR:?names the program}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work CDSR
script=$(readlink -f "$0")
failures=0

# skip REASON: the test, or outside of tests the whole script, cannot be tried here.
skip() {
    echo "skipped: $*"
    [ $failures = 0 ] || exit 1
    exit 77
}

# tests [NAME...]: the tests of the script in their order; of names those that have a NAME in them.
tests() {
    local IFS='|'
    sed -n 's/^\(test_[a-z0-9_]*\)() {.*/\1/p' "$script" | grep -E -- "${*:-.}"
}

# run_tests [NAME...]: runs them, each in a subshell, and ends the script. A test that fails has its line,
# behind those of its checks.
run_tests() {
    local name names passed=0 skipped=0
    [ $failures = 0 ] || { echo "FAIL $0: the set-up" >&2; exit 1; }
    mapfile -t names < <(tests "$@")
    [ ${#names[@]} -gt 0 ] || { echo "FAIL $0: no test is named so: $*" >&2; exit 1; }
    for name in "${names[@]}"; do
        ("$name"; exit $((failures > 0)))
        case $? in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *) echo "FAIL $0: $name: $(sed -n "s/^$name() { # //p" "$script")" >&2 ;;
        esac
    done
    echo "$passed of ${#names[@]} tests passed$([ $skipped = 0 ] || echo ", $skipped skipped")"
    [ $skipped -lt ${#names[@]} ] || exit 77
    [ $((passed + skipped)) = ${#names[@]} ]
    exit
}

# ranks N ARGUMENT...: the program on N ranks; leaves $work/out, $work/err and, a line per rank, the
# exit statuses in $work/status. The ranks stand in a shell that succeeds, so that mpirun is silent. More
# ranks than cores are the tests' own doing: what is said of that is left out.
ranks() {
    local n=$1
    shift
    : >"$work/status"
    timeout 60 mpirun -n "$n" bash -c '"$CDSR" "$@"; echo $? >>"$work/status"' cdsr "$@" \
        >"$work/out" 2>"$work/err" || complain "mpirun ended with $?"
    sed -i '/ ranks of the node have [0-9]* threads on /d' "$work/err"
}

# complain WHAT: a check has failed; with the lines of the script that led to it, the check's first.
complain() {
    local i where=
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        [ "${FUNCNAME[i]}" != run_tests ] || break
        [ "${BASH_SOURCE[i]}" = "${BASH_SOURCE[0]}" ] ||
            where+="${where:+, called from }${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}"
    done
    echo "$where: not so: $*" >&2
    failures=$((failures + 1))
}

# statuses WANTED...: of the ranks.
statuses() {
    local got
    got=$(tr '\n' ' ' <"$work/status")
    [ "$got" = "$* " ] || complain "exit statuses $*, but $got"
}

# says FILE TEXT...: the file is these lines and no others.
says() {
    local file=$work/$1
    shift
    printf '%s\n' "$@" | diff - "$file" >&2 || complain "$file"
}

# has FILE TEXT: somewhere.
has() {
    grep -qF -- "$2" "$work/$1" || complain "'$2' in: $(cat "$work/$1")"
}

# losses DIR: step and total loss of a run, a line per step.
losses() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"total": \([0-9.e+-]*\)}.*/\1 \2/p' "$1/log.jsonl"
}

# near STEPS WHAT A B: runs A and B have the same losses to rounding.
near() {
    losses "$3" >"$work/first"
    losses "$4" >"$work/second"
    [ "$(wc -l <"$work/first")" = "$1" ] || complain "$2: $1 losses"
    paste "$work/first" "$work/second" |
        awk '{ d = $2 - $4; if (d < 0) d = -d; if ($1 != $3 || d > 1e-5 * $2) exit 1 }' ||
        complain "$2: $(paste "$work/first" "$work/second")"
}

# refused LINE ARGUMENT...: four ranks end with 2, one line is said, nothing is printed.
refused() {
    local line=$1
    shift
    ranks 4 "$@"
    statuses 2 2 2 2
    says err "$line"
    says_nothing out
}

# refused_here LINE ARGUMENT...: as refused, of one process and without its first words.
refused_here() {
    local line=$1
    shift
    "$CDSR" "$@" >"$work/out" 2>"$work/err"
    [ $? = 2 ] || complain "another exit status than 2: $*"
    says err "cdsr: error: $line"
    says_nothing out
}

says_nothing() {
    [ ! -s "$work/$1" ] || complain "nothing in $1, but: $(cat "$work/$1")"
}

# disk SIZE: a small one at disk/, until the test ends.
disk() {
    mkdir -p "$work/disk"
    mount -t tmpfs -o size="$1" cdsr-test "$work/disk" 2>/dev/null || skip 'no right to mount a disk'
    trap 'umount "$work/disk"' EXIT
}

# within FOLDER COMMAND...: there, and it is made.
within() {
    mkdir -p "$1"
    pushd "$1" >/dev/null || exit 1
    "${@:2}"
    popd >/dev/null || exit 1
}

# synth ARGUMENT...: a generated data set.
synth() {
    "$CDSR" synth "$@" >"$work/out" || complain "synth $*"
}

# small_run TRAIN [LINE...]: run.yaml, a small model for data.h5 with these keys of train, and more lines.
small_run() {
    printf '%s\n' 'data: {path: data.h5}' 'model: {dim: 8, blocks: 1, modalities: [id]}' "train: {$1}" \
        "${@:2}" >run.yaml
}

# in/, a C2DSR folder of 3 and 2 items without fault; a former out.h5 goes.
good_folder() {
    rm -rf in out.h5
    mkdir in
    printf '%d\tkey%d\t%d\n' 0 0 0 1 1 1 2 2 2 >in/Alist.txt
    printf '%d\tkey%d\t%d\n' 3 3 0 4 4 1 >in/Blist.txt
    printf 'u%d\t0\t0|1|\t3|2|\t1|3|\t4|4|\n' 1 2 3 >in/traindata_new.txt
    printf 'v1\t0\t2|1|\t3|2|\t4|3|\n' >in/validdata_new.txt
    printf 'w1\t0\t2|1|\t4|2|\t0|3|\n' >in/testdata_new.txt
    printf 'index\tdomain\tkey\ttitle\n0\tA\tkey0\tNought\n' >in/items.tsv
}

# walking_folder FOLDER A B TRAIN HELD: a C2DSR folder of so many items and sequences, TRAIN for training and
# HELD for validation and for test; the next item follows from the last, but for every fifth user.
walking_folder() {
    mkdir "$1"
    awk -v at_folder="$1/" -v a="$2" -v b="$3" -v train="$4" -v held="$5" 'BEGIN {
        printf "" > (at_folder "Blist.txt")
        for (i = 0; i < a; i++) printf "%d\ta%d\t%d\n", i, i, i > (at_folder "Alist.txt")
        for (i = 0; i < b; i++) printf "%d\tb%d\t%d\n", a + i, i, i > (at_folder "Blist.txt")
        split("train valid test", split_name)
        for (s = 1; s <= 3; s++)
            for (u = 0; u < (s == 1 ? train : held); u++) {
                file = at_folder split_name[s] "data_new.txt"
                printf "u%d\t0", u > file
                at = (u * 7 + s * 3) % (a + b)
                for (k = 0; k < 8; k++) {
                    printf "\t%d|%d|", at, k > file
                    at = (at + (u % 5 ? 11 : k * k + u)) % (a + b)
                }
                print "" > file
            }
    }'
}
