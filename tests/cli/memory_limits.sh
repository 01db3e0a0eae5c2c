# Under limits of the address space every job ends by itself, with a line that says what it needs:
# OpenBLAS would look for room for ever.
. "$(dirname "$0")/common.bash"
! grep -q __asan_init "$CDSR" || skip 'the sanitizer maps more than any limit'
cd "$work" || exit 1
unset OPENBLAS_NUM_THREADS
synth --items-a 20 --items-b 20 --users 30 --seed 3 -o data.h5
echo '{data: {path: data.h5}, model: {dim: 8, modalities: [id]}, train: {epochs: 1}}' >run.yaml
"$CDSR" train run.yaml run.dir=whole -q >out 2>err || complain train
printf 'u\ta0\n' >histories.tsv

# limited LIMIT THREADS ARGUMENT...: the status is one of the program's, and not 0 without one line.
# $status is left.
limited() {
    local limit=$1 threads=$2
    shift 2
    # shellcheck disable=SC2086 # an option and its number
    (ulimit $limit && OMP_NUM_THREADS=$threads timeout -s KILL 10 "$CDSR" "$@" >out 2>err)
    status=$?
    case $status in
    0) ! grep -q 'error: ' err || complain "ulimit $limit, $*: $(cat err)" ;;
    1 | 2 | 3) [ "$(grep -c 'error: ' err)" = 1 ] || complain "ulimit $limit, $*: $(cat err)" ;;
    *) complain "ulimit $limit, threads $threads, $*: exit status $status, $(cat err)" ;;
    esac
}

test_address_space() { # Training ends by itself under every limit, and trains where there is enough.
    for threads in 1 2; do
        for kb in 150000 200000 300000 400000 600000 1000000; do
            limited "-v $kb" $threads train run.yaml --overwrite -q
        done
        [ $status = 0 ] || complain "1000000 kB: $(cat err)"
    done
}

test_data_segment() { # So it does where the data are limited, and says what the libraries take.
    for threads in 1 2; do
        for kb in 20000 100000 200000; do
            limited "-d $kb" $threads train run.yaml --overwrite -q
        done
        [ $status = 2 ] || complain "200000 kB of data: exit status $status"
        has err 'the limit of 200000 kB (RLIMIT_DATA, ulimit -d) leaves '
        has err "kB, and the BLAS with threads $threads and the libraries take "
    done
}

test_every_job_that_computes() { # Every job that computes is refused with the limit, and leaves no output.
    for job in 'evaluate whole' 'recommend whole -i histories.tsv -o lists.tsv' 'bench run.yaml' \
        'features data.h5 --name text --from titles --dim 4'; do
        # shellcheck disable=SC2086 # words of a command line
        limited '-v 400000' 2 $job
        [ $status = 2 ] || complain "$job: exit status $status"
        has err 'the limit of 400000 kB (RLIMIT_AS, ulimit -v) leaves '
    done
    [ ! -e lists.tsv ] || complain 'an output of a refused job'
}

test_report() { # What computes nothing has its room.
    limited '-v 400000' 2 report whole
    [ $status = 0 ] || complain "report: $(cat err)"
}

test_doctor() { # doctor finds a limit that is too low, and none that is not.
    (ulimit -v 400000 && "$CDSR" doctor --memory 0.001 --space 0.001 >out)
    [ $? = 2 ] || complain 'doctor finds nothing'
    has out ': the limit of 400000 kB (RLIMIT_AS, ulimit -v) leaves '
    (ulimit -v 2000000 && "$CDSR" doctor --memory 0.01 --space 0.001 >out)
    ! grep -q ulimit out || complain "doctor: $(cat out)"
}

test_large_model() { # Tables that are too large for the rest end training with a hint to the limit.
    limited '-v 700000' 1 train run.yaml --overwrite -q model.dim=4096
    [ $status = 1 ] || complain "a large model: exit status $status"
    has err 'the address space is limited, see ulimit -v'
}

test_two_ranks() { # Of several ranks one speaks.
    for kb in 300000 400000; do
        mpirun -n 2 bash -c "ulimit -v $kb; \"\$CDSR\" train run.yaml --overwrite; echo \$? >>status.$kb" \
            >out 2>err
        [ "$(tr '\n' ' ' <status.$kb)" = '2 2 ' ] || complain "two ranks: $(cat status.$kb)"
        [ "$(grep -c 'error: ' err)" = 1 ] || complain "two ranks: $(cat err)"
    done
}

run_tests "$@"
