# shellcheck shell=bash disable=SC2034 # variables for those who read it
# Read by the scripts beside it: loads modules, finds program and launcher, sets threads and binding, and
# says with which versions on which hosts.
#
# Settings, from the environment:
#   CDSR_HOME  folder of this checkout                  the folder of the submission
#   CDSR       the program                              build/release/cdsr there, else cdsr
#   MODULES    modules to load, separated by spaces     none
#   THREADS    per rank                                 SLURM_CPUS_PER_TASK, else 1
#   BIND       cores: THREADS cores for each rank; none: any core     what the launcher does by itself
#   LAUNCH     srun, mpirun or a command with options   srun where SLURM speaks PMIx, else mpirun
#
# Gives: `program`, `launch` (an array: the launcher; "-n RANKS" may follow), `job` (what scontrol and
# squeue call this job), `say TEXT`, `fail TEXT`, `start_line COMMAND...`.

say() {
    echo "${SLURM_JOB_NAME:-${0##*/}}: $*" >&2
}

fail() {
    say "$*"
    exit 2
}

load_modules() {
    local file
    set +u # the module systems' own functions
    for file in /etc/profile.d/{modules,lmod,z00_lmod}.sh; do
        # shellcheck source=/dev/null
        if ! type module >/dev/null 2>&1 && [ -r "$file" ]; then . "$file"; fi
    done
    # shellcheck disable=SC2086 # a list
    module load $MODULES || fail "MODULES: cannot load $MODULES"
    set -u
}

# Without PMIx in SLURM every rank that srun starts would be a run of its own, and MPICH mostly speaks another PMI.
choose_launcher() {
    if [ -n "${LAUNCH:-}" ]; then
        echo "$LAUNCH"
    elif [ -n "${SLURM_JOB_ID:-}" ] && "$program" --version | grep -q '^mpi Open MPI' &&
        srun --mpi=list 2>&1 | grep -q pmix; then
        echo srun
    else
        command -v mpirun >/dev/null || fail 'no launcher: neither srun with PMIx nor mpirun; set LAUNCH'
        echo mpirun
    fi
}

# srun takes the number of cores per rank not from the job. --kill-on-bad-exit=0: a rank that has
# stopped early with 75 does not end the others. --wait: nor does srun wait for ever for one of a host whose
# slurmstepd is dead. Open MPI binds a rank to one core even if it has threads.
launcher_options() {
    local kind=$1
    if [ "$kind" = mpirun ] && mpirun --version 2>&1 | grep -q HYDRA; then
        kind=hydra # MPICH's, which binds nothing by itself
    fi
    case $kind-${BIND:-} in
        srun-*) launch+=(--mpi=pmix --kill-on-bad-exit=0 --wait=30 -c "$threads") ;;&
        hydra-cores) launch+=(-bind-to "core:$threads") ;;
        srun-cores) launch+=(--cpu-bind=cores) ;;
        srun-none) launch+=(--cpu-bind=none) ;;
        mpirun-cores) launch+=(--map-by "slot:PE=$threads" --bind-to core) ;;
        mpirun-none) launch+=(--bind-to none) ;;
        mpirun-) [ "$threads" = 1 ] || launch+=(--bind-to none) ;;
    esac
}

start_line() {
    say "start ${SLURM_RESTART_COUNT:-0} of job ${job:-none}: hosts ${SLURM_JOB_NODELIST:-$(hostname)}," \
        "ranks ${SLURM_TASKS_PER_NODE:-any} of $threads threads, binding ${BIND:-of the launcher}," \
        "modules ${MODULES:-none}"
    say "$("$program" --version | paste -sd ';'); $("${launch[0]}" --version 2>&1 | head -n 1)"
    say "launch: $*"
}

case ${BIND:-} in
    '' | cores | none) ;;
    *) fail "BIND: '$BIND' is not one of cores, none" ;;
esac
[ -z "${MODULES:-}" ] || load_modules
program=${CDSR:-$CDSR_HOME/build/release/cdsr}
[ -x "$program" ] || program=$(command -v cdsr) ||
    fail 'no program; build it, or name it in CDSR, or the checkout in CDSR_HOME'
job=${SLURM_JOB_ID:-}
# The number of an array's last task is that of the whole array.
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
threads=${THREADS:-${SLURM_CPUS_PER_TASK:-1}}
export OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=1
[ "${BIND:-}" != cores ] || export OMP_PLACES=cores OMP_PROC_BIND=close
read -ra launch <<<"$(choose_launcher)"
[ "${#launch[@]}" -gt 1 ] || launcher_options "${launch[0]}"
