# shellcheck shell=bash disable=SC2154 # variables from env.sh
# For the scripts whose program ends with 75 when it was stopped and goes on when it is started again: they
# pass it the signals of the job, and requeue the job. Read before env.sh: the trap is to be there early.
#
# Settings, from the environment:
#   RESTARTS     how often the job may requeue itself                                              100
#   AGAIN_AFTER  seconds that a start must have lasted to be followed by another where a rank was
#                killed: more than between two checkpoints, so that the next one begins further on    600
#
# To save and requeue at once: scancel -b -s USR1 JOB. SLURM's own USR1, up to three minutes before the
# limit, is left to the program's clock. To end the job: scancel JOB; started by srun it saves.
#
# Gives: `run COMMAND...`, which sets `status`, and `finish`, which requeues the job or ends with it.
trap : USR1 # one that comes before the program is there
readonly WARNING=180 # SLURM looks every 30 s or so who is to be signalled 120 s before the end
requeue=yes
told=no

# SLURM 22.05 does not tell a job its end.
find_end() {
    local end
    [ -z "${SLURM_JOB_END_TIME:-}" ] || return 0
    end=$(squeue -h -j "$job" -o %e) # a date, or N/A
    [[ $end != *T*:* ]] || SLURM_JOB_END_TIME=$(date -d "$end" +%s)
    export SLURM_JOB_END_TIME
}

# shellcheck disable=SC2317 # by the trap
on_usr1() {
    local left=$((${SLURM_JOB_END_TIME:-0} - $(date +%s)))
    if [ "$left" -gt 0 ] && [ "$left" -lt "$WARNING" ]; then
        say "USR1 $left s before the time limit: the program stops by its clock"
    else
        say 'USR1: save and requeue'
        told=yes
        kill -USR1 "$ranks"
    fi
}

# A job that is cancelled stays so; one that is preempted goes back into the queue without this script.
# shellcheck disable=SC2317
on_term() {
    say 'TERM: save'
    requeue=no
    kill -USR1 "$ranks"
}

run() {
    find_end
    start_line "$@"
    "$@" &
    ranks=$!
    trap on_usr1 USR1
    trap on_term TERM
    wait $ranks
    status=$?
    while kill -0 $ranks 2>/dev/null; do # wait returns when a trap ran
        wait $ranks
        status=$?
    done
}

# Stopped early, 138 by a USR1 that came before the program knew it; or, after some time, a rank was killed
# or is gone: its host has failed, or there was too little memory.
goes_on() {
    [ $requeue = yes ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "${RESTARTS:-100}" ] || return
    [[ $status = 75 || $told-$status = yes-138 ]] ||
        [[ ($status -gt 128 || $status = 4) && $SECONDS -ge ${AGAIN_AFTER:-600} ]]
}

finish() {
    say "end with $status"
    if goes_on; then
        trap - USR1 TERM
        scontrol requeue "$job" && sleep 60 # until the requeue ends this script
    fi
    exit "$status"
}
