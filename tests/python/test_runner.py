# SPDX-License-Identifier: LGPL-2.1-or-later
"""BackgroundTaskRunner and its queue."""

import gc
import multiprocessing
import os
import queue
import threading
import time
import warnings

import pytest
from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    FailureKind,
    run_parallel_steps,
)

import support


def fail_if(bad, number):
    if number == bad:
        raise ValueError(number)
    return number


def append(path, *values, **named):
    with open(path, 'a') as file:
        print(*values, sorted(named.items()), file=file)


def test_bound_arguments_come_first(backend, tmp_path):
    with BackgroundTaskRunner(append, tmp_path / 'out', 'arg1', kwarg1='x') as queue:
        queue.put((1,))
        queue.put([2])
        queue.put((3,))
    assert sorted((tmp_path / 'out').read_text().splitlines()) == [
        f"arg1 {number} [('kwarg1', 'x')]" for number in (1, 2, 3)
    ]


@pytest.mark.parametrize('value', ['abc', b'abc', 1, None, {'a': 1}, {1, 2}])
def test_what_is_no_input_is_a_clear_error(backend, value):
    with BackgroundTaskRunner(print) as queue:
        with pytest.raises(TypeError, match='an input is a tuple of arguments, not'):
            queue.put(value)


def test_put_many(backend):
    results = []
    runner = BackgroundTaskRunner(fail_if, None).configure(
        return_values=True, on_step_finished=lambda step: results.append(step.result)
    )
    with runner as queue:
        queue.put_many((number,) for number in range(20))
    assert sorted(results) == list(range(20))


def test_all_failures(backend):
    with pytest.raises(BackgroundFailure) as caught:
        with BackgroundTaskRunner(fail_if, 3) as queue:
            queue.put_many([(number,) for number in (3, 1, 3)])
    assert [(entry.index, entry.input) for entry in caught.value.failures] == [(0, (3,)), (2, (3,))]
    assert str(caught.value).startswith('2 of 3 steps failed:\n  fail_if(3): ValueError: 3')


def test_the_others_run(backend, tmp_path):
    def touch(number):
        if number == 0:
            raise ValueError
        (tmp_path / str(number)).touch()

    with pytest.raises(BackgroundFailure, match='1 of 1000 steps failed'):
        with BackgroundTaskRunner(touch, processes=4) as queue:
            queue.put_many((number,) for number in range(1000))
    assert len(list(tmp_path.iterdir())) == 999


def test_exception_of_the_block_wins(backend, tmp_path):
    with pytest.raises(LookupError) as caught:
        with BackgroundTaskRunner(fail_if, 1) as queue:
            queue.put((1,))
            queue.put((2,))
            raise LookupError('foreground')
    assert isinstance(caught.value.__context__, BackgroundFailure)
    assert caught.value.__context__.failures[0].message == '1'


def test_what_is_queued_is_done_all_the_same(backend, tmp_path):
    with pytest.raises(LookupError):
        with BackgroundTaskRunner(append, tmp_path / 'out') as queue:
            queue.put((1,))
            raise LookupError
    assert (tmp_path / 'out').read_text() == '1 []\n'


def test_interrupt_of_the_block_stops(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with BackgroundTaskRunner(Command([*support.lasting(tmp_path), '{}'])) as queue:
            queue.put_many(range(10))
            support.await_true(lambda: support.has_started(tmp_path))
            raise KeyboardInterrupt
    support.check_stopped(tmp_path)


def test_exception_of_the_block_stops_if_asked(tmp_path):
    command = Command([*support.lasting(tmp_path), '{}'])
    with pytest.raises(LookupError):
        with BackgroundTaskRunner(command, halt_on_error=True) as queue:
            queue.put_many(range(10))
            support.await_true(lambda: support.has_started(tmp_path))
            raise LookupError
    support.check_stopped(tmp_path)


def test_put_after_a_halt_is_harmless(backend):
    with pytest.raises(BackgroundFailure) as caught:
        with BackgroundTaskRunner(fail_if, 0, halt_on_error=True) as queue:
            for number in range(5000):  # Of which some come before it, and most after it.
                queue.put((number,))
    assert len(caught.value.failures) == 1


def test_nothing_put(backend):
    with BackgroundTaskRunner(print):
        pass


def test_used_twice(backend):
    runner = BackgroundTaskRunner(print)
    with runner:
        with pytest.raises(RuntimeError):
            runner.__enter__()


def test_put_from_threads(backend, tmp_path):
    def put(queue, number):
        queue.put((number,))

    seen = []
    with BackgroundTaskRunner(fail_if, None).configure(
        return_values=True, on_step_finished=seen.append
    ) as queue:
        threads = [threading.Thread(target=put, args=(queue, number)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(step.result for step in seen) == list(range(20))
    assert all(step.input == (step.result,) for step in seen)


def test_runners_in_threads(backend):
    def run(results):
        with BackgroundTaskRunner(fail_if, None).configure(
            return_values=True, on_step_finished=lambda step: results.append(step.result)
        ) as queue:
            queue.put_many((number,) for number in range(50))

    lists = [[], [], []]
    threads = [threading.Thread(target=run, args=(results,)) for results in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(results) for results in lists] == [list(range(50))] * 3


def test_iterating(backend):
    runner = BackgroundTaskRunner(fail_if, 1).configure(return_values=True)
    with pytest.raises(BackgroundFailure):
        with runner as queue:
            queue.put_many([(0,), (1,), (2,)])
            queue.close()
            steps = sorted(runner, key=lambda step: step.index)
    assert [(step.ok, step.result) for step in steps] == [(True, 0), (False, None), (True, 2)]


@pytest.mark.parametrize('make', [queue.Queue, multiprocessing.Queue])
def test_queue_of_the_callers(backend, tmp_path, make):
    own = make()
    own.put((1,))
    with BackgroundTaskRunner(append, tmp_path / 'out', queue=own) as yielded:
        assert yielded is own
        own.put((2,))
    assert sorted((tmp_path / 'out').read_text().split()) == ['1', '2', '[]', '[]']


def test_wrong_input_in_a_queue_of_the_callers(backend):
    own = queue.Queue()
    with pytest.raises(TypeError, match="not 'abc'"):
        with BackgroundTaskRunner(print, queue=own):
            own.put('abc')


def test_steps_that_put_more(backend, tmp_path):
    with multiprocessing.Manager() as manager:
        own = manager.Queue()

        def task(number):
            (tmp_path / str(number)).touch()
            if number < 5:
                own.put((number + 1,))

        # The proxy travels with the task where the task is pickled.
        with BackgroundTaskRunner(task, queue=own):
            own.put((0,))
    assert len(list(tmp_path.iterdir())) == 6


def test_onexit_fails_too(backend):
    def onexit():
        raise KeyError('at exit')

    with pytest.raises(BackgroundFailure) as caught:
        with BackgroundTaskRunner(fail_if, 0, onexit=onexit, processes=1) as queue:
            queue.put((0,))
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]
    assert caught.value.failures[1].name == 'onexit'


@pytest.mark.parametrize(
    'arguments, error, text',
    [
        ((1,), TypeError, 'the task must be a callable'),
        ((print,), ValueError, 'processes must be at least 1'),
        ((Command(['true']), 'bound'), TypeError, 'for functions'),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        BackgroundTaskRunner(*arguments, processes=0 if error is ValueError else None)


# Programs as tasks: over the library itself.


def test_programs(capfd):
    with BackgroundTaskRunner(Command(['sh', '-c', 'echo "got $0"', '{}'])) as queue:
        print('foreground', flush=True)
        queue.put('a b')
        queue.put(('c',))
        queue.put_many([1, '$x'])
    assert capfd.readouterr().out == 'foreground\ngot a b\ngot c\ngot 1\ngot $x\n'


def test_program_without_a_place_for_its_input(capfd):
    with pytest.raises(BackgroundFailure) as caught:
        with BackgroundTaskRunner(Command(['true'])) as queue:
            queue.put('a')
    assert caught.value.failures[0].kind == FailureKind.INPUT


def test_forgotten_while_it_runs(tmp_path):
    gc.collect()
    runner = BackgroundTaskRunner(Command([*support.lasting(tmp_path), '{}']))
    runner.__enter__().put('30')
    support.await_true(lambda: support.has_started(tmp_path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        del runner
        gc.collect()
    assert any(warning.category is ResourceWarning for warning in caught)
    support.await_true(
        lambda: all(thread.name != 'parallel-forgotten' for thread in threading.enumerate())
    )
    support.check_stopped(tmp_path)


# Workers.


def test_onexit_once_in_each_worker(processes, tmp_path):
    def onexit():
        (tmp_path / f'exit-{os.getpid()}').touch()

    def task(number):
        time.sleep(0.02)
        (tmp_path / f'task-{os.getpid()}').touch()

    with BackgroundTaskRunner(task, processes=4, onexit=onexit) as queue:
        queue.put_many((number,) for number in range(40))
    names = sorted(path.name for path in tmp_path.iterdir())
    workers = {name.split('-')[1] for name in names if name.startswith('task')}
    assert {name.split('-')[1] for name in names if name.startswith('exit')} == workers


@pytest.mark.start_methods('fork')
def test_fork_inherits_everything(processes):
    value, event, lock = multiprocessing.Value('i', 0), multiprocessing.Event(), threading.Lock()

    def wait():
        with lock:
            assert event.wait(10)

    def set_():
        with value.get_lock():
            value.value += 1
        event.set()

    run_parallel_steps([wait, set_], max_parallel=2)
    assert value.value == 1


def test_a_worker_is_replaced_after_so_many(processes):
    pids = []
    runner = BackgroundTaskRunner(os.getpid, processes=1).configure(
        return_values=True,
        max_steps_per_worker=3,
        on_step_finished=lambda step: pids.append(step.result),
    )
    with runner as queue:
        queue.put_many([()] * 9)
    assert len(set(pids)) == 3


def test_keyword_arguments_cannot_travel(processes):
    with pytest.raises(BackgroundFailure) as caught:
        with BackgroundTaskRunner(print) as queue:
            queue.put((threading.Lock(),))
            queue.put((1,))
    (entry,) = caught.value.failures
    assert (entry.index, entry.kind) == (0, FailureKind.INPUT)


@pytest.mark.parametrize('keep_finished', [True, False])
def test_iterating_over_what_was_before(processes, keep_finished):
    early = []
    runner = BackgroundTaskRunner(abs).configure(
        return_values=True, keep_finished=keep_finished, on_step_finished=early.append
    )
    n = 0
    with runner as queue:
        while not early:
            queue.put((-n,))
            n += 1
        queue.close()
        n_early = len(early)
        results = [step.result for step in runner]
    assert sorted(step.result for step in early) == list(range(n))
    assert len(results) == (n if keep_finished else n - n_early)
    assert (early[0].result in results) == keep_finished
