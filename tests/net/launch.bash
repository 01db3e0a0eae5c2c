# shellcheck shell=bash disable=SC2034 # launch is for the scripts beside it
# For the scripts beside it: mpirun whose ranks are on the hosts of ../hosts.bash.
# shellcheck source=../hosts.bash
. "$(dirname "${BASH_SOURCE[0]}")/../hosts.bash"
needs mpirun

# "${launch[@]}" --host NAMES OPTION... COMMAND...: its daemons talk over 10.77.0.0/24, and so do ranks, unless an
# option says otherwise.
export OMPI_MCA_btl_tcp_if_include=10.77.0.0/24
launch=(mpirun --mca plm_rsh_agent "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/agent.bash"
    --mca oob_tcp_if_include 10.77.0.0/24 --bind-to none)
