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
    timer = interrupt_after(moment)
    with pytest.raises(KeyboardInterrupt):
        try:
            run_tasks_in_process_pool(time.sleep, [(0.01,)] * 1000, processes=4)
        finally:
            timer.join()
    assert not any(
        thread.name.startswith('parallel-') and thread.is_alive()
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
    )


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
