# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of faults of the command share: who and what is left behind, and how often.

Every test has a word of its own. It is a variable in the environment of all that the test starts, and it
stands in the command line of what a step starts with the environment cleared; so whoever has it in one of the
two belongs to the test, wherever it has moved to.

A test is quick unless PARALLEL_TEST_LONG is 1. What happens at a random moment can be repeated with the number
that is printed, in PARALLEL_TEST_SEED.
"""

import contextlib
import functools
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "shell"))

# pylint: disable=wrong-import-position
from command_support import is_running, restore_signals, start, test  # noqa: E402

LONG = os.environ.get("PARALLEL_TEST_LONG") == "1"
FACTOR = float(os.environ.get("PARALLEL_TEST_TIME_FACTOR", "1"))

# How late something may be on a machine that has other things to do.
PATIENCE = 10 * FACTOR

SEED = int(os.environ.get("PARALLEL_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))
RANDOM = random.Random(SEED)
print(f"# PARALLEL_TEST_SEED={SEED}", flush=True)

MARK = "PARALLEL_FAULT_MARK"


def count(quick, many):
    """How often, or how many."""
    return many if LONG else quick


def note(text):
    """A line for whoever reads the log."""
    print(f"# {text}", flush=True)


def word():
    """The word of the current test: a number of seconds, so that it can be slept for."""
    return os.environ[MARK]


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _find(kind):
    mark = word().encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        # Without a command line it is about to be gone, and has no environment any more.
        command = read(name, "cmdline")
        if command and (mark in command or mark in read(name, "environ")) and is_running(name):
            if kind(command.split(b"\0")):
                found.append(int(name))
    return found


def _is_guardian(arguments):
    return len(arguments) > 2 and arguments[0].endswith(b"parallel-glib-exec") and arguments[1].endswith(b"g")


def processes():
    """The processes of the current test, zombies not counted."""
    return _find(lambda arguments: True)


def guardians():
    return _find(_is_guardian)


def others():
    """All but guardians, which end right after their program."""
    return _find(lambda arguments: not _is_guardian(arguments))


def describe(pids):
    return [(pid, read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")[:200])
            for pid in pids]


def wait_gone(limit=None, which=processes):
    """Waits until all have gone; returns how long that took, in seconds."""
    begun = time.monotonic()
    limit = PATIENCE if limit is None else limit
    while left := which():
        elapsed = time.monotonic() - begun
        assert elapsed < limit, f"left after {elapsed:.1f} s: {describe(left)}"
        time.sleep(0.002)
    return time.monotonic() - begun


def check_nothing_left():
    """To be called when the command has ended in an orderly way: then nothing is left at once."""
    left = others()
    assert not left, f"left: {describe(left)}"


def check_no_children():
    """The test itself has no child any more, not even a zombie."""
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        raise AssertionError(f"a child is left: {pid or 'it runs'}, status {status}")


def kill_all():
    for pid in processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def fault(function):
    """A test() that has a word and a TMPDIR of its own, after which nothing may be left."""
    @functools.wraps(function)
    def wrapped():
        before = dict(os.environ)
        os.environ[MARK] = f"{RANDOM.randrange(10000, 99999)}.{os.getpid():07}{time.monotonic_ns() % 1000000:06}"
        os.environ["TMPDIR"] = os.path.abspath("tmp")
        os.mkdir("tmp")
        try:
            function()
            wait_gone()
            check_no_children()
            files = os.listdir("tmp")
            assert not files, f"files left: {files}"
        finally:
            kill_all()
            os.environ.clear()
            os.environ.update(before)
    return test(wrapped)


def begin(*args, **options):
    """Starts the command with the signals of a terminal, whatever runs the tests."""
    options.setdefault("preexec_fn", restore_signals)
    return start(*args, **options)


def elapsed_of(err, name):
    """How long the step took, as the report says."""
    for line in err.decode().splitlines():
        if line.startswith(f"  {name}: ") and line.endswith(" s)"):
            return float(line.rpartition("(")[2].split()[-2])
    raise AssertionError(f"nothing about {name!r} in {err!r}")
