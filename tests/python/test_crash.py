# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that take their worker with them, and what cannot travel: only the one call fails."""

import concurrent.futures
import ctypes
import os
import signal
import sys
import threading
import time

import pytest
from parallel_glib import (
    BackgroundFailure,
    Executor,
    FailureKind,
    RemoteError,
    UnexpectedExit,
    run_parallel_steps,
)


class TwoArguments(Exception):
    """Its unpickling raises: pickle gives it one argument."""

    def __init__(self, one, two):
        super().__init__(f'{one} {two}')


def raise_interrupt():
    raise KeyboardInterrupt


def kill_myself(number=signal.SIGKILL):
    os.kill(os.getpid(), number)
    time.sleep(10)


def raise_two_arguments():
    raise TwoArguments('a', 'b')


def raise_local():
    class Local(Exception):
        def __reduce__(self):
            raise TypeError('does not travel')

    raise Local('local words')


FAULTS = {
    'interrupt': (raise_interrupt, FailureKind.EXCEPTION, KeyboardInterrupt),
    'sys.exit': (lambda: sys.exit(1), FailureKind.EXIT, SystemExit),
    'os._exit': (lambda: os._exit(3), FailureKind.EXIT, UnexpectedExit),
    'SIGKILL': (kill_myself, FailureKind.SIGNAL, UnexpectedExit),
    'SIGSEGV': (lambda: ctypes.string_at(0), FailureKind.SIGNAL, UnexpectedExit),
    'local class': (raise_local, FailureKind.EXCEPTION, RemoteError),
    'bad constructor': (raise_two_arguments, FailureKind.EXCEPTION, RemoteError),
    'result': (threading.Lock, FailureKind.RESULT, Exception),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_fault(processes, fault, elapsed):
    function, kind, kept = FAULTS[fault]
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([lambda: 1, function, lambda: 2], return_values=True)
    (entry,) = caught.value.failures
    assert (entry.index, entry.kind) == (1, kind)
    assert isinstance(entry.exception, kept)
    assert caught.value.results == {0: 1, 2: 2}
    assert elapsed() < 5


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


def test_seen_at_once(processes):
    moments = []

    def die():
        os._exit(3)

    def note(step):
        moments.append(time.monotonic())

    run_parallel_steps([int])
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([die, lambda: time.sleep(1)], max_parallel=2, on_step_finished=note)
    assert moments[1] - moments[0] > 0.7
    assert caught.value.failures[0].exit_status == 3


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


# The matrix of loky: what goes wrong, and where.


def crash():
    ctypes.string_at(0)


def leave():
    sys.exit(1)


def leave_at_once():
    os._exit(1)


def raise_error():
    raise LookupError('on purpose')


ACTIONS = [crash, leave, leave_at_once, raise_error]


class OnUnpickling:
    def __init__(self, action):
        self.action = action

    def __reduce__(self):
        return _call_in_worker, (os.getpid(), self.action)


class OnPickling:
    """Acts where it is pickled to travel back; it gets there as a plain argument."""

    def __init__(self, action):
        self.action = action

    def __reduce__(self):
        self.action()
        return OnPickling, (self.action,)


class OnCollection:
    def __init__(self, action):
        self.action = action
        self.me = self

    def __del__(self):
        self.action()


def _call_in_worker(pid, action):
    if os.getpid() != pid:
        action()
    return None


def return_that_acts(action):
    return OnPickling(action)


def collect(action):
    import gc

    OnCollection(action)
    gc.collect()


def unpickled_here(action):
    return _ActsInParent(action)


class _ActsInParent:
    def __init__(self, action):
        self.action = action

    def __reduce__(self):
        return _act, (self.action,)


def _act(action):
    action()


PLACES = {
    'argument unpickling': lambda executor, action: executor.submit(id, OnUnpickling(action)),
    'body': lambda executor, action: executor.submit(action),
    'result pickling': lambda executor, action: executor.submit(return_that_acts, action),
    'collection': lambda executor, action: executor.submit(collect, action),
}
# In this process only what does not end it.
PARENT_PLACES = {
    'argument pickling': lambda executor, action: executor.submit(id, OnPickling(action)),
    'result unpickling': lambda executor, action: executor.submit(unpickled_here, action),
}
CASES = [(place, action) for place in PLACES for action in ACTIONS]
CASES += [(place, action) for place in PARENT_PLACES for action in (leave, raise_error)]


@pytest.mark.parametrize('place, action', CASES)
@pytest.mark.parametrize('from_callback', [False, True])
def test_matrix(processes, place, action, from_callback):
    do = {**PLACES, **PARENT_PLACES}[place]
    with Executor(1) as executor:
        if from_callback:
            made = concurrent.futures.Future()
            executor.submit(int).add_done_callback(lambda _: made.set_result(do(executor, action)))
            future = made.result(30)
        else:
            future = do(executor, action)
        # An exception in a __del__ is only printed, by Python itself.
        if (place, action) == ('collection', raise_error):
            future.exception(30)
        elif (place, action) == ('collection', leave):
            future.exception(30)
        elif action in (crash, leave_at_once):
            assert isinstance(future.exception(30), UnexpectedExit)
        else:
            assert future.exception(30) is not None
        assert executor.submit(int, 5).result(30) == 5
