# Outputs go where they are wanted: through links, into pipes and devices, never over what is there
# without being asked; and what cannot be written is an error, standard output too.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
e='cdsr: error:'

synth --items-a 60 --items-b 80 --users 200 --seed 3 -o data.h5
small_run 'epochs: 1, batch: 64, lr: 0.01' 'run: {dir: run}' 'bench: {steps: 1, warmup: 1, skip: [evaluation]}'
"$CDSR" train run.yaml --quiet >/dev/null || complain train
for u in $(seq 400); do printf 'u%s\tA%s\tB%s\n' "$u" $((u % 60)) $((u % 80)); done >histories.tsv
good_folder

# one STATUS ARGUMENT...: a single process ends so; leaves out and err.
one() {
    local wanted=$1 got
    shift
    timeout 60 "$CDSR" "$@" >out 2>err
    got=$?
    [ $got = "$wanted" ] || complain "$*: exit status $wanted, but $got: $(cat err)"
}

# no LINE ARGUMENT...: a single process is refused with this line and prints nothing.
no() {
    local line=$1
    shift
    one 2 "$@"
    says err "$e $line"
    says_nothing out
}

# is KIND FILE: as stat calls it.
is() {
    [ "$(stat -c %F "$2")" = "$1" ] || complain "$2: $1, but $(stat -c %F "$2")"
}

# whole FILE: metrics as JSON, from the first brace to the last.
whole() {
    [ "$(head -c 1 "$1")$(tail -n 1 "$1")" = '{}' ] || complain "$1 is no JSON: $(head -c 100 "$1")"
    grep -q '"popularity"' "$1" || complain "$1: metrics"
}

# nothing_beside: no temporary file and no lock is left.
nothing_beside() {
    [ -z "$(find . -name '*.tmp.*' -o -name '*.h5.lock')" ] || complain 'nothing is left beside'
}

# ---- what stands there ----

# kept FILE ARGUMENT...: refused at once, before anything else is found wrong, and unchanged.
kept() {
    local file=$1
    shift
    echo old >"$file"
    no "$file: exists already; name another output or give --overwrite" "$@"
    [ "$(cat "$file")" = old ] || complain "$file is replaced"
}

test_file_that_is_there() { # No job replaces a file without being asked.
    kept old.h5 prepare --format c2dsr nowhere -o old.h5
    kept old.h5 synth -o old.h5
    kept old.json evaluate nowhere -o old.json
    kept old.json bench nowhere.yaml -o old.json
    kept old.svg report nowhere --plot old.svg
    kept old.tsv recommend nowhere -i nowhere -o old.tsv
}

test_overwrite() { # With --overwrite a file is replaced.
    echo old | tee old.json >old.svg
    one 0 evaluate run -o old.json --overwrite
    whole old.json
    one 0 bench run.yaml -o old.json --overwrite
    grep -q '"stages"' old.json || complain 'bench writes'
    one 0 report run --plot old.svg --overwrite
    grep -q '<svg' old.svg || complain 'report draws'
}

test_folder() { # A folder is no output, and that of an output has to be there.
    mkdir folder
    no "folder: is a directory; name another output" evaluate run -o folder
    one 3 evaluate nowhere -o absent/metrics.json
    says err "$e absent/metrics.json: cannot be written: No such file or directory; check the folder and its permissions"
}

# ---- links ----

# far_folder: a folder on another file system, in $far, until the test ends.
far_folder() {
    far=$(mktemp -d /dev/shm/cdsr-outputs-XXXXXX 2>/dev/null || mktemp -d)
    trap 'rm -rf "$far"' EXIT
}

test_link_to_a_file() { # What a symbolic link leads to is written, on another file system, and then kept.
    far_folder
    ln -s "$far/metrics.json" link.json
    one 0 evaluate run -o link.json
    is 'symbolic link' link.json
    whole "$far/metrics.json"
    refused "$e link.json: exists already; name another output or give --overwrite" \
        evaluate run -o link.json
    [ "$(ls "$far")" = metrics.json ] || complain "left there: $(ls "$far")"
}

test_link_to_a_data_set() { # So it is with a data set that gets a table or is replaced.
    far_folder
    cp data.h5 "$far/data.h5"
    ln -s "$far/data.h5" link.h5
    ranks 2 features link.h5 --name text --from titles --dim 8
    statuses 0 0
    is 'symbolic link' link.h5
    no "$far/data.h5: has a table 'text' already; name another or give --overwrite" \
        features "$far/data.h5" --name text --from titles --dim 8
    one 0 prepare --format c2dsr in -o link.h5 --overwrite
    is 'symbolic link' link.h5
    is 'regular file' "$far/data.h5"
    [ "$(ls "$far")" = data.h5 ] || complain "left there: $(ls "$far")"
}

test_hard_link() { # A data set that has other names is replaced under its own, with a warning.
    cp data.h5 hard.h5
    ln hard.h5 other.h5
    ranks 2 features hard.h5 --make-tags --from titles
    statuses 0 0
    has err 'hard.h5: is replaced; other names of the old file (hard links) keep its content: 1'
}

test_owner_and_permissions() { # A data set keeps its owner and permissions.
    cp data.h5 mine.h5
    chmod 640 mine.h5
    [ "$(id -u)" != 0 ] || chown 65534:65533 mine.h5
    before=$(stat -c '%a %u %g' mine.h5)
    ranks 2 features mine.h5 --name text --from titles --dim 8
    statuses 0 0
    [ "$(stat -c '%a %u %g' mine.h5)" = "$before" ] ||
        complain "mine.h5: $before, but $(stat -c '%a %u %g' mine.h5)"
}

# ---- pipes and devices ----

test_pipe() { # A named pipe takes the whole output.
    mkfifo fifo.json
    cat fifo.json >got &
    one 0 evaluate run -o fifo.json
    wait $!
    is fifo fifo.json
    whole got
}

test_broken_pipe() { # A pipe whose reader goes is an error: the lists are more than a pipe holds.
    mkfifo fifo.jsonl
    head -c 1 fifo.jsonl >got &
    ranks 2 recommend run -i histories.tsv -k 20 -o fifo.jsonl
    statuses 3 3
    wait $!
    says err "$e fifo.jsonl: cannot be written: Broken pipe"
}

test_hdf5_into_a_pipe() { # HDF5 is not written into a pipe.
    mkfifo fifo.h5
    no "fifo.h5: is a FIFO; HDF5 needs a regular file" recommend run -i histories.tsv -o fifo.h5
    refused "$e fifo.h5: is a FIFO; HDF5 needs a regular file" synth -o fifo.h5
}

test_devices() { # Devices are written to and stay; a full one is an error, and HDF5 takes none.
    mknod null.tsv c 1 3 2>/dev/null && mknod full.json c 1 7 && mknod null.h5 c 1 3 &&
        { : >null.tsv; } 2>/dev/null || skip 'no right to make devices'
    one 0 recommend run -i histories.tsv -o null.tsv
    one 3 evaluate run -o full.json
    says err "$e full.json: cannot be written: No space left on device"
    no "null.h5: is a device; HDF5 needs a regular file" prepare --format c2dsr in -o null.h5
    for device in null.tsv full.json null.h5; do
        is 'character special file' $device
    done
    nothing_beside
}

test_standard_output_as_a_file() { # Figures that go to standard output stand there in place of the table.
    one 0 evaluate run -o -
    whole out
    one 0 evaluate run -o /dev/stdout
    whole out
    one 0 evaluate run -o out
    whole out
    one 0 bench run.yaml -o -
    grep -q '"stages"' out || complain 'bench writes to standard output'
    [ "$(head -c 1 out)" = '{' ] || complain 'bench writes JSON alone'
    nothing_beside
}

# ---- standard output ----

# full ARGUMENT...: on two ranks, each with a full disk for what it prints.
full() {
    : >status
    timeout 60 mpirun -n 2 bash -c '"$CDSR" "$@" >/dev/full; echo $? >>"$work/status"' cdsr "$@" \
        2>err
    statuses 3 3
    [ "$(grep -c "$e" err)" = 1 ] || complain "one error line of $*, but: $(cat err)"
    has err "$e standard output: cannot be written: No space left on device"
}

test_help_on_a_full_disk() { # Help, versions and reference that cannot be printed are an error.
    for wish in --help --version --reference 'train --help'; do
        "$CDSR" $wish >/dev/full 2>err
        [ $? = 3 ] || complain "$wish"
        says err "$e standard output: cannot be written: No space left on device"
    done
}

test_figures_on_a_full_disk() { # So are the figures of a job.
    full report run
    full plan run.yaml --json
}

test_outcome_stays() { # What a job has made stays, and what has failed already stays the outcome.
    full prepare --format c2dsr in -o new.h5
    one 2 prepare --format c2dsr in -o new.h5
    full train run.yaml run.dir=printed --quiet
    tail -n 1 printed/result.txt | grep -q '^VALID' || complain 'the run is complete'
    one 2 train run.yaml run.dir=printed
}

test_reader_that_goes() { # A reader of standard output that has seen enough is no error.
    "$CDSR" train run.yaml run.dir=read 2>err --quiet | head -n 1 >out
    [ "${PIPESTATUS[0]} $(wc -l <out)" = '0 1' ] || complain "train | head: ${PIPESTATUS[0]}"
    says_nothing err
    tail -n 1 read/result.txt | grep -q '^VALID' || complain 'the run is complete'
}

test_closed_standard_output() { # Standard output that is closed is an error, and the data set is whole.
    "$CDSR" synth --users 100 -o closed.h5 >&- 2>err
    [ $? = 3 ] || complain 'standard output is closed'
    has err 'standard output: cannot be written: Bad file descriptor'
    one 0 features closed.h5 --name text --from titles --dim 8
}

run_tests "$@"
