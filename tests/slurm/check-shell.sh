#!/usr/bin/env bash
# tests/slurm/check-shell.sh COMMAND: COMMAND, parallel-glib, on the nodes of Slurm. Run by with-cluster.sh, with 3 nodes of 4
# processors.
set -uo pipefail

# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
command=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
everything='-N3 -n12'

# on_nodes ARGUMENT…: the command, with all nodes.
on_nodes () {
  timeout -k 5 100 "$command" --slurm="$everything" "$@"
}

is_free () {
  local i
  for ((i = 0; i < 1000; i++)); do
    [ -n "$(squeue -h)" ] || return 0
    sleep 0.01
  done
  squeue
  return 1
}

# Twelve at a time, each of which waits until all twelve are there: so each node has some.
# shellcheck disable=SC2016
uses_all_nodes () {
  mkdir "$work/here"
  on_nodes sh -c 'touch "$1/$2"; while [ "$(ls "$1" | wc -l)" -lt 12 ]; do sleep 0.02; done; echo "$SLURMD_NODENAME"' \
    sh "$work/here" ::: 1 2 3 4 5 6 7 8 9 10 11 12 >"$work/out"
  same <(sort "$work/out" | uniq -c | sed 's/^ *//') $'4 n1\n4 n2\n4 n3'
}

keeps_the_order () {
  seq 300 >"$work/expected"
  on_nodes echo <"$work/expected" >"$work/out" && cmp "$work/out" "$work/expected"
}

passes_bytes () {
  head -c 10485760 /dev/urandom >"$work/data"
  on_nodes cat ::: "$work/data" "$work/data" >"$work/copy" && cat "$work/data" "$work/data" | cmp - "$work/copy"
}

# shellcheck disable=SC2016
tells_failures () {
  on_nodes sh -c 'exit "$1"' sh ::: 0 7 >"$work/out" 2>&1
  [ $? = 1 ] && grep -q '“sh” exited with status 7' "$work/out" && ! grep -q 'status 0' "$work/out"
}

# shellcheck disable=SC2016
ignores_labels () {
  same <(SLURM_LABELIO=1 on_nodes echo ::: a) a
}

# shellcheck disable=SC2016
works_in_an_allocation () {
  same <(timeout -k 5 100 salloc -Q -N3 -n12 "$command" --slurm sh -c 'echo "$SLURM_JOB_ID"' sh ::: a b | sort -u | wc -l) 1
}

works_in_a_step () {
  same <(timeout -k 5 100 salloc -Q -N3 -n12 srun -n1 -N1 "$command" --slurm echo ::: a b) $'a\nb'
}

# takes_all COMMAND…: runs the command while somebody else has the whole cluster, until "$work/free" is written to.
takes_all () {
  local status
  rm -f "$work/taken" "$work/free"
  mkfifo "$work/taken" "$work/free"
  # shellcheck disable=SC2016
  salloc -Q -N3 -n12 sh -c 'echo >"$1"; read -r line <"$2"' sh "$work/taken" "$work/free" &
  read -r <"$work/taken"
  "$@"
  status=$?
  wait
  return "$status"
}

gives_up () {
  on_nodes --immediate echo ::: a >"$work/out" 2>&1
  local status=$?
  echo >"$work/free"
  [ "$status" = 1 ] && grep -q 'Slurm has not given an allocation' "$work/out"
}

waits () {
  on_nodes echo ::: a >"$work/out" 2>"$work/err" &
  local pid=$! i
  for ((i = 0; i < 1000; i++)); do
    ! grep -q 'waiting for resources' "$work/err" || break
    sleep 0.02
  done
  echo >"$work/free"
  wait "$pid" && same "$work/out" a && grep -q 'waiting for resources' "$work/err"
}

check 'each node is used' uses_all_nodes
check 'output is in order' keeps_the_order
check '10 MiB arrive byte for byte' passes_bytes
check 'failures are told as on this machine' tells_failures
check 'SLURM_LABELIO changes nothing' ignores_labels
check 'an allocation that is there is used' works_in_an_allocation
check 'it works inside of a step' works_in_a_step
check 'everything is given back' is_free
check 'with --immediate a full cluster is an error' takes_all gives_up
check 'without it resources are waited for, which is said' takes_all waits
check 'everything is given back again' is_free
finish_tests
