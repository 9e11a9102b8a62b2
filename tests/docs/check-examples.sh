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

check 'main-loop.c: exit status' run 0 "$programs/main-loop"
check 'main-loop.c: the steps as they end' \
  same <(head -n 3 "$scratch/stdout") $'soon: failed\n0.3: done\n0.6: done'
check 'main-loop.c: the progress' same <(tail -n 1 "$scratch/stdout") '100 %'

check 'failures.c: exit status' run 1 "$programs/failures"
check 'failures.c: each failure' same "$scratch/stdout" "fine
echo the disk is full >&2; exit 28: exit status 28; it said: the disk is full
kill -SEGV \$\$: killed by signal 11
no-such-program: could not be started
sleep 600: took too long"

check 'limits.c: exit status' run 0 "$programs/limits"
check 'limits.c: a hung step and another try' same "$scratch/stdout" "I start
The step was stopped because it gave no sign of life for its silence timeout of 0.5 s; it was sent SIGTERM, SIGKILL
sleep is in the diagnosis: yes
the other one succeeded in attempt 2"

check 'output.c: exit status' run 0 "$programs/output"
check 'output.c: output' same "$scratch/stdout" "$(printf 'out %d\nerr %d\n' 3 3 2 2 1 1)
36 bytes in the sink
the last one: out 1"

check 'own-context.c: exit status' run 0 "$programs/own-context"
check 'own-context.c: output' same "$scratch/stdout" $'/\nits signals came in this thread: yes'

check 'try-worker.sh: exit status' run 0 sh -c 'cd "$1" && . ./try-worker.sh' sh "$sources"
check 'try-worker.sh: READY' grep -q 'A 001  *.0  *.0  *.0' "$scratch/stdout"

if [ -e "$programs/queue-vala" ]; then
  check 'run-steps.vala: exit status' run 1 "$programs/run-steps-vala"
  check 'run-steps.vala: output in the order of the list' \
    same "$scratch/stdout" $'first\nsecond\nthird'
  check 'run-steps.vala: the error names the failed step' grep -q 'echo third; exit 7' "$scratch/stderr"

  check 'queue.vala: exit status' run 1 "$programs/queue-vala" "$scratch"/{a,b}.txt "$scratch/not-there"
  check 'queue.vala: the results' same <(sort "$scratch/stdout") "$(sha256sum "$scratch"/{a,b}.txt | sort)"
  check 'queue.vala: the error names the failed step' grep -q not-there "$scratch/stderr"
else
  skip 'the Vala examples' 'no Vala'
fi

if [ -n "$python" ]; then
  check 'steps.py: exit status' run 0 "$python" "$sources/steps.py"
  check 'steps.py: output' same "$scratch/stdout" "squaring 3
from a program
squaring 4
[9, CompletedProcess(args=('echo', 'from a program'), returncode=0, stdout=b'from a program\\n', stderr=b''), 16]
squaring -1
squaring 5
<lambda> exception ValueError None
sh -c 'exit 7' exit parallel_glib.CommandFailed 7"

  check 'use-worker.py: exit status' \
    run 0 "$python" "$sources/use-worker.py" "$scratch"/{a,b}.txt "$scratch/not-there" "$scratch/c.txt"
  check 'use-worker.py: output of the Perl workers, and results' same "$scratch/stdout" \
    "$(printf "counting $scratch/%s.txt\\n" a b c; printf "%d $scratch/%s.txt\\n" 1 a 2 b 3 c)"
  check 'use-worker.py: the failure' \
    grep -q "$scratch/not-there: $scratch/not-there: No such file or directory" "$scratch/stderr"

  mkdir "$scratch/override"
  cp "$scratch"/{a,b}.txt "$scratch/override"
  check 'override.py: exit status' run 0 "$python" "$sources/override.py" "$scratch/override"
  check 'override.py: output' same <(sort "$scratch/stdout") \
    "$(printf "<Parallel.Step '%s.txt.gz', succeeded> None None\\n" a b)"
  rm -r "$scratch/override"

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

  check 'cluster.py: exit status' run 0 "$python" "$sources/cluster.py"
  check 'cluster.py: output' same "$scratch/stdout" "$(for i in {0..11}; do echo $((i * i)); done)"

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
