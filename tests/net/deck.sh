# shellcheck shell=bash disable=SC2154,SC2317 # work is set in cli/common.bash; tests are called by name
# A deck on 16 ranks of four hosts, many more than there are cores.
# shellcheck source=launch.bash
. "$(dirname "$0")/launch.bash"
cd "$work" || exit 1
for i in 1 2 3 4; do
    host_up $i
done

test_four_hosts() { # It ends VALID, and its record names the hosts.
    OMP_NUM_THREADS=1 timeout 500 "${launch[@]}" --mca mpi_yield_when_idle 1 \
        --host n1:4,n2:4,n3:4,n4:4 -n 16 "$CDSR" bench --deck tiny run.dir="$work/run" >out 2>err ||
        complain "$(cat out err)"
    tail -n 4 out
    [ "$(tail -n 1 out)" = VALID ] || complain "$(tail -n 4 out)"
    [ "$(grep -c '^FOM [a-z]* [0-9.e+]* ' out)" = 3 ] || complain "$(cat out)"
    for host in n1 n2 n3 n4; do
        [ "$(grep -o "\"$host\"" run/bench.json | wc -l)" = 4 ] || complain "ranks of $host: $(grep host run/bench.json)"
    done
}

run_tests "$@"
