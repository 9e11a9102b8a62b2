# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting without blocking: under asyncio, or in a GLib main loop."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import _backend
from ._backend import Run, Settings
from ._launcher import checked_launcher
from ._outcome import Collector, FinishedStep
from ._promise import Promise, new_promise, pause
from ._steps import checked_attempts, make_works, results_of


async def run_parallel_steps_async(
    steps: Iterable[Any],
    max_parallel: int | None = None,
    halt_on_error: bool = False,
    return_values: bool = False,
    *,
    names: Sequence[str] | None = None,
    timeout: float | None = None,
    silence_timeout: float | None = None,
    kill_grace: float | None = None,
    max_attempts: int = 1,
    cancellable: Any = None,
    launcher: Any = None,
    on_step_finished: Callable[[FinishedStep], object] | None = None,
) -> list[Any] | None:
    """As `run_parallel_steps()`, without blocking.

    It runs under asyncio, and in a GLib main loop (see `start_in_main_loop()`). When it is
    cancelled, the steps are stopped.

    >>> import asyncio
    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     asyncio.run(run_parallel_steps_async([lambda: 1, lambda: 2], return_values=True))
    [1, 2]
    """
    works = make_works(steps, names)
    settings = Settings(
        max_parallel=_backend.checked_count('max_parallel', max_parallel),
        halt_on_error=halt_on_error,
        timeout=timeout,
        silence_timeout=silence_timeout,
        kill_grace=kill_grace,
        max_attempts=checked_attempts(max_attempts),
        cancellable=cancellable,
        launcher=checked_launcher(launcher),
        want_results=return_values,
    )
    collector = Collector(return_values, on_step_finished)
    run = _backend.current().open(None, settings, works)
    pump = Pump(run)
    try:
        for work in works:
            run.put(work)
    except BaseException:
        run.halt()
        raise
    finally:
        run.close()
    await pump.drain(collector)
    collector.check(run)
    return results_of(collector, works, settings)


class Pump:
    """Takes what finishes, in a thread, to whoever awaits it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ready: collections.deque[FinishedStep] = collections.deque()
        self._over = False
        self._promise: Promise | None = None
        self._lock = threading.Lock()
        if not run.in_this_process:
            threading.Thread(target=self._take_all, name='parallel-await', daemon=True).start()

    async def next(self) -> FinishedStep | None:
        """The next finished step, or None if the run is over."""
        if self._run.in_this_process:
            await pause()
            return self._run.next()
        while True:
            with self._lock:
                if self._ready:
                    return self._ready.popleft()
                if self._over:
                    return None
                self._promise = promise = new_promise()
            await promise

    async def drain(self, collector: Collector) -> None:
        """Takes all until the run is over.

        If it is cancelled it stops the run, and waits for that.
        """
        try:
            while (step := await self.next()) is not None:
                collector.add(step)
        except BaseException:
            self._run.halt()
            await self._wait_for_end()
            raise

    async def _wait_for_end(self) -> None:
        while True:
            try:
                if await self.next() is None:
                    return
            except GeneratorExit:
                raise
            except BaseException:
                # Cancelled once more: it will not take long, and nothing may be left.
                continue

    def _take_all(self) -> None:
        while (step := self._run.next()) is not None:
            self._tell(step)
        self._run.finish()
        self._tell(None)

    def _tell(self, step: FinishedStep | None) -> None:
        with self._lock:
            if step is None:
                self._over = True
            else:
                self._ready.append(step)
            promise, self._promise = self._promise, None
        if promise is not None:
            promise.fulfil()
