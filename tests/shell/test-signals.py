#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How parallel-glib ends when it is told to, and what becomes of the steps."""

import signal
import subprocess
import time

from command_support import (LIMIT, Fifo, contains, equal, finish, is_running, lacks, main,
                             restore_signals, sh, start, test, wait_until)

# Says its process id and that of a child of its own, and stays.
STAY = sh('sleep 1000 & echo "$$ $! $1" >>started; wait')

# The same, and does not go when it is asked to.
STUBBORN = sh("""trap "" TERM
                 sleep 1000 & echo "$$ $! $1" >>started
                 while :; do sleep 0.05; done""")


def hear_pids(started, count=1):
    """The process ids that COUNT steps said."""
    return [int(pid) for _ in range(count) for pid in started.hear().split()[:2]]


def begin(*args, **options):
    options.setdefault("preexec_fn", restore_signals)
    return start(*args, **options)


@test
def signals():
    """SIGINT, SIGTERM and SIGHUP stop the steps, then it ends with 128 + N"""
    started = Fifo("started")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = begin("-j2", *STAY, ":::", *"abc")
        pids = hear_pids(started, 2)
        process.send_signal(number)
        _, err = finish(process, 128 + number)
        equal([pid for pid in pids if is_running(pid)], [], "processes left")
        contains(err, b"Stopped by signal %d" % number)
        contains(err, b"Of 3 steps, 3 did not run to their end")
        lacks(err, b"failed")


@test
def failures_before():
    """What failed before the signal is reported still"""
    started = Fifo("started")
    process = begin("-j1", *sh('[ "$1" = b ] || exit 3; echo $$ >started; exec sleep 1000'),
                    ":::", "a", "b")
    started.hear()
    process.terminate()
    _, err = finish(process, 128 + 15)
    contains(err, b"parallel-glib: 1 of 2 steps failed:\n  a: ")
    contains(err, b"Of 2 steps, 1 did not run to their end")


@test
def while_reading():
    """A signal ends the waiting for inputs"""
    started = Fifo("started")
    process = begin("sh", "-c", "echo >started", stdin=subprocess.PIPE)
    process.stdin.write(b"x\n")
    process.stdin.flush()
    started.hear()
    process.terminate()
    process.wait(LIMIT)   # before its standard input ends
    finish(process, 128 + 15)


@test
def while_full():
    """A signal ends the waiting for room in the queue"""
    started = Fifo("started")
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        process = begin("-j2", *STAY, stdin=endless.stdout)
        endless.stdout.close()
        pids = hear_pids(started, 2)
        process.terminate()
        finish(process, 128 + 15)
    equal([pid for pid in pids if is_running(pid)], [], "processes left")


@test
def stubborn():
    """A step that ignores SIGTERM is killed after the kill grace"""
    started = Fifo("started")
    process = begin("--kill-grace=0.3", *STUBBORN, ":::", "a")
    pids = hear_pids(started)
    begun = time.monotonic()
    process.terminate()
    finish(process, 128 + 15)
    assert 0.3 <= time.monotonic() - begun < 5, time.monotonic() - begun
    equal([pid for pid in pids if is_running(pid)], [], "processes left")


@test
def twice():
    """A second signal does not wait for the kill grace, and no step is left"""
    started = Fifo("started")
    process = begin("--kill-grace=1000", *STUBBORN, ":::", "a")
    pids = hear_pids(started)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    # Whichever it saw first.
    process.wait(LIMIT)
    finish(process, process.returncode)
    assert process.returncode in (128 + 2, 128 + 15), process.returncode
    wait_until(lambda: not any(map(is_running, pids)), "the end of the steps")


@test
def ignored():
    """A signal that the caller has set to be ignored stays ignored"""
    def ignore():
        restore_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    started, gate = Fifo("started"), Fifo("gate")
    process = begin(*sh("echo >started; read x <gate; echo done"), ":::", "a", preexec_fn=ignore)
    started.hear()
    process.send_signal(signal.SIGHUP)
    gate.say()
    equal(finish(process), (b"done\n", b""))


@test
def killed():
    """When it is killed, the steps go too"""
    started = Fifo("started")
    process = begin("-j2", "sh", "-c", 'echo "$$ $$" >started; exec sleep 1000', ":::", "a", "b")
    pids = hear_pids(started, 2)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_running, pids)), "the end of the steps")


@test
def reader_gone():
    """When the reader of its output goes, the steps that run are stopped"""
    started, gate = Fifo("started"), Fifo("gate")
    process = begin("-j2", *sh("""echo "$$ $$" >>started
                                  [ "$1" = b ] || { read x <gate; echo; }
                                  sleep 1000"""), ":::", "a", "b")
    pids = hear_pids(started, 2)
    process.stdout.close()
    gate.say()
    equal(process.stderr.read(), b"")
    equal(process.wait(LIMIT), 128 + 13, "exit status")
    equal([pid for pid in pids if is_running(pid)], [], "processes left")


@test
def no_descriptors():
    """No step gets a descriptor or a signal mask from the command"""
    process = begin("sh", "-c", "ls /proc/self/fd; grep SigBlk /proc/self/status", ":::", "a")
    out, _ = finish(process)
    # 3 is that of ls itself.
    equal(out.split(), [b"0", b"1", b"2", b"3", b"SigBlk:", b"0" * 16])


main()
