#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the steps of parallel-glib start and does not stay with them."""

import os
import signal

from fault_support import (PATIENCE, begin, check_nothing_left, elapsed_of, fault, kill_all, others, wait_gone, word)
from command_support import Fifo, contains, equal, finish, main, output, run, sh, wait_until

# Daemons as the books have them: not their parent's child, in a session of their own.
DAEMON = "(setsid sh -c '(sleep {0} &)' &)"
CLEARED = "(env -i setsid sh -c '(sleep {0} &)' &)"
STUBBORN = """(setsid sh -c 'trap "" TERM HUP; (while :; do sleep {0}; done &)' &)"""


def is_elsewhere(pid):
    """Whether it is what the daemon is to become: an orphan in a session that is not this one's, nor its own."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            return comm.read() == "sleep\n" and os.getsid(pid) not in (pid, os.getsid(0))
    except OSError:
        return False


@fault
def many():
    """Of 200 sleepers in sessions of their own a stopped step leaves none"""
    result = run("--silence-timeout=1.5", *sh(f"""
        i=0
        while [ $i -lt 200 ]; do setsid sleep {word()} & i=$((i + 1)); echo $i; done
        sleep {word()}"""), ":::", "a", status=1)
    check_nothing_left()
    equal(result.stdout.split()[-1], b"200")
    contains(result.stderr, b"and 152 more processes")


@fault
def many_killed():
    """Nor of 200 of them that ignore SIGTERM"""
    result = run("--silence-timeout=1.5", "--kill-grace=0.5", *sh(f"""
        trap "" TERM
        i=0
        while [ $i -lt 200 ]; do setsid sleep {word()} & i=$((i + 1)); echo $i; done
        sleep {word()}"""), ":::", "a", status=1)
    check_nothing_left()
    equal(result.stdout.split()[-1], b"200")


@fault
def daemons():
    """A daemon is found by its mark when its step is stopped, also one that ignores SIGTERM"""
    for daemon in (DAEMON, STUBBORN):
        result = run("--timeout=1", "--kill-grace=0.5", *sh(f"""
            {daemon.format(word())}
            echo started; sleep {word()}"""), ":::", "a", status=1)
        check_nothing_left()
        equal(result.stdout, b"started\n")
        assert elapsed_of(result.stderr, "a") < 1.5 + PATIENCE


@fault
def daemons_of_halted():
    """And when the run is stopped by a signal"""
    started = Fifo("started")
    process = begin(*sh(f"{DAEMON.format(word())}; echo >started; sleep {word()}"), ":::", "a")
    started.hear()
    wait_until(lambda: any(map(is_elsewhere, others())), "the daemon")
    process.terminate()
    finish(process, 128 + signal.SIGTERM)
    check_nothing_left()


@fault
def cleared():
    """With --containment=tree also one without any mark"""
    for daemon in (DAEMON, CLEARED, STUBBORN):
        result = run("--containment=tree", "--timeout=1", "--kill-grace=0.5", *sh(f"""
            {daemon.format(word())}
            echo started; sleep {word()}"""), ":::", "a", status=1)
        check_nothing_left()
        equal(result.stdout, b"started\n")


@fault
def lives_on():
    """What a step that succeeds leaves behind lives on"""
    gone = Fifo("gone")
    equal(output(*sh(f"(setsid sh -c 'sleep {word()}; echo >gone' &); echo done"), ":::", "a"), b"done\n")
    wait_until(lambda: len(others()) == 2, "the daemon and its child")
    equal(gone.hear(0.3), None)
    kill_all()
    wait_gone()


@fault
def ends_with_step():
    """With --containment=tree it goes when the step ends, before its output is printed"""
    for daemon in (DAEMON, CLEARED, STUBBORN):
        for code in (0, 3):
            result = run("--containment=tree", *sh(f"{daemon.format(word())}; echo done; exit {code}"),
                         ":::", "a", status=code and 1)
            check_nothing_left()
            equal(result.stdout, b"done\n")


@fault
def tree_of_signalled():
    """A step in a tree ends as its program ended"""
    result = run("--containment=tree", *sh(f"{CLEARED.format(word())}; kill -$1 $$"), ":::", "KILL", "SEGV", "TERM",
                 status=1)
    check_nothing_left()
    for number in (9, 11, 15):
        contains(result.stderr, b"ended by signal %d" % number)


main()
