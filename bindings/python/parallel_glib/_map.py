# SPDX-License-Identifier: LGPL-2.1-or-later
"""map(), in parallel and lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _backend
from ._ahead import LookAhead
from ._backend import Run, Settings, Work
from ._inputs import make_job
from ._outcome import Collector, FinishedStep


def map(
    task: Callable[..., Any],
    *iterables: Iterable[Any],
    processes: int | None = None,
    ordered: bool = True,
) -> Iterator[Any]:
    """As the builtin `map()`, in worker processes.

    The result is an iterator. Inputs are read only a bounded number ahead of what was taken from
    it, so they may be endless; when the iterator is closed or forgotten, everything is stopped. A
    failure is raised in its place, as a `BackgroundFailure`, and ends it.

    ordered: give the results in the order of the inputs, not as they come

    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     list(map(pow, [2, 3], [3, 2]))
    [8, 9]
    """
    if not iterables:
        raise TypeError('map() needs at least one iterable')
    job = make_job(task, (), {}, None, discard=False)
    settings = Settings(
        max_parallel=_backend.checked_count('processes', processes), want_results=True
    )
    inputs = zip(*(iter(iterable) for iterable in iterables))
    return _results(_backend.current(), job, settings, inputs, LookAhead(processes), ordered)


def _results(
    backend: _backend.Backend,
    job: Any,
    settings: Settings,
    inputs: Iterator[tuple[Any, ...]],
    ahead: LookAhead,
    ordered: bool,
) -> Iterator[Any]:
    run = backend.open(job, settings)
    try:
        yield from (_in_order if ordered else _as_they_come)(run, inputs, ahead)
        run.close()
    except BaseException:
        run.halt()
        raise
    finally:
        run.finish()


def _fill(run: Run, inputs: Iterator[tuple[Any, ...]], room: int) -> int:
    """Puts as many as there is room for; returns how many."""
    count = 0
    while count < room:
        try:
            args = next(inputs)
        except StopIteration:
            break
        run.put(Work(args))
        count += 1
    return count


def _as_they_come(run: Run, inputs: Iterator[tuple[Any, ...]], ahead: LookAhead) -> Iterator[Any]:
    collector = Collector()
    running = _fill(run, inputs, ahead.most)
    while running and (step := run.next()) is not None:
        collector.add(step)
        collector.check(run)
        yield step.result
        ahead.note(step)
        running -= 1
        if running <= ahead.least:
            running += _fill(run, inputs, ahead.most - running)


def _in_order(run: Run, inputs: Iterator[tuple[Any, ...]], ahead: LookAhead) -> Iterator[Any]:
    finished: dict[int, FinishedStep] = {}
    collector = Collector()
    put = _fill(run, inputs, ahead.most)
    index = 0
    while index < put:
        while index not in finished:
            step = run.next()
            if step is None:
                collector.check(run)
                return
            finished[step.index] = step
            collector.add(step)
        done = finished.pop(index)
        if not done.ok:
            collector.check(run)
            return
        yield done.result
        ahead.note(done)
        index += 1
        if put - index <= ahead.least:
            put += _fill(run, inputs, ahead.most - (put - index))
