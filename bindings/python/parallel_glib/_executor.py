# SPDX-License-Identifier: LGPL-2.1-or-later
"""An executor of concurrent.futures."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ._calls import call_each
from ._launcher import checked_launcher
from ._pool import Pool
from ._transport import frozen

T = TypeVar('T')

ON_DEATH = ('replace', 'break')


class Executor(concurrent.futures.Executor):
    """As `concurrent.futures.ProcessPoolExecutor`, whose whole contract it keeps, but that it
    survives its workers.

    When a worker dies, only the call that it was doing fails, with `UnexpectedExit`, and another
    worker takes its place. Functions may be lambdas and closures. What a call prints comes out as a
    whole when it is done.

    max_workers: how many processes, by default as many as there are processors
    initializer, initargs: called in each worker before its first call; if it fails the executor is
        broken
    max_tasks_per_child: after so many calls a worker is replaced by a fresh one
    on_worker_death: 'replace', or 'break', as ProcessPoolExecutor does: all fails with
        BrokenProcessPool
    launcher: a `Launcher` that says where the workers are, if not here; there are as many by
        default as an allocation of Slurm's has processors

    >>> from parallel_glib import testing
    >>> with testing.serial(), Executor() as executor:
    ...     executor.submit(pow, 2, 5).result()
    32
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        max_tasks_per_child: int | None = None,
        on_worker_death: str = 'replace',
        launcher: Any = None,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError('max_workers must be greater than 0')
        if initializer is not None and not callable(initializer):
            raise TypeError('initializer must be a callable')
        if max_tasks_per_child is not None and not isinstance(max_tasks_per_child, int):
            raise TypeError('max_tasks_per_child must be an integer')
        if max_tasks_per_child is not None and max_tasks_per_child <= 0:
            raise ValueError('max_tasks_per_child must be >= 1')
        if on_worker_death not in ON_DEATH:
            raise ValueError(f"on_worker_death is 'replace' or 'break', not {on_worker_death!r}")
        place = checked_launcher(launcher)
        self._max_workers = max_workers or len(os.sched_getaffinity(0))
        self._pool = Pool(
            self._max_workers if place is None else max_workers,
            initializer,
            tuple(initargs),
            max_tasks_per_child,
            breaks=on_worker_death == 'break',
            launcher=place,
        )
        # When nobody can submit any more, the pool does what it has and ends.
        weakref.finalize(self, self._pool.shut_down).atexit = False

    def submit(
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        """Has fn(*args, **kwargs) called in a worker.

        >>> from parallel_glib import testing
        >>> with testing.serial(), Executor() as executor:
        ...     executor.submit(int, '20', base=3).result()
        6
        """
        return self._pool.submit(fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """Calls fn with the first of each iterable, then the second, ...; the results in order.

        fn: pickled once, now, if it has to take its code with it
        timeout: seconds from now on within which each result must be there when it is asked for
        chunksize: so many calls travel together, which is faster if each is short

        >>> from parallel_glib import testing
        >>> with testing.serial(), Executor() as executor:
        ...     list(executor.map(pow, [2, 3, 4], [3, 2, 1], chunksize=2))
        [8, 9, 4]
        """
        if chunksize < 1:
            raise ValueError('chunksize must be >= 1')
        function = frozen(fn)
        if chunksize == 1:
            return super().map(function, *iterables, timeout=timeout)
        calls = functools.partial(call_each, function)
        return _unpacked(super().map(calls, _chunks(zip(*iterables), chunksize), timeout=timeout))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; with `wait`, returns when those that it has are done.

        >>> executor = Executor()
        >>> executor.shutdown()
        >>> executor.submit(int)
        Traceback (most recent call last):
        RuntimeError: cannot schedule new futures after shutdown
        """
        self._pool.shut_down(cancel_futures=cancel_futures)
        if wait:
            self._pool.join()


def _chunks(values: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(values, size)):
        yield chunk


def _unpacked(chunks: Iterator[list[T]]) -> Iterator[T]:
    """What they hold, without a reference to what was handed out."""
    for chunk in chunks:
        chunk.reverse()
        while chunk:
            yield chunk.pop()
