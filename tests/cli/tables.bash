# For the scripts that import feature tables from files: data.h5 with 50 items, and files made byte by byte.
# What is refused is refused on one rank and on four: one line, the right exit status, the data set as it was.
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
cd "$work" || exit 1

synth --items-a 30 --items-b 20 --users 50 --topics 4 --features text:8 -o data.h5
cp data.h5 before.h5

# little BYTES VALUE: a little-endian integer.
little() {
    local i value=$2
    for ((i = 0; i < $1; i++)); do
        printf "\\x$(printf %02x $((value & 255)))"
        value=$((value >> 8))
    done
}

# npy VERSION DESCR FORTRAN SHAPE: what stands in front of the data.
npy() {
    local header="{'descr': $2, 'fortran_order': $3, 'shape': $4, }" digits=2
    [ "$1" = 1 ] || digits=4
    printf "\x93NUMPY\x0$1\x00"
    little $digits 118
    printf '%-117s\n' "$header"
}

# bytes N: as many of 0x3F, which are 0.747 as f32 and 1.81 as f16.
bytes() {
    head -c "$1" /dev/zero | tr '\0' '?'
}

# table ROWS COLUMNS: of f4, as a .npy file.
table() {
    npy 1 "'<f4'" False "($1, $2)"
    bytes $(($1 * $2 * 4))
}

# refuses STATUS LINE ARGUMENT...
refuses() {
    local status=$1 line=$2 n
    shift 2
    for n in 1 4; do
        ranks "$n" features data.h5 --name new "$@"
        statuses $(yes "$status" | head -n "$n")
        says err "cdsr: error: $line"
        says_nothing out
        cmp -s data.h5 before.h5 || complain "data.h5 is as before after: $*"
        [ -z "$(ls | grep tmp)" ] || complain "something temporary after: $*"
    done
}

# takes RANKS LINES... -- ARGUMENT...: into copy.h5, a copy of the data set.
takes() {
    local n=$1 lines=()
    shift
    while [ "$1" != -- ]; do
        lines+=("$1")
        shift
    done
    shift
    cp before.h5 copy.h5
    ranks "$n" features copy.h5 --name new "$@"
    statuses $(yes 0 | head -n "$n")
    says_nothing err
    says out "${lines[@]}"
}
