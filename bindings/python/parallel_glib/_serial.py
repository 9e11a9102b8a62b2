# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs steps in this process, one after the other: for the tests of those who use this package."""

from __future__ import annotations

import collections
import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._backend import Settings, Work, is_step
from ._batches import Done
from ._calls import Job
from ._command import Command
from ._errors import RunCancelled
from ._failure import Failure
from ._names import batch_name, step_name
from ._outcome import ONEXIT, FinishedStep


class SerialBackend:
    """Makes runs whose steps are called when they are waited for."""

    def open(self, job: Job | None, settings: Settings, known: Sequence[Work] = ()) -> SerialRun:
        return SerialRun(job, settings)


class SerialRun:
    """A run of which next() does the work."""

    in_this_process = True

    def __init__(self, job: Job | None, settings: Settings) -> None:
        self._job = job
        self._settings = settings
        self._queue: collections.deque[tuple[int, Work]] = collections.deque()
        self._ready: collections.deque[FinishedStep] = collections.deque()
        self._count = 0
        self._closed = False
        self._halted = False
        self._begun = False
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def put(self, work: Work) -> int:
        with self._lock:
            if self._closed and not self._halted:
                raise RuntimeError('the queue is closed')
            index = self._count
            self._count += 1
            if self._halted:
                self._ready.append(
                    FinishedStep(index, _name(self._job, work), work.args, skipped=True)
                )
            else:
                self._queue.append((index, work))
            return index

    def put_batch(self, work: Work, bounded: bool) -> tuple[int, int]:
        return self.put(work), work.count

    def close(self) -> None:
        self._closed = True

    def halt(self) -> None:
        with self._lock:
            self._halted = self._closed = True
            for index, work in self._queue:
                self._ready.append(
                    FinishedStep(index, _name(self._job, work), work.args, skipped=True)
                )
            self._queue.clear()

    def wake(self) -> None:
        pass

    def finish(self) -> None:
        while self.next() is not None:
            pass

    def take(self) -> FinishedStep | None:
        return self._ready.popleft() if self._ready else None

    @property
    def n_slots(self) -> int:
        return 0

    @property
    def n_unfinished(self) -> int:
        return len(self._queue) + len(self._ready)

    @property
    def is_over(self) -> bool:
        return self._closed and not self._queue and not self._ready and not self._has_exit()

    def next(self, until: Callable[[], bool] | None = None) -> FinishedStep | None:
        self._check_cancelled()
        if self._ready:
            return self._ready.popleft()
        if until is not None and until():
            return None
        if self._queue:
            index, work = self._queue.popleft()
            return self._do(index, work) if work.columns is None else self._do_batch(index, work)
        if not self._closed and until is None:
            raise RuntimeError('nothing is left to wait for: close the queue first')
        return self._do_exit() if self._closed and self._has_exit() else None

    def _check_cancelled(self) -> None:
        cancellable = self._settings.cancellable
        if cancellable is not None and cancellable.is_cancelled() and not self._halted:
            self.halt()
            self.error = RunCancelled('the run was cancelled')

    def _do(self, index: int, work: Work) -> FinishedStep:
        name = _name(self._job, work)
        begin = time.monotonic()
        result, error = None, self._initialize()
        if error is None:
            result, error = self._attempt(work)
        duration = time.monotonic() - begin
        if error is None:
            return FinishedStep(
                index,
                name,
                work.args,
                result if self._settings.want_results else None,
                duration=duration,
            )
        if self._settings.halt_on_error:
            self.halt()
        failure = Failure.from_exception(
            error, name=name, index=index, input=work.args, duration=duration
        )
        return FinishedStep(index, name, work.args, failure=failure, duration=duration)

    def _do_batch(self, index: int, work: Work) -> FinishedStep:
        done = Done([], count=work.count)
        begin = time.monotonic()
        for place, args in enumerate(work.items(), work.place):
            step = self._do(place, Work(args))
            if step.failure is not None:
                done.failure = step.failure
                break
            done.results.append(step.result)
        done.seconds = time.monotonic() - begin
        return FinishedStep(index, _name(self._job, work), result=done, duration=done.seconds)

    def _attempt(self, work: Work) -> tuple[Any, BaseException | None]:
        for _ in range(self._settings.max_attempts):
            result, error = _call(lambda: _run_work(self._job, work))
            if error is None:
                break
        return result, error

    def _initialize(self) -> BaseException | None:
        if self._begun:
            return None
        self._begun = True
        if self._job is None or self._job.initializer is None:
            return None
        initializer, initargs = self._job.initializer, self._job.initargs
        return _call(lambda: initializer(*initargs))[1]

    def _has_exit(self) -> bool:
        return (
            self._begun
            and not self._halted
            and self._job is not None
            and self._job.onexit is not None
        )

    def _do_exit(self) -> FinishedStep:
        assert self._job is not None and self._job.onexit is not None
        self._begun = False
        begin = time.monotonic()
        _, error = _call(self._job.onexit)
        duration = time.monotonic() - begin
        failure = None
        if error is not None:
            failure = Failure.from_exception(error, name=ONEXIT, index=-1, duration=duration)
        return FinishedStep(-1, ONEXIT, failure=failure, duration=duration)


def _name(job: Job | None, work: Work) -> str:
    if work.name is not None:
        return work.name
    if is_step(work.function):
        return str(work.function.dup_name())
    if work.function is not None:
        return step_name(work.function, work.args)
    function = job.function if job else None
    if work.columns is not None:
        return batch_name(function, next(work.items()), work.count)
    return step_name(function, work.args)


def _run_work(job: Job | None, work: Work) -> Any:
    if is_step(work.function):
        return _run_step(work.function)
    if work.function is not None:
        function, args, kwargs = work.function, work.args, work.kwargs
    else:
        assert job is not None
        function, args, kwargs = (
            job.function,
            (*job.args, *work.args),
            {**job.kwargs, **work.kwargs},
        )
    result = function(*args, **kwargs)
    if isinstance(function, Command):
        _forward(result)
    return result


def _forward(done: subprocess.CompletedProcess[bytes]) -> None:
    for stream, data in ((sys.stdout, done.stdout), (sys.stderr, done.stderr)):
        if data:
            stream.write(data.decode(errors='replace'))
            stream.flush()


def _run_step(step: Any) -> Any:
    from gi.repository import Parallel

    Parallel.run_steps([step], 1, False, None)
    return step.get_result()


def _call(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Calls a step; what it raises is its failure, unless it is a real Ctrl-C."""
    with _telling_interrupts() as interrupted:
        try:
            return function(), None
        except SystemExit as error:
            return None, None if error.code in (None, 0) else _trimmed(error)
        except BaseException as error:
            if interrupted:
                raise
            return None, _trimmed(error)


def _trimmed(error: BaseException) -> BaseException:
    """Without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


@contextlib.contextmanager
def _telling_interrupts() -> Iterator[list[int]]:
    """Yields a list that is not empty once there was a SIGINT; a step may raise KeyboardInterrupt
    by itself.
    """
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield seen
        return

    handler = before

    def note(number: int, frame: Any) -> None:
        seen.append(number)
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
