# shellcheck shell=bash disable=SC2034,SC2154 # variables for those who read it, and from them
# The runs of a sweep, in stages. Read by sweep.sbatch, which gives `out`, the folder of the runs.
#
# A sweep without a list is one stage: all points of its grid. With a list each of its lines is a grid, and
# one point of it is chosen, for every combination of the axes beside the list, by successive halving
# (Jamieson, Talwalkar, AISTATS 2016): all points are trained to the first number of epochs in RUNGS, the
# better half of them to the next, and so on, the last ones to the end. Then the best one is trained with
# the seeds that are left. Points are compared by `best_metric` of metrics.json, the validation figure that
# selects the epoch, with the first seed; with eval.select_domain=each, which selects two, it is that of all
# validation targets, each domain's ranked with its own epoch. It never falls as a run goes on, and who goes on had a better one
# than who does not; so the choice is the same whenever it is made again.

# expand AXIS...: every combination of the axes' values, a line each, parted by tabs; the last axis turns
# fastest.
expand() {
    local rows=('') next axis row value values
    for axis in "$@"; do
        next=()
        IFS='|' read -ra values <<<"${axis#*=}"
        for row in "${rows[@]}"; do
            for value in "${values[@]}"; do
                next+=("$row${row:+$'\t'}${axis%%=*}=$value")
            done
        done
        rows=("${next[@]}")
    done
    printf '%s\n' "${rows[@]}"
}

# read_list FILE AXIS...: sets `points`, their `grid` (a number) and `seeds`.
read_list() {
    local axis around=() words line file=$1
    seeds=()
    for axis in "${@:2}"; do
        case $axis in
            run.seed=*) IFS='|' read -ra seeds <<<"${axis#*=}" ;;
            *) around+=("$axis") ;;
        esac
    done
    [ ${#seeds[@]} -gt 0 ] || seeds=(1)
    mapfile -t lines < <(sed 's/#.*//; /^[[:blank:]]*$/d' "$file")
    [ ${#lines[@]} -gt 0 ] || fail "$file: has no line"
    while IFS= read -r axis; do
        for line in "${lines[@]}"; do
            read -ra words <<<"$line"
            while IFS= read -r line; do
                points+=("$line${axis:+$'\t'}$axis")
                grid+=("$grids")
            done < <(expand "${words[@]}")
            grids=$((grids + 1))
        done
    done < <(expand "${around[@]}")
}

# read_points [LIST] AXIS...: sets `points` and `stages`: numbers of epochs, then `end`, `seeds`, `evaluate`.
read_points() {
    local rung
    points=() grid=() grids=0 seeds=('') stages=()
    case $1 in
        *=*) mapfile -t points < <(expand "$@") ;;
        *)
            [ -r "$1" ] || fail "$1: cannot be read: neither KEY=VALUE nor a list"
            read_list "$@"
            read -ra stages <<<"${RUNGS:-}"
            for rung in "${stages[@]}"; do
                [[ $rung =~ ^[0-9]+$ ]] || fail "RUNGS: '$rung' is not a number of epochs"
            done
            ;;
    esac
    last_rung=${#stages[@]}
    stages+=(end)
    [ ${#seeds[@]} = 1 ] || stages+=(seeds)
    [ -z "${EVALUATE:-}" ] || stages+=(evaluate)
}

# figure I: of point I so far; -1 if it has none.
figure() {
    local found
    found=$(sed -n 's/^  "best_metric": \([0-9.e+-]*\),$/\1/p' "$out/$1/metrics.json" 2>/dev/null)
    echo "${found:--1}"
}

# best N I...: the best N of the points, of equal ones the first.
best() {
    local i
    for i in "${@:2}"; do
        echo "$(figure "$i") $i"
    done | sort -k1,1gr -k2,2n | head -n "$1" | cut -d ' ' -f 2
}

# best_of_grids HALF I...: of the points of each grid the better half, or with `one` the best.
best_of_grids() {
    local g i n some
    for ((g = 0; g < grids; g++)); do
        some=()
        for i in "${@:2}"; do
            [ "${grid[i]}" != "$g" ] || some+=("$i")
        done
        n=1
        [ "$1" = one ] || n=$(((${#some[@]} + 1) / 2))
        best $n "${some[@]}"
    done
}

# kept RUNG: the points that are trained to that number of epochs.
kept() {
    local before
    if [ "$1" = 0 ]; then
        echo "${!points[@]}"
    else
        before=$(kept $(($1 - 1)))
        # shellcheck disable=SC2086 # numbers
        best_of_grids half $before
    fi
}

# chosen: one point of each grid; without grids every point.
chosen() {
    if [ "$grids" = 0 ]; then
        echo "${!points[@]}"
    else
        # shellcheck disable=SC2046 # numbers
        best_of_grids one $(kept "$last_rung")
    fi
}

# runs_of FIRST I...: a line for the runs of the points with the seeds from the FIRST on: directory and
# settings, parted by tabs.
runs_of() {
    local i s
    for i in "${@:2}"; do
        for ((s = $1; s < ${#seeds[@]}; s++)); do
            [ "$s" = 0 ] && printf %s "$out/$i" || printf %s "$out/$i-seed-${seeds[s]}"
            printf '\t%s%s\n' "${points[i]}" "${seeds[s]:+$'\t'run.seed=${seeds[s]}}"
        done
    done
}

# chosen_runs: those of the table.
chosen_runs() {
    # shellcheck disable=SC2046 # numbers
    runs_of 0 $(chosen)
}

# tasks STAGE: a line for each run that the stage trains or evaluates, as runs_of.
tasks() {
    local stage=${stages[$1]} seeds=("${seeds[@]}")
    # shellcheck disable=SC2046 # numbers
    case $stage in
        seeds) runs_of 1 $(chosen) ;;
        evaluate) chosen_runs ;;
        *)
            seeds=("${seeds[0]}")
            [ "$stage" = end ] && stage='' || stage=$'\t'train.epochs=$stage
            runs_of 0 $(kept "$1") | sed "s/\$/$stage/"
            ;;
    esac
}

# size STAGE: the number of its tasks, which is the same before any has run.
size() {
    tasks "$1" | wc -l
}
