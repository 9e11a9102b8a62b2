# SPDX-License-Identifier: LGPL-2.1-or-later
"""testing.serial(): everything in this process, in order."""

import os
import signal
import threading
from unittest import mock

import pytest
from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    Executor,
    map,
    run_parallel_steps,
    run_tasks_in_process_pool,
    testing,
)


@pytest.fixture(autouse=True)
def serial():
    with testing.serial():
        yield


def test_in_this_process_and_thread_and_order():
    seen = []
    run_parallel_steps(
        [
            lambda number=number: seen.append((number, os.getpid(), threading.get_ident()))
            for number in range(5)
        ]
    )
    assert seen == [(number, os.getpid(), threading.get_ident()) for number in range(5)]


def test_mocks_work():
    step = mock.Mock(return_value=threading.Lock())
    assert run_parallel_steps([step], return_values=True) == [step.return_value]
    step.assert_called_once_with()


def test_exceptions_are_the_objects_that_were_raised():
    error = KeyError('x')
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([mock.Mock(side_effect=error), lambda: 1])
    assert caught.value.exceptions == (error,)
    assert error.__cause__ is None
    assert '_serial.py' not in caught.value.failures[0].traceback


def test_an_interrupt_raised_by_a_step_is_its_failure():
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([mock.Mock(side_effect=KeyboardInterrupt), lambda: 1])
    assert type(caught.value.failures[0].exception) is KeyboardInterrupt


def test_a_real_interrupt_ends_the_run():
    last = mock.Mock()
    with pytest.raises(KeyboardInterrupt):
        run_parallel_steps([lambda: os.kill(os.getpid(), signal.SIGINT), last])
    last.assert_not_called()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_halt_on_error():
    last = mock.Mock()
    with pytest.raises(BackgroundFailure):
        run_parallel_steps([mock.Mock(side_effect=KeyError), last], halt_on_error=True)
    last.assert_not_called()


def test_attempts():
    step = mock.Mock(side_effect=[KeyError, KeyError, 'third'])
    assert run_parallel_steps([step], return_values=True, max_attempts=3) == ['third']


def test_runner_runs_at_the_end_of_the_block():
    task = mock.Mock()
    with BackgroundTaskRunner(task, 'a', key='b') as queue:
        queue.put((1,))
        task.assert_not_called()
    task.assert_called_once_with('a', 1, key='b')


def test_onexit_once():
    onexit = mock.Mock()
    run_tasks_in_process_pool(str, [(1,), (2,)], onexit=onexit)
    onexit.assert_called_once_with()


def test_map_is_lazy():
    task = mock.Mock(side_effect=lambda number: number + 1)
    results = map(task, iter(int, 1))
    task.assert_not_called()
    assert [next(results) for _ in range(3)] == [1, 1, 1]
    results.close()


def test_executor():
    with Executor() as executor:
        future = executor.submit(threading.get_ident)
        assert future.done()
    assert future.result() == threading.get_ident()


def test_command(capsys):
    (done,) = run_parallel_steps([Command(['echo', 'hello'])], return_values=True)
    assert done.stdout == b'hello\n'
    assert capsys.readouterr().out == 'hello\n'


def test_nested():
    def outer():
        run_parallel_steps([mock.Mock(side_effect=KeyError('inner'))], names=['inner'])

    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([outer], names=['outer'])
    assert [entry.full_name for entry in caught.value.failures] == ['outer > inner']


def test_other_backends_are_back_afterwards():
    from parallel_glib import _backend

    before = _backend._override
    with testing.serial():
        assert _backend._override is not before
    assert _backend._override is before
