#!/usr/bin/env bash
# What mpirun starts its daemons with: agent.bash HOST COMMAND...
host=$1
shift
exec nsenter -t "$(cat "$HOSTS_PIDS/$host")" -m -n -u -i -p -- /bin/sh -c "$*"
