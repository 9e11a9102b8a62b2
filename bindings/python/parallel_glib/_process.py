# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs steps in worker processes and programs, with the library."""

from __future__ import annotations

import collections
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _calls, _sink, _start, _transport
from ._backend import Settings, Work, is_step
from ._calls import Job
from ._command import PLACEHOLDER, Command, input_text
from ._failure import Failure, FailureKind
from ._gi import Gio, GLib, Parallel
from ._launcher import Launcher
from ._names import batch_name, step_name
from ._outcome import ONEXIT, FinishedStep
from ._process_batch import done_of_step, failure_of_batch
from ._process_failure import failure_of_run, failure_of_step
from ._wait import Waiter


# A result from which on it matters how often it is copied: bytes.
BIG = 65536

# Of what each step needs, since the module of a library looks each name up for a long time.
_HALTED, _FAILED = Parallel.StepState.HALTED, Parallel.StepState.FAILED
_Step, _Task = Parallel.Step, Parallel.Task
_to_bytes = GLib.Bytes.new


class ProcessBackend:
    """Makes runs over Parallel.BackgroundTaskRunner."""

    def open(self, job: Job | None, settings: Settings, known: Sequence[Work] = ()) -> ProcessRun:
        return ProcessRun(job, settings, known)


class _Inbox:
    """What the library's signals leave for the run.

    It knows nothing of the run, so that no cycle keeps it.
    """

    def __init__(self) -> None:
        self.steps: collections.deque[Any] = collections.deque()
        self.over = False
        self.error: Any = None
        self.write_error: Exception | None = None
        self.writers: dict[Any, _sink.TextWriter] = {}

    def on_step_finished(self, _runner: Any, step: Any) -> None:
        self.steps.append(step)

    def on_finished(self, _runner: Any, error: Any) -> None:
        self.over = True
        self.error = error

    def on_output(self, runner: Any, _step: Any, stream: Any, data: Any) -> None:
        if self.write_error is not None:
            return
        try:
            self.writers[stream].write(data.get_data())
        except Exception as error:  # whatever the stream of the user's raises
            self.write_error = error
            runner.halt(Parallel.HaltMode.NOW)


class ProcessRun:
    """A run in worker processes.

    It belongs to a main context of its own, and whoever waits iterates it.
    """

    in_this_process = False

    def __init__(self, job: Job | None, settings: Settings, known: Sequence[Work]) -> None:
        self._settings = settings
        self._job = job
        self._method = settings.start_method or _start.get_start_method()
        self._own_functions = _known_functions(known) if job is None else {}
        if settings.launcher is not None:
            self._check_launcher()
        self._numbers = {key: _start.INHERITED + i for i, key in enumerate(self._own_functions)}
        self._encode_input = _encoder(job.function if job is not None else None)
        self._decode = _decoder(job.function if job is not None else None)
        self._worker_task: Any = None
        self._inbox = _Inbox()
        self._ready: collections.deque[FinishedStep] = collections.deque()
        self._waiting: dict[int, tuple[int, Work]] = {}
        self._count = 0
        self._n_put = 0
        self._halted = False
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._waiter = Waiter()
        with self._waiter.pushed():
            self._runner = Parallel.BackgroundTaskRunner.new(self._task_of_run())
        self._configure()

    # Any thread.

    def put(self, work: Work) -> int:
        return self._queue(work, *self._encoded(work))

    def put_batch(self, work: Work, bounded: bool) -> tuple[int, int]:
        assert work.columns is not None
        data, count = _transport.dumps_batch(work.columns, bounded)
        if count < work.count:
            columns = [column[:count] for column in work.columns]
            work = Work(columns=columns, place=work.place)
        if data is not None:
            value, error = _to_bytes(data), None
        else:
            work.args = next(work.items())
            value, error = self._encoded(work)
        if isinstance(value, GLib.Bytes):
            work.size = value.get_size()
        return self._queue(work, value, error), count

    def _queue(self, work: Work, value: Any, error: Exception | None) -> int:
        with self._lock:
            index = self._count
            if error is None:
                error = self._put_value(value, index, work)
            self._count += 1
        if error is not None:
            self._refuse(index, work, error)
        return index

    def _put_value(self, value: Any, index: int, work: Work) -> Exception | None:
        number = self._n_put
        # Before the step can have finished.
        self._waiting[number] = (index, work)
        try:
            if isinstance(value, _Step):
                self._runner.put_step(value)
            else:
                self._runner.put(value)
        except GLib.Error as error:
            del self._waiting[number]
            if not error.matches(Parallel.run_error_quark(), Parallel.RunError.CLOSED):
                return ValueError(error.message)
            if not self._is_stopped():
                raise RuntimeError('the queue is closed') from None
            self._ready.append(self._skipped(index, work))
            return None
        self._n_put = number + 1
        return None

    def close(self) -> None:
        self._sync_output()
        self._runner.close()

    def halt(self) -> None:
        self._halted = True
        self._runner.halt(Parallel.HaltMode.NOW)

    def wake(self) -> None:
        self._waiter.wake()

    # One thread at a time.

    def next(self, until: Callable[[], bool] | None = None) -> FinishedStep | None:
        while True:
            step = self.take()
            if step is not None:
                return step
            if self._inbox.over or (until is not None and until()):
                return None
            self._waiter.until(lambda: self._has_news() or (until is not None and until()))

    def take(self) -> FinishedStep | None:
        if self._ready:
            return self._ready.popleft()
        if not self._inbox.steps:
            self._waiter.dispatch()
        if self._inbox.steps:
            return self._finished(self._inbox.steps.popleft())
        if self._inbox.over:
            with self._lock:
                # What is left was never started.
                if self._waiting:
                    return self._skipped(*self._waiting.pop(next(iter(self._waiting))))
        return None

    def finish(self) -> None:
        self._waiter.until(lambda: self._inbox.over, patient=True)
        self._waiter.close()
        if self._method == 'fork' and self._worker_task is not None:
            # It is of this run alone, and whoever waited for the run finds no child of it.
            self._worker_task.get_server().stop()
        for writer in self._inbox.writers.values():
            writer.end()

    @property
    def n_slots(self) -> int:
        launcher = self._settings.launcher
        return 0 if launcher is None or self._settings.max_parallel else launcher.n_slots

    @property
    def n_unfinished(self) -> int:
        return len(self._waiting) + len(self._ready)

    @property
    def is_over(self) -> bool:
        return self._inbox.over and not (self._waiting or self._ready or self._inbox.steps)

    @property
    def error(self) -> BaseException | None:
        return self._inbox.write_error or failure_of_run(self._inbox.error)

    # How it is set up.

    def _task_of_run(self) -> Any:
        if self._job is None:
            return None
        function = self._job.function
        if isinstance(function, _Task):
            return function
        if isinstance(function, Command):
            return _command_task(function, self._settings.launcher)
        return self._workers()

    def _check_launcher(self) -> None:
        """Whether it can do what the run is to do. It is made here if it is new, and not as one of
        the things that belong to the context of this run.
        """
        function = self._job.function if self._job is not None else None
        if isinstance(function, _Task):
            raise TypeError('a Parallel.Task has a launcher of its own: task.set_launcher()')
        has_functions = self._own_functions or function is not None
        if self._method == 'fork' and has_functions and not isinstance(function, Command):
            raise ValueError(
                "a launcher starts workers somewhere else, where they cannot be forked from this "
                "process: with it the start method must be 'forkserver' or 'spawn', not 'fork'"
            )
        assert self._settings.launcher is not None
        self._settings.launcher.to_library()

    def _workers(self) -> Any:
        """The task of all the functions of the run, made when the first is put."""
        with self._making:
            if self._worker_task is None:
                self._worker_task = self._make_workers()
            return self._worker_task

    def _make_workers(self) -> Any:
        job = self._job
        if job is None:
            job = Job(_calls.call, discard=not self._settings.want_results)
        functions = [work.function for work in self._own_functions.values()]
        task = _start.make_task(job, self._method, functions, self._settings.launcher)
        if self._settings.max_steps_per_worker:
            task.props.max_steps_per_worker = self._settings.max_steps_per_worker
        return task

    def _configure(self) -> None:
        settings, properties = self._settings, self._runner.props
        properties.keep_steps = Parallel.KeepSteps.NONE
        properties.halt_on_error = settings.halt_on_error
        properties.max_attempts = settings.max_attempts
        for name in (
            'max_parallel',
            'timeout',
            'silence_timeout',
            'exit_timeout',
            'kill_grace',
            'cancellable',
        ):
            value = getattr(settings, name)
            if value is not None:
                setattr(properties, name, value)
        properties.hold_output = settings.hold_output
        if settings.print_when_finished:
            properties.output_mode = Parallel.OutputMode.FINISHED
        self._runner.connect('step-finished', self._inbox.on_step_finished)
        self._runner.connect('finished', self._inbox.on_finished)
        if settings.launcher is not None and settings.max_parallel is None:
            # Then n_slots is known. Whoever waits looks again.
            self._runner.connect('step-started', lambda _runner, _step: None)
        self._set_sinks()

    def _set_sinks(self) -> None:
        replaced = {
            Parallel.OutputStream.STDOUT: _sink.is_replaced(sys.stdout, 1),
            Parallel.OutputStream.STDERR: _sink.is_replaced(sys.stderr, 2),
        }
        _sink.flush()
        if not any(replaced.values()):
            return
        # The signal carries both streams, in order; so both go its way.
        streams = (sys.stdout or sys.__stdout__, sys.stderr or sys.__stderr__)
        for stream, target in zip(replaced, streams):
            self._inbox.writers[stream] = _sink.TextWriter(target)
        nowhere = Gio.UnixOutputStream.new(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), True)
        self._runner.set_sink(nowhere)
        self._runner.set_error_sink(nowhere)
        self._runner.connect('output', self._inbox.on_output)

    def _sync_output(self) -> None:
        if self._settings.hold_output:
            _sink.flush()

    # Steps on their way in.

    def _encode(self, work: Work) -> Any:
        """The value, or the Parallel.Step, that the library is given."""
        function = work.function
        if is_step(function):
            return function
        if function is None:
            value = self._encode_input(work.args)
            if work.name is None:
                return value
            step = Parallel.Step.new(self._runner.get_task(), value)
        elif isinstance(function, Command):
            # Without an input the placeholder is just two characters, as of a file's name: it stands for itself.
            value = _command_input(function, work.args)
            if value is None and any(PLACEHOLDER in word for word in function.argv):
                value = PLACEHOLDER
            step = Parallel.Step.new(_command_task(function, self._settings.launcher), value)
        else:
            step = Parallel.Step.new(self._workers(), self._encode_call(work))
        step.set_name(self._name(work))
        return step

    def _encoded(self, work: Work) -> tuple[Any, Exception | None]:
        """The same, or why it cannot be."""
        try:
            return self._encode(work), None
        except Exception as error:  # whatever the user's __reduce__ raises
            return None, error

    def _encode_call(self, work: Work) -> Any:
        if self._method == 'fork' and id(work) in self._numbers:
            return _to_bytes(_transport.dumps_inherited(self._numbers[id(work)]))
        return _to_bytes(_transport.dumps_call(work.function, work.args, work.kwargs))

    def _name(self, work: Work) -> str:
        if work.name is not None:
            return work.name
        if is_step(work.function):
            return str(work.function.dup_name())
        function = work.function or (self._job.function if self._job else None)
        if work.columns is not None:
            return batch_name(function, next(work.items()), work.count)
        return step_name(function, work.args)

    def _name_later(self, work: Work) -> Any:
        """The name, or what makes it and knows no more of the run than is needed for that."""
        if work.name is not None or work.columns is not None or is_step(work.function):
            return self._name(work)
        function = work.function or (self._job.function if self._job else None)
        return functools.partial(step_name, function, work.args)

    def _refuse(self, index: int, work: Work, error: Exception) -> None:
        """A step that cannot even be given to the library: it has failed."""
        name = self._name(work)
        place = index if work.columns is None else work.place
        failure = Failure.from_exception(
            error, name=name, index=place, input=work.args, kind=FailureKind.INPUT
        )
        self._ready.append(FinishedStep(index, name, work.args, failure=failure))
        if self._settings.halt_on_error:
            self.halt()
        self.wake()

    def _is_stopped(self) -> bool:
        cancellable = self._settings.cancellable
        return (
            self._halted
            or self._settings.halt_on_error
            or self._inbox.write_error is not None
            or (cancellable is not None and cancellable.is_cancelled())
        )

    # Steps on their way out.

    def _has_news(self) -> bool:
        return bool(self._inbox.steps or self._ready or self._inbox.over)

    def _skipped(self, index: int, work: Work) -> FinishedStep:
        return FinishedStep(index, self._name(work), work.args, skipped=True)

    def _finished(self, step: Any) -> FinishedStep:
        with self._lock:
            put = self._waiting.pop(step.get_index(), None)
        index, work = put or (-1, Work(name=step.dup_name()))
        state = step.get_state()
        duration = step.get_elapsed()
        if work.columns is not None and state != _HALTED:
            return self._finished_batch(step, index, work, state == _FAILED, duration)
        if state == _HALTED:
            return (
                self._skipped(index, work) if index >= 0 else FinishedStep(-1, ONEXIT, skipped=True)
            )
        if state == _FAILED:
            name = ONEXIT if index < 0 else self._name(work)
            failure = failure_of_step(step, name=name, index=index, input=work.args)
            return FinishedStep(index, name, work.args, failure=failure, duration=duration)
        try:
            result = None
            if self._settings.want_results and index >= 0:
                decode = self._decode if work.function is None else _decoder(work.function)
                result = decode(step, work)
        except (Exception, SystemExit, GeneratorExit) as error:  # of the user's __setstate__
            name = self._name(work)
            failure = Failure.from_exception(
                error,
                name=name,
                index=index,
                input=work.args,
                duration=duration,
                kind=FailureKind.RESULT,
            )
            return FinishedStep(index, name, work.args, failure=failure, duration=duration)
        later = ONEXIT if index < 0 else self._name_later(work)
        return FinishedStep(index, later, work.args, result, duration=duration)

    def _finished_batch(
        self, step: Any, index: int, work: Work, has_failed: bool, duration: float
    ) -> FinishedStep:
        name = self._name_later(work)
        if has_failed:
            failure = failure_of_batch(step, work, self._name(work))
            return FinishedStep(index, name, failure=failure, duration=duration)
        assert self._job is not None
        done = done_of_step(step, work, duration, self._job.function, self._decode)
        return FinishedStep(index, name, result=done, duration=duration)


def _encoder(function: Any) -> Callable[[tuple[Any, ...]], Any]:
    """What makes the arguments of a step of this function the value that the library is given."""
    if isinstance(function, Command):
        return lambda args: _command_input(function, args)
    if isinstance(function, _Task):
        return lambda args: args[0] if args else None
    if function is _calls.call:
        return lambda args: _to_bytes(_transport.dumps_call(*args))
    return lambda args: _to_bytes(_transport.dumps_input(args))


def _decoder(function: Any) -> Callable[[Any, Work], Any]:
    """What takes the result of a step of this function."""
    if isinstance(function, Command):
        return lambda step, work: _completed_process(function, step, work)
    if is_step(function) or isinstance(function, _Task):
        return lambda step, _work: step.get_result()
    return lambda step, _work: _loads(step.get_result())


def _completed_process(command: Command, step: Any, work: Work) -> Any:
    streams = (Parallel.OutputStream.STDOUT, Parallel.OutputStream.STDERR)
    outputs = [step.dup_output(stream).get_data() or b'' for stream in streams]
    return subprocess.CompletedProcess(command.arguments(*work.args), 0, *outputs)


def _loads(value: Any) -> Any:
    """The result in a GLib.Bytes. One that is bytes is copied once, and no more."""
    size = value.get_size()
    if size > BIG and GLib.Bytes.new_from_bytes(value, 0, 1).get_data() == _transport.BYTES_TAG:
        return GLib.Bytes.new_from_bytes(value, 1, size - 1).get_data()
    return _transport.loads_result(value.get_data())


def _known_functions(known: Sequence[Work]) -> dict[int, Work]:
    """The steps that workers are to do, by what they are found with later."""
    return {
        id(work): work
        for work in known
        if not isinstance(work.function, Command) and not is_step(work.function)
    }


def _command_input(command: Command, args: Sequence[Any]) -> str | None:
    command.arguments(*args)  # raises what is wrong with them
    return input_text(args) if args else None


def _command_task(command: Command, launcher: Launcher | None) -> Any:
    """The task; the launcher is that of the run."""
    task = Parallel.CommandTask.new(list(command.argv))
    launcher = command.place or launcher
    prefix = list(command.prefix)
    if launcher is not None:
        task.set_launcher(launcher.to_library())
        prefix = _env_prefix(command.env) + prefix
    else:
        _set_environment(task, command.env)
    if command.cwd is not None:
        task.set_cwd(command.cwd)
    if command.input is not None:
        task.set_stdin_bytes(GLib.Bytes.new(command.input))
    if command.stdin_path is not None:
        task.set_stdin_path(command.stdin_path)
    if prefix:
        task.set_launcher_prefix(prefix)
    task.set_merge_stderr(command.merge_stderr)
    return task


def _set_environment(task: Any, changes: Mapping[str, str | None] | None) -> None:
    for name, value in (changes or {}).items():
        if value is None:
            task.unsetenv(name)
        else:
            task.setenv(name, value)


def _env_prefix(changes: Mapping[str, str | None] | None) -> list[str]:
    """What makes the changes there, to the environment that is there and not to this one."""
    if not changes:
        return []
    unset = [f'--unset={name}' for name, value in changes.items() if value is None]
    return ['env', *unset, *(f'{n}={v}' for n, v in changes.items() if v is not None)]
