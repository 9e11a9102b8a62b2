#!/usr/bin/env bash
# tests/slurm/with-cluster.sh [-t] [-n NODES] [-c CPUS] -- COMMAND…: starts a private cluster of Slurm's (see
# start-cluster.sh), runs the command with it, stops it, and ends with the status of the command.
#
# Exit status 77: there can be no cluster here. With -t, for a command that speaks TAP, that is said in TAP.
set -uo pipefail

# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
[ "${1-}" != -t ] || speaks_tap=1
be_on_loopback "$@"

options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  [ "$1" = -t ] || options+=("$1")
  shift
done
shift
start_cluster ${options[@]+"${options[@]}"}

# In the background, so that a signal is handled at once.
"$@" <&0 &
wait $!
