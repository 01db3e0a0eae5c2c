# For the scripts beside it: run the program, look at what it said. The scripts end with `finish`.
set -u
: "${CDSR:?names the program}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work CDSR
failures=0

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

finish() {
    [ $failures = 0 ] || exit 1
    exit 0
}
