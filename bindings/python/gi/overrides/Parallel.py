# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes gi.repository.Parallel pleasant by itself. It adds; what is there without it stays as
it is.

Functions in worker processes are in the package parallel_glib.
"""

import functools
import traceback

from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import GLib, GObject

Parallel = get_introspection_module('Parallel')

__all__ = ['AsyncTask', 'BackgroundTaskRunner', 'FunctionTask', 'Step', 'run_steps']


def _to_python(value):
    """Bytes and variants as Python has them, everything else as it is."""
    if isinstance(value, GLib.Variant):
        return value.unpack()
    if isinstance(value, GLib.Bytes):
        return value.get_data()
    return value


def _to_input(value, signature):
    """What a step takes for a value: with a signature a variant of that type."""
    if signature is not None:
        return GLib.Variant(signature, value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return GLib.Bytes.new(bytes(value))
    return value


def _to_step(step):
    """A step for a step, a task, or a list of arguments."""
    if isinstance(step, Parallel.Step):
        return step
    if isinstance(step, Parallel.Task):
        return Parallel.Step.new(step, None)
    if isinstance(step, (str, bytes)):
        raise TypeError(f'a step is a list of arguments, a task or a Parallel.Step, not {step!r}')
    return Parallel.Step.new(Parallel.CommandTask.new(list(step)), None)


def _to_error(step, exception):
    """The GLib.Error that stands for an exception, whose traceback becomes output of the step."""
    if isinstance(exception, GLib.Error):
        return exception
    trace = ''.join(traceback.format_exception(exception))
    try:
        data = GLib.Bytes.new(trace.encode(errors='backslashreplace'))
        step.write(Parallel.OutputStream.STDERR, data)
    except GLib.Error:
        pass  # The step may write no more: it is over, or over its limit.
    text = ''.join(traceback.format_exception_only(exception)).strip().replace('\n', ' ')
    return GLib.Error.new_literal(
        Parallel.run_error_quark(), text.replace('\0', ' '), Parallel.RunError.FAILED
    )


class AsyncTask(Parallel.AsyncTask):
    """An asynchronous operation."""

    @classmethod
    def new(cls, start, *user_data):
        """A task of a function that starts an operation for a step, and returns. What it raises is
        the step's failure.
        """

        @functools.wraps(start)
        def guarded(step, *rest):
            try:
                start(step, *rest)
            except Exception as error:
                step.fail(_to_error(step, error))

        return Parallel.AsyncTask.new(guarded, *user_data)


class FunctionTask(Parallel.FunctionTask):
    """A function that is called in threads."""

    @classmethod
    def new(cls, function, *user_data):
        """A task of a function that returns whether all was well. What it raises is the step's
        failure.
        """

        @functools.wraps(function)
        def guarded(step, *rest):
            try:
                return function(step, *rest)
            except Exception as error:
                raise _to_error(step, error) from error

        return Parallel.FunctionTask.new(guarded, *user_data)


class Step(Parallel.Step):
    """A step.

    Step(task, 5, signature='i', name='five') has the variant <5> for its input. Bytes become a
    GLib.Bytes.
    """

    def __init__(self, task=None, input=None, *, signature=None, **properties):
        if task is not None:
            properties['task'] = task
        if input is not None or signature is not None:
            properties['input'] = _to_input(input, signature)
        super().__init__(**properties)

    @property
    def result(self):
        """What the step has given, or None; the content of a variant or of a GLib.Bytes."""
        return _to_python(self.get_result())

    @property
    def error(self):
        """The GLib.Error of a step that has failed, or None."""
        return self.dup_error()

    def __repr__(self):
        return f'<Parallel.Step {self.dup_name()!r}, {self.get_state().value_nick}>'


class BackgroundTaskRunner(Parallel.BackgroundTaskRunner):
    """A runner: BackgroundTaskRunner(task, max_parallel=2).

    At the end of a `with` block its queue is closed, and it is waited for. An exception of the
    block halts it, and wins.
    """

    def __init__(self, task=None, **properties):
        if task is not None:
            properties['task'] = task
        super().__init__(**properties)

    def put(self, input=None, *, signature=None):
        """Adds an input; with a signature it is made a variant of that type."""
        return super().put(_to_input(input, signature))

    def finished(self, cancellable=None):
        """The steps as they finish, until the queue is closed and all have finished.

        Iterating over the runner itself is iterating over a Gio.ListModel: the steps of now.
        """
        while (step := self.next(cancellable)) is not None:
            yield step

    def __enter__(self):
        return self

    def __exit__(self, _type, exception, _traceback):
        self.close()
        if exception is None:
            self.wait(None)
            return
        self.halt(Parallel.HaltMode.NOW)
        try:
            self.wait(None)
        except GLib.Error:
            pass  # that it was halted

    def __repr__(self):
        return (
            f'<Parallel.BackgroundTaskRunner, {self.get_n_pending()} pending, '
            f'{self.get_n_running()} running, {self.get_n_succeeded()} succeeded, '
            f'{self.get_n_failed()} failed>'
        )


def run_steps(steps, max_parallel=0, halt_on_error=False, cancellable=None):
    """Runs steps: each a Parallel.Step, a task, or a list of a program and its arguments.

    Raises a GLib.Error that names the steps that failed.
    """
    return Parallel.run_steps(
        [_to_step(step) for step in steps], max_parallel, halt_on_error, cancellable
    )


AsyncTask = override(AsyncTask)
FunctionTask = override(FunctionTask)
Step = override(Step)
BackgroundTaskRunner = override(BackgroundTaskRunner)
