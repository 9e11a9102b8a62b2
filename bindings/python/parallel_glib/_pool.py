# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an executor has behind it: futures that wait, a run, and a thread that brings them together.
"""

from __future__ import annotations

import collections
import os
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from . import _backend
from ._backend import Run, Settings, Work
from ._calls import Job, call
from ._errors import UnexpectedExit, WorkerFailed
from ._failure import Failure, FailureKind
from ._launcher import Launcher
from ._outcome import FinishedStep

# Calls beyond those that run that the library has already, so that no worker waits. They cannot be
# cancelled any more.
AHEAD = 1

_exiting = False
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """The futures of an executor. It does not know the executor, which can be forgotten."""

    def __init__(
        self,
        max_workers: int | None,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        max_tasks: int | None,
        *,
        breaks: bool,
        launcher: Launcher | None = None,
    ) -> None:
        self._settings = Settings(
            max_parallel=max_workers,
            max_steps_per_worker=max_tasks,
            want_results=True,
            print_when_finished=True,
            launcher=launcher,
        )
        self._job = Job(call, initializer=initializer, initargs=initargs)
        # How many at the same time, as far as is known.
        self._width = max_workers or len(os.sched_getaffinity(0))
        self._breaks = breaks
        # Reentrant: pickling an argument may submit.
        self._lock = threading.RLock()
        self._pending: collections.deque[tuple[Future[Any], Work]] = collections.deque()
        self._given: dict[int, Future[Any]] = {}
        self._run: Run | None = None
        self._thread: threading.Thread | None = None
        self._shut = False
        self._broken: BrokenProcessPool | None = None
        self._in_this_process = False
        _pools.add(self)

    # For the executor, from any thread.

    def submit(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        with self._lock:
            if self._broken is not None:
                raise BrokenProcessPool(str(self._broken)) from self._broken.__cause__
            if self._shut:
                raise RuntimeError('cannot schedule new futures after shutdown')
            if _exiting:
                raise RuntimeError('cannot schedule new futures after interpreter shutdown')
            self._start()
            future: Future[Any] = Future()
            self._pending.append((future, Work((function, args, kwargs))))
            self._feed()
        if self._in_this_process:
            self._work_here()
        return future

    def shut_down(self, cancel_futures: bool = False) -> None:
        with self._lock:
            self._shut = True
            cancelled = list(self._pending) if cancel_futures else []
            if cancel_futures:
                self._pending.clear()
            run = self._run
        for future, _ in cancelled:
            if future.cancel():
                future.set_running_or_notify_cancel()
        if run is not None:
            run.wake()

    def join(self) -> None:
        """Waits until all is done.

        In the pool's own thread, that of callbacks, it would wait for itself.
        """
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None

    # How the work is done.

    def _start(self) -> None:
        if self._run is not None:
            return
        self._run = _backend.current().open(self._job, self._settings)
        self._in_this_process = self._run.in_this_process
        if not self._in_this_process:
            self._thread = threading.Thread(target=self._pump, name='parallel-executor')
            self._thread.start()

    def _feed(self) -> None:
        """Gives the run as much as it should have. With the lock held."""
        assert self._run is not None
        self._width = self._run.n_slots or self._width
        limit = self._width + AHEAD
        while self._pending and len(self._given) < limit and self._broken is None:
            future, work = self._pending.popleft()
            if future.set_running_or_notify_cancel():
                self._given[self._run.put(work)] = future

    def _work_here(self) -> None:
        assert self._run is not None
        while self._run.n_unfinished and (step := self._run.next()) is not None:
            self._take(step)

    def _pump(self) -> None:
        run = self._run
        assert run is not None
        try:
            while not run.is_over:
                if self._take_next(run, until=lambda: self._has_grown(run) or self._is_done()):
                    continue
                if self._has_grown(run):
                    with self._lock:
                        self._feed()
                elif self._is_done():
                    run.close()
                    while self._take_next(run):
                        pass
                    break
        except BaseException:  # such as sys.exit() where a result is unpickled
            # As text: the frames would keep this thread.
            text = f'the executor has stopped:\n{traceback.format_exc()}'
            with self._lock:
                self._broken = self._broken or BrokenProcessPool(text)
            run.halt()
        run.finish()
        self._fail_rest()

    def _take_next(self, run: Run, until: Callable[[], bool] | None = None) -> bool:
        """Nothing of a step is left in the thread while it waits for another."""
        step = run.next(until=until)
        if step is None:
            return False
        self._take(step)
        return True

    def _has_grown(self, run: Run) -> bool:
        """Whether there are more slots than was known, and so room for more."""
        return run.n_slots > self._width

    def _is_done(self) -> bool:
        with self._lock:
            return (self._shut or _exiting) and not self._pending and not self._given

    def _take(self, step: FinishedStep) -> None:
        breaks = step.failure is not None and self._is_fatal(step.failure)
        if breaks:
            self._break(step.failure)
        with self._lock:
            future = self._given.pop(step.index, None)
            self._feed()
        if future is None:
            return
        # Callbacks are called in here, without the lock.
        if breaks or step.skipped:
            future.set_exception(self._broken or BrokenProcessPool('the executor was stopped'))
        elif step.failure is not None:
            future.set_exception(_exception_of(step.failure))
        else:
            future.set_result(step.result)

    def _is_fatal(self, failure: Failure) -> bool:
        if failure.kind == FailureKind.WORKER or isinstance(failure.exception, WorkerFailed):
            return True
        return self._breaks and isinstance(failure.exception, UnexpectedExit)

    def _break(self, failure: Failure | None) -> None:
        assert failure is not None and self._run is not None
        if failure.kind == FailureKind.WORKER:
            text = f'A process of the executor could not be started or set up: {failure.message}'
        else:
            text = f'A process of the executor ended abruptly: {failure.message}'
        error = BrokenProcessPool(text)
        error.__cause__ = _exception_of(failure)
        with self._lock:
            if self._broken is not None:
                return
            self._broken = error
        self._run.halt()
        self._fail_pending()

    def _fail_pending(self) -> None:
        with self._lock:
            pending = list(self._pending)
            self._pending.clear()
        for future, _ in pending:
            if future.set_running_or_notify_cancel():
                future.set_exception(self._broken or BrokenProcessPool('the executor was stopped'))

    def _fail_rest(self) -> None:
        """The run is over; nothing should be left, and nobody should wait for it if it is."""
        with self._lock:
            given = list(self._given.values())
            self._given.clear()
            if self._broken is None and (given or self._pending):
                self._broken = BrokenProcessPool('the executor has stopped')
        for future in given:
            future.set_exception(self._broken or BrokenProcessPool('the executor has stopped'))
        self._fail_pending()


def _exception_of(failure: Failure) -> BaseException:
    """The original, also where it is no Exception: a future can have it."""
    leaf = failure.leaf
    exception = failure.exception
    if exception is None or exception is leaf:
        return leaf
    if exception.__cause__ is None:
        exception.__cause__ = leaf.__cause__
    return exception


def _finish_all() -> None:
    """At the end of the program: what was submitted is still done, as by the executors of the
    standard library.
    """
    global _exiting
    _exiting = True
    for pool in list(_pools):
        pool.shut_down()
    for pool in list(_pools):
        pool.join()


# Before the interpreter waits for the threads, of which the pools' are.
threading._register_atexit(_finish_all)  # type: ignore[attr-defined]
