# SPDX-License-Identifier: LGPL-2.1-or-later
"""run_parallel_steps()."""

import functools
import os
import subprocess
import sys
import time

import pytest
from gi.repository import Gio, Parallel
from parallel_glib import (
    BackgroundFailure,
    Command,
    CommandFailed,
    FailureKind,
    RunCancelled,
    TimedOut,
    run_parallel_steps,
)

import support


def fail(text):
    raise ValueError(text)


class Bound:
    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value


def test_results(backend):
    assert run_parallel_steps([lambda: 1, lambda: 2, lambda: None], return_values=True) == [
        1,
        2,
        None,
    ]


def test_no_results_unless_asked(backend):
    assert run_parallel_steps([lambda: 1]) is None


def test_no_steps(backend):
    assert run_parallel_steps([]) is None
    assert run_parallel_steps([], return_values=True) == []


def test_kinds_of_callables(backend):
    closed_over = 'closure'
    steps = [lambda: closed_over, functools.partial(pow, 2, 3), Bound('bound').get, dict]
    assert run_parallel_steps(steps, return_values=True) == ['closure', 8, 'bound', {}]


def test_a_program_among_functions(backend, capfd):
    results = run_parallel_steps([lambda: 1, Command(['echo', 'x']), lambda: 3], return_values=True)
    assert (results[0], results[1].stdout, results[2]) == (1, b'x\n', 3)
    assert capfd.readouterr().out == 'x\n'


def test_a_step_of_the_library(backend):
    step = Parallel.Step.new(Parallel.CommandTask.new(['true']), None)
    run_parallel_steps([step])
    assert step.get_state() == Parallel.StepState.SUCCEEDED


def test_big_results(backend):
    small = run_parallel_steps([lambda: b'x' * 340_000, lambda: 'y' * 340_000], return_values=True)
    assert [len(result) for result in small] == [340_000, 340_000]


def test_a_result_that_nobody_wants_need_not_travel(backend):
    import threading

    assert run_parallel_steps([threading.Lock]) is None


def test_all_failures_together(backend):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps(
            [functools.partial(fail, 'a'), lambda: 'fine', functools.partial(fail, 'b')],
            return_values=True,
            names=['first', 'second', 'third'],
        )
    failures = caught.value.failures
    assert [(entry.name, entry.index, entry.message) for entry in failures] == [
        ('first', 0, 'a'),
        ('third', 2, 'b'),
    ]
    assert [type(error) for error in caught.value.exceptions] == [ValueError, ValueError]
    assert caught.value.results == {1: 'fine'}
    assert str(caught.value).startswith('2 of 3 steps failed:\n  first: ValueError: a (after')
    assert 'in fail' in failures[0].traceback
    assert failures[0].kind == FailureKind.EXCEPTION


def test_exit_of_zero_is_no_failure(backend):
    assert run_parallel_steps([sys.exit, lambda: sys.exit(0)], return_values=True) == [None, None]


def test_exit_of_one_is_one(backend):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([lambda: sys.exit(1), lambda: 2], return_values=True)
    assert (caught.value.failures[0].kind, caught.value.failures[0].exit_status) == (
        FailureKind.EXIT,
        1,
    )
    assert isinstance(caught.value.failures[0].exception, SystemExit)
    assert caught.value.results == {1: 2}


def test_program_that_fails(backend):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps(
            [
                Command(['sh', '-c', 'echo last words; exit 7']),
                Command(['no-such-program']),
                Command(['sh', '-c', 'kill -9 $$']),
            ]
        )
    exit_, missing, killed = caught.value.failures
    assert (exit_.kind, exit_.exit_status) == (FailureKind.EXIT, 7)
    assert missing.kind == FailureKind.COMMAND
    assert (killed.kind, killed.signal, killed.signal_name) == (FailureKind.SIGNAL, 9, 'SIGKILL')
    assert all(isinstance(error, CommandFailed) for error in caught.value.exceptions)


def test_on_step_finished(backend):
    seen = []
    with pytest.raises(BackgroundFailure):
        run_parallel_steps(
            [lambda: 'a', functools.partial(fail, 'x')],
            return_values=True,
            on_step_finished=seen.append,
        )
    by_index = {step.index: step for step in seen}
    assert (by_index[0].result, by_index[0].ok) == ('a', True)
    assert by_index[1].failure.message == 'x'


def test_what_on_step_finished_raises_stops_everything(backend, tmp_path):
    def stop(step):
        raise LookupError('enough')

    with pytest.raises(LookupError, match='enough'):
        run_parallel_steps(
            [lambda: 1, *[Command(support.lasting(tmp_path))] * 3], on_step_finished=stop
        )
    support.check_stopped(tmp_path)


@pytest.mark.parametrize(
    'steps, error, text',
    [
        ('abc', TypeError, "not 'abc'"),
        ([1], TypeError, 'step 0 must be a callable'),
        ([print, None], TypeError, 'step 1 must be a callable'),
    ],
)
def test_what_is_no_step(steps, error, text):
    with pytest.raises(error, match=text):
        run_parallel_steps(steps)


@pytest.mark.parametrize(
    'arguments, text',
    [
        ({'max_parallel': 0}, 'max_parallel must be at least 1'),
        ({'names': ['a', 'b']}, '1 steps and 2 names'),
        ({'max_attempts': 0}, 'max_attempts must be at least 1'),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        run_parallel_steps([print], **arguments)


def test_attempts(backend, tmp_path):
    def step():
        count = len(list(tmp_path.iterdir()))
        (tmp_path / str(count)).touch()
        if count < 2:
            raise ValueError(count)
        return count

    assert run_parallel_steps([step], return_values=True, max_attempts=3) == [2]


def test_cancelled_beforehand(backend):
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    with pytest.raises(RunCancelled):
        run_parallel_steps([lambda: 1], cancellable=cancellable)


# Programs need no workers: these run over the library itself.


def test_timeout_of_a_program(tmp_path):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([Command(support.lasting(tmp_path)), Command(['true'])], timeout=1)
    (entry,) = caught.value.failures
    assert (entry.index, entry.kind, type(entry.leaf)) == (0, FailureKind.TIMEOUT, TimedOut)
    assert 'sleep 30' in entry.diagnosis
    support.check_stopped(tmp_path)


def test_halt_on_error_of_programs(tmp_path):
    fail_then = 'while [ ! -e "$0/started" ]; do sleep 0.01; done; exit 1'
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps(
            [Command(support.lasting(tmp_path)), Command(['sh', '-c', fail_then, str(tmp_path)])],
            max_parallel=2,
            halt_on_error=True,
        )
    assert [entry.index for entry in caught.value.failures] == [1]
    support.check_stopped(tmp_path)


def test_settings_of_a_program(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv('KEPT', 'kept')
    monkeypatch.setenv('UNSET', 'unset')
    (tmp_path / 'file').write_text('from file')
    shell = ['sh', '-c', 'echo $KEPT ${UNSET-gone} $NEW $PWD; cat']
    run_parallel_steps(
        [
            Command(shell, env={'UNSET': None, 'NEW': 'new'}, cwd=tmp_path, input='from input\n'),
            Command(['cat'], stdin_path=tmp_path / 'file'),
            Command(['echo', 'launched'], launcher=['env', '--']),
            Command(['cat']),
        ]
    )
    assert capfd.readouterr().out == f'kept gone new {tmp_path}\nfrom input\nfrom filelaunched\n'


def test_silence_of_a_program(tmp_path):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([Command(support.lasting(tmp_path))], silence_timeout=0.2)
    assert caught.value.failures[0].kind == FailureKind.SILENCE
    support.check_stopped(tmp_path)


# Workers.


def test_traceback_of_a_worker_begins_in_the_step(processes):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([functools.partial(fail, 'a')])
    lines = caught.value.failures[0].traceback.splitlines()
    assert lines[0] == 'Traceback (most recent call last):'
    assert __file__ in lines[1]


def test_two_hundred_megabytes(processes):
    (result,) = run_parallel_steps([lambda: b'x' * 200_000_000], return_values=True)
    assert len(result) == 200_000_000


MEASURE_COPIES = """
import resource
from parallel_glib import run_parallel_steps

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

SIZE = 200_000_000
run_parallel_steps([lambda: b'x'], return_values=True)
before = peak()
(result,) = run_parallel_steps([lambda: bytes(SIZE)], return_values=True)
assert len(result) == SIZE
print((peak() - before) / SIZE)
"""


@pytest.mark.start_methods('forkserver')
def test_a_big_result_is_there_twice_at_most(processes):
    command = [sys.executable, '-c', MEASURE_COPIES]
    copies = float(subprocess.run(command, capture_output=True, check=True, timeout=100).stdout)
    assert copies < 2.2


def test_each_step_in_a_worker(processes):
    pids = run_parallel_steps([os.getpid] * 4, return_values=True)
    assert os.getpid() not in pids


def test_steps_run_at_once(processes, tmp_path):
    run_parallel_steps([lambda: support.meet(tmp_path, 8)] * 8, max_parallel=8)


def test_two_hundred_no_ops(processes):
    """The best of a few, since a busy machine may take its time."""
    durations = []
    for _ in range(5):
        begin = time.monotonic()
        assert run_parallel_steps([int] * 200, return_values=True) == [0] * 200
        durations.append(time.monotonic() - begin)
    assert min(durations) < 1


def test_standard_input_is_empty(processes):
    def read():
        return sys.stdin.read(), subprocess.run(['cat'], stdout=subprocess.PIPE).stdout

    assert run_parallel_steps([read], return_values=True) == [('', b'')]


def test_timeout_of_a_function(processes, tmp_path):
    def hang_here():
        (tmp_path / 'started').write_text(f'{os.getpid()}')
        time.sleep(30)
        (tmp_path / 'ended').touch()

    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([hang_here, lambda: 1], timeout=1.5, return_values=True)
    (entry,) = caught.value.failures
    assert (entry.index, entry.kind, type(entry.leaf)) == (0, FailureKind.TIMEOUT, TimedOut)
    assert 'hang_here' in entry.diagnosis
    assert caught.value.results == {1: 1}
    support.check_stopped(tmp_path)


def test_halt_on_error_of_functions(processes, tmp_path):
    command, function = tmp_path / 'command', tmp_path / 'function'
    command.mkdir()
    function.mkdir()

    def nested():
        run_parallel_steps(
            [
                Command(support.lasting(command)),
                lambda: subprocess.run(support.lasting(function)),
            ],
            max_parallel=2,
        )

    def fail_then():
        support.await_true(lambda: support.has_started(command) and support.has_started(function))
        (tmp_path / 'failed').write_text(str(time.monotonic()))
        raise ValueError

    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([nested, fail_then], max_parallel=2, halt_on_error=True)
    assert time.monotonic() - float((tmp_path / 'failed').read_text()) < 2
    assert [entry.index for entry in caught.value.failures] == [1]
    support.check_stopped(command)
    support.check_stopped(function)


def test_nested_levels(processes):
    def nest(level):
        if level == 0:
            return 'bottom'
        return run_parallel_steps([functools.partial(nest, level - 1)], return_values=True)[0]

    assert nest(25) == 'bottom'


def test_nested_failures(processes):
    def outer():
        run_parallel_steps([functools.partial(fail, 'deep'), lambda: 1], names=['inner', 'other'])

    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([lambda: 1, outer], names=['fine', 'outer'])
    assert [entry.full_name for entry in caught.value.failures] == ['outer > inner']
    assert type(caught.value.exceptions[0]) is ValueError
