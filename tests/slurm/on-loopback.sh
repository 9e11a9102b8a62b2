#!/usr/bin/env bash
# tests/slurm/on-loopback.sh COMMAND…: runs a command where the name of the host stands for a loopback address, as
# start-cluster.sh needs it. Where it does not by itself, the command runs in name spaces of its own, with nothing but a
# loopback interface, and all that it starts ends with it. They need unshare and setpriv (util-linux) and ip
# (iproute2); not root, where the system lets users have them.
#
# Exit status 77: it cannot be done here; the reason is on standard error.
set -uo pipefail

case $(getent ahostsv4 "$(uname -n)" | head -n 1) in
  127.*) exec "$@" ;;
esac

spaces=(--net --uts --ipc --mount --pid --fork --kill-child --mount-proc)
[ "$(id -u)" -eq 0 ] || spaces+=(--user --map-current-user --keep-caps)
if ! reason=$(unshare "${spaces[@]}" true 2>&1) || ! reason=$(command -v ip setpriv); then
  echo "The host name stands for no loopback address, and there can be no name space: ${reason:-no ip or setpriv}" >&2
  exit 77
fi

# Slurm looks names up only where there is an address that is not a loopback one; this one is for documentation.
# shellcheck disable=SC2016
exec unshare "${spaces[@]}" bash -c '
  hostname localhost && ip link set lo up && ip address add 192.0.2.1/32 dev lo || exit 77
  [ "$(id -u)" -eq 0 ] || set -- setpriv --ambient-caps=-all --inh-caps=-all "$@"
  "$@"' bash "$@"
