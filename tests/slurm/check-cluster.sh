#!/usr/bin/env bash
# tests/slurm/check-cluster.sh: the cluster of the tests itself: it starts, it works, nothing is left of it.
set -uo pipefail

# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
# shellcheck source=tests/tap.sh
. "$slurm_scripts/../tap.sh"
speaks_tap=1
be_on_loopback "$@"
start_cluster -n 3 -c 4

# shellcheck disable=SC2016
runs_everywhere () {
  same <(timeout 20 srun -N3 -l sh -c 'echo "$SLURMD_NODENAME"' | sort) $'0: n1\n1: n2\n2: n3'
}

has_cpus () {
  same <(sinfo -h -N -o '%N %c %t') $'n1 4 idle\nn2 4 idle\nn3 4 idle'
}

# becomes STATE: that of n2, within ten seconds.
becomes () {
  local i
  for ((i = 0; i < 500; i++)); do
    [ "$(sinfo -h -n n2 -o %t)" != "$1" ] || return 0
    sleep 0.02
  done
  sinfo
  return 1
}

goes_down () {
  scontrol update nodename=n2 state=down reason=test && becomes down
}

# shellcheck disable=SC2016
runs_on_the_others () {
  same <(timeout 20 srun -N2 sh -c 'echo "$SLURMD_NODENAME"' | sort) $'n1\nn3'
}

comes_up () {
  scontrol update nodename=n2 state=resume && becomes idle && runs_everywhere
}

listens_on_loopback () {
  local pid
  for pid in "$folder"/*.pid; do
    ss -Htlnp | grep -F "pid=$(cat "$pid")," | grep -vE '127\.[0-9.]+:[0-9]+ ' && return 1
  done
  return 0
}

# With one that runs and one whose slurmd was killed.
stops () {
  srun -w n1 sleep 1000 &
  srun -w n3 sleep 1000 &
  for ((i = 0; i < 500; i++)); do
    [ "$(squeue -h -t running -o %i | wc -l)" -lt 2 ] || break
    sleep 0.02
  done
  kill -KILL "$(cat "$folder/slurmd-n3.pid")"
  "$slurm_scripts/stop-cluster.sh" "$folder"
}

# Everything that was started for it has the variable.
left () {
  grep -lsF "SLURM_CONF=$folder/" /proc/[0-9]*/environ
}

leaves_nothing () {
  local i
  [ ! -e "$folder" ] || return 1
  # The clients notice it by themselves.
  for ((i = 0; i < 500; i++)); do
    [ -n "$(left)" ] || return 0
    sleep 0.02
  done
  left
  return 1
}

check 'nodes and CPUs' has_cpus
check 'each node runs a program' runs_everywhere
check 'only on the loopback interface' listens_on_loopback
check 'a node goes down' goes_down
check 'the others go on' runs_on_the_others
check 'it comes up again' comes_up
check 'it stops' stops
unset SLURM_CONF
check 'nothing is left' leaves_nothing
finish_tests
