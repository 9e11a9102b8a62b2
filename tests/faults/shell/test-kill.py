#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""parallel-glib is told to end, or killed, at any moment: what it prints, when it ends, what it leaves."""

import contextlib
import os
import re
import signal
import time

from fault_support import (PATIENCE, RANDOM, begin, check_nothing_left, count, fault, guardians, note,
                           others, wait_gone, word)
from command_support import LIMIT, Fifo, contains, equal, finish, main, sh, wait_until

N_STEPS = 50
N_LINES = 100

# Has a child and another one that knows nothing of the run. The last steps do not end by themselves, so that no
# moment is too late.
STEP = """
sleep %(word)s & one=$!
env -i "$(command -v sleep)" %(word)s & two=$!
echo "$1 begin"
[ "$1" != 0 ] || echo >started
sleep 0.0$(($1 %% 7))
i=0
while [ $i -lt %(lines)d ]; do echo "$1 line $i"; i=$((i + 1)); done
[ "$1" -lt 42 ] || wait
kill $one $two
echo "$1 end"
"""

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def begin_steps(started, *options):
    script = STEP % {"word": word(), "lines": N_LINES}
    process = begin("-j8", *options, *sh(script), ":::", *map(str, range(N_STEPS)))
    started.hear()
    time.sleep(RANDOM.uniform(0, 0.5))
    return process


def whole(step):
    return [b"%d begin" % step, *(b"%d line %d" % (step, i) for i in range(N_LINES)), b"%d end" % step]


def check_blocks(out):
    """The steps in order, each whole, but one that was shown live when it was stopped.

    Returns the number of those that are whole, and how many may be so without having ended.
    """
    steps = []
    n_whole = 0
    partial = []
    lines = out.split(b"\n")
    at = 0
    while lines[at:] not in ([], [b""]):
        step = int(lines[at].split()[0])
        assert not steps or step > steps[-1], f"{step} after {steps}"
        steps.append(step)
        expected = whole(step)
        if lines[at:at + len(expected)] == expected:
            n_whole += 1
            at += len(expected)
            continue
        partial.append(step)
        i = 0
        while at < len(lines) and i < len(expected) and lines[at] == expected[i]:
            at, i = at + 1, i + 1
        assert i > 0, f"step {step}: {lines[at:at + 3]}"
    assert len(partial) <= 1, f"not whole: {partial}"
    return n_whole, 1 - len(partial)


@fault
def signals():
    """SIGINT, SIGTERM, SIGHUP in the middle of 50 steps: 128 + N, finished steps whole and in order"""
    started = Fifo("started")
    times = []
    for number in NUMBERS * count(3, 20):
        process = begin_steps(started)
        begun = time.monotonic()
        process.send_signal(number)
        out, err = finish(process, 128 + number)
        times.append(time.monotonic() - begun)
        check_nothing_left()
        assert times[-1] < PATIENCE, times
        n_left = int(re.search(rb"Of 50 steps, (\d+) did not run to their end", err)[1])
        n_whole, n_more = check_blocks(out)
        assert 0 <= n_whole - (N_STEPS - n_left) <= n_more, f"{n_whole} are whole, {n_left} have not ended"
    note(f"from the signal to the end, steps obey: {min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms, "
         f"on average {sum(times) / len(times) * 1000:.0f} ms")


@fault
def killed():
    """SIGKILL in the middle of 50 steps: nothing is left, no grandchild, none that knows nothing of the run"""
    started = Fifo("started")
    times = []
    for _ in range(count(3, 20)):
        process = begin_steps(started)
        process.kill()
        times.append(wait_gone())
        out, _ = finish(process, -signal.SIGKILL)
        check_blocks(out)
    note(f"from SIGKILL to the end of the last process: {min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms, "
         f"on average {sum(times) / len(times) * 1000:.0f} ms")


@fault
def killed_tree():
    """SIGKILL with --containment=tree: nor any daemon of a session and an environment of its own"""
    started = Fifo("started")
    script = f"""
        (setsid env -i sh -c 'sleep {word()} & (sleep {word()} &) & exit' &)
        env -i setsid sh -c 'trap "" TERM HUP; sleep {word()}' &
        sleep {word()} & echo >>started; wait"""
    times = []
    for _ in range(count(3, 20)):
        process = begin("-j3", "--containment=tree", *sh(script), ":::", *"abc")
        for _ in "abc":
            started.hear()
        time.sleep(RANDOM.uniform(0, 0.2))
        process.kill()
        times.append(wait_gone())
        finish(process, -signal.SIGKILL)
    note(f"with trees, to the end of the last process: {min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms")


@fault
def stubborn():
    """Two of four steps ignore SIGTERM: all are gone after the kill grace, and what had ended is printed"""
    started = Fifo("started")
    script = f"""
        case $1 in
          0) echo ended; exit;;
          [12]) trap "" TERM HUP INT;;
        esac
        (sleep {word()}; sleep {word()}) & sleep {word()} & echo >>started
        while :; do sleep 0.1; wait; done"""
    for number in NUMBERS:
        process = begin("-j4", "--kill-grace=0.5", *sh(script), ":::", *"01234")
        for _ in range(4):
            started.hear()
        begun = time.monotonic()
        process.send_signal(number)
        out, err = finish(process, 128 + number)
        elapsed = time.monotonic() - begun
        check_nothing_left()
        assert 0.5 <= elapsed < 0.5 + PATIENCE, elapsed
        equal(out, b"ended\n")
        contains(err, b"Of 5 steps, 4 did not run to their end")


def stay(extra=""):
    return sh(f"""{extra} sleep {word()} & env -i "$(command -v sleep)" {word()} & echo >>started; wait""")


@fault
def guardian_killed():
    """When the guardian is killed another one comes, and does its work"""
    started = Fifo("started")
    for _ in range(count(2, 20)):
        process = begin("-j2", *stay(), ":::", *"ab")
        started.hear(), started.hear()
        wait_until(guardians, "a guardian")
        first = guardians()
        equal(len(first), 1, "number of guardians")
        # One that dies at once is not replaced before the tenth of a second is over.
        time.sleep(0.2)
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: guardians() not in ([], first), "another guardian")
        process.kill()
        wait_gone()
        finish(process, -signal.SIGKILL)


def kill_guardians(known):
    for guardian in guardians():
        known.add(guardian)
        # The one that starts it looks the same, and ends by itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(guardian, signal.SIGKILL)


@fault
def guardian_killed_at_once():
    """Also when each is killed as soon as it comes; no step is the worse for it"""
    started, gate = Fifo("started"), Fifo("gate")
    process = begin("-j2", *sh(f"""[ "$1" = last ] || exit 0
                                   sleep {word()} & sleep=$!; echo >started; read x <gate; kill $sleep"""),
                    ":::", *map(str, range(count(100, 1000))), "last")
    known = set()
    while started.hear(0) is None:
        kill_guardians(known)
        assert process.poll() is None, process.stderr.read()
    # While nothing new starts as well.
    so_far = len(known)
    wait_until(lambda: kill_guardians(known) or len(known) > so_far + 3, "another guardian")
    gate.say()
    equal(finish(process), (b"", b""))


@fault
def guardian_goes():
    """The guardian goes with the command, also when that is the last to go, and is no child of it"""
    started, gate = Fifo("started"), Fifo("gate")
    process = begin(*sh("echo >started; read x <gate"), ":::", "a")
    started.hear()
    (guardian,) = guardians()
    with open(f"/proc/{guardian}/status", encoding="ascii") as status:
        parent = int(re.search(r"^PPid:\s*(\d+)", status.read(), re.M)[1])
    assert parent != process.pid
    gate.say()
    finish(process)
    wait_gone(which=guardians)


def end_twice(*options, extra):
    started = Fifo("started")
    # What it is to say when it is ready: it ignores the signals by then.
    process = begin("--kill-grace=1000", *options, *stay('trap "" TERM INT;' + extra), ":::", "a")
    started.hear()
    process.terminate()
    process.send_signal(signal.SIGINT)
    # Whichever it saw first.
    process.wait(LIMIT)
    wait_gone()
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM), process.returncode
    finish(process, process.returncode)


@fault
def twice():
    """A second signal leaves nothing of the process groups"""
    end_twice(extra="")


@fault
def twice_tree():
    """A second signal with --containment=tree leaves no daemon"""
    end_twice("--containment=tree", extra=f"(setsid env -i sh -c 'trap \"\" TERM; sleep {word()}' &);")


@fault
def no_zombies():
    """Steps that have ended are no zombies while others run"""
    ended, gate = Fifo("ended"), Fifo("gate")
    process = begin("-j3", *sh('echo "$1"; if [ "$1" = 0 ]; then read x <gate; else echo >ended; fi'),
                    ":::", *map(str, range(40)))
    for _ in range(39):
        ended.hear()

    def children():
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    state, parent = stat.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == process.pid:
                found.append(state)
        return found

    wait_until(lambda: children() == [b"S"], "the end of the other steps")
    equal(len(others()), 2, "number of processes")
    gate.say()
    equal(finish(process), (b"".join(b"%d\n" % i for i in range(40)), b""))


main()
