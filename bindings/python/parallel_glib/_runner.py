# SPDX-License-Identifier: LGPL-2.1-or-later
"""A queue, and a pool that works it off in the background."""

from __future__ import annotations

import collections
import dataclasses
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from . import _backend
from ._ahead import LookAhead
from ._backend import Run, Settings, Work
from ._feeder import Feeder
from ._inputs import make_job, spread
from ._launcher import checked_launcher
from ._outcome import Collector, FinishedStep
from ._steps import checked_attempts

# So often a put takes the finished ones from the library, so that they do not pile up during a long
# body.
TAKE_INTERVAL = 64


class Queue:
    """The queue of a runner. Its methods may be called from any thread."""

    def __init__(self, run: Run, task: Any) -> None:
        self._run = run
        self._task = task
        self._after_put: Callable[[], object] | None = None

    def put(self, item: Iterable[Any]) -> None:
        """Queues an input: a tuple of arguments, that come after those bound to the task.

        >>> from parallel_glib import BackgroundTaskRunner, testing
        >>> with testing.serial(), BackgroundTaskRunner(print, 'a') as queue:
        ...     queue.put(('b', 'c'))
        a b c
        """
        self._run.put(Work(spread(self._task, item)))
        if self._after_put is not None:
            self._after_put()

    def put_many(self, items: Iterable[Iterable[Any]]) -> None:
        """Queues many.

        >>> from parallel_glib import BackgroundTaskRunner, testing
        >>> with testing.serial(), BackgroundTaskRunner(print) as queue:
        ...     queue.put_many([(1,), (2,)])
        1
        2
        """
        for item in items:
            self.put(item)

    def close(self) -> None:
        """Says that there will be nothing more, for whoever iterates over the runner.

        Leaving the block does that too.
        """
        self._run.close()


class BackgroundTaskRunner:
    """Runs a task on the inputs that are put into a queue, in the background, while the block runs.

    At the end of the block everything is waited for, and what was printed comes out in queue order.
    If some inputs failed, one `BackgroundFailure` tells of all of them. An exception of the block
    itself wins and has those of the background as its context; what is queued is still done then,
    unless it is a Ctrl-C or the like, or `halt_on_error` is set.

    task: a callable, a `Command` (`{}` stands for the input), or a Parallel.Task
    args, kwargs: bound to it; the inputs come after args
    queue: a queue of the caller's to take the inputs from, as a multiprocessing.Manager's
    processes: how many workers, by default as many as there are processors
    onexit: called once in each worker that has run something, at its end
    halt_on_error: stop everything at the first failure

    >>> from parallel_glib import testing
    >>> with testing.serial(), BackgroundTaskRunner(print, 'item', end='.') as queue:
    ...     queue.put((1,))
    ...     queue.put((2,))
    item 1.item 2.
    """

    def __init__(
        self,
        task: Any,
        *args: Any,
        queue: Any = None,
        processes: int | None = None,
        onexit: Callable[[], object] | None = None,
        halt_on_error: bool = False,
        **kwargs: Any,
    ) -> None:
        self._task = task
        self._job = make_job(task, args, kwargs, onexit, discard=True)
        self._settings = Settings(
            max_parallel=_backend.checked_count('processes', processes),
            halt_on_error=halt_on_error,
            hold_output=True,
        )
        self._callers_queue = queue
        self._on_step_finished: Callable[[FinishedStep], object] | None = None
        self._run: Run | None = None
        self._iterated = False
        self._keep_finished = True
        # What had finished before it was iterated over.
        self._finished: collections.deque[FinishedStep] = collections.deque()
        self._feeder: Feeder | None = None
        self._collector = Collector()

    def configure(
        self,
        *,
        timeout: float | None = None,
        silence_timeout: float | None = None,
        exit_timeout: float | None = None,
        kill_grace: float | None = None,
        max_attempts: int = 1,
        max_steps_per_worker: int | None = None,
        return_values: bool = False,
        keep_finished: bool = True,
        cancellable: Any = None,
        launcher: Any = None,
        on_step_finished: Callable[[FinishedStep], object] | None = None,
    ) -> BackgroundTaskRunner:
        """Sets what has no place among the arguments, since other keywords there are the task's.

        As for `run_parallel_steps()`, and:
        exit_timeout: for how many seconds a worker may take to end
        max_steps_per_worker: after so many a worker is replaced by a fresh one
        return_values: bring the results back, for iteration, on_step_finished and
            `BackgroundFailure.results`
        keep_finished: keep the steps that finish while others are put, some 300 bytes each, for a
            later iteration; without it that has only those that finish from then on

        >>> from parallel_glib import testing
        >>> with testing.serial(), BackgroundTaskRunner(print).configure(max_attempts=2) as queue:
        ...     queue.put((1,))
        1
        """
        if self._run is not None:
            raise RuntimeError('the runner has started already')
        self._settings = dataclasses.replace(
            self._settings,
            timeout=timeout,
            silence_timeout=silence_timeout,
            exit_timeout=exit_timeout,
            kill_grace=kill_grace,
            max_attempts=checked_attempts(max_attempts),
            want_results=return_values,
            max_steps_per_worker=max_steps_per_worker,
            cancellable=cancellable,
            launcher=checked_launcher(launcher),
        )
        self._job = dataclasses.replace(self._job, discard=not return_values)
        self._collector = Collector(return_values, on_step_finished)
        self._keep_finished = keep_finished
        return self

    # As a context manager.

    def __enter__(self) -> Any:
        return self._open(drains=True)

    def __exit__(
        self,
        _type: type[BaseException] | None,
        exception: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        run = self._taken_run()
        try:
            if _stops_at_once(exception, self._settings.halt_on_error):
                self._halt(run)
            elif self._feeder is not None:
                self._feeder.end(self._collector)
            run.close()
            self._collector.drain(run)
            run.finish()
        except BaseException:
            self._halt(run)
            run.finish()
            raise
        self._conclude(run, exception)

    def _open(self, drains: bool) -> Any:
        if self._run is not None:
            raise RuntimeError('a runner can be used once')
        self._run = run = _backend.current().open(self._job, self._settings)
        if self._callers_queue is not None:
            self._feeder = Feeder(run, self._task, self._callers_queue)
            return self._callers_queue
        queue = Queue(run, self._task)
        if drains:
            queue._after_put = _TakesNowAndThen(self)
        return queue

    def _taken_run(self) -> Run:
        run, self._run = self._run, None
        if run is None:
            raise RuntimeError('the runner was not entered')
        return run

    def _halt(self, run: Run) -> None:
        if self._feeder is not None:
            self._feeder.abandon()
        run.halt()

    def _conclude(self, run: Run, exception: BaseException | None) -> None:
        if exception is None:
            self._collector.check(run)
            return
        background = self._collector.failure()
        if background is not None:
            append_context(exception, background)

    def __del__(self) -> None:
        run = getattr(self, '_run', None)
        if run is None:
            return
        warnings.warn(
            f'{self!r} was forgotten while it ran; it is stopped', ResourceWarning, source=self
        )
        self._halt(run)
        # It takes as long as the steps take to die, and this may be anywhere.
        threading.Thread(target=run.finish, name='parallel-forgotten', daemon=True).start()

    # As an iterator.

    def __iter__(self) -> Iterator[FinishedStep]:
        """The steps as they finish, until the queue is closed and all have finished.

        >>> from parallel_glib import testing
        >>> runner = BackgroundTaskRunner(len).configure(return_values=True)
        >>> with testing.serial(), runner as queue:
        ...     queue.put_many([('a',), ('bc',)])
        ...     queue.close()
        ...     [step.result for step in runner]
        [1, 2]
        """
        run = self._run
        if run is None:
            raise RuntimeError('the runner was not entered')
        self._iterated = True
        while self._finished:
            yield self._finished.popleft()
        while (step := run.next()) is not None:
            self._collector.add(step)
            if not step.skipped:
                yield step

    # The same under asyncio, or a GLib main loop.

    async def __aenter__(self) -> Any:
        from ._asyncio import Pump

        if self._callers_queue is not None:
            raise TypeError("a queue of the caller's is read blockingly; use `with` for it")
        queue = self._open(drains=False)
        assert self._run is not None
        self._pump = Pump(self._run)
        return queue

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        exception: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        run = self._taken_run()
        if _stops_at_once(exception, self._settings.halt_on_error):
            run.halt()
        run.close()
        await self._pump.drain(self._collector)
        self._conclude(run, exception)

    async def __aiter__(self) -> AsyncIterator[FinishedStep]:
        """As iterating, without blocking."""
        if self._run is None:
            raise RuntimeError('the runner was not entered')
        while (step := await self._pump.next()) is not None:
            self._collector.add(step)
            if not step.skipped:
                yield step


class _TakesNowAndThen:
    """After a put in the thread that will wait: takes what has finished, now and then."""

    def __init__(self, runner: BackgroundTaskRunner) -> None:
        self._runner = weakref.ref(runner)
        self._thread = threading.get_ident()
        self._puts = 0

    def __call__(self) -> None:
        self._puts += 1
        if self._puts % TAKE_INTERVAL or threading.get_ident() != self._thread:
            return
        runner = self._runner()
        if runner is not None and runner._run is not None and not runner._iterated:
            finished = list(runner._collector.take_ready(runner._run))
            if runner._keep_finished:
                runner._finished += finished


def run_tasks_in_process_pool(
    task: Any,
    inputs: Iterable[Iterable[Any]],
    processes: int | None = None,
    onexit: Callable[[], object] | None = None,
    *,
    launcher: Any = None,
) -> list[Any]:
    """Runs a task on each input and returns the results in the order of the inputs.

    inputs: tuples of arguments; any iterable, which is read no further ahead than is needed
    launcher: as for `run_parallel_steps()`
    The rest is as for `BackgroundTaskRunner`.

    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     run_tasks_in_process_pool(pow, [(2, 3), (3, 2)])
    [8, 9]
    """
    settings = Settings(launcher=checked_launcher(launcher))
    return run_pool(task, inputs, processes, onexit, settings)


def run_pool(
    task: Any,
    inputs: Iterable[Iterable[Any]],
    processes: int | None,
    onexit: Callable[[], object] | None,
    settings: Settings,
) -> list[Any]:
    """As run_tasks_in_process_pool(), with settings."""
    settings = dataclasses.replace(
        settings, want_results=True, max_parallel=_backend.checked_count('processes', processes)
    )
    job = make_job(task, (), {}, onexit, discard=False)
    if isinstance(inputs, (str, bytes)):
        raise TypeError(f'inputs must be a list of tuples, not {inputs!r}')
    ahead = LookAhead(processes)
    collector = Collector(keep_results=True)
    count = 0
    with _backend.opened(job, settings) as run:
        for value in inputs:
            run.put(Work(spread(task, value)))
            count += 1
            if run.n_unfinished < ahead.most:
                continue
            while run.n_unfinished > ahead.least:
                step = run.next(until=lambda: ahead.is_new(run.n_slots))
                if step is None:
                    break
                collector.add(step)
                ahead.note(step.duration)
            ahead.see(run.n_slots)
        run.close()
        collector.drain(run)
    collector.check(run)
    return [collector.results[index] for index in range(count)]


def append_context(exception: BaseException, context: BaseException) -> None:
    """Puts an exception at the end of the chain of contexts of another.

    >>> error = ValueError()
    >>> append_context(error, KeyError('x')); error.__context__
    KeyError('x')
    """
    seen = {id(context)}
    while exception.__context__ is not None and id(exception) not in seen:
        seen.add(id(exception))
        exception = exception.__context__
    if id(exception) not in seen:
        exception.__context__ = context


def _stops_at_once(exception: BaseException | None, halt_on_error: bool) -> bool:
    """Whether an exception of the block means that nobody wants the rest."""
    return exception is not None and (halt_on_error or not isinstance(exception, Exception))
