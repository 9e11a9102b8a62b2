# Sourced by the scripts that use a cluster of their own.
# shellcheck shell=bash

slurm_scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Whether to say in TAP that there can be no cluster.
speaks_tap=

# give_up STATUS REASON: 77 is for a cluster that there cannot be.
give_up () {
  if [ "$1" -eq 77 ] && [ "$speaks_tap" != '' ]; then
    echo "1..0 # SKIP ${2//$'\n'/ }"
    exit 0
  fi
  printf '%s\n' "$2" >&2
  exit "$1"
}

# be_on_loopback ARGUMENT…: where the name of the host stands for no loopback address, starts this script again with
# these arguments in name spaces in which it does.
be_on_loopback () {
  local reason
  [ "${PARALLEL_TEST_ON_LOOPBACK-}" = '' ] || return 0
  reason=$("$slurm_scripts/on-loopback.sh" true 2>&1) || give_up $? "$reason"
  PARALLEL_TEST_ON_LOOPBACK=1 exec "$slurm_scripts/on-loopback.sh" "$0" "$@"
}

# start_cluster [OPTION…]: starts it, in $folder, with its environment, and stops it at the end of the script.
start_cluster () {
  local variable errors status=0

  # It must not be part of an allocation of the user's.
  for variable in "${!SLURM_@}" "${!SALLOC_@}" "${!SRUN_@}"; do
    unset "$variable"
  done

  errors=$(mktemp)
  folder=$("$slurm_scripts/start-cluster.sh" "$@" 2>"$errors") || status=$?
  variable=$(cat "$errors")
  rm -f "$errors"
  [ "$status" -eq 0 ] || give_up "$status" "$variable"

  trap '"$slurm_scripts/stop-cluster.sh" "$folder"' EXIT
  trap 'exit 143' TERM
  trap 'exit 130' INT
  trap 'exit 129' HUP
  # shellcheck disable=SC1091
  . "$folder/env"
}
