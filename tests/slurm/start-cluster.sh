#!/usr/bin/env bash
# tests/slurm/start-cluster.sh [-n NODES] [-c CPUS]
#
# Starts a cluster of Slurm's for tests and prints its folder, in which env is to be sourced: SLURM_CONF is all that the
# commands of Slurm need. It has 1 node with 2 CPUs if nothing else is said; the nodes are n1, n2 … It is stopped by
# stop-cluster.sh FOLDER; with-cluster.sh does both.
#
# It is private: a key of its own, a folder that nobody else can read, nothing but the loopback interface, free ports, and
# processes of whoever calls this. Root is not needed. Each daemon is a child in the background, and its process id is in
# FOLDER/NAME.pid.
#
# Exit status 77: there can be no such cluster here; the reason is on standard error.
set -euo pipefail

nodes=1 cpus=2
while getopts n:c: option; do
  case $option in
    n) nodes=$OPTARG ;;
    c) cpus=$OPTARG ;;
    *) sed -n '2s/^# /usage: /p' "$0" >&2; exit 2 ;;
  esac
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

# cannot REASON: there can be no cluster.
cannot () {
  echo "No cluster of Slurm’s can be started: $*" >&2
  exit 77
}

# find_program NAME…: the path of the first that there is. Debian’s names come first.
find_program () {
  local name
  for name in "$@"; do
    ! command -v "$name" || return 0
  done
  cannot "$1 is not installed"
}

slurmctld=$(find_program slurmctld-wlm slurmctld)
slurmd=$(find_program slurmd-wlm slurmd)
slurmstepd=$(find_program slurmstepd-wlm slurmstepd)
munged=$(find_program munged)
find_program srun >/dev/null

# Slurm looks the name of the host up, and uses the address (CommunicationParameters below), so that has to be a loopback one.
# The ports are one for slurmctld and one for each slurmd.
ports=$(python3 - "$nodes" 2>&1 <<'PYTHON'
import socket
import sys

name = socket.gethostname()
try:
    address = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)[0][4][0]
except OSError as error:
    sys.exit(f'the host name {name} has no address: {error}')
if not address.startswith('127.'):
    sys.exit(f'the host name {name} stands for {address}, which is no loopback address')
sockets = [socket.socket() for _ in range(1 + int(sys.argv[1]))]
for each in sockets:
    each.bind((address, 0))
print(address, *[each.getsockname()[1] for each in sockets])
PYTHON
) || cannot "$ports"
read -r address control_port node_ports <<<"$ports"
read -ra node_ports <<<"$node_ports"

folder=$(mktemp -d "${TMPDIR:-/tmp}/parallel-glib-slurm.XXXXXX")
folder=$(cd "$folder" && pwd -P)
export SLURM_CONF=$folder/slurm.conf

fail () {
  local log
  echo "The cluster could not be started: $*" >&2
  for log in "$folder"/*.log "$folder"/*.out; do
    [ ! -s "$log" ] || { echo "== $log"; tail -n 5 "$log"; } >&2
  done
  exit 1
}

trap '"$here/stop-cluster.sh" "$folder" >&2 || true' EXIT
trap 'exit 1' HUP INT TERM

# SlurmctldHost has to be the short name of this host. ReturnToService=1: a node that a test sets down stays down.
# MpiDefault, SwitchType and the like: no plugin is needed that is not in the basic package. SchedulerParameters: a job
# starts at once.
write_configuration () {
  local host me i
  host=$(uname -n)
  host=${host%%.*}
  me=$(id -un)
  cat <<CONFIGURATION
ClusterName=test
SlurmctldHost=$host($address)
SlurmctldPort=$control_port
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.ownpid
SlurmdPidFile=$folder/slurmd-%n.ownpid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
PriorityType=priority/basic
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=1000,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=1
PropagateResourceLimits=NONE
SlurmctldTimeout=30
SlurmdTimeout=10
InactiveLimit=0
KillWait=1
WaitTime=0
MinJobAge=60
MessageTimeout=10
MailProg=/bin/true
CompleteWait=0
LaunchParameters=disable_send_gids
CONFIGURATION
  for i in "${!node_ports[@]}"; do
    echo "NodeName=n$((i + 1)) NodeHostname=$host NodeAddr=$address Port=${node_ports[i]} CPUs=$cpus State=UNKNOWN"
  done
  echo 'PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO'
}

# start NAME PROGRAM…: starts a daemon in the background.
start () {
  local name=$1
  shift
  "$@" </dev/null >"$folder/$name.out" 2>&1 &
  echo $! >"$folder/$name.pid"
}

# wait_for SECONDS COMMAND…: until the command succeeds, or a daemon has ended.
wait_for () {
  local tries=$(($1 * 50)) file
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    for file in "$folder"/*.pid; do
      kill -0 "$(cat "$file")" 2>/dev/null || return 1
    done
    sleep 0.02
  done
}

all_idle () {
  [ "$(sinfo -h -N -t idle -o %N | wc -l)" -eq "$nodes" ]
}

mkdir "$folder/state" "$folder/munge"
write_configuration >"$SLURM_CONF"
cat >"$folder/env" <<ENVIRONMENT
export SLURM_CONF='$SLURM_CONF'
export PATH="\$PATH":/usr/sbin
ENVIRONMENT

# --force: it would have the folder of its socket searchable by all.
(umask 077 && head -c 128 /dev/urandom >"$folder/munge/key")
start munged "$munged" -F --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" \
  --log-file="$folder/munge/log" --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed" --num-threads=2
wait_for 10 test -S "$folder/munge/socket" || fail 'munged does not answer'

start slurmctld "$slurmctld" -D -i
# A slurmd that finds no controller waits a second before it tries again.
wait_for 20 scontrol ping || fail 'slurmctld does not answer'
for i in "${!node_ports[@]}"; do
  mkdir "$folder/spool-n$((i + 1))"
  start "slurmd-n$((i + 1))" "$slurmd" -D -N "n$((i + 1))" -d "$slurmstepd"
done
wait_for 30 all_idle || fail 'the nodes do not become idle'

trap - EXIT
echo "$folder"
