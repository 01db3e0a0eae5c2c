# The fault matrix: whatever ends a run, it ends within 30 s with its exit status and one clear line,
# and what it had saved goes on to the result of the run that nothing befell. Prints a line per fault.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 120 --seed 3 -o data.h5
cat >run.yaml <<'YAML'
run: {dir: run}
data: {path: ../data.h5}
model: {dim: 8, blocks: 1, modalities: [id]}
train: {epochs: 2, batch: 32, lr: 0.01}
checkpoint: {every_s: 1.0e-6}
YAML
# A run of 6 steps on two ranks with a checkpoint after every step. Each stands in a folder of its own
# under the same name, because a checkpoint holds its configuration.
readonly last=step-6.h5

# timed COMMAND...: leaves out, err, status and seconds.
timed() {
    local start=${EPOCHREALTIME/./}
    timeout 30 "$@" >"$work/out" 2>"$work/err"
    status=$?
    seconds=$(((${EPOCHREALTIME/./} - start) / 10000))
    seconds=$((seconds / 100)).$((seconds / 10 % 10))
}

# train DIR ARGUMENT...: in this folder, as a user starts it.
train() {
    within "$1" timed mpirun -n 2 "$CDSR" train ../run.yaml "${@:2}"
}

plain() {
    timed mpirun -n 2 "$CDSR" "$@"
}

# saved DIR JOB ARGUMENT...: a job on what a run in this folder saved.
saved() {
    within "$1" plain "${@:2}"
}

# ended NAME STATUS: so it did; a line for the table.
ended() {
    [ "$status" = "$2" ] || complain "$1: exit status $2, but $status: $(cat err)"
    printf '%-44s exit %3s after %5s s\n' "$1" "$status" "$seconds"
}

# one_error TEXT: one line begins with "cdsr: error" and has the text.
one_error() {
    [ "$(grep -c 'cdsr: error' err)" = 1 ] || complain "one error line, but: $(cat err)"
    grep 'cdsr: error' err | grep -qF -- "$1" || complain "'$1' in: $(cat err)"
}

# figures FILE: of metrics as JSON, without times and memory.
figures() {
    sed -n '/^  "valid"/,/^  "best_epoch"/p' "$1"
}

metrics() {
    figures "$1/run/metrics.json"
}

# goes_on DIR: the run resumes and ends as the whole one, and leaves nothing half-written.
goes_on() {
    train "$1" --resume
    [ "$status" = 0 ] || complain "$1 resumes: $status, $(cat err)"
    cmp {whole,"$1"}/run/checkpoints/$last >&2 || complain "$1: the same parameters"
    diff <(metrics whole) <(metrics "$1") >&2 || complain "$1: the same metrics"
    [ -z "$(find "$1/" -name '*.tmp.*')" ] || complain "$1: $(find "$1/" -name '*.tmp.*')"
}

train whole
[ "$status" = 0 ] || complain "the whole run: $(cat err)"
[ "$(metrics whole | grep -c mrr)" = 12 ] || complain 'metrics'

# ---- one rank is killed ----

# killed RANK POINT COUNT
killed() {
    export CDSR_TEST_KILL=$1:$2:$3
    train "killed-$2"
    unset CDSR_TEST_KILL
    ended "rank $1 killed: $2, time $3" 137
    goes_on "killed-$2"
}

test_killed_at_the_start() { # A rank that dies before the first step costs nothing.
    killed 0 open 1
    killed 1 load 1
}

test_killed_in_a_step() { # One that dies in a step costs the step.
    killed 1 step 1
    killed 0 reduce 3
    killed 1 update 3
}

# at_once: mpirun ends the other ranks of these runs as soon as one is dead, as a node that fails does, where it
# otherwise lets them go on for a second or two.
at_once() {
    export OMPI_MCA_odls_base_sigkill_timeout=0
}

test_killed_at_a_checkpoint() { # One that dies while a checkpoint is written leaves the one before it.
    at_once
    killed 0 save 3
    killed 1 write 3
    killed 0 flush 3
    killed 0 rename 3
    killed 0 renamed 3
}

test_killed_at_an_evaluation() { # One that dies at an evaluation, in the log or at the results costs those.
    at_once
    killed 1 evaluate 2
    killed 0 log 9
    killed 0 report 1
    killed 0 result 1
}

# ---- files ----

# part DIR: the first four steps.
part() {
    if [ ! -e four ]; then
        train four train.max_steps=4
        [ "$status" = 0 ] || complain "four steps: $(cat err)"
    fi
    cp -r four "$1"
}

# flip FILE: another byte near its end.
flip() {
    printf '\xa5' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 1001)) conv=notrunc status=none
}

# falls_back DIR: resumes from the checkpoint before the newest, with one warning.
falls_back() {
    goes_on "$1"
    [ "$(grep -c 'warning: run' err)" = 1 ] || complain "one warning, but: $(cat err)"
    has err "warning: run/checkpoints/step-4.h5: "
    has err "; the checkpoint before it counts"
    has err "run/checkpoints/step-4.h5 is now run/checkpoints/step-4.h5.damaged"
    has err "resumed at step 3 from run/checkpoints/step-3.h5"
    [ -e "$1/run/checkpoints/step-4.h5.damaged" ] || complain 'the damaged one is set aside'
}

# sums DIR: of all that a run says of itself.
sums() {
    (cd "$1/run" && sha256sum checkpoints/* config.yaml log.jsonl metrics.json result.txt)
}

# reads_older DIR LINE JOB ARGUMENT...: the job on the run takes the checkpoint before the newest, says
# so, and changes nothing.
reads_older() {
    local dir=$1 line=$2
    shift 2
    sums "$dir" >sums
    saved "$dir" "$@"
    ended "$line" 0
    [ "$(grep -c 'warning: run' err)" = 1 ] || complain "one warning, but: $(cat err)"
    has err "warning: run/checkpoints/step-4.h5: "
    has err "; the checkpoint before it counts"
    has err "cdsr: warning: the parameters are those of run/checkpoints/step-3.h5"
    sums "$dir" | diff sums - >&2 || complain "$dir: the run stays as it was"
}

test_truncated_checkpoint() { # A checkpoint that is cut is refused.
    part refused-cut
    truncate -s 500000 refused-cut/run/checkpoints/step-4.h5
    plain evaluate refused-cut/run/checkpoints/step-4.h5
    ended 'checkpoint truncated, evaluate' 2
    one_error 'is not a complete HDF5 file'
}

test_truncated_newest_checkpoint_is_read() { # Of a run whose newest checkpoint is cut the one before it counts.
    part read-cut
    saved read-cut evaluate run/checkpoints/step-3.h5 -o ../third.json
    [ "$status" = 0 ] || complain "step 3: $(cat err)"
    truncate -s 500000 read-cut/run/checkpoints/step-4.h5
    reads_older read-cut 'newest checkpoint truncated, evaluate the run' evaluate run -o ../older.json
    [ "$(figures third.json | grep -c mrr)" = 12 ] || complain 'metrics of step 3'
    diff <(figures third.json) <(figures older.json) >&2 || complain 'the same metrics as of step 3'
}

test_truncated_newest_checkpoint_is_resumed() { # From there such a run goes on.
    part cut
    truncate -s 500000 cut/run/checkpoints/step-4.h5
    falls_back cut
    ended 'checkpoint truncated, --resume' 0
}

test_flipped_checkpoint() { # A checkpoint with another byte is refused.
    part refused-flipped
    flip refused-flipped/run/checkpoints/step-4.h5
    plain evaluate refused-flipped/run/checkpoints/step-4.h5
    ended 'checkpoint with another byte, evaluate' 2
    one_error 'does not have its checksum: the file was damaged'
}

test_flipped_newest_checkpoint_is_read() { # Of a run whose newest has another byte the one before it counts.
    part read-flipped
    flip read-flipped/run/checkpoints/step-4.h5
    reads_older read-flipped 'newest checkpoint with another byte, evaluate' evaluate run
    printf 'u\tA0\tA1\n' >histories.tsv
    reads_older read-flipped 'newest checkpoint with another byte, recommend' recommend run \
        --input ../histories.tsv -k 3 -o ../topk.tsv
}

test_flipped_newest_checkpoint_is_resumed() { # From there such a run goes on.
    part flipped
    flip flipped/run/checkpoints/step-4.h5
    falls_back flipped
    ended 'checkpoint with another byte, --resume' 0
}

test_truncated_best_checkpoint() { # Where the best one is cut another one is taken only when it is named.
    part best
    truncate -s 500000 best/run/checkpoints/step-3.h5
    saved best evaluate run
    ended 'best checkpoint truncated, evaluate the run' 2
    one_error 'run/checkpoints/step-3.h5: is not a complete HDF5 file'
    one_error '; it holds the best parameters of run: to take others, name the file of another checkpoint'
    saved best evaluate run/checkpoints/step-4.h5
    ended 'best checkpoint truncated, evaluate another' 0
}

test_every_checkpoint_truncated() { # A run without a whole checkpoint is refused, and stays as it was.
    part ruined
    for file in ruined/run/checkpoints/*.h5; do
        truncate -s 3000 "$file"
    done
    saved ruined evaluate run
    ended 'every checkpoint truncated, evaluate' 2
    one_error 'run/checkpoints: no checkpoint is whole; name another run'
    train ruined --resume
    ended 'every checkpoint truncated' 2
    one_error 'run/checkpoints: no checkpoint is whole; name another run, or start this one anew with --overwrite'
    [ -e ruined/run/checkpoints/step-4.h5 ] || complain 'a refusal puts no checkpoint aside'
}

test_data_set_vanished() { # A run whose data set is gone goes on when it is back.
    part vanished
    mv data.h5 away.h5
    train vanished --resume
    mv away.h5 data.h5
    ended 'data set vanished' 3
    one_error 'data.h5: cannot be read: No such file or directory'
    goes_on vanished
}

test_checkpoints_vanished() { # A run whose checkpoints are gone begins anew.
    part emptied
    rm -r emptied/run/checkpoints
    goes_on emptied
}

# ---- numbers ----

test_parameters_overflow() { # A run whose parameters overflow ends, and goes on from what it had saved.
    part diverged
    cp -r diverged/run/checkpoints before
    train diverged --resume train.lr=1e39 checkpoint.every_s=0
    ended 'parameters overflow' 1
    one_error 'is not finite'
    grep -Eq 'step [56], rank [01]: .* is not finite' err || complain "step and rank in: $(cat err)"
    diff -r before diverged/run/checkpoints >&2 || complain 'what was saved stays'
    goes_on diverged
}

# ---- two jobs, and ranks that are not alike ----

test_two_jobs_in_a_run_directory() { # The second is refused while the first is alive.
    mkdir busy
    (cd busy && exec timeout 60 mpirun -n 2 "$CDSR" train ../run.yaml train.epochs=100000 train.patience=0 \
        eval.every=0 checkpoint.every_s=0 >/dev/null 2>&1) &
    until grep -q '"step"' busy/run/log.jsonl 2>/dev/null; do sleep 0.1; done
    train busy --resume
    ended 'a second job in the run directory' 2
    one_error 'run: is in use by process '
    kill -KILL "$(cut -d ' ' -f 1 busy/run/lock)"
    wait $!
    train busy --overwrite
    ended 'the next, when the first was killed' 0
    goes_on busy
}

# unlike NAME LINE ARGUMENT...: rank 0 runs in folder a/run and rank 1 in b/run, with more arguments there.
unlike() {
    local name=$1 line=$2
    shift 2
    timed mpirun -n 1 -wdir "$work/a/run" "$CDSR" train run.yaml : \
        -n 1 -wdir "$work/b/run" "$CDSR" train run.yaml "$@"
    ended "$name" 2
    one_error "$line"
}

# two_folders: a/ and b/ with the same data set and configuration.
two_folders() {
    rm -rf a b
    mkdir -p a/run b/run
    for folder in a b; do
        cp data.h5 $folder
        cp run.yaml $folder/run
    done
}

test_other_command_line_on_a_rank() { # Ranks with different command lines are refused.
    two_folders
    unlike 'another command line on a rank' 'has another command line than rank 0: train run.yaml train.lr=1' \
        train.lr=1
}

test_other_configuration_on_a_rank() { # So are ranks with different configurations, and a key that differs is named.
    two_folders
    sed -i 's/lr: 0.01/lr: 0.02/' b/run/run.yaml
    unlike 'another configuration file on a rank' 'on rank 1, '
    has err 'is another file than on rank 0: train.lr differs'
}

test_other_data_set_on_a_rank() { # So are ranks with different data sets.
    two_folders
    "$CDSR" synth --items-a 60 --items-b 80 --users 120 --seed 4 --overwrite -o b/data.h5 >/dev/null
    unlike 'another data set on a rank' 'is another data set than on rank 0'
}

# ---- full and read-only disks ----

# no_space NAME COMMAND...: status 3, and nothing half-written.
no_space() {
    local name=$1
    shift
    "$@"
    ended "$name" 3
    one_error 'No space left on device'
    [ -z "$(find disk -name '*.tmp.*')" ] || complain "$name leaves $(find disk -name '*.tmp.*')"
}

test_full_disk_prepare() { # prepare on a full disk leaves no data set.
    disk 32k
    good_folder
    head -c 28000 /dev/zero >disk/ballast
    no_space 'disk full: prepare' plain prepare --format c2dsr in -o disk/out.h5
    [ ! -e disk/out.h5 ] || complain 'no data set'
}

test_full_disk_features() { # features on a full disk leaves the data set as it was.
    disk 400k
    cp data.h5 disk/data.h5
    head -c 1000000 /dev/zero >disk/ballast 2>/dev/null
    no_space 'disk full: features' plain features disk/data.h5 --name text --from titles --dim 8
    no_space 'disk full: tags' plain features disk/data.h5 --make-tags --from titles
    cmp data.h5 disk/data.h5 >&2 || complain 'the data set stays'
}

test_full_disk_synth() { # A disk that fills when the file is closed, with its strings, is an error too.
    synth --items-a 10000 --items-b 10000 --users 100 -o long.h5
    disk $(($(stat -c %s long.h5) / 4096 * 4 - 32))k
    no_space 'disk full at the end: synth' timed "$CDSR" synth --items-a 10000 --items-b 10000 \
        --users 100 -o disk/long.h5
    [ ! -s out ] || complain 'a data set is told of that is not there'
}

test_full_disk_checkpoint() { # A run whose disk is full at a checkpoint goes on when there is room.
    disk 3600k
    no_space 'disk full: checkpoint' train disk checkpoint.keep=9
    [ -n "$(ls disk/run/checkpoints)" ] || complain 'the first checkpoints are there'
    mount -o remount,size=64m disk
    goes_on disk
}

test_full_disk_log() { # So does one whose log alone is on the full disk.
    disk 12k
    mkdir disk/run elsewhere
    ln -s "$work/elsewhere" disk/run/checkpoints
    train disk --resume
    ended 'disk full: log' 3
    has err 'run/log.jsonl: cannot be written: No space left on device'
    mount -o remount,size=64m disk
    goes_on disk
}

test_read_only_disk() { # On a read-only disk no run begins or goes on.
    disk 64m
    cp -r whole/run disk
    mount -o remount,ro disk
    train disk run.dir=new
    ended 'read-only disk: new run' 3
    one_error 'Read-only file system'
    train disk --resume
    ended 'read-only disk: --resume' 3
    one_error 'Read-only file system'
}

run_tests "$@"
