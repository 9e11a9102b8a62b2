#!/usr/bin/env bash
# check-examples.sh SOURCES PROGRAMS COMMAND PYTHON: runs the samples of docs/examples, whose compiled programs are in
# PROGRAMS, with COMMAND being parallel-glib and PYTHON one that has gi, or nothing.
set -euo pipefail

# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
sources=$1 programs=$2 command=$3 python=$4

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'one\n' >"$scratch/a.txt"
printf 'one two\n' >"$scratch/b.txt"
printf 'one two three\n' >"$scratch/c.txt"

# run EXPECTED_STATUS COMMAND [ARGUMENT…]: succeeds if the command ends so; the output goes to two files.
run () {
  local expected=$1 status=0
  shift
  "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || status=$?
  [ "$status" -eq "$expected" ] || {
    echo "exit status $status and not $expected"
    cat "$scratch/stdout" "$scratch/stderr"
    return 1
  }
}

check 'run-steps.c: exit status' run 1 "$programs/run-steps"
check 'run-steps.c: output in the order of the list' same "$scratch/stdout" $'first\nsecond\nthird'
check 'run-steps.c: the error names the failed step' grep -q 'echo third; exit 7' "$scratch/stderr"

check 'background-runner.c: exit status' \
  run 1 "$programs/background-runner" "$scratch"/{a,b}.txt "$scratch/not-there" "$scratch/c.txt"
check 'background-runner.c: the results in queue order' \
  same "$scratch/stdout" "$(sha256sum "$scratch"/{a,b,c}.txt)"
check 'background-runner.c: the error names the failed step' grep -q not-there "$scratch/stderr"

if [ -n "$python" ]; then
  check 'run_steps.py: exit status' run 0 "$python" "$sources/run_steps.py"
  check 'run_steps.py: output in the order of the list' \
    same <(head -n 3 "$scratch/stdout") $'first\nsecond\nthird'
  check 'run_steps.py: the error is caught' grep -q '1 of 3' "$scratch/stdout"
  check 'run_steps.py: the exit status of a step' grep -q 'exit status 7' "$scratch/stdout"
else
  skip 'run_steps.py' 'no introspection, or no Python with gi'
fi

mkdir "$scratch/bin"
ln -s "$command" "$scratch/bin/parallel-glib"
check 'many-files.sh: exit status' \
  run 0 env PATH="$scratch/bin:$PATH" sh "$sources/many-files.sh" "$scratch"
check 'many-files.sh: output' \
  same "$scratch/stdout" "$(printf '%d %s.txt\n' 1 a 2 b 3 c; echo "checked on $(uname -s)")"
check 'many-files.sh: files' gzip --test "$scratch"/{a,b,c}.txt.gz

finish_tests
