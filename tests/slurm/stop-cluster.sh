#!/usr/bin/env bash
# tests/slurm/stop-cluster.sh FOLDER: ends the cluster that start-cluster.sh has started there, only its own processes, and
# removes the folder.
set -uo pipefail

folder=$(cd "${1:?}" 2>/dev/null && pwd -P) || exit 0
[ -f "$folder/slurm.conf" ] || { echo "There is no cluster in $folder" >&2; exit 1; }
export SLURM_CONF=$folder/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

# runs PID: it exists and is no zombie; whoever has to may wait late for it.
runs () {
  local state
  state=$(ps -o stat= -p "$1" 2>/dev/null) && [ "${state#Z}" = "$state" ]
}

# is_ours PID: it was started for this cluster. Process ids are used again.
is_ours () {
  tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF "SLURM_CONF=$SLURM_CONF"
}

# pid_of NAME: of a daemon.
pid_of () {
  cat "$folder/$1.pid" 2>/dev/null || echo 0
}

# end NAME: a daemon, and returns when it has ended.
end () {
  local pid tries=0
  pid=$(pid_of "$1")
  { is_ours "$pid" && kill "$pid"; } 2>/dev/null || return 0
  while runs "$pid"; do
    tries=$((tries + 1))
    [ "$tries" -lt 250 ] || { kill -KILL "$pid"; break; }
    sleep 0.02
  done
}

has_jobs () {
  [ -n "$(timeout 5 squeue -h -t running,completing,suspended -o %i 2>/dev/null)" ]
}

# The jobs first, so that what runs in them ends too.
if runs "$(pid_of slurmctld)"; then
  timeout 5 scancel -Q -u "$(id -un)" 2>/dev/null
  for ((i = 0; i < 60; i++)); do
    has_jobs || break
    sleep 0.05
  done
fi

for file in "$folder"/slurmd-*.pid; do
  name=${file##*/}
  end "${name%.pid}"
done
end slurmctld

# A slurmstepd outlives a slurmd that a test has killed. Debian's has another name.
for pid in $(pgrep -u "$(id -u)" -f '^slurmstepd(-wlm)?: '); do
  if is_ours "$pid"; then
    for child in $(pgrep -P "$pid"); do
      kill -KILL "$child" 2>/dev/null
    done
    kill -KILL "$pid" 2>/dev/null
  fi
done
end munged
rm -rf "$folder"
