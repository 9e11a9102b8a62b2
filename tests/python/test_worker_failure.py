"""What fails in the Python worker, or on the way to it, and what is told of that."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import pytest

import worker_support as ws
from parallel_glib import RemoteError, RemoteTraceback
from parallel_glib import _exceptions, _transport


def _local_exception() -> None:
    class Local(Exception):
        pass

    raise Local('of a function')


class BadInit(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(f'{a} and {b}')


class BadText(Exception):
    def __str__(self) -> str:
        raise KeyError('text')

    __repr__ = __str__


def _exit_now(*_args: Any) -> None:
    sys.exit(5)


def _raise_now(*_args: Any) -> None:
    raise LookupError('unpickled')


class Unpickling:
    """Does something when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.reduced = function, args

    def __reduce__(self) -> Any:
        return self.reduced


class Pickling:
    """Does something when it is pickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __getstate__(self) -> Any:
        if os.environ.get('PGL_WORKER'):
            self.function(*self.args)
        return self.__dict__


def _module_by_value() -> None:
    """The worker cannot import this module, so what is in it is sent by value, as of __main__."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


_module_by_value()


def test_exception(worker: ws.Worker) -> None:
    def step() -> None:
        print('before')
        try:
            {}['a']
        except KeyError:
            raise ValueError('bad\nvalue') from None

    output, outcome = worker.call(step)
    assert output == b'before\n'
    assert outcome.message == 'ValueError: bad value'
    info = outcome.info
    assert (info.kind, info.type_name, info.message) == ('exception', 'ValueError', 'bad\nvalue')
    assert (
        info.restored
        and type(info.exception) is ValueError
        and info.exception.args == ('bad\nvalue',)
    )
    assert info.traceback.startswith(
        f'Traceback (most recent call last):\n  File "{__file__}", line '
    )
    assert info.traceback.endswith('ValueError: bad\nvalue\n')
    assert 'parallel_glib' not in info.traceback
    cause = info.exception.__cause__
    assert isinstance(cause, RemoteTraceback) and info.traceback.rstrip('\n') in str(cause)


def test_chained_exceptions(worker: ws.Worker) -> None:
    def step() -> None:
        try:
            {}['missing']
        except KeyError as error:
            raise RuntimeError('second') from error

    text = worker.call(step)[1].info.traceback
    assert (
        "KeyError: 'missing'\n\nThe above exception was the direct cause of the following" in text
    )
    assert text.endswith('RuntimeError: second\n')


def test_exception_group_and_notes(worker: ws.Worker) -> None:
    def step() -> None:
        group = ExceptionGroup('two', [ValueError('one'), OSError(2, 'gone')])
        group.add_note('noted')
        raise group

    info = worker.call(step)[1].info
    assert info.notes == ['noted']
    assert [type(error) for error in info.exception.exceptions] == [ValueError, FileNotFoundError]
    assert '| FileNotFoundError: [Errno 2] gone' in info.traceback


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    'function, message, exit_status',
    [
        (lambda: _raise(KeyboardInterrupt('now')), 'KeyboardInterrupt: now', None),
        (lambda: _raise(GeneratorExit()), 'GeneratorExit', None),
        (lambda: sys.exit(1), 'SystemExit: 1', 1),
        (lambda: sys.exit('text'), 'SystemExit: text', 1),
        (lambda: os.kill(os.getpid(), signal.SIGINT), 'KeyboardInterrupt', None),
        (_local_exception, 'Local: of a function', None),
        (lambda: _raise(BadInit(1, 2)), 'BadInit: 1 and 2', None),
        (lambda: _raise(BadText()), 'BadText: (no message: its __str__ raised KeyError)', None),
    ],
)
def test_each_failure_leaves_the_worker(
    worker: ws.Worker, function: Any, message: str, exit_status: int | None
) -> None:
    outcome = worker.call(function)[1]
    assert outcome.code == ws.FAILED
    assert outcome.message == message
    assert outcome.info.system_exit == exit_status
    assert outcome.info.traceback.startswith('Traceback (most recent call last):\n')
    assert worker.value(abs, -7) == 7


def test_exit_with_zero_is_success(worker: ws.Worker) -> None:
    assert worker.value(lambda: sys.exit()) is None
    assert worker.value(lambda: sys.exit(0)) is None


def test_exception_that_cannot_be_unpickled(worker: ws.Worker) -> None:
    info = worker.call(lambda: _raise(BadInit(1, 2)))[1].info
    assert not info.restored and info.restore_error.startswith('TypeError: ')
    assert type(info.exception) is RemoteError
    assert str(info.exception) == 'test_worker_failure.BadInit: 1 and 2'
    assert info.exception.type_name == 'test_worker_failure.BadInit'
    assert isinstance(info.exception.__cause__, RemoteTraceback)


@pytest.mark.parametrize('action', [_exit_now, _raise_now])
def test_exception_whose_pickling_or_unpickling_does_something(
    worker: ws.Worker, action: Any
) -> None:
    class Fails(Exception):
        def __init__(self, at_load: bool) -> None:
            super().__init__('odd')
            self.at_load = at_load

        def __reduce__(self) -> Any:
            return (action, ()) if self.at_load else action()

    for at_load in (False, True):

        def step() -> None:
            raise Fails(at_load)

        outcome = worker.call(step)[1]
        assert outcome.message == 'Fails: odd'
        assert type(outcome.info.exception) is RemoteError
        assert bool(outcome.info.restore_error) == at_load


def test_exception_with_what_cannot_be_pickled(worker: ws.Worker) -> None:
    outcome = worker.call(lambda: _raise(ValueError(threading.Lock())))[1]
    assert outcome.message.startswith('ValueError: <unlocked _thread.lock object at ')
    assert type(outcome.info.exception) is RemoteError


@pytest.mark.parametrize(
    'action, message',
    [
        (_exit_now, 'the input cannot be unpickled: SystemExit: 5'),
        (_raise_now, 'the input cannot be unpickled: LookupError: unpickled'),
    ],
)
def test_input_that_cannot_be_unpickled(worker: ws.Worker, action: Any, message: str) -> None:
    outcome = worker.call(abs, Unpickling(action))[1]
    assert (outcome.message, outcome.info.kind) == (message, 'input')
    assert worker.value(abs, -7) == 7


@pytest.mark.parametrize('payload', [b'', b'X', b'T\x80\x05K\x01\x85.', b'C\x80', b'I\x05\0\0\0'])
def test_input_that_is_none(worker: ws.Worker, payload: bytes) -> None:
    outcome = worker.run_payload(payload)[1]
    assert outcome.info.kind == 'input'
    assert worker.value(abs, -7) == 7


@pytest.mark.parametrize(
    'action, message',
    [
        (_exit_now, 'the result cannot be pickled: SystemExit: 5'),
        (_raise_now, 'the result cannot be pickled: LookupError: unpickled'),
    ],
)
def test_result_whose_pickling_does_something(worker: ws.Worker, action: Any, message: str) -> None:
    def step() -> Any:
        os.environ['PGL_WORKER'] = '1'
        return Pickling(action)

    outcome = worker.call(step)[1]
    assert (outcome.message, outcome.info.kind) == (message, 'result')


def test_result_that_cannot_be_pickled(worker: ws.Worker) -> None:
    outcome = worker.call(threading.Lock)[1]
    assert (
        outcome.message
        == "the result cannot be pickled: TypeError: cannot pickle '_thread.lock' object"
    )
    assert outcome.info.kind == 'result'


@pytest.mark.parametrize(
    'function, status',
    [
        (lambda: os._exit(3), 3),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
        (lambda: Pickling(os._exit, 4) if not os.environ.update(PGL_WORKER='1') else None, 4),
    ],
)
def test_death(worker: ws.Worker, function: Any, status: int) -> None:
    worker.post(_transport.dumps_call(function))
    worker.ended()
    assert (worker.wait(), worker.output.rest()) == (status, b'')


def test_death_in_unpickling(worker: ws.Worker) -> None:
    worker.post(_transport.dumps_call(abs, (Unpickling(os._exit, 6),)))
    worker.ended()
    assert worker.wait() == 6


def test_death_in_the_collector(worker: ws.Worker) -> None:
    class Last:
        def __del__(self) -> None:
            os._exit(8)

    def step() -> None:
        import gc

        last: Any = Last()
        last.cycle = last
        del last
        gc.collect()

    worker.post(_transport.dumps_call(step))
    worker.ended()
    assert worker.wait() == 8


def test_crash_shows_its_stack(worker: ws.Worker) -> None:
    def crash() -> None:
        print('before')
        import ctypes

        ctypes.string_at(0)

    worker.post(_transport.dumps_call(crash))
    worker.ended()
    assert worker.wait() == -signal.SIGSEGV
    output = worker.output.rest()
    assert output.startswith(b'before\nFatal Python error: Segmentation fault\n')
    assert b' in crash\n' in output


def test_fork_in_a_step(worker: ws.Worker) -> None:
    def step() -> str:
        pid = os.fork()
        if pid == 0:
            print('child')
            return 'child'
        os.waitpid(pid, 0)
        return 'parent'

    output, outcome = worker.call(step)
    assert (output, outcome.value) == (b'child\n', 'parent')

    def background() -> int:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        return pid

    pid = worker.value(background)
    worker.post(_transport.dumps_call(os._exit, (3,)))
    worker.ended()  # Though the child lives.
    os.kill(pid, signal.SIGKILL)
    assert worker.wait() == 3


# The caller's side of pickling


def test_what_cannot_be_sent() -> None:
    lock = threading.Lock()
    why = "TypeError: cannot pickle '_thread.lock' object"
    with pytest.raises(_transport.PicklingError) as error:
        _transport.dumps_call(max, (1, lock))
    assert str(error.value) == f'argument 2 of max (a lock) cannot be pickled: {why}'
    with pytest.raises(_transport.PicklingError) as error:
        _transport.dumps_input((lock,), of='the task step')
    assert str(error.value) == f'argument 1 of the task step (a lock) cannot be pickled: {why}'
    with pytest.raises(_transport.PicklingError) as error:
        _transport.dumps_call(lambda: lock)
    assert str(error.value) == (
        'the function test_what_cannot_be_sent.<locals>.<lambda> cannot be pickled: ' f'{why}'
    )
    with pytest.raises(_transport.PicklingError) as error:
        _transport.dumps_setup(kwargs={'key': lock})
    assert str(error.value) == f'argument key of the task (a lock) cannot be pickled: {why}'


def test_sys_exit_while_an_argument_is_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PGL_WORKER', '1')
    with pytest.raises(_transport.PicklingError) as error:
        _transport.dumps_call(abs, (Pickling(_exit_now),))
    assert str(error.value) == 'argument 1 of abs (a Pickling) cannot be pickled: SystemExit: 5'


def test_details_of_others() -> None:
    info = _exceptions.restore(b'not a pickle', 'it failed')
    assert (str(info.exception), info.traceback) == ('it failed', 'not a pickle')
    assert _exceptions.restore(b"cos\nsystem\n(S'exit 1'\ntR.", 'it failed').traceback.startswith(
        'cos\n'
    )
    assert str(_exceptions.restore(b'', 'it failed').exception) == 'it failed'
