#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Steps of parallel-glib over their time limits, and what is said about them."""

import re

from fault_support import PATIENCE, check_nothing_left, count, elapsed_of, fault, word
from command_support import contains, equal, main, run, sh

# Writes a dot, $1 times, and waits $2 seconds before each but the first.
PULSE = sh('i=1; while printf . && [ $i -lt "$1" ]; do i=$((i + 1)); sleep "$2"; done')


@fault
def silent():
    """Two silent steps beside a chatty one: each stopped by its own clock, and explained in its own place"""
    result = run("-j3", "--silence-timeout=2", *sh(f"""
        case $1 in
          a) for i in 1 2 3 4 5 6 7; do echo "a $i"; echo "a err $i" >&2; sleep 0.6; done;;
          b) echo "b out"; echo "b err" >&2; sleep {word()};;
          c) echo "c out"; sleep 1; echo "c err" >&2; (sleep {word()}; true);;
        esac"""), ":::", *"abc", status=1)
    check_nothing_left()
    equal(result.stdout, b"".join(b"a %d\n" % i for i in range(1, 8)) + b"b out\nc out\n")

    pid = rb"\d+ S for \d+\.\d s: "
    heading = (rb"parallel-glib: step \xe2\x80\x9c%s\xe2\x80\x9d: The step was stopped because it gave no sign of life "
               rb"for its silence timeout of 2 s\n")
    sleeps = pid + rb"sleep " + re.escape(word().encode()) + rb": .*\n"
    shells = pid + rb"sh -c .*\n"
    pattern = (rb"(a err \d+\n){7}"
               + rb"b err\n" + heading % b"b" + rb"  " + shells + rb"    " + sleeps
               + rb"c err\n" + heading % b"c" + rb"  " + shells + rb"    " + shells + rb"      " + sleeps
               + rb"parallel-glib: 2 of 3 steps failed:\n")
    assert re.match(pattern, result.stderr), result.stderr
    assert 2 <= elapsed_of(result.stderr, "b") < 2 + PATIENCE, result.stderr
    assert 3 <= elapsed_of(result.stderr, "c") < 3 + PATIENCE, result.stderr


@fault
def just_in_time():
    """A step that writes a dot before each end of the silence limit is not stopped, however long it takes"""
    n = count(4, 24)
    result = run("--silence-timeout=4", *PULSE, "{}", "2.5", ":::", str(n))
    equal((result.stdout, result.stderr), (b"." * n, b""))


@fault
def stopped_by_signal():
    """A step that is stopped by SIGSTOP is told from one that waits, and can be ended"""
    result = run("--silence-timeout=1", "--kill-grace=1000", *sh("echo out; kill -STOP $$; echo never"), ":::", "a",
                 status=1)
    check_nothing_left()
    equal(result.stdout, b"out\n")
    assert re.search(rb"^  \d+ T for \d+\.\d s: sh -c .*: is stopped$", result.stderr, re.M), result.stderr
    assert elapsed_of(result.stderr, "a") < 1 + PATIENCE


@fault
def exit_timeout():
    """--exit-timeout stops a step that has closed its output and stays, and no other"""
    script = f"""
        case $1 in
          a) echo a; exec >&- 2>&-; sleep {word()};;
          b) echo b; exec >&- 2>&-;;
          c) echo c; sleep 1.5; echo end;;
        esac"""
    result = run("-j3", "--exit-timeout=0.5", *sh(script), ":::", *"abc", status=1)
    check_nothing_left()
    equal(result.stdout, b"a\nb\nc\nend\n")
    contains(result.stderr, b"1 of 3 steps failed")
    contains(result.stderr, b"exit timeout of 0.5 s")
    contains(result.stderr, b"sleep " + word().encode())
    assert 0.5 <= elapsed_of(result.stderr, "a") < 0.5 + PATIENCE, result.stderr


main()
