#!/usr/bin/env bash
# Strong and weak scaling of training: cdsr bench on several numbers of ranks; a table, JSON, and a
# plot where gnuplot is installed.
#
#   slurm/scaling.sh CONFIG.yaml [KEY=VALUE...]                    on this machine, by mpirun
#   sbatch -n 64 -c 1 slurm/scaling.sh CONFIG.yaml [KEY=VALUE...]  in an allocation, by srun
#
# Settings, from the environment: those of slurm/env.sh, and
#   RANKS    numbers of ranks, ascending; times are relative to the first    "1 2 4"
#   MODES    strong: BATCH sequences per step; weak: BATCH for each rank     "strong weak"
#   BATCH    sequences                                                       256
#   OUT      folder of the results                                           runs/scaling
#SBATCH --job-name=cdsr-scaling
set -euo pipefail

usage() {
    sed -n '2,/^#SBATCH/s/^# \{0,1\}//p' "$0" | grep -v SBATCH >&2
    exit 2
}
[ $# -gt 0 ] || usage
config=$1
shift
ranks=${RANKS:-1 2 4}
modes=${MODES:-strong weak}
batch=${BATCH:-256}
out=${OUT:-runs/scaling}

# A script given to sbatch is a copy elsewhere: the folder of the submission counts.
CDSR_HOME=${CDSR_HOME:-${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}}
# shellcheck source=env.sh
. "$CDSR_HOME/slurm/env.sh"
start_line "${launch[@]}" -n RANKS "$program" bench "$config" "$@"

# field NAME FILE: the first number of that name.
field() {
    awk -v name="\"$1\":" '$1 == name { sub(",", "", $2); print $2; exit }' "$2"
}

# measure MODE RANKS KEY=VALUE...: a line "ranks batch seconds sequences/s fraction MB".
measure() {
    local mode=$1 n=$2 size=$batch file=$out/$1-$2.json
    shift 2
    [ "$mode" = strong ] || size=$((batch * n))
    "${launch[@]}" -n "$n" "$program" bench "$config" "$@" train.batch="$size" --output "$file" \
        --overwrite --quiet >"$out/$mode-$n.txt"
    [ "$(field batch "$file")" = "$size" ] ||
        say "$mode, $n ranks: the data set has only $(field batch "$file") sequences"
    echo "$n $(field batch "$file") $(field seconds "$file") $(field sequences_per_s "$file")" \
        "$(field fraction_of_peak "$file") $(field peak_rss_mb "$file")"
}

# With the speed of R ranks over that of the first number R0: speedup, and over R / R0: efficiency.
add_efficiency() {
    awk 'NR == 1 { ranks = $1; speed = $4 }
        { print $0, $4 / speed, $4 / speed / ($1 / ranks) }'
}

as_json() {
    awk '{
        printf "%s\n    {\"ranks\": %d, \"batch\": %d, \"seconds\": %s, ", (NR > 1 ? "," : ""), $1, $2, $3
        printf "\"sequences_per_s\": %s, \"fraction_of_peak\": %s, ", $4, $5
        printf "\"peak_rss_mb\": %s, \"speedup\": %s, \"efficiency\": %s}", $6, $7, $8
    }' "$1"
}

plot() {
    command -v gnuplot >/dev/null || return 0
    {
        echo "set terminal svg; set output '$out/scaling.svg'; set key left top; set grid"
        echo "set xlabel 'ranks'; set ylabel 'speedup'; set logscale xy 2"
        printf 'plot x / %s title "ideal" with lines' "${ranks%% *}"
        for mode in $modes; do
            printf ', "%s" using 1:7 title "%s" with linespoints' "$out/$mode.dat" "$mode"
        done
        echo
    } | gnuplot
}

mkdir -p "$out"
for mode in $modes; do
    for n in $ranks; do
        measure "$mode" "$n" "$@"
    done | add_efficiency >"$out/$mode.dat"
done
{
    printf '{"config": "%s", "threads": %d' "$(basename "$config")" "$threads"
    for mode in $modes; do
        printf ',\n  "%s": [%s]' "$mode" "$(as_json "$out/$mode.dat")"
    done
    printf '}\n'
} >"$out/scaling.json"
for mode in $modes; do
    printf '%-8s%7s%9s%12s%14s%10s%10s%10s%12s\n' "$mode" ranks batch s/step sequences/s of-peak \
        MB/rank speedup efficiency
    awk '{ printf "%-8s%7d%9d%12.4f%14.1f%10.3f%10.1f%10.2f%12.2f\n", "", $1, $2, $3, $4, $5, $6,
        $7, $8 }' "$out/$mode.dat"
done
plot
