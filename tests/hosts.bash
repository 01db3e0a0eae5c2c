# shellcheck shell=bash
# For the scripts that need several hosts: this machine plays them. A host is a set of namespaces of its
# own (processes, network, name) that shares the files; a bridge joins them.
#
# A script that reads this file starts again in namespaces of its own: it is the head, 10.77.0.254,
# $work is in memory, and whatever ends it, a kill -9 included, ends every process and removes every
# file, mount and device it made. It is skipped (exit status 77) where the machine forbids that.

# skip WHY: ctest counts it as skipped.
skip() {
    echo "skipped: $*"
    exit 77
}

# needs PROGRAM...
needs() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "there is no $program; jobs/packages.sh installs it"
    done
}

PATH=$PATH:/usr/sbin:/sbin
alone=(unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc)
if [ -z "${HOSTS_HEAD:-}" ]; then
    [ "$(id -u)" = 0 ] || skip 'only root can play several hosts'
    needs unshare setpriv nsenter ip tc mpirun
    ! mpirun --version 2>&1 | grep -q HYDRA || skip 'the launcher is not Open MPI, whose options these tests take'
    "${alone[@]}" true 2>/dev/null || skip 'this machine does not allow namespaces'
    HOSTS_HEAD=1 setpriv --pdeathsig KILL "${alone[@]}" bash "$0" "$@" &
    trap 'kill -KILL $!; exit 130' HUP INT TERM
    wait $!
    exit
fi

mount -t tmpfs tmpfs /dev/shm
export TMPDIR=/dev/shm HOSTS_PIDS=/dev/shm/pids
mkdir "$HOSTS_PIDS"
. "$(dirname "${BASH_SOURCE[0]}")/cli/common.bash"
hostname head
ip link set lo up
ip link add cluster type bridge
ip address add 10.77.0.254/24 dev cluster
ip link set cluster up
printf '10.77.0.%d %s\n' 254 head 1 n1 2 n2 3 n3 4 n4 >/dev/shm/hosts
echo '127.0.0.1 localhost' >>/dev/shm/hosts
mount --bind /dev/shm/hosts /etc/hosts

# on HOST COMMAND...: run it there.
on() {
    local host=$1
    shift
    nsenter -t "$(cat "$HOSTS_PIDS/$host")" -m -n -u -i -p -- "$@"
}

# host_up I [MBIT]: host nI, 10.77.0.I, which sends so much at most.
host_up() {
    local host=n$1 rate=${2:-} init=
    "${alone[@]}" bash -c "hostname $host; ip link set lo up; while :; do sleep 3600 & wait; done" &
    echo $! >"$HOSTS_PIDS/$host.holder"
    disown
    until init=$(pgrep -P "$(cat "$HOSTS_PIDS/$host.holder")") &&
        [ "$(nsenter -t "$init" -u hostname)" = "$host" ]; do
        sleep 0.01
    done
    echo "$init" >"$HOSTS_PIDS/$host"
    ip link add "$host" type veth peer name eth0 netns "$init"
    ip link set "$host" master cluster up
    on "$host" ip address add "10.77.0.$1/24" dev eth0
    on "$host" ip link set eth0 up
    [ -z "$rate" ] || shape "$host" eth0 "$rate"
}

# shape HOST DEVICE MBIT: what it sends. A burst of 32 kB is the smallest that still reaches a Gbit/s;
# with a queue of 300 ms TCP finds the rate without losses.
shape() {
    on "$1" tc qdisc add dev "$2" root tbf rate "${3}mbit" burst 32kb latency 300ms
}

# host_crash HOST: as if its power were cut.
host_crash() {
    kill -KILL "$(cat "$HOSTS_PIDS/$1.holder")"
}
