# shellcheck shell=bash disable=SC2154,SC2317 # work is set in cli/common.bash; tests are called by name
# The cable of a host is pulled out while ranks train there: nobody is told, and every packet is lost. It takes five
# minutes until the ranks believe it.
# shellcheck source=launch.bash
. "$(dirname "$0")/launch.bash"
# shellcheck source=../endless.bash
. "$(dirname "$0")/../endless.bash"
needs pgrep
host_up 1
host_up 2
# mpirun tells its daemon on the lost host to end, and waits until TCP gives that up: a quarter of an hour by default.
echo 5 >/proc/sys/net/ipv4/tcp_retries2
data_set

# trained FOLDER [--resume]: one rank on either host; prints what mpirun says, and last its exit status.
trained() {
    mkdir -p "$work/$1"
    (cd "$work/$1" && timeout 500 "${launch[@]}" --host n1,n2 -n 2 "$CDSR" train ../run.yaml "${@:2}" 2>&1
        echo "status $?")
}

test_cut() { # The ranks on both sides end with status 4, and the next start goes on as if nothing had been.
    local running last start=$SECONDS
    trained cut >"$work/log" &
    running=$!
    until compgen -G "$work/cut/run/checkpoints/step-*.h5" >/dev/null; do
        kill -0 $running 2>/dev/null || { complain "training begins: $(cat "$work/log")"; return; }
        sleep 0.01
    done
    ip link set n2 down
    wait $running
    printf 'cut off, and noticed after %d s\n' $((SECONDS - start))
    has log 'is gone, and nobody ends the job: the other ranks do'
    has log 'status 4'
    ! pgrep -f "^$CDSR train" >&2 || complain 'no rank is left on either host'
    ip link set n2 up
    end_after cut 4
    trained cut --resume >"$work/log"
    has log 'status 0'
    trained whole >"$work/log"
    ended_alike cut whole "$last"
}

run_tests "$@"
