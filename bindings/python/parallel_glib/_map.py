# SPDX-License-Identifier: LGPL-2.1-or-later
"""map(), in parallel and lazily."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _backend
from ._ahead import LookAhead
from ._backend import Run, Settings, Work
from ._batches import READING, Done, Inputs, Sizes
from ._inputs import is_program, make_job
from ._launcher import checked_launcher
from ._outcome import Collector, FinishedStep


def map(
    task: Callable[..., Any],
    *iterables: Iterable[Any],
    processes: int | None = None,
    ordered: bool = True,
    batch_size: int | None = None,
    launcher: Any = None,
) -> Iterator[Any]:
    """As the builtin `map()`, in worker processes.

    The result is an iterator. Inputs are read only a bounded number ahead of what was taken from
    it, so they may be endless; when the iterator is closed or forgotten, everything is stopped. A
    failure is raised in its place, as a `BackgroundFailure`, and ends it.

    ordered: give the results in the order of the inputs, not as they come
    batch_size: how many items travel to a worker together, as one step. By default as many as take
        some milliseconds: one, if they are slow or big or print something. If a worker dies, the
        failure is that of all that travelled together; with 1 it is always of one
    launcher: as for `run_parallel_steps()`

    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     list(map(pow, [2, 3], [3, 2]))
    [8, 9]
    >>> with testing.serial():
    ...     list(map(abs, range(-3, 0), batch_size=2))
    [3, 2, 1]
    """
    if not iterables:
        raise TypeError('map() needs at least one iterable')
    job = make_job(task, (), {}, None, discard=False)
    settings = Settings(
        max_parallel=_backend.checked_count('processes', processes),
        launcher=checked_launcher(launcher),
        want_results=True,
    )
    if _backend.checked_count('batch_size', batch_size) is None and is_program(task):
        batch_size = 1
    if batch_size != 1 and is_program(task):
        raise TypeError('batch_size is for functions: each program is a step of its own')
    inputs = Inputs(iterables, bounded=batch_size is None)
    return _results(_backend.current(), job, settings, inputs, ordered, batch_size)


def _results(
    backend: _backend.Backend,
    job: Any,
    settings: Settings,
    inputs: Inputs,
    ordered: bool,
    batch_size: int | None,
) -> Iterator[Any]:
    run = backend.open(job, settings)
    if run.in_this_process and batch_size is None:
        batch_size = 1
    flow = _Flow(run, inputs, Sizes(batch_size), LookAhead(settings.max_parallel))
    try:
        for results in flow.in_order() if ordered else flow.as_they_come():
            yield from results
        run.close()
    except BaseException:
        run.halt()
        raise
    finally:
        run.finish()


class _Flow:
    """Puts items into a run, and gives what comes of them, in lists."""

    def __init__(self, run: Run, inputs: Inputs, sizes: Sizes, ahead: LookAhead) -> None:
        self._run = run
        self._inputs = inputs
        self._sizes = sizes
        self._ahead = ahead
        self._collector = Collector()
        self._next_place = 0
        self._places: dict[int, int] = {}
        """The place of its first item, for each step that is not finished."""
        self._finished: dict[int, FinishedStep] = {}
        """By that place: those whose results were not given yet."""

    def in_order(self) -> Iterator[list[Any]]:
        """The results, batch by batch, in the order of the items."""
        place = 0
        while self._fill(lambda: place in self._finished):
            while place not in self._finished:
                if not self._wait():
                    return
            step = self._finished.pop(place)
            yield from self._results_of(step)
            if not step.ok:
                return
            place += step.result.count

    def as_they_come(self) -> Iterator[list[Any]]:
        """The same in the order in which the batches are done."""
        while self._fill(lambda: bool(self._finished)):
            if not self._finished and not self._wait():
                return
            yield from self._results_of(self._finished.pop(next(iter(self._finished))))

    def _results_of(self, step: FinishedStep) -> Iterator[list[Any]]:
        if step.ok and step.result.results:
            yield step.result.results
        if not step.ok or step.result.failure is not None:
            self._collector.check(self._run)

    def _fill(self, is_ready: Callable[[], bool]) -> bool:
        """Puts what there is room for; returns whether there is anything to wait for.

        Where the inputs are slow, what is there already does not wait for more of them.
        """
        start = time.monotonic()
        if self._n_ahead <= self._ahead.least:
            while self._n_ahead < self._ahead.most and self._put():
                if time.monotonic() - start > READING and self._take() and is_ready():
                    break
        return self._n_ahead > 0

    @property
    def _n_ahead(self) -> int:
        return len(self._places) + len(self._finished)

    def _put(self) -> bool:
        columns = self._inputs.read(self._sizes.next(self._inputs.left, self._ahead.processes))
        if columns is None:
            return False
        work = Work(columns=columns, place=self._next_place)
        index, count = self._run.put_batch(work, bounded=self._sizes.fixed is None)
        self._places[index] = self._next_place
        self._next_place += count
        if count < len(columns[0]):
            self._inputs.give_back([column[count:] for column in columns])
        return True

    def _wait(self) -> bool:
        step = self._run.next(until=lambda: self._ahead.is_new(self._run.n_slots))
        if step is None and self._ahead.is_new(self._run.n_slots):
            self._ahead.see(self._run.n_slots)
            self._fill(lambda: True)
            return True
        if step is None:
            self._collector.check(self._run)
            return False
        self._note(step)
        return True

    def _take(self) -> bool:
        """Takes what has finished; returns whether there was anything."""
        before = len(self._finished)
        while (step := self._run.take()) is not None:
            self._note(step)
        return len(self._finished) > before

    def _note(self, step: FinishedStep) -> None:
        self._finished[self._places.pop(step.index)] = step
        if not step.ok:
            self._collector.add(step)
            return
        done: Done = step.result
        self._collector.add_batch(len(done.results), done.failure)
        self._sizes.note(done)
        self._ahead.note(step.duration, self._sizes.size)
