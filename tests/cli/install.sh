# What `cmake --install` makes is whole: it works outside of the checkout, its manual has every option, and
# bash completes its command line.
. "$(dirname "$0")/common.bash"
build=$(dirname "$CDSR")
[ -e "$build/cmake_install.cmake" ] || skip "$build is not a build folder"
cd "$work" || exit 1
cmake --install "$build" --prefix "$work/opt" >out 2>&1 || complain "cmake --install: $(cat out)"
share=$work/opt/share
PATH=$work/opt/bin:$PATH
CDSR=$work/opt/bin/cdsr
jobs=$(cdsr --words | sed -n 's/^- \([a-z]*\)$/\1/p')

test_program() { # The program and the examples of configurations run without the checkout.
    cdsr synth --items-a 40 --items-b 40 --users 60 --seed 3 -o shop.h5 >out || complain synth
    cdsr features shop.h5 --name text --from titles --dim 8 -q >out || complain features
    ls "$share"/cdsr/examples/*.yaml >examples
    [ "$(wc -l <examples)" -ge 3 ] || complain "examples: $(cat examples)"
    while read -r example; do
        cdsr train "$example" model.dim=8 train.max_steps=1 train.negatives=8 run.dir=run --overwrite -q \
            >out 2>err </dev/null || complain "$example: $(cat err)"
        grep -qx VALID out || complain "$example: $(cat out)"
    done <examples
}

test_scripts() { # The scripts for SLURM find each other and the program.
    cat >shop.yaml <<<'data: {path: shop.h5}'
    CDSR_HOME=$share/cdsr CDSR='' "$share/cdsr/slurm/sweep.sbatch" shop.yaml 'run.seed=1|2' >out 2>err ||
        complain "sweep: $(cat err)"
    has out run.seed=2
}

test_pages() { # There is a page for the program and each job, and it has every option of --help.
    [ "$(ls "$share/man/man1" | wc -l)" = $(($(wc -w <<<"$jobs") + 1)) ] || complain "$(ls "$share/man/man1")"
    for job in '' $jobs; do
        page=$share/man/man1/cdsr${job:+-$job}.1
        cdsr $job --help | grep -oE -- '^ {2,6}(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' >options
        [ -s options ] || complain "no option of $job"
        sed 's/\\-/-/g; s/\\f.//g' "$page" >plain
        while read -r option; do
            grep -qE -- "^(-[a-z], )?$option\b" plain || complain "$option in $page"
        done <options
    done
    sed 's/\\-/-/g; s/\\f.//g' "$share/man/man1/cdsr.1" >plain
    cdsr --reference | sed -n 's/^| `\([a-z_.0-9]*\)`.*/\1/p' >keys
    [ "$(wc -l <keys)" -gt 50 ] || complain "keys: $(cat keys)"
    while read -r key; do
        grep -q "^$key = " plain || complain "$key in cdsr.1"
    done <keys
}

test_roff() { # The pages are free of faults.
    command -v mandoc >/dev/null || skip 'there is no mandoc'
    for page in "$share"/man/man1/*; do
        mandoc -T lint -W warning "$page" | grep -v 'missing date' >faults
        [ ! -s faults ] || complain "$(cat faults)"
        mandoc -T html "$page" | grep -q 'id="SYNOPSIS"' || complain "$page"
    done
}

# completed TYPED WANTED...: in a shell on a terminal, of which the tabulator completes what was typed, cdsr
# receives these arguments.
completed() {
    local typed=$1
    shift
    printf '%s\n' ". $share/bash-completion/completions/cdsr" 'cdsr() { printf "<%s>" "$@" >got; }' \
        "cdsr $typed" exit >typed
    rm -f got
    TERM=dumb INPUTRC=/dev/null timeout 30 script -qec 'bash --norc --noprofile -i' /dev/null <typed >terminal 2>&1
    [ "$(cat got 2>/dev/null)" = "$(printf '<%s>' "$@")" ] ||
        complain "$typed: $(cat got 2>/dev/null); the terminal: $(cat terminal)"
}

test_completion() { # bash completes jobs, options, keys, what these take, and else files.
    command -v script >/dev/null || skip 'there is no script to play the terminal'
    touch histories.tsv
    completed $'prep\t' prepare
    completed $'--vers\t' --version
    completed $'train --resu\t' train --resume
    completed $'train run.yaml train.optim\tlaz\t' train run.yaml train.optimizer=lazy_adamw
    completed $'train run.yaml train.reprod\tt\t' train run.yaml train.reproducible=true
    completed $'report --spl\tv\t run' report --split=valid run
    completed $'recommend run --input histo\t' recommend run --input histories.tsv
    completed $'plan --jso\t shop.yaml eval.select_dom\tea\t' plan --json shop.yaml eval.select_domain=each
}

test_module() { # The module file brings the program, its manual and the scripts.
    [ -r /usr/share/lmod/lmod/init/bash ] || skip 'there is no Lmod'
    (
        PATH=/usr/bin:/bin
        # shellcheck source=/dev/null
        . /usr/share/lmod/lmod/init/bash
        module use "$share/cdsr/modulefiles"
        module load cdsr 2>err || complain "module: $(cat err)"
        [ "$(command -v cdsr)" = "$work/opt/bin/cdsr" ] || complain "PATH: $PATH"
        [ "$CDSR_HOME" = "$share/cdsr" ] && [[ $MANPATH == *$share/man* ]] || complain "$CDSR_HOME, $MANPATH"
        exit $((failures > 0))
    ) || failures=1
}
run_tests "$@"
