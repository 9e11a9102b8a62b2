# SPDX-License-Identifier: LGPL-2.1-or-later
"""Executor, by the contract of concurrent.futures."""

import concurrent.futures
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures.process import BrokenProcessPool

import pytest
from parallel_glib import Executor, RemoteTraceback, UnexpectedExit

import support


def fail(text):
    raise ValueError(text)


@pytest.fixture
def executor(backend):
    with Executor(2) as made:
        yield made


def test_submit(executor):
    assert executor.submit(pow, 2, exp=5).result(30) == 32


def test_exception_is_the_original(executor):
    future = executor.submit(fail, 'x')
    with pytest.raises(ValueError, match='x'):
        future.result(30)
    assert type(future.exception()) is ValueError


def test_lambdas(executor):
    closed_over = 3
    assert executor.submit(lambda: closed_over).result(30) == 3


def test_map(executor):
    assert list(executor.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]


def test_map_in_chunks(executor):
    assert list(executor.map(pow, range(7), [2] * 7, chunksize=3)) == [0, 1, 4, 9, 16, 25, 36]
    assert list(executor.map(lambda number: -number, range(3), chunksize=10)) == [0, -1, -2]
    with pytest.raises(ValueError, match='chunksize must be >= 1'):
        executor.map(pow, [1], [1], chunksize=0)


def test_as_completed_and_wait(executor):
    futures = [executor.submit(int, number) for number in range(5)]
    assert {
        future.result() for future in concurrent.futures.as_completed(futures, timeout=30)
    } == set(range(5))
    done, pending = concurrent.futures.wait(futures, timeout=30)
    assert len(done) == 5 and not pending


def test_callbacks(executor):
    seen = []
    future = executor.submit(int, 3)
    future.result(30)
    future.add_done_callback(lambda done: seen.append(done.result()))
    assert seen == [3]


def test_submit_from_a_callback(executor):
    ready = threading.Event()
    results = []

    def again(future):
        if future.result() < 5:
            executor.submit(int, future.result() + 1).add_done_callback(again)
        else:
            results.append(future.result())
            ready.set()

    executor.submit(int, 0).add_done_callback(again)
    assert ready.wait(30)
    assert results == [5]


def test_callback_that_raises(executor, caplog):
    future = executor.submit(int)
    future.add_done_callback(lambda future: fail('in callback'))
    assert executor.submit(int, 1).result(30) == 1
    assert future.result(30) == 0


def test_shutdown_in_a_callback(executor):
    called = threading.Event()

    def shut_down(future):
        executor.shutdown()
        called.set()

    executor.submit(int).add_done_callback(shut_down)
    assert called.wait(30)
    with pytest.raises(RuntimeError, match='after shutdown'):
        executor.submit(int)


def test_submit_from_many_threads(executor):
    results = []

    def submit(number):
        results.append(executor.submit(int, number).result(30))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(30))


def test_shutdown(executor):
    future = executor.submit(int, 7)
    executor.shutdown()
    assert future.result(0) == 7
    with pytest.raises(RuntimeError, match='cannot schedule new futures after shutdown'):
        executor.submit(int)
    executor.shutdown()


def test_what_cannot_be_pickled_is_in_the_future(processes):
    with Executor(1) as executor:
        assert executor.submit(print, threading.Lock()).exception(30) is not None
        assert executor.submit(threading.Lock).exception(30) is not None
        assert executor.submit(int, 1).result(30) == 1


@pytest.mark.parametrize(
    'arguments, error',
    [
        ({'max_workers': 0}, ValueError),
        ({'max_workers': -1}, ValueError),
        ({'initializer': 1}, TypeError),
        ({'max_tasks_per_child': 0}, ValueError),
        ({'max_tasks_per_child': 'a'}, TypeError),
        ({'on_worker_death': 'ignore'}, ValueError),
    ],
)
def test_wrong_arguments(arguments, error):
    with pytest.raises(error):
        Executor(**arguments)


def test_initializer(backend):
    def prepare(text):
        os.environ['PREPARED'] = text

    with Executor(1, initializer=prepare, initargs=('yes',)) as executor:
        assert executor.submit(os.getenv, 'PREPARED').result(30) == 'yes'
    os.environ.pop('PREPARED', None)


def test_forgotten(backend):
    executor = Executor(1)
    future = executor.submit(int, 3)
    gone = weakref.ref(executor)
    del executor
    gc.collect()
    assert gone() is None
    assert future.result(30) == 3


# Workers.


def test_traceback_of_the_worker(processes):
    with Executor(1) as executor:
        error = executor.submit(fail, 'x').exception(30)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert 'raise ValueError(text)' in str(error.__cause__)


def test_callbacks_when_they_are_done(processes):
    seen = []
    with Executor(1) as executor:
        blocker = executor.submit(time.sleep, 0.2)
        futures = [executor.submit(int, number) for number in range(5)]
        for future in [blocker, *futures]:
            future.add_done_callback(seen.append)
        assert futures[-1].cancel()
        assert seen == [futures[-1]]
    assert seen == [futures[-1], blocker, *futures[:-1]]


def test_shutdown_after_what_cannot_be_pickled(processes):
    with Executor(2) as executor:
        executor.submit(int).result(30)
        future = executor.submit(print, threading.Lock())
        executor.shutdown(wait=False)
        assert isinstance(future.exception(30), pickle.PicklingError)


class ExitsWhenItArrives:
    def __reduce__(self):
        return sys.exit, (3,)


def test_result_that_exits_when_it_arrives(processes):
    with Executor(1) as executor:
        future = executor.submit(ExitsWhenItArrives)
        assert future.exception(30) is not None


def test_idle_worker_is_used_again(processes):
    with Executor(4) as executor:
        assert len({executor.submit(os.getpid).result(30) for _ in range(4)}) == 1


def pid_later():
    time.sleep(0.02)
    return os.getpid()


def test_no_more_than_max_workers(processes):
    with Executor(3) as executor:
        futures = [executor.submit(pid_later) for _ in range(30)]
        assert len({future.result(30) for future in futures}) <= 3


def test_no_process_is_left(processes):
    with Executor(2) as executor:
        pids = [future.result(30) for future in [executor.submit(pid_later) for _ in range(4)]]
    support.await_true(lambda: not any(map(support.runs, pids)))


def test_no_child_is_left(processes):
    """None that has still to be waited for, at that; only a server that others use may be there."""
    with Executor(2) as executor:
        executor.submit(int).result(30)
    for _ in range(20):
        before = support.children()
        with Executor(2) as executor:
            executor.submit(int).result(30)
        assert support.children() <= before


def test_initializer_that_fails(processes):
    with Executor(2, initializer=fail, initargs=('not today',)) as executor:
        future = executor.submit(int)
        with pytest.raises(BrokenProcessPool, match='not today'):
            future.result(30)
        with pytest.raises(BrokenProcessPool):
            executor.submit(int)


def test_cancel(processes):
    with Executor(1) as executor:
        running = executor.submit(time.sleep, 0.3)
        futures = [executor.submit(int, number) for number in range(10)]
        assert futures[-1].cancel()
        assert futures[-1].cancelled()
        assert futures[0].result(30) == 0
        assert not running.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            futures[-1].result(30)


def test_timeout(processes):
    with Executor(1) as executor:
        future = executor.submit(time.sleep, 0.5)
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(0.05)
        assert future.result(30) is None


def test_shutdown_cancels(processes):
    executor = Executor(2)
    futures = [executor.submit(time.sleep, 0.1) for _ in range(30)]
    executor.shutdown(cancel_futures=True)
    assert sum(future.cancelled() for future in futures) >= 20
    assert all(future.done() for future in futures)


def test_shutdown_without_waiting(processes):
    executor = Executor(2)
    futures = [executor.submit(int, number) for number in range(10)]
    executor.shutdown(wait=False)
    assert [future.result(30) for future in futures] == list(range(10))


def test_shutdown_cancels_without_waiting(processes):
    executor = Executor(1)
    running = executor.submit(time.sleep, 0.2)
    futures = [executor.submit(int, number) for number in range(10)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert futures[-1].cancelled()
    assert running.result(30) is None


def test_worker_killed(processes):
    with Executor(1) as executor:
        before = executor.submit(int, 1)
        killed = executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        after = executor.submit(int, 2)
        assert (before.result(30), after.result(30)) == (1, 2)
        error = killed.exception(30)
        assert executor.submit(int, 3).result(30) == 3
    assert isinstance(error, UnexpectedExit)
    assert error.signal_name == 'SIGKILL'
    assert 'signal 9' in str(error)


def test_worker_killed_breaks_if_asked(processes):
    with Executor(1, on_worker_death='break') as executor:
        futures = [
            executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL)),
            executor.submit(time.sleep, 0.1),
        ]
        for future in futures:
            with pytest.raises(BrokenProcessPool):
                future.result(30)
        with pytest.raises(BrokenProcessPool):
            executor.submit(int)


def test_max_tasks_per_child(processes):
    with Executor(1, max_tasks_per_child=2) as executor:
        pids = [future.result(30) for future in [executor.submit(os.getpid) for _ in range(6)]]
    assert len(set(pids)) == 3


SCRIPT = '''
import sys, time
import parallel_glib
def late(path):
    time.sleep(0.3)
    open(path, 'w').close()
parallel_glib.set_start_method(sys.argv[1])
executor = parallel_glib.Executor(1)
for name in sys.argv[2:]:
    executor.submit(late, name)
'''


def test_end_of_the_program_with_work_pending(processes, tmp_path):
    names = [str(tmp_path / name) for name in 'abc']
    subprocess.run([sys.executable, '-c', SCRIPT, processes, *names], check=True, timeout=60)
    assert len(list(tmp_path.iterdir())) == 3


def test_map_of_a_closure(processes):
    """Its function travels once for all calls, with its code."""
    factor = 3

    def multiply(number):
        if number == 2:
            raise ValueError('two')
        return number * factor

    with Executor(2) as executor:
        assert list(executor.map(multiply, [0, 1], chunksize=2)) == [0, 3]
        results = executor.map(multiply, [1, 2])
        assert next(results) == 3
        with pytest.raises(ValueError, match='^two$') as caught:
            next(results)
        assert 'multiply' in str(caught.value.__cause__)


def test_map_of_what_cannot_travel(processes):
    lock = threading.Lock()

    with Executor(2) as executor:
        results = executor.map(lambda number: (number, lock), [1])
        with pytest.raises(pickle.PicklingError, match='cannot be pickled'):
            next(results)
        assert executor.submit(int, '5').result(30) == 5


def shadowed():
    return 'before'


def test_function_whose_name_is_taken(processes, monkeypatch):
    """A function that has gone by its name takes its code when the name is another's."""
    before = shadowed
    with Executor(1) as executor:
        assert executor.submit(before).result(30) == 'before'
        monkeypatch.setattr(sys.modules[__name__], 'shadowed', len)
        assert executor.submit(before).result(30) == 'before'
