#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What surrounds parallel-glib: its streams, descriptors, signals and folders; and what it says when asked."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from fault_support import LONG, PATIENCE, begin, check_nothing_left, fault, word
from command_support import (COMMAND, LIMIT, Fifo, contains, equal, finish, main, read_until,
                             restore_signals, sh, wait_until)


def begin_on(stdout, stderr, *args):
    return subprocess.Popen([COMMAND, *args], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                            preexec_fn=restore_signals)


def open_terminal():
    """A terminal on which what is written is what is read."""
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    return master, slave


def fill(pipe):
    """Takes all the room there is."""
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(pipe, b"x" * 512)
    except BlockingIOError:
        fcntl.fcntl(pipe, fcntl.F_SETFL, flags)


# ---- streams ----

@fault
def reader_gone():
    """A closed pipe for a standard output: 141 without a word, and nothing is left"""
    reader, writer = os.pipe()
    os.close(reader)
    process = begin_on(writer, subprocess.PIPE, "-j3", *sh(f"echo out; (setsid sleep {word()} &); sleep {word()}"),
                       ":::", *"abc")
    os.close(writer)
    equal(finish(process, 128 + signal.SIGPIPE), (None, b""))
    check_nothing_left()


@fault
def full_device():
    """A full device for a standard output: an error that says so, and the steps are stopped"""
    with open("/dev/full", "wb") as full:
        process = begin_on(full, subprocess.PIPE, "-j2", *sh(f'echo "$1"; [ "$1" = a ] || sleep {word()}'),
                           ":::", *"abc")
    _, err = finish(process, 1)
    check_nothing_left()
    contains(err, b"No space left on device")
    contains(err, b"Of 3 steps, ")


@fault
def nobody_reads():
    """A full terminal that nobody reads: the steps end nevertheless, and SIGTERM ends it all"""
    ended = Fifo("ended")
    master, slave = open_terminal()
    process = begin_on(slave, subprocess.PIPE, "-j2", "--kill-grace=0.5",
                       *sh('head -c 300000 /dev/zero; echo "$1" >>ended'), ":::", *map(str, range(20)))
    equal(sorted(int(ended.hear()) for _ in range(20)), list(range(20)))
    equal(process.poll(), None)
    begun = time.monotonic()
    process.terminate()
    # What was written is taken, not to be lost with the terminal, but only when it has ended.
    _, err = finish(process, 128 + signal.SIGTERM)
    elapsed = time.monotonic() - begun
    check_nothing_left()
    assert elapsed < 0.5 + PATIENCE, elapsed
    contains(err, b"Stopped by signal 15")
    os.close(master)
    os.close(slave)


@fault
def nobody_reads_errors():
    """Nobody reads the standard error either: a second signal ends it, or the time for the report"""
    started = Fifo("started")
    for last in (signal.SIGTERM, signal.SIGINT, *((None,) if LONG else ())):
        reader, writer = os.pipe()
        fill(writer)
        process = begin_on(writer, writer, "-j2", "--kill-grace=0.5", *sh(f"echo >>started; sleep {word()}"),
                           ":::", *"ab")
        os.close(writer)
        started.hear(), started.hear()
        # What is asked for here cannot be said, and holds up nothing.
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        process.terminate()
        if last is not None:
            # The report is what is left to do.
            wait_until(lambda: len(steps()) == 0, "the end of the steps")
            time.sleep(0.2)
            process.send_signal(last)
        status = process.wait(LIMIT)
        assert status == 128 + signal.SIGTERM or status == -(last or 0), status
        os.close(reader)


def steps():
    result = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
        except OSError:
            continue
        if arguments[0] in (b"sh", b"sleep") and word().encode() in arguments[-2 if arguments[0] == b"sleep" else 2]:
            result.append(int(name))
    return result


# ---- SIGUSR1 ----

@fault
def asked():
    """At SIGUSR1 it says what each step does and waits for, and goes on"""
    started, gate = Fifo("started"), Fifo("gate")
    process = begin("-j2", *sh('echo "$1 out"; echo "$1 said" >&2; echo >>started; read x <gate; echo end'),
                    ":::", "a", "b", "c")
    started.hear(), started.hear()
    # It has read what the first step wrote; the other one's may take longer.
    read_until(process.stderr.fileno(), b"a said\n")
    text = b""
    while b"last line: b said\n" not in text:
        process.send_signal(signal.SIGUSR1)
        # So short a text is written at once, and so read at once.
        text = read_until(process.stderr.fileno(), b"  step 1 ")
    lines = text.decode().splitlines()
    assert re.match(r"parallel-glib: what it is doing: 1 pending, 0 delayed, 2 running \(at most 2\)", lines[0]), lines
    for name in "ab":
        (at,) = [i for i, line in enumerate(lines) if f"“{name}”: running for" in line]
        part = "\n".join(lines[at:at + 5])
        seconds = r"\d+\.\d s"
        assert re.search(rf"running for {seconds}, attempt 1, last sign of life {seconds} ago, pid \d+, sh -c ", part), \
            part
        assert re.search(r"^ +\d+ S for \d+\.\d s: sh: waits in (read|openat)", part, re.M), part
        contains(part, f"last line: {name} said")
    gate.say(3)
    out, err = finish(process)
    equal(out, b"a out\nend\nb out\nend\nc out\nend\n")
    equal(err, b"b said\nc said\n")


@fault
def asked_with_bar():
    """What it says at SIGUSR1 is not torn by the bar"""
    started, gate = Fifo("started"), Fifo("gate")
    master, slave = open_terminal()
    process = begin_on(subprocess.PIPE, slave, "-j3", "--progress", *sh("echo out; echo >>started; read x <gate"),
                       ":::", *"abc")
    os.close(slave)
    for _ in range(3):
        started.hear()
    data = read_until(master, b"3 running")
    n_dumps = 10
    for i in range(n_dumps):
        process.send_signal(signal.SIGUSR1)
        while data.count(b"what it is doing") <= i or data.count(b"last line: out\n") < 3 * (i + 1):
            assert select.select([master], [], [], LIMIT)[0], data
            data += os.read(master, 65536)
    gate.say(3)
    equal(process.wait(LIMIT), 0)
    finish(process)
    os.close(master)
    # From the beginning of a line, where the bar has been taken away.
    dumps = re.findall(rb"(?<=[\nK])parallel-glib: what it is doing: (?:[^\r]*?last line: out\n){3}", data)
    equal(len(dumps), n_dumps, f"number of whole ones in {data!r}")


@fault
def asked_while_ignored():
    """A SIGUSR1 that the caller has set to be ignored stays ignored"""
    def ignore():
        restore_signals()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    started, gate = Fifo("started"), Fifo("gate")
    process = begin(*sh("echo >started; read x <gate; echo done"), ":::", "a", preexec_fn=ignore)
    started.hear()
    process.send_signal(signal.SIGUSR1)
    gate.say()
    equal(finish(process), (b"done\n", b""))


# ---- what is inherited ----

@fault
def descriptors():
    """A step has three descriptors, whatever the command was started with"""
    files = [os.open("/dev/null", os.O_RDONLY)]
    for number in range(5, 41):
        os.dup2(files[0], number, inheritable=True)
        files.append(number)
    for options in ((), ("--containment=tree",)):
        process = begin(*options, "ls", ":::", "/proc/self/fd", close_fds=False)
        # 3 is the folder that ls reads.
        equal(finish(process), (b"0\n1\n2\n3\n", b""))
    for number in set(files):
        os.close(number)


@fault
def signals():
    """A step has no signal blocked or ignored, whatever the command was started with"""
    def disturb():
        restore_signals()
        for number in (signal.SIGPIPE, signal.SIGUSR2, signal.SIGQUIT, signal.SIGTSTP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD, signal.SIGRTMAX})
    for options in ((), ("--containment=tree",)):
        process = begin(*options, "grep", "-hE", "^(Sig|Shd)(Pnd|Blk|Ign):", ":::", "/proc/self/status",
                        preexec_fn=disturb)
        out, err = finish(process)
        equal(err, b"")
        equal(out.split()[::2], [b"SigPnd:", b"ShdPnd:", b"SigBlk:", b"SigIgn:"])
        equal(set(out.split()[1::2]), {b"0" * 16})


@fault
def no_temporary_folder():
    """A TMPDIR that cannot be used: an error that names it"""
    for folder in ("/proc", os.path.abspath("missing")):
        process = begin(*sh("echo out; [ $1 = a ] || echo out >&2"), ":::", "a", "b",
                        env={**os.environ, "TMPDIR": folder})
        _, err = finish(process, 1)
        contains(err, b"2 of 2 steps failed")
        contains(err, b"temporary file in %s: " % folder.encode())


main()
