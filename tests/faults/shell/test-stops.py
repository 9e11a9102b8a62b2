#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the steps of parallel-glib are stopped: the signals, their order and their delays."""

import re
import signal
import sys
import time

from fault_support import PATIENCE, begin, check_nothing_left, count, elapsed_of, fault, word
from command_support import Fifo, equal, finish, main, run, sh

# Writes a dot, $1 times, and waits $2 seconds before each but the first.
PULSE = sh('i=1; while printf . && [ $i -lt "$1" ]; do i=$((i + 1)); sleep "$2"; done')

# Says which signals come, and when.
LISTEN = """
import signal, sys, time
signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print('ready', flush=True)
open('started', 'w').write('ready\\n')
with open('heard', 'w') as heard:
    while True:
        name = signal.Signals(signal.sigwaitinfo(signals).si_signo).name
        print(name, flush=True)
        print(name, time.monotonic(), file=heard, flush=True)
"""


@fault
def stubborn():
    """A step that ignores SIGTERM is killed after the kill grace, and not before"""
    result = run("--timeout=0.7", "--kill-grace=0.6",
                 *sh(f"trap 'echo asked' TERM; while :; do sleep {word()}; done"), ":::", "a", status=1)
    check_nothing_left()
    equal(result.stdout, b"asked\n")
    assert 1.3 <= elapsed_of(result.stderr, "a") < 1.3 + PATIENCE, result.stderr


@fault
def leader_and_child():
    """A step whose program became another one, with a child of the first, is stopped as a whole"""
    result = run("--timeout=0.5", "sh", "-c", f"sleep {word()} & echo out; exec sleep {word()}", ":::", "a", status=1)
    check_nothing_left()
    equal(result.stdout, b"out\n")
    assert elapsed_of(result.stderr, "a") < 0.5 + PATIENCE, result.stderr


def listen(started, *options):
    """What a step hears that does not go when the command ends: names of signals, the delays between them, and the
    time until the end."""
    process = begin(*options, sys.executable, "-c", LISTEN, ":::", "a")
    started.hear()
    begun = time.monotonic()
    process.terminate()
    out, _ = finish(process, 128 + signal.SIGTERM)
    elapsed = time.monotonic() - begun
    check_nothing_left()
    with open("heard", encoding="ascii") as heard:
        lines = [line.split() for line in heard]
    names = [line[0] for line in lines]
    times = [float(line[1]) for line in lines]
    # What a step says after it was halted is not printed.
    said = out.split()
    equal(said, [b"ready", *(name.encode() for name in names)][:len(said)])
    return names, [later - earlier for earlier, later in zip(times, times[1:])], elapsed


@fault
def term_seq():
    """--term-seq: exactly those signals, in their order, and with their delays"""
    started = Fifo("started")
    names, delays, elapsed = listen(started, "--term-seq=INT,300,SIGTERM,200,10,400,KILL")
    equal(names, ["SIGINT", "SIGTERM", "SIGUSR1"])
    # From one to the next as the step sees it, which may have seen the first one late.
    for delay, least in zip(delays, (0.3, 0.2)):
        assert least - 0.15 < delay < least + PATIENCE, delays
    assert 0.9 <= elapsed < 0.9 + PATIENCE, elapsed

    # The kill grace stands for the last delay, and SIGKILL comes anyway.
    names, _, elapsed = listen(started, "--termseq=HUP,100,QUIT", "--kill-grace=0.4")
    equal(names, ["SIGHUP", "SIGQUIT"])
    assert 0.5 <= elapsed < 0.5 + PATIENCE, elapsed

    names, _, elapsed = listen(started, "--term-seq=KILL", "--kill-grace=1000")
    equal(names, [])
    assert elapsed < PATIENCE, elapsed


@fault
def term_seq_of_limit():
    """--term-seq holds for a step over a time limit, and what it says to the signals is printed"""
    started = Fifo("started")
    result = run("--silence-timeout=2", "--term-seq=HUP,300,USR2,300", sys.executable, "-c", LISTEN, ":::", "a",
                 status=1)
    check_nothing_left()
    started.hear()
    equal(result.stdout, b"ready\nSIGHUP\nSIGUSR2\n")
    assert elapsed_of(result.stderr, "a") >= 2.6, result.stderr


@fault
def standstill():
    """A command that was stopped itself does not take its own silence for the step's"""
    n = count(20, 60)
    process = begin("--silence-timeout=1", *PULSE, "{}", "0.2", ":::", str(n))
    time.sleep(0.5)
    process.send_signal(signal.SIGSTOP)
    time.sleep(count(3, 10))
    process.send_signal(signal.SIGCONT)
    equal(finish(process), (b"." * n, b""))


@fault
def halted():
    """--halt-on-error stops a step that would take very long; nothing is printed after the failed one"""
    begun = time.monotonic()
    result = run("-j2", "--halt-on-error", "--kill-grace=0.5", *sh(f"""
        echo "$1" >>log
        case $1 in
          0) echo "0 begin"; trap "" TERM; sleep {word()}; sleep {word()};;
          5) while [ "$(wc -l <log)" -lt 6 ]; do sleep 0.01; done; echo "5 fails"; exit 3;;
          *) echo "$1";;
        esac"""), ":::", *map(str, range(200)), status=1)
    elapsed = time.monotonic() - begun
    check_nothing_left()
    equal(result.stdout, b"0 begin\n1\n2\n3\n4\n5 fails\n")
    assert elapsed < 0.5 + PATIENCE, elapsed
    with open("log", encoding="ascii") as log:
        equal(sorted(log.read().split()), [*"012345"])
    # As many of the 200 as had been queued by then.
    found = re.search(rb"1 of (\d+) steps failed:\n  5: .*\n.*\n.*: Of (\d+) steps, (\d+) did not run to their end\n",
                      result.stderr)
    assert found and int(found[1]) == int(found[2]) == int(found[3]) + 5, result.stderr


main()
