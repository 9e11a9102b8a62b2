#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The progress bar of parallel-glib, and all else that depends on a terminal."""

import errno
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from command_support import (COMMAND, LIMIT, Fifo, contains, equal, finish, lacks, main,
                             restore_signals, run, sh, start, test)

CLEAR = b"\r\x1b[K"


class Terminal:
    """A command on a terminal of its own, or with some of its streams there."""

    def __init__(self, *args, width=80, streams=(0, 1, 2)):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        # What is written is what is read.
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.data = b""
        self.process = subprocess.Popen(
            [COMMAND, *args], preexec_fn=restore_signals,
            stdin=slave if 0 in streams else subprocess.DEVNULL,
            stdout=slave if 1 in streams else subprocess.PIPE,
            stderr=slave if 2 in streams else subprocess.PIPE)
        os.close(slave)

    def __del__(self):
        os.close(self.master)

    def _read(self, limit):
        if not select.select([self.master], [], [], limit)[0]:
            return False
        try:
            more = os.read(self.master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.data += more
        return bool(more)

    def type(self, data):
        os.write(self.master, data)

    def wait_for(self, pattern):
        """Reads until PATTERN, a regular expression, has come."""
        deadline = time.monotonic() + LIMIT
        while not re.search(pattern, self.data):
            assert time.monotonic() < deadline, f"{pattern!r} did not come: {self.data!r}"
            self._read(0.1)

    def read_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(deadline - time.monotonic())

    def finish(self, status=0):
        """All that came on the terminal, to the end."""
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None or self._read(0):
            assert time.monotonic() < deadline, f"it does not end: {self.data!r}"
            self._read(0.1)
        equal(self.process.returncode, status, f"exit status ({self.data!r})")
        return self.data


def visible(data):
    """What is left on the terminal: lines, without what was cleared."""
    lines = []
    for line in data.split(b"\n"):
        # A line is cleared as a whole, and only from its first column.
        lines.append(line.rpartition(CLEAR)[2])
    return b"\n".join(lines)


@test
def bar():
    """--progress shows counts, and leaves nothing behind"""
    gates = [Fifo(f"gate{name}") for name in "abc"]
    terminal = Terminal("-j2", "--progress", *sh('read x <"gate$1"; [ "$1" != b ]'), ":::", *"abc")
    terminal.wait_for(rb"\[\.+\] 0/3 done, 2 running, 0:00\x0d")
    gates[1].say()
    terminal.wait_for(rb"\[#+\.+\] 1/3 done, 2 running, 1 failed, 0:0\d left")
    gates[0].say()
    terminal.wait_for(rb"\[#+\.+\] 2/3 done, 1 running, 1 failed, 0:0\d left")
    gates[2].say()
    data = terminal.finish(1)
    shown = visible(data)
    assert shown.startswith(b"parallel-glib: 1 of 3 steps failed:\n  b: "), shown
    lacks(shown, b"done")


@test
def unknown_total():
    """While inputs are still to come the bar tells no total and no time left"""
    gate = Fifo("gate")
    terminal = Terminal("-j1", "--progress", "sh", "-c", "read x <gate", "sh")
    terminal.type(b"a\nb\n")
    terminal.wait_for(rb"\r\x1b\[K0 done, 1 running, 0:0\d")
    gate.say()
    terminal.wait_for(rb"\r\x1b\[K1 done, 1 running, 0:0\d")
    terminal.type(b"\x04")
    terminal.wait_for(rb"\[#+\.+\] 1/2 done, 1 running, 0:0\d left")
    gate.say()
    terminal.finish()


@test
def output_with_bar():
    """The steps' output on the same terminal is whole, with the bar out of its way"""
    gate = Fifo("gate")
    terminal = Terminal("-j2", "--progress",
                        *sh("""for i in 1 2 3; do echo "$1 out $i"; echo "$1 err $i" >&2; done
                               read x <gate
                               echo "$1 end\""""), ":::", "a", "b")
    terminal.wait_for(rb"0/2 done, 2 running")
    gate.say(2)
    shown = visible(terminal.finish())
    expected = [b"%s %s %d" % (step, stream, i)
                for step in (b"a", b"b") for stream in (b"out", b"err") for i in (1, 2, 3)]
    equal(sorted(shown.split(b"\n")), sorted(expected + [b"a end", b"b end", b""]))
    equal([line for line in shown.split(b"\n") if b"err" not in line][:4],
          [b"a out 1", b"a out 2", b"a out 3", b"a end"])


@test
def partial_line():
    """No bar is drawn into a line that a step has begun"""
    gate = Fifo("gate")
    script = "read x <gate; printf begun; read x <gate; echo ' and ended'"
    terminal = Terminal("--progress", *sh(script), ":::", "a")
    terminal.wait_for(rb"0/1 done")
    gate.say()
    terminal.wait_for(rb"begun")
    terminal.read_for(0.5)
    assert terminal.data.endswith(CLEAR + b"begun"), terminal.data
    gate.say()
    contains(visible(terminal.finish()), b"begun and ended\n")


@test
def output_in_pipe():
    """With the standard output in a pipe the bar is on the terminal, and not in the pipe"""
    gate = Fifo("gate")
    terminal = Terminal("--progress", *sh("echo out; read x <gate"), ":::", "a", streams=(2,))
    terminal.wait_for(rb"0/1 done, 1 running")
    gate.say()
    equal(visible(terminal.finish()), b"")
    equal(terminal.process.stdout.read(), b"out\n")


@test
def no_terminal():
    """With the standard error in a pipe there is no bar, whatever the standard output is"""
    result = run("--progress", "sh", "-c", "sleep 0.3; echo out", ":::", "a")
    equal((result.stdout, result.stderr), (b"out\n", b""))
    terminal = Terminal("--progress", "sh", "-c", "sleep 0.3; echo out", ":::", "a", streams=(0, 1))
    equal(terminal.finish(), b"out\n")
    equal(terminal.process.stderr.read(), b"")


@test
def not_asked_for():
    """Without --progress there is no bar on a terminal"""
    equal(Terminal("sh", "-c", "sleep 0.3; echo out", ":::", "a").finish(), b"out\n")


@test
def narrow():
    """The bar fits the terminal, however narrow it is"""
    for width in (5, 30, 60, 300):
        gate = Fifo(f"gate{width}")
        terminal = Terminal("--progress", *sh(f"read x <gate{width}"), ":::", "a", width=width)
        terminal.wait_for(rb"\r\x1b\[K[^\r]+")
        terminal.read_for(0.3)
        gate.say()
        drawn = [line for line in terminal.finish().split(CLEAR) if line]
        assert drawn and max(map(len, drawn)) < width, (width, drawn)


@test
def redraws():
    """The bar is drawn no more than ten times a second"""
    begun = time.monotonic()
    terminal = Terminal("-j4", "--progress", "true", ":::", *map(str, range(500)))
    data = terminal.finish()
    elapsed = time.monotonic() - begun
    n_draws = len(re.findall(rb"\d+/500 done", data))
    assert n_draws <= elapsed * 10 + 1, f"{n_draws} in {elapsed} s"
    equal(visible(data), b"")


@test
def stopped():
    """Ctrl-C on the terminal stops the steps, clears the bar and ends with 130"""
    gate = Fifo("gate")
    terminal = Terminal("--progress", "sh", "-c", "read x <gate", ":::", "a")
    terminal.wait_for(rb"0/1 done, 1 running")
    # As the terminal would do for its foreground process group.
    terminal.process.send_signal(2)
    shown = visible(terminal.finish(130))
    contains(shown, b"Stopped by signal 2")
    lacks(shown, b"running")


@test
def hint():
    """When the inputs are read from a terminal it says so, and only then"""
    terminal = Terminal("echo", "got")
    terminal.wait_for(rb"parallel-glib: Reading the inputs from the terminal.*\n")
    terminal.type(b"a\n\x04")
    contains(terminal.finish(), b"got a\n")
    lacks(Terminal("echo", ":::", "a").finish(), b"terminal")
    equal(Terminal("--steps", streams=(2,)).finish(), b"")
    process = start("echo", stdin=subprocess.PIPE)
    equal(finish(process)[1], b"")


main()
