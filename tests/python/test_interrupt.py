# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ctrl-C, and the other signals whose handlers are written in Python."""

import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time

import pytest
from parallel_glib import (
    BackgroundTaskRunner,
    Command,
    map,
    run_parallel_steps,
    run_tasks_in_process_pool,
)

import support


# Of another program no sleep is so long.
MARK = f'31.{os.getpid()}'


def interrupt_after(seconds, number=signal.SIGINT):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    return timer


def sleepers(mark=MARK):
    done = subprocess.run(['pgrep', '-f', f'sleep {mark}'], stdout=subprocess.PIPE)
    return done.stdout.split()


def test_waiting_is_interrupted_at_once():
    """Half of several times, since a busy machine may take its time now and then."""
    sent = []

    def interrupt():
        support.await_true(sleepers)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    delays = []
    for _ in range(9):
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run_parallel_steps([Command(['sleep', MARK])])
        delays.append(time.monotonic() - sent[-1])
        assert not sleepers()
        thread.join()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert statistics.median(delays) < 0.1


def test_handler_that_raises_something_else():
    def handler(number, frame):
        raise LookupError('terminated')

    before = signal.signal(signal.SIGTERM, handler)
    try:
        timer = interrupt_after(0.2, signal.SIGTERM)
        with pytest.raises(LookupError):
            run_parallel_steps([Command(['sleep', MARK])])
        timer.join()
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not sleepers()


def test_handler_that_returns_changes_nothing():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        timer = interrupt_after(0.1, signal.SIGUSR1)
        run_parallel_steps([Command(['sleep', '0.4'])])
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


def test_at_the_end_of_a_block():
    timer = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        with BackgroundTaskRunner(Command(['sleep', '{}'])) as queue:
            queue.put(MARK)
    timer.join()
    assert not sleepers()


def test_interrupted_twice(tmp_path):
    timers = [interrupt_after(0.2), interrupt_after(0.4)]
    script = f'trap "" TERM; sleep {MARK}; sleep {MARK}; touch "$0"'
    ended = tmp_path / 'ended'
    with pytest.raises(KeyboardInterrupt):
        run_parallel_steps([Command(['sh', '-c', script, str(ended)])], kill_grace=0.5)
    for timer in timers:
        timer.join()
    assert not sleepers()
    assert not ended.exists()


@pytest.mark.parametrize('seed', range(20))
def test_at_a_random_moment(processes, seed):
    moment = random.Random(seed).uniform(0.01, 0.5)
    # Not by a timer's thread: what is left of one has a callback in Python for the collector to
    # call, and Python loses what a handler raises in there, whoever's the code is that it interrupts.
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, moment)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_tasks_in_process_pool(time.sleep, [(0.01,)] * 1000, processes=4)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not any(
        thread.name.startswith('parallel-') and thread.is_alive()
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
    )


def call_profiled(function, note):
    """Calls the function, and note(place) at each of the points where Python calls handlers: where
    a function of its own begins, and where one of C has returned.
    """

    def profile(frame, event, arg):
        if event in ('call', 'c_return'):
            name = getattr(arg, '__qualname__', '')
            note((frame.f_code.co_filename, frame.f_lineno, event, name))

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)


def is_lost(function, place):
    """Whether an interrupt is lost that comes when the place is reached first."""
    seen = []

    def interrupt(other):
        if other == place and not seen:
            seen.append(place)
            os.kill(os.getpid(), signal.SIGINT)

    try:
        call_profiled(function, interrupt)
    except KeyboardInterrupt:
        return False
    return bool(seen)


def pool_of_one():
    run_tasks_in_process_pool(abs, [(-1,)], processes=1)


def batches():
    assert list(map(abs, range(-40, 0), processes=1)) == list(range(40, 0, -1))


@pytest.mark.parametrize('run', [pool_of_one, batches])
@pytest.mark.start_methods('forkserver', 'fork')
def test_at_each_point(processes, run):
    run()
    places = {}
    # It is not the same each time.
    for _ in range(10):
        call_profiled(run, lambda place: places.setdefault(place))
    assert [place for place in places if is_lost(run, place)] == []
    assert len(places) > 200


IN_FORK = '''
import os, signal, time
from parallel_glib import run_tasks_in_process_pool, set_start_method

def interrupt():
    if not sent:
        sent.append(True)
        os.kill(os.getpid(), signal.SIGINT)

sent = []
set_start_method('fork')
os.register_at_fork(after_in_parent=interrupt)
try:
    run_tasks_in_process_pool(time.sleep, [(0.01,)] * 10, processes=2)
except KeyboardInterrupt:
    print('interrupted')
'''


def test_in_a_hook_of_fork():
    assert subprocess.check_output([sys.executable, '-c', IN_FORK], text=True) == 'interrupted\n'


SCRIPT = f'''
from parallel_glib import *
run_parallel_steps([Command(['sleep', '{MARK}'])] * 3, max_parallel=3)
'''


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_program(number):
    program = subprocess.Popen([sys.executable, '-c', SCRIPT], stderr=subprocess.DEVNULL)
    support.await_true(lambda: len(sleepers()) == 3)
    program.send_signal(number)
    assert program.wait(support.LIMIT) == -number
    support.await_true(lambda: not sleepers())
