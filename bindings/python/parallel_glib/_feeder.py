# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes inputs from a queue of the caller's."""

from __future__ import annotations

import queue as _queue
import threading
from typing import Any

from ._backend import Run, Work
from ._inputs import spread
from ._outcome import Collector

IDLE = 0.05  # seconds between two looks at a queue that steps may still put into


class AllTasksComplete:
    """Put into the caller's queue to say that there will be nothing more."""


class Feeder:
    """A thread that reads the caller's queue into the run's."""

    def __init__(self, run: Run, task: Any, queue: Any) -> None:
        self._run = run
        self._task = task
        self._queue = queue
        self._abandoned = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._feed, name='parallel-feeder', daemon=True)
        self._thread.start()

    def end(self, collector: Collector) -> None:
        """Reads until nothing is left, nor runs that could put more; raises what was wrong."""
        self._queue.put(AllTasksComplete())
        while self._thread.is_alive():
            step = self._run.next(until=self._is_done)
            if step is not None:
                collector.add(step)
            else:
                # In pieces: whoever waits here wants to see a Ctrl-C.
                self._thread.join(IDLE)
        if self._error is not None:
            raise self._error

    def _is_done(self) -> bool:
        return not self._thread.is_alive() or self._run.n_unfinished == 0

    def abandon(self) -> None:
        """Reads no more."""
        self._abandoned = True
        self._queue.put(AllTasksComplete())

    def _feed(self) -> None:
        try:
            while not self._abandoned:
                item = self._queue.get()
                if isinstance(item, AllTasksComplete):
                    break
                self._put(item)
            self._feed_rest()
        except (EOFError, OSError) as error:  # the queue's process is gone
            self._error = error

    def _feed_rest(self) -> None:
        """Steps may have put more behind the mark, also while they run."""
        while not self._abandoned:
            # Before the look at the queue: what has ended by now has put what it wanted to put.
            idle = self._run.n_unfinished == 0
            try:
                item = self._queue.get(timeout=IDLE)
            except _queue.Empty:
                if idle:
                    return
                continue
            if not isinstance(item, AllTasksComplete):
                self._put(item)

    def _put(self, item: Any) -> None:
        try:
            self._run.put(Work(spread(self._task, item)))
        except Exception as error:  # a wrong input of the user's
            self._error = self._error or error
