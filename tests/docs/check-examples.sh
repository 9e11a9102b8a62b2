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

check 'worker.c: exit status' run 1 "$programs/worker" 2 3 -1 13 4
check 'worker.c: output of the workers and results, in order' \
  same "$scratch/stdout" $'squaring 2\nsquaring 3\nsquaring -1\nsquaring 13\nsquaring 4\n4\n9\n16'
check 'worker.c: a failure' grep -q 'is negative' "$scratch/stderr"
check 'worker.c: a crash' grep -q '13: .*signal' "$scratch/stderr"

if [ -n "$python" ]; then
  check 'run_steps.py: exit status' run 0 "$python" "$sources/run_steps.py"
  check 'run_steps.py: output in the order of the list' \
    same <(head -n 3 "$scratch/stdout") $'first\nsecond\nthird'
  check 'run_steps.py: the error is caught' grep -q '1 of 3' "$scratch/stdout"
  check 'run_steps.py: the exit status of a step' grep -q 'exit status 7' "$scratch/stdout"

  check 'functions.py: exit status' run 0 "$python" "$sources/functions.py"
  check 'functions.py: output' same "$scratch/stdout" "first
second
slow b'second\\n' 42
a.png at quality 85
b.png at quality 85
c.png at quality 85
[8, 9]
0 exit 3 parallel_glib.UnexpectedExit
1 exception None ZeroDivisionError
{2: 'fine'}"

  check 'executor.py: exit status' run 0 "$python" "$sources/executor.py"
  check 'executor.py: output' \
    same "$scratch/stdout" $'SIGKILL\nstill here\n[0, 1, 4, 9]\n[1, 2, 3]'

  check 'chromite.py: exit status' run 0 "$python" "$sources/chromite.py"
  check 'chromite.py: output' same "$scratch/stdout" "arm64: shell
arm64: kernel
True <class 'ValueError'>: broken does not build for arm64
[1, 2]
[8, 9]"
else
  skip 'the Python examples' 'no introspection, or no Python with gi'
fi

mkdir "$scratch/bin"
ln -s "$command" "$scratch/bin/parallel-glib"
check 'many-files.sh: exit status' \
  run 0 env PATH="$scratch/bin:$PATH" sh "$sources/many-files.sh" "$scratch"
check 'many-files.sh: output' \
  same "$scratch/stdout" "$(printf '%d %s.txt\n' 1 a 2 b 3 c; echo "checked on $(uname -s)")"
check 'many-files.sh: files' gzip --test "$scratch"/{a,b,c}.txt.gz

finish_tests
