# shellcheck shell=bash disable=SC2154 # variables from env.sh
# For the scripts whose program asks a model behind a server: starts one beside it, as a step of the same
# job, and ends it with the script, whatever way that ends.
#
# Settings, from the environment:
#   SERVER          command of the server, for bash: 'vllm serve MODEL --port {port}'. {port} stands for a
#                   free port; it must listen on the address of its host          none: --endpoint counts
#   SERVER_OPTIONS  of srun for its step, e.g. "-w node7 --gpus 2"                none: the first host
#   SERVER_WAIT     seconds until it must answer                                  1800
#   SERVER_LOG      its output                                                    server-JOB.log
# A key is never part of a command, which ps shows, but of the environment that server and program share:
# VLLM_API_KEY or what the server calls it, and CDSR_API_KEY.
#
# Gives: `start_server ARGUMENT...`, those of the program, which sets `endpoint` (an array: the option that
# names the server, or nothing) or ends the script with 2; `stop_server`, which says whether it had ended.
endpoint=()
server=
server_log=${SERVER_LOG:-server-${SLURM_JOB_ID:-none}.log}

# What the step runs: finds a free port, below those that a system gives out itself, says where it is, and
# becomes the server, which has as many threads as it likes.
# shellcheck disable=SC2016 # variables of the step
readonly STEP='
    port=$((20000 + RANDOM % 10000))
    while (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do port=$((20000 + RANDOM % 10000)); done
    unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS OMP_PLACES OMP_PROC_BIND
    echo "server: host $(hostname), port $port"
    exec bash -c "${1//\{port\}/$port}"'

# get PATH: the HTTP status that the server answers with, if it does.
get() {
    # shellcheck disable=SC2016 # its own variables
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$3" "$1" >&3 &&
        read -r _ code _ <&3 && echo "$code"' - "$host" "$port" "$1" 2>/dev/null
}

# A server without /health is up when it names its models, or wants a key for that.
answers() {
    read -r host port < <(sed -n 's/^server: host \(.*\), port \([0-9]*\)$/\1 \2/p' "$server_log") || return 1
    case $(get /health) in
        200) true ;;
        4*) [[ $(get /v1/models) =~ ^(200|401|403)$ ]] ;;
        *) false ;;
    esac
}

# no_server WHAT: the script ends.
no_server() {
    say "SERVER: $1; the end of $server_log:"
    tail -n 10 "$server_log" >&2
    exit 2
}

start_server() {
    local options end wait=${SERVER_WAIT:-1800}
    [ -n "${SERVER:-}" ] || return 0
    [[ $SERVER == *'{port}'* ]] || fail 'SERVER: has no {port}, the place of the port to listen on'
    [[ $wait =~ ^[0-9]+$ ]] || fail "SERVER_WAIT: '$wait' is not a number of seconds"
    [[ " $*" != *' --endpoint'* ]] || fail 'both SERVER and --endpoint are given; leave one out'
    read -ra options <<<"${SERVER_OPTIONS:-}"
    : >"$server_log" || fail "SERVER_LOG: $server_log cannot be written"
    trap end_server EXIT
    say "waits up to $wait s for the server, whose output is $server_log"
    srun --overlap --mpi=none -N 1 -n 1 -c "${SLURM_CPUS_ON_NODE:-1}" "${options[@]}" bash -c "$STEP" server \
        "$SERVER" >>"$server_log" 2>&1 </dev/null &
    server=$!
    end=$((SECONDS + wait))
    until answers; do
        if ! kill -0 "$server" 2>/dev/null; then
            wait "$server"
            no_server "ended with $? before it answered"
        fi
        [ $SECONDS -lt $end ] || no_server "did not answer within $wait s"
        sleep 1
    done
    endpoint=(--endpoint "http://$host:$port")
    export no_proxy="$host${no_proxy:+,$no_proxy}"
    say "the server answers at ${endpoint[1]}"
}

# SLURM kills what is left of it with the job.
end_server() {
    local tries=100
    trap - EXIT
    kill "$server" 2>/dev/null
    while kill -0 "$server" 2>/dev/null && [ $((tries--)) -gt 0 ]; do sleep 0.1; done
}

stop_server() {
    [ -n "$server" ] || return 0
    kill -0 "$server" 2>/dev/null || say "the server has ended; the last line of $server_log: $(tail -n 1 "$server_log")"
    end_server
}
