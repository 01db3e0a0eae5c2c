# shellcheck shell=bash disable=SC2317 # tests are called by name
# slurm/enrich.sbatch and features.sbatch with a server of their own, which chat_server.py plays: told to
# requeue, cancelled, on another host; with one that does not come up, or goes; and features.sbatch with a model.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
needs python3
enrich=$CDSR_HOME/slurm/enrich.sbatch
export CDSR_API_KEY=of-this-test
unset SERVER_OPTIONS SERVER_WAIT SERVER_LOG http_proxy
cluster_up 2 8
data_set

# server ARGUMENT...: its command; each start has a log of its own, served.PORT.
server() {
    echo "python3 $CDSR_HOME/tests/chat_server.py serve at.{port} --host 0.0.0.0 --port {port}" \
        "--key \$CDSR_API_KEY --log served.{port} $*"
}

# asks FOLDER ARGUMENT...: submits a job, on HOSTS hosts, that writes about the items of a data set of its own.
asks() {
    mkdir -p "$work/$1"
    cp "$work/data.h5" "$work/$1"
    submit "$1" -N "${HOSTS:-1}" -n "${HOSTS:-1}" -t 10 "$enrich" data.h5 --name about --prompt description \
        --model m --domain A=books --domain B=films --retries 1 --pause 0.1 "${@:2}"
}

# answered FOLDER NUMBER: so many requests at least.
answered() {
    [ "$(cat "$work/$1"/served.* | grep -c ^200)" -ge "$2" ]
}

# no_server: is left, on any host.
no_server() {
    ! pgrep -f 'chat_server[.]py serve' >/dev/null
}

# Jobs beside each other, each with what it is about as its folder. One server ends after four seconds, where
# it has not done so before.
told=$(SERVER=$(server --delay 0.1 --loads 2) asks told --concurrency 4)
cancelled=$(SERVER=$(server --delay 0.1) asks cancelled --concurrency 1)
goes=$(SERVER="[ -e once ] || limit='timeout 4'; touch once; \$limit $(server --delay 0.1)" asks goes --concurrency 4)
elsewhere=$(HOSTS=2 SERVER=$(server) SERVER_OPTIONS='-w n2' SERVER_LOG=its.log http_proxy=http://127.0.0.1:1 \
    asks elsewhere)
wait_for 60 answered told 20
scancel -b -s USR1 "$told"
wait_for 60 answered cancelled 5
scancel "$cancelled"

# complete FOLDER: every item has its answer, and no request was made twice.
complete() {
    has "$1/log" 'data.h5: text about of 140 items by m, 0 missing, 0 truncated'
    [ "$(cat "$work/$1"/served.* | wc -l)" = "$(wc -l <"$work/$1/data.h5.answers.jsonl")" ] ||
        complain 'a request for each answer'
}

test_requeued() { # A job that is told to requeue starts a server again when it goes on.
    becomes "$told" COMPLETED 60
    has told/log 'cdsr-enrich: USR1: save and requeue'
    has told/log 'cdsr-enrich: start 1 of job'
    complete told
    [ "$(find "$work/told" -name 'served.*' | wc -l)" = 2 ] || complain 'two servers'
}

test_cancelled() { # One that is cancelled ends for good, with the answers that it has.
    becomes "$cancelled" CANCELLED 60
    [ "$(wc -l <"$work/cancelled/data.h5.answers.jsonl")" -ge 5 ] || complain 'answers are kept'
    [ "$(field "$cancelled" Restarts)" = 0 ] || complain 'what is cancelled is not requeued'
}

test_server_that_goes() { # One whose server goes is requeued.
    becomes "$goes" COMPLETED 60
    has goes/log 'cdsr-enrich: the server has ended; the last line of server-'
    has goes/log 'cdsr-enrich: start 1 of job'
    has goes/log 'data.h5: text about of 140 items by m, 0 missing, 0 truncated'
}

test_another_host() { # A server on another host is found there, whatever proxy is set.
    becomes "$elsewhere" COMPLETED 60
    has elsewhere/log 'cdsr-enrich: the server answers at http://n2:'
    has elsewhere/its.log 'server: host n2, port '
    complete elsewhere
}

test_features() { # features.sbatch makes a table by a server.
    cp "$work/data.h5" "$work/features.h5"
    features=$(SERVER=$(server) submit features -n 1 -t 10 "$CDSR_HOME/slurm/features.sbatch" ../features.h5 \
        --name text --from titles --encoder server --model m)
    becomes "$features" COMPLETED 60
    has features/log '../features.h5: table text, 140 rows of 16 columns by '
}

test_clip() { # By a CLIP model it goes on, after it was told to requeue, with the blocks that are not done.
    local golden=${CDSR_SHARED:-$CDSR_HOME/../shared}/golden/clip-tiny clip
    [ -r "$golden/model.safetensors" ] || skip "$golden is not there"
    "$CDSR" synth --items-a 5000 --items-b 5000 --users 300 -o "$work/many.h5" >/dev/null || complain synth
    clip=$(submit clip -n 1 -t 10 "$CDSR_HOME/slurm/features.sbatch" ../many.h5 --name text --from titles \
        --encoder clip --model "$golden")
    wait_for 60 test -e "$work/many.h5.text.part/9"
    scancel -b -s USR1 "$clip"
    becomes "$clip" COMPLETED 60
    has clip/log 'cdsr-features: end with 75'
    has clip/log ' blocks of 64 items were there from before'
    has clip/log '../many.h5: table text, 10000 rows of 32 columns by clip of titles, 0 missing'
}

# refused_job LINE [ARGUMENT...]: the job fails with it, once.
refused_job() {
    local refused
    rm -rf "$work/refused"
    refused=$(asks refused "${@:2}")
    becomes "$refused" FAILED 60
    [ "$(field "$refused" ExitCode)" = 2:0 ] || complain "exit status 2: $1"
    has refused/log "cdsr-enrich: $1"
}

test_no_server() { # A server that ends at once, or does not answer in time, is a line and the end of the job.
    SERVER='echo no model at {port} >&2; exit 7' refused_job 'SERVER: ended with 7 before it answered; the end of server-'
    has refused/log 'no model at 2'
    SERVER='sleep 99 # {port}' SERVER_WAIT=2 refused_job 'SERVER: did not answer within 2 s; the end of server-'
    SERVER=$(server --loads 99) SERVER_WAIT=2 refused_job 'SERVER: did not answer within 2 s; the end of server-'
}

test_wrong_settings() { # So are settings that do not fit.
    SERVER='vllm serve m' refused_job 'SERVER: has no {port}'
    SERVER='{port}' SERVER_WAIT=soon refused_job "SERVER_WAIT: 'soon' is not a number of seconds"
    SERVER='{port}' refused_job 'both SERVER and --endpoint are given' --endpoint http://n1:1
    SERVER='{port}' SERVER_LOG=no/where refused_job 'SERVER_LOG: no/where cannot be written'
}

no_job() {
    [ -z "$(squeue -h)" ]
}

test_nothing_is_left() { # No server outlives its job, and the key is in no log.
    wait_for 60 no_job
    wait_for 10 no_server
    ! grep -r "$CDSR_API_KEY" "$work" --include='*log*' >&2 || complain 'the key is in no log'
}

run_tests "$@"
