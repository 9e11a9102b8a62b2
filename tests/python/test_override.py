# SPDX-License-Identifier: LGPL-2.1-or-later
"""gi.repository.Parallel with its override."""

import sys

import gi
import parallel_glib
import pytest
import support

gi.require_version('Parallel', '1')

from gi.repository import GLib, Parallel  # noqa: E402


def echo():
    return Parallel.CommandTask.new(['sh', '-c', 'echo "$0"; exit "$0"', '{}'])


def test_it_is_found():
    assert Parallel.Step.__module__ == 'gi.overrides.Parallel'


def test_run_steps(capfd):
    steps = [['echo', 'one'], Parallel.CommandTask.new(['echo', 'two']), Parallel.Step(echo(), '0')]
    sys.stdout.flush()
    assert Parallel.run_steps(steps)
    assert Parallel.run_steps([], 1, True, None)
    assert capfd.readouterr().out == 'one\ntwo\n0\n'


def test_what_is_no_step():
    with pytest.raises(TypeError, match='list of arguments'):
        Parallel.run_steps(['echo one'])


def test_errors_match():
    with pytest.raises(GLib.Error) as caught:
        Parallel.run_steps([['false']])
    domain = Parallel.run_error_quark()
    assert caught.value.matches(domain, Parallel.RunError.BACKGROUND_FAILURE)
    assert not caught.value.matches(domain, Parallel.RunError.TIMED_OUT)


def test_step():
    step = Parallel.Step(echo(), '7', name='seven', timeout=5)
    assert (step.dup_name(), step.get_timeout(), step.get_input()) == ('seven', 5, '7')
    assert repr(step) == "<Parallel.Step 'seven', pending>"
    assert (step.result, step.error) == (None, None)


@pytest.mark.parametrize('value', ['a', 1, -5, 2.5, True])
def test_values(value):
    task = echo()
    assert Parallel.Step(task, value).get_input() == Parallel.Step.new(task, value).get_input()


def test_what_was_there_stays():
    step = Parallel.Step.new(echo(), '0')
    assert isinstance(step, Parallel.Step) and step.get_input() == '0'
    assert Parallel.Step(task=echo()).get_input() is None
    runner = Parallel.BackgroundTaskRunner.new(echo())
    runner.set_keep_steps(Parallel.KeepSteps.ALL)
    runner.set_output_mode(Parallel.OutputMode.NONE)
    assert runner.put('0') and runner.put_string('0')
    runner.close()
    assert runner.wait(None)
    assert len(runner.dup_steps()) == 2


def test_runner():
    with Parallel.BackgroundTaskRunner(
        echo(), max_parallel=2, output_mode=Parallel.OutputMode.NONE
    ) as runner:
        for status in '0', '0', '0':
            runner.put(status)
        runner.close()
        states = [step.get_state() for step in runner.finished()]
    assert states == [Parallel.StepState.SUCCEEDED] * 3
    assert repr(runner) == (
        '<Parallel.BackgroundTaskRunner, 0 pending, 0 running, 3 succeeded, 0 failed>'
    )


def test_failure_of_a_runner():
    with pytest.raises(GLib.Error, match='1 of 2'):
        with Parallel.BackgroundTaskRunner(
            echo(), output_mode=Parallel.OutputMode.NONE, keep_steps=Parallel.KeepSteps.ALL
        ) as runner:
            runner.put('0')
            runner.put('3')
    (step,) = runner.dup_failures()
    assert (step.error.domain, step.error.code) == ('g-spawn-exit-error-quark', 3)
    assert repr(step).endswith(', failed>')


def test_exception_of_the_block_wins(tmp_path):
    task = Parallel.CommandTask.new([*support.lasting(tmp_path), '{}'])
    with pytest.raises(LookupError):
        with Parallel.BackgroundTaskRunner(task) as runner:
            runner.put('30')
            support.await_true(lambda: support.has_started(tmp_path))
            raise LookupError
    support.check_stopped(tmp_path)


def square(step, cancellable, data):
    step.set_result(step.get_input() ** 2)
    return True


def test_result_of_a_function():
    step = Parallel.Step(Parallel.FunctionTask.new(square, None), 12)
    Parallel.run_steps([step])
    assert step.result == 144


def test_variants_and_bytes():
    task = Parallel.WorkerTask.new(['worker'])
    step = Parallel.Step(task, {'a': GLib.Variant('i', 1)}, signature='a{sv}')
    assert step.get_input().get_type_string() == 'a{sv}'
    task.set_encoding(Parallel.Encoding.BYTES)
    assert Parallel.Step(task, b'abc').get_input().get_data() == b'abc'
    runner = Parallel.BackgroundTaskRunner(Parallel.WorkerTask.new(['worker']))
    with pytest.raises(GLib.Error, match='GVariant'):
        runner.put('text')
    runner.close()


def test_the_package_knows_its_steps(capfd):
    parallel_glib.run_parallel_steps([Parallel.Step(echo(), '0'), Parallel.Step.new(echo(), '0')])
    assert capfd.readouterr().out == '0\n0\n'


def raise_for(step):
    if step.get_input() == 'glib':
        raise GLib.Error('mine', 'my-domain', 5)
    if step.get_input() == 'other':
        raise ValueError('two\nlines')
    return True


def call_function(step, _cancellable):
    return raise_for(step)


def start_operation(step, _cancellable):
    raise_for(step)
    # What is waited in has no part in the default main context.
    source = GLib.idle_source_new()
    source.set_callback(lambda *_: step.complete())
    source.attach(GLib.MainContext.ref_thread_default())


@pytest.mark.parametrize(
    'task_type, function',
    [(Parallel.FunctionTask, call_function), (Parallel.AsyncTask, start_operation)],
)
def test_what_a_function_raises(task_type, function):
    runner = Parallel.BackgroundTaskRunner(
        task_type.new(function),
        keep_steps=Parallel.KeepSteps.ALL,
        output_mode=Parallel.OutputMode.NONE,
    )
    for input in 'glib', 'other', 'none':
        runner.put(input)
    runner.close()
    with pytest.raises(GLib.Error, match='2 of 3 steps failed'):
        runner.wait(None)
    glib, other, none = runner.dup_steps()
    assert (glib.error.domain, glib.error.code, glib.error.message) == ('my-domain', 5, 'mine')
    assert other.error.matches(Parallel.run_error_quark(), Parallel.RunError.FAILED)
    assert other.error.message == 'ValueError: two lines'
    trace = other.dup_output(Parallel.OutputStream.STDERR).get_data().decode()
    assert trace.startswith('Traceback') and trace.endswith('ValueError: two\nlines\n')
    assert 'in raise_for' in trace
    assert none.get_state() == Parallel.StepState.SUCCEEDED


def test_user_data_of_a_function():
    seen = []
    task = Parallel.FunctionTask.new(lambda step, _cancellable, *rest: not seen.append(rest), 1, 'b')
    Parallel.run_steps([Parallel.Step(task)])
    assert seen == [(1, 'b')]
