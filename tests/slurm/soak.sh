# shellcheck shell=bash disable=SC2154,SC2317 # work is set in cli/common.bash; tests are called by name
# Soak: processes of slurm/train.sbatch on two hosts are killed at random times, again and again; a job that
# fails is submitted again, as a user would do. The run must end as one that nothing befell, bit for bit.
#
#   SOAK_MINUTES=30 SOAK_SEED=7 bash tests/slurm/soak.sh
#
# Settings, from the environment:
#   SOAK_MINUTES  how long processes are killed    1
#   SOAK_SEED     of what is killed, and when      another one each time, which is printed
#
# Prints a line for each event: seconds, the step that the run has logged, what happened.
# shellcheck source=cluster.bash
. "$(dirname "$0")/cluster.bash"
needs pgrep
minutes=${SOAK_MINUTES:-1} seed=${SOAK_SEED:-$RANDOM}
train=$CDSR_HOME/slurm/train.sbatch run=$work/soak/run
# Where a job goes on by itself: a start with a killed rank that lasted so long requeues it.
export AGAIN_AFTER=15
readonly STILL=180 # seconds without a line of the log after which the run hangs
# Half of the faults need a moment: the files of a checkpoint, or an evaluation.
faults=(rank rank saving saving evaluating evaluating all stepd launcher script signal)
kills=0 jobs=0 starts=0 stepds=0 hangs=0 still_since=0 still_at=0
RANDOM=$seed

cluster_up 2 2
# More than data_set has, and saved now and then alone, so that kills also lose steps. Of EPOCH steps: 0.8 of the
# users by 128.
"$CDSR" synth --items-a 2000 --items-b 2000 --users 2400 --seed 3 -o "$work/data.h5" >/dev/null ||
    complain synth
cat >"$work/run.yaml" <<YAML
run: {dir: run}
data: {path: $work/data.h5}
model: {dim: 32, blocks: 1, modalities: [id]}
train: {max_steps: 0, epochs: 100000, batch: 128, lr: 1.0e-3, patience: 0, reproducible: true}
checkpoint: {every_s: 2}
YAML

# ---- what the run does ----

# logged EVENT: the step of the latest such event.
logged() {
    tac "$run/log.jsonl" 2>/dev/null | sed -n "/\"event\": \"$1\"/ { s/.*\"step\": \([0-9]*\).*/\1/p; q }"
}

say() {
    printf '%7d s  step %-6s %s\n' $SECONDS "$(logged step)" "$*"
}

submit_run() {
    job=$(submit soak -N 2 -n 4 -t 1000 "$train" ../run.yaml)
    jobs=$((jobs + 1))
    say "job $job submitted"
}

# Starts since the last look.
look_for_start() {
    local now
    now=$(grep -c '"event": "start"' "$run/log.jsonl" 2>/dev/null)
    [ "${now:-0}" -gt "$starts" ] || return 0
    starts=$now
    say "goes on after step $(logged start)"
}

look_for_hang() {
    local now
    now=$(stat -c %Y "$run/log.jsonl" 2>/dev/null)
    if [ "$now" != "$still_at" ]; then
        still_at=$now still_since=$SECONDS
    elif [ $((SECONDS - still_since)) -ge $STILL ]; then
        say "hangs: $(scontrol -o show job "$job")"
        ps -eo pid,ppid,stat,args
        tail -n 20 "$work/soak/log"
        hangs=$((hangs + 1)) still_since=$SECONDS
        scancel "$job"
    fi
}

# attend SECONDS: to the job, meanwhile.
attend() {
    local end=$((SECONDS + $1)) state
    while [ $SECONDS -lt "$end" ]; do
        state=$(field "$job" JobState)
        case $state in
            PENDING | CONFIGURING | RUNNING | COMPLETING) ;;
            COMPLETED) return ;;
            *)
                say "job $job is $state"
                submit_run
                ;;
        esac
        look_for_start
        look_for_hang
        sleep 0.2
    done
}

# ---- what is done to it ----

# any WORD...: one of them, as `chosen`.
any() {
    local i=$((RANDOM % $# + 1))
    chosen=${!i}
}

# processes PATTERN: whose command lines match it.
processes() {
    pgrep -f "$1"
}

# kills WHAT PID...: unless there are none.
strike() {
    [ $# -gt 1 ] || { say "no $1 is there to be killed"; return; }
    kill -KILL "${@:2}" 2>/dev/null
    kills=$((kills + 1))
    say "killed: $1"
}

# fault_rank [WHEN]: any one.
fault_rank() {
    local pids rank
    mapfile -t pids < <(processes "^$CDSR train")
    [ ${#pids[@]} -gt 0 ] || { strike rank; return; }
    any "${pids[@]}"
    rank=$(tr '\0' '\n' <"/proc/$chosen/environ" | sed -n 's/^PMIX_RANK=//p')
    strike "rank ${rank:-unknown}${1:+ $1}" "$chosen"
}

# A checkpoint is being written, none of those that were broken off before.
saving() {
    compgen -G "$run/checkpoints/*.tmp.*"
}

is_saving() {
    local now
    now=$(saving)
    [ -n "$now" ] && [ "$now" != "$broken_off" ]
}

# The latest line of the log, which was not there before, is the last step of an epoch.
is_evaluating() {
    local line step
    line=$(tail -n 1 "$run/log.jsonl" 2>/dev/null)
    [ "$line" != "$before" ] || return
    step=$(sed -n 's/.*"event": "step", "step": \([0-9]*\).*/\1/p' <<<"$line")
    [ -n "$step" ] && [ $((step % EPOCH)) = 0 ]
}

# rank_when CONDITION WHEN: any rank, at once after ten seconds without that.
rank_when() {
    local end=$((SECONDS + 10))
    until "$1"; do
        if [ $SECONDS -ge $end ]; then
            fault_rank
            return
        fi
        sleep 0.01
    done
    fault_rank "$2"
}

fault_saving() {
    broken_off=$(saving)
    rank_when is_saving 'at a checkpoint'
}

fault_evaluating() {
    before=$(tail -n 1 "$run/log.jsonl" 2>/dev/null)
    rank_when is_evaluating 'at an evaluation'
}

fault_all() {
    # shellcheck disable=SC2046 # a list
    strike 'all ranks' $(processes "^$CDSR train")
}

fault_stepd() {
    local pids
    mapfile -t pids < <(processes '^slurmstepd: \[[0-9.]*\.[0-9]*\]')
    [ ${#pids[@]} = 0 ] || any "${pids[@]}"
    stepds=$((stepds + ${#pids[@]}))
    strike 'slurmstepd of a host' ${pids[0]:+"$chosen"}
}

fault_launcher() {
    # shellcheck disable=SC2046
    strike srun $(processes '^srun .* train')
}

fault_script() {
    # shellcheck disable=SC2046
    strike 'batch script' $(processes 'slurm_script')
}

fault_signal() {
    if scancel -b -s USR1 "$job" 2>/dev/null; then
        say 'told to save and requeue'
    fi
}

soak() {
    local end=$((SECONDS + 60 * minutes)) most=$((12 * minutes > 60 ? 60 : 12 * minutes))
    submit_run
    while [ $SECONDS -lt $end ]; do
        attend $((5 + RANDOM % (most - 4)))
        any "${faults[@]}"
        "fault_$chosen"
    done
}

# The start that is to come ends soon: this one has read that there is no end.
finish() {
    say 'is left alone'
    wait_for 120 trains
    end_after soak 30
    say "ends after step $last"
    fault_signal
    while [ "$(field "$job" JobState)" != COMPLETED ] && [ $hangs = 0 ]; do attend 1; done
}

trains() {
    attend 1
    [ "$(logged step)" -gt "$(logged start)" ]
}

echo "SOAK_MINUTES=$minutes SOAK_SEED=$seed"
soak
finish
whole=$(submit whole -N 2 -n 4 -t 1000 "$train" ../run.yaml)
becomes "$whole" COMPLETED $((120 + 90 * minutes))

# done_steps FOLDER: a line for each time that a step was done, with its losses.
done_steps() {
    sed -n 's/.*"event": "step", "step": \([0-9]*\).*"loss": {\(.*\)}, "lr".*/\1 \2/p' \
        "$work/$1/run/log.jsonl"
}

# evaluations FOLDER: the same of them, with their figures.
evaluations() {
    sed -n 's/\(.*"event": "eval".*\), "seconds": .*/\1/p' "$work/$1/run/log.jsonl"
}

# figures FOLDER: of its metrics, without times and memory.
figures() {
    sed -n '/^  "valid"/,/^  "best_epoch"/p' "$work/$1/run/metrics.json"
}

test_the_same_end() { # The job ends with the parameters, figures and ranks of one that nothing befell.
    [ $hangs = 0 ] || complain 'no start hangs'
    [ "$(field "$job" JobState)" = COMPLETED ] || complain "job $job: $(scontrol -o show job "$job")"
    has soak/run/result.txt VALID
    ended_alike soak whole "$last"
    cmp "$work"/{soak,whole}/run/ranks.h5 >&2 || complain 'the same ranks of targets'
    [ "$(figures whole | grep -c mrr)" = 12 ] || complain "figures: $(figures whole)"
    diff <(figures whole) <(figures soak) >&2 || complain 'the same figures'
}

# follows: each step of the log is the one after that before it, or after the one that its start went on from.
follows() {
    awk '/"event": "(start|step)"/ {
            step = $0
            sub(/.*"step": /, "", step)
            if (/"start"/) at = step + 0
            else if (step + 0 != ++at) exit 1
        }' <(sed 's/, "epoch": .*//; s/, "plan": .*//' "$run/log.jsonl")
}

test_log() { # Its log has every step, always with the same losses, and each start went on from the last.
    [ "$(done_steps whole | wc -l)" = "$last" ] || complain "$last steps of the whole run"
    diff <(done_steps whole) <(done_steps soak | sort -un) >&2 || complain 'the same losses'
    [ "$(done_steps soak | sort -u | wc -l)" = "$last" ] || complain 'losses of steps that are repeated'
    [ "$(evaluations whole | wc -l)" = $((last / EPOCH)) ] || complain 'an evaluation after each epoch'
    diff <(evaluations whole | sort) <(evaluations soak | sort -u) >&2 || complain 'the same evaluations'
    follows || complain 'steps follow one another'
}

test_nothing_is_left() { # No half-written file, no checkpoint too many, no lock that holds, no process.
    [ -z "$(find "$run" -name '*.tmp.*')" ] || complain "half-written: $(find "$run" -name '*.tmp.*')"
    [ "$(find "$run/checkpoints" -type f | wc -l)" -le 3 ] || complain "checkpoints: $(ls "$run/checkpoints")"
    ! grep -E 'damaged|is in use by' "$work/soak/log" >&2 || complain 'no damaged checkpoint, and no lock'
    [ -z "$(pgrep -f "^$CDSR train")" ] || complain "no process is left: $(pgrep -af "^$CDSR")"
}

test_memory_is_given_back() { # Nothing stays in /dev/shm and in temporary folders but for dead slurmstepds.
    # MPI's segments of the ranks of such a one, and folders of SLURM's PMIx.
    left=$(find /dev/shm "$work"/tmp/n? -mindepth 1 -maxdepth 1 ! -name 'tmp.*' ! -name hosts ! -name pids)
    [ "$(grep -c . <<<"$left")" -le $((4 * stepds)) ] || complain "left: $left"
}

again=$(($(done_steps soak | wc -l) - last))
echo "soak: $minutes minutes, $kills killed, $starts starts, $jobs jobs, $last steps, $again of them again"
run_tests "$@"
