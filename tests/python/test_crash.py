# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that take their worker with them, and what cannot travel: only the one call fails."""

import ctypes
import os
import signal
import statistics
import sys
import threading
import time

import pytest
from parallel_glib import (
    BackgroundFailure,
    Executor,
    RemoteError,
    StepAborted,
    UnexpectedExit,
    run_parallel_steps,
)

import support


class TwoArguments(Exception):
    """Its unpickling raises: pickle gives it one argument."""

    def __init__(self, one, two):
        super().__init__(f'{one} {two}')


def raise_interrupt():
    raise KeyboardInterrupt


def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def crash():
    ctypes.string_at(0)


def raise_two_arguments():
    raise TwoArguments('a', 'b')


def raise_local():
    class Local(Exception):
        def __reduce__(self):
            raise TypeError('does not travel')

    raise Local('local words')


# The kind, what the failure has, what stands for it in the group; exit status and signal.
FAULTS = {
    'interrupt': (raise_interrupt, 'exception', KeyboardInterrupt, StepAborted, None, None),
    'sys.exit': (lambda: sys.exit(2), 'exit', SystemExit, UnexpectedExit, 2, None),
    'os._exit': (lambda: os._exit(3), 'exit', UnexpectedExit, UnexpectedExit, 3, None),
    'SIGKILL': (kill_myself, 'signal', UnexpectedExit, UnexpectedExit, None, signal.SIGKILL),
    'SIGSEGV': (crash, 'signal', UnexpectedExit, UnexpectedExit, None, signal.SIGSEGV),
    'local class': (raise_local, 'exception', RemoteError, RemoteError, None, None),
    'bad constructor': (raise_two_arguments, 'exception', RemoteError, RemoteError, None, None),
    'result': (threading.Lock, 'result', RemoteError, RemoteError, None, None),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_fault(processes, fault):
    function, kind, cls, leaf, exit_status, number = FAULTS[fault]
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([lambda: 1, function, lambda: 2], return_values=True)
    (entry,), (error,) = caught.value.failures, caught.value.exceptions
    assert (entry.index, entry.kind) == (1, kind)
    assert (type(entry.exception), type(error)) == (cls, leaf)
    assert (entry.exit_status, entry.signal) == (exit_status, number)
    if leaf is UnexpectedExit:
        assert (error.exit_status, error.signal) == (exit_status, number)
    assert caught.value.results == {0: 1, 2: 2}


def test_text_of_what_cannot_travel(processes):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([raise_local, raise_two_arguments])
    local, two = caught.value.failures
    assert (
        'Local' in local.type_name
        and local.message == 'local words'
        and 'raise_local' in local.traceback
    )
    assert 'TwoArguments' in two.type_name and two.message == 'a b'
    assert two.exception.__notes__[0].startswith('It could not be unpickled here: TypeError: ')


def test_seen_while_others_run(processes, tmp_path):
    def note(step):
        if step.failure is not None:
            (tmp_path / 'seen').touch()

    def wait():
        support.await_true((tmp_path / 'seen').exists)

    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([lambda: os._exit(3), wait], max_parallel=2, on_step_finished=note)
    (entry,) = caught.value.failures
    assert (entry.index, entry.exit_status) == (0, 3)


def test_seen_at_once(processes, tmp_path):
    """Half of several deaths, since a busy machine may take its time now and then."""

    def die():
        (tmp_path / 'died').write_text(str(time.monotonic()))
        os._exit(3)

    delays = []
    with Executor(1) as executor:
        for _ in range(9):
            assert type(executor.submit(die).exception(support.LIMIT)) is UnexpectedExit
            delays.append(time.monotonic() - float((tmp_path / 'died').read_text()))
    assert statistics.median(delays) < 0.1


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.start_methods('forkserver')
@pytest.mark.parametrize('count', [1, 2, 5, 13])
def test_workers_that_kill_each_other(processes, count):
    with Executor(count) as executor:
        for _ in range(5):
            asked = [executor.submit(os.getpid) for _ in range(count)]
            pids = {future.result(30) for future in asked}
            futures = [executor.submit(kill_all, pids) for _ in range(count)]
            for future in futures:
                # One that came late was not among them.
                assert isinstance(future.exception(30), UnexpectedExit | None)
            assert executor.submit(int, 5).result(30) == 5
