# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the public calls need of whatever runs the steps: worker processes, or, for tests, this
process.

A backend opens runs. A run is a queue and what works it off; its steps come back one by one as they
finish.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ._calls import Job
from ._launcher import Launcher
from ._outcome import FinishedStep


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run behaves. None means the default of the library."""

    max_parallel: int | None = None
    halt_on_error: bool = False
    timeout: float | None = None
    silence_timeout: float | None = None
    exit_timeout: float | None = None
    kill_grace: float | None = None
    max_attempts: int = 1
    max_steps_per_worker: int | None = None
    hold_output: bool = False
    print_when_finished: bool = False
    want_results: bool = False
    start_method: str | None = None
    cancellable: Any = None
    launcher: Launcher | None = None


@dataclasses.dataclass(slots=True)
class Work:
    """One step: the input of the run's job, or a function, Command or Parallel.Step of its own; or
    several inputs of the job, for put_batch().
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    function: Any = None
    name: str | None = None
    columns: list[list[Any]] | None = None
    """Of a batch: a list for each argument."""
    place: int = 0
    """Of a batch: the number of its first item."""
    size: int = 0
    """Of a batch: the bytes that travelled."""

    def items(self) -> Iterator[tuple[Any, ...]]:
        """The arguments of each call of a batch."""
        return zip(*(self.columns or ()))

    @property
    def count(self) -> int:
        """The number of calls."""
        return len(self.columns[0]) if self.columns else 1


class Run(Protocol):
    """One run. put(), close(), halt(), wake() may be called from any thread, the rest from one at a
    time.
    """

    in_this_process: bool

    def put(self, work: Work) -> int:
        """Queues a step and returns its index.

        If the run was halted the step is only counted as skipped.
        """

    def put_batch(self, work: Work, bounded: bool) -> tuple[int, int]:
        """Queues several inputs as one step, whose result is a Done of _batches.

        If `bounded`, only the first of them, if all would be too much. Where one cannot travel,
        those before it, or a step for it alone, which fails. Returns the index of the step, and how
        many inputs it has.
        """

    def close(self) -> None:
        """There will be nothing more."""

    def halt(self) -> None:
        """Stops everything; returns at once."""

    def next(self, until: Callable[[], bool] | None = None) -> FinishedStep | None:
        """The next step that has finished.

        Waits for it; None if the run is over or `until` says so.
        """

    def take(self) -> FinishedStep | None:
        """The next step that has finished, if there is one already."""

    def wake(self) -> None:
        """Lets next() ask `until` again."""

    def finish(self) -> None:
        """Waits for the end, and takes nothing for a reason not to."""

    @property
    def n_slots(self) -> int:
        """How many steps run at the same time, if that is found out only meanwhile; else 0.

        When there are more of them next() asks `until` again.
        """

    @property
    def n_unfinished(self) -> int:
        """How many steps were put and have not come out of next() or take()."""

    @property
    def is_over(self) -> bool:
        """Whether all has ended and all has been taken."""

    @property
    def error(self) -> BaseException | None:
        """What the run itself ended with, if it was not a failure of a step: cancelled, nowhere to
        print to.
        """


class Backend(Protocol):
    """Makes runs."""

    def open(self, job: Job | None, settings: Settings, known: Sequence[Work] = ()) -> Run:
        """A new run. `known`: steps that will be put, as far as they are known already."""


_override: Backend | None = None
_default: Backend | None = None


def current() -> Backend:
    """The backend for a new run."""
    global _default
    if _override is not None:
        return _override
    if _default is None:
        from ._process import ProcessBackend

        _default = ProcessBackend()
    return _default


@contextlib.contextmanager
def overridden(backend: Backend) -> Iterator[None]:
    """Has another backend make the runs that are opened meanwhile, in all threads."""
    global _override
    before = _override
    _override = backend
    try:
        yield
    finally:
        _override = before


@contextlib.contextmanager
def opened(job: Job | None, settings: Settings, known: Sequence[Work] = ()) -> Iterator[Run]:
    """A run that is over when the block is left: by itself, or stopped if the block raises."""
    run = current().open(job, settings, known)
    try:
        yield run
        run.close()
        run.finish()
    except BaseException:
        run.halt()
        run.finish()
        raise


def checked_count(name: str, value: int | None) -> int | None:
    """A number of processes, which is at least 1, or None."""
    if value is not None and value < 1:
        raise ValueError(f'{name} must be at least 1, not {value}')
    return value


def checked_function(what: str, function: Any) -> None:
    """Raises TypeError for what cannot be a step or a task."""
    if not callable(function) and not is_step(function):
        raise TypeError(
            f'{what} must be a callable, a Command or a Parallel.Step, not {function!r}'
        )


def is_step(value: Any) -> bool:
    """Whether it is a Parallel.Step, without loading the library for the question."""
    return _is_step_type(type(value))


@functools.lru_cache(maxsize=256)
def _is_step_type(kind: type) -> bool:
    return any(
        cls.__name__ == 'Step' and cls.__module__ == 'gi.repository.Parallel'
        for cls in kind.__mro__
    )
