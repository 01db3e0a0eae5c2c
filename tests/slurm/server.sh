# shellcheck shell=bash disable=SC2317 # tests are called by name
# slurm/enrich.sbatch and features.sbatch with a server of their own, which chat_server.py plays: requeued,
# on another host, without a server that answers.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
needs python3
python=$(python3 -c 'import sys; print(sys.executable)')
enrich=$CDSR_HOME/slurm/enrich.sbatch
export CDSR_API_KEY=secret no_proxy=
unset SERVER_OPTIONS SERVER_WAIT SERVER_LOG
cluster_up 2 8
data_set

# server ARGUMENT...: its command; each start has a log of its own, served.PORT.
server() {
    echo "exec $python $CDSR_HOME/tests/chat_server.py serve at.{port} --host 0.0.0.0 --port {port} --key \$CDSR_API_KEY" \
        "--log served.{port} $*"
}

# asks FOLDER ARGUMENT...: submits a job that writes about the items of a data set of its own.
asks() {
    mkdir -p "$work/$1"
    cp "$work/data.h5" "$work/$1"
    submit "$1" -N 1 -n 2 -t 10 "$enrich" data.h5 --name about --prompt description --model m "${@:2}"
}

# answered FOLDER NUMBER: so many requests at least.
answered() {
    [ "$(cat "$work/$1"/served.* | grep -c ^200)" -ge "$2" ]
}

told=$(SERVER=$(server --delay 0.1 --loads 2) asks told --concurrency 4)
elsewhere=$(SERVER=$(server) SERVER_OPTIONS='-w n2' asks elsewhere -w n1,n2 -N 2)
wait_for 60 answered told 20
scancel -b -s USR1 "$told"
becomes "$told" COMPLETED 90

test_requeued() { # A job that is told to requeue starts its server again, and asks nothing twice.
    cat "$work/told/log"
}

run_tests "$@"
