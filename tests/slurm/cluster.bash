# shellcheck shell=bash disable=SC2154 # work is set in cli/common.bash
# For the scripts beside it: a SLURM of its own, munged, slurmctld and slurmd on the hosts n1..nN.
# shellcheck source=../hosts.bash
. "$(dirname "${BASH_SOURCE[0]}")/../hosts.bash"
# shellcheck source=../endless.bash
. "$(dirname "${BASH_SOURCE[0]}")/../endless.bash"
needs munged munge slurmctld slurmd sbatch srun scontrol mpirun
export SLURM_CONF=$work/etc/slurm.conf CDSR_HOME
CDSR_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The hosts share two cores, so ranks yield while they wait and are not bound; 10.77.0.0/24 is between
# the hosts.
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_tcp_if_include=10.77.0.0/24
export OMPI_MCA_oob_tcp_if_include=10.77.0.0/24 OMPI_MCA_hwloc_base_binding_policy=none
unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS

# configuration HOSTS CPUS KILL_WAIT: a requeued job waits for its credential to expire, cred_expire (5 s is the
# least), and a host that has been silent for SlurmdTimeout is down.
configuration() {
    cat <<CONF
ClusterName=test
SlurmctldHost=head(10.77.0.254)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool/%n
TmpFS=$work/tmp/%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.%n.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MailProg=/bin/true
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
KillWait=$3
MessageTimeout=5
SlurmdTimeout=10
MinJobAge=3600
NodeName=n[1-$1] NodeAddr=10.77.0.[1-$1] CPUs=$2 RealMemory=1000
PartitionName=main Nodes=n[1-$1] Default=YES MaxTime=INFINITE DefaultTime=60
CONF
}

# cluster_up HOSTS CPUS [KILL_WAIT]: so many on each; seconds that a cancelled job has to end.
cluster_up() {
    local i start=$SECONDS
    mkdir -p "$work"/{etc,state,spool,log,tmp}
    mkdir -m 711 "$work/munge"
    chmod 755 "$work"
    configuration "$1" "$2" "${3:-2}" >"$SLURM_CONF"
    # With no plugin named slurmd 22.05 looks for a mounted cgroup file system, and ends without one.
    echo 'CgroupPlugin=cgroup/v1' >"$work/etc/cgroup.conf"
    (umask 077 && head -c 128 /dev/urandom >"$work/munge/key")
    munged --force --key-file="$work/munge/key" --socket="$work/munge/socket" \
        --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed"
    slurmctld
    for i in $(seq "$1"); do
        mkdir -p "$work"/{spool,tmp}/n"$i"
        host_up "$i"
        on "n$i" slurmd -N "n$i"
    done
    until [ "$(sinfo -h -t idle -o %D)" = "$1" ]; do
        if [ $((SECONDS - start)) -gt 30 ]; then
            tail -n 20 "$work"/log/* >&2
            echo 'SLURM does not come up' >&2
            exit 1
        fi
        sleep 0.1
    done
}

# submit FOLDER ARGUMENT...: sbatch in that folder of $work; prints the job's number. The log is
# FOLDER/log.
submit() {
    local folder=$work/$1
    mkdir -p "$folder"
    (cd "$folder" && sbatch --parsable -o log "${@:2}")
}

# field JOB NAME: of scontrol show job.
field() {
    scontrol -o show job "$1" | sed -n "s/.* $2=\([^ ]*\).*/\1/p"
}

# becomes JOB STATE SECONDS: wait for it.
becomes() {
    local end=$((SECONDS + $3))
    until [ "$(field "$1" JobState)" = "$2" ]; do
        if [ $SECONDS -ge $end ]; then
            complain "job $1 is $2 within $3 s: $(scontrol -o show job "$1")"
            return 1
        fi
        sleep 0.1
    done
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        if [ $SECONDS -ge $end ]; then
            complain "in time: $*"
            return 1
        fi
        sleep 0.05
    done
}

# steps FOLDER NUMBER: so many have been logged in its run.
steps() {
    [ "$(grep -c '"event": "step"' "$work/$1/run/log.jsonl")" -ge "$2" ]
}
