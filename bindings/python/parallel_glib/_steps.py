# SPDX-License-Identifier: LGPL-2.1-or-later
"""The short form: a list of steps, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import _backend
from ._backend import Settings, Work
from ._launcher import checked_launcher
from ._outcome import Collector, FinishedStep


def run_parallel_steps(
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
    """Runs steps in parallel, and returns when all have ended.

    What they print comes out in the order of the list, as if they had run one after another. If
    some fail, the others run nevertheless, and one `BackgroundFailure` tells of all of them.

    steps: callables without arguments, `Command`s and `Parallel.Step`s, mixed
    max_parallel: how many run at the same time; by default as many as there are processors
    halt_on_error: stop the others when the first fails
    return_values: return a list of what the steps returned, in their order
    names: their names in failures
    timeout: for how many seconds each may run
    silence_timeout: for how many seconds each may give no sign of life
    kill_grace: how many seconds after SIGTERM comes SIGKILL
    max_attempts: how often a step that fails is tried
    cancellable: a Gio.Cancellable that stops them all; `RunCancelled` is raised then
    launcher: a `Launcher` that says where they run, if not here: the functions, and the `Command`s
        that do not say it themselves. By default as many run at the same time as an allocation of
        Slurm's has processors, or as there are here
    on_step_finished: called with each `FinishedStep` in this thread, while it waits

    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     run_parallel_steps([lambda: 1, lambda: 2, lambda: None], return_values=True)
    [1, 2, None]
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
    return run_works(works, settings, on_step_finished)


def run_works(
    works: Sequence[Work],
    settings: Settings,
    on_step_finished: Callable[[FinishedStep], object] | None = None,
) -> list[Any] | None:
    """Runs steps that are all known; returns their results if they are wanted."""
    collector = Collector(settings.want_results, on_step_finished)
    with _backend.opened(None, settings, works) as run:
        for work in works:
            run.put(work)
        run.close()
        collector.drain(run)
    collector.check(run)
    return results_of(collector, works, settings)


def results_of(collector: Collector, works: Sequence[Work], settings: Settings) -> list[Any] | None:
    """The results in the order of the steps, if they were wanted."""
    if not settings.want_results:
        return None
    return [collector.results.get(index) for index in range(len(works))]


def make_works(steps: Iterable[Any], names: Sequence[str] | None) -> list[Work]:
    """The steps of a list, checked."""
    if isinstance(steps, (str, bytes)):
        raise TypeError(f'steps must be a list of callables, not {steps!r}')
    listed = list(steps)
    if names is not None and len(names) != len(listed):
        raise ValueError(f'there are {len(listed)} steps and {len(names)} names')
    for number, step in enumerate(listed):
        _backend.checked_function(f'step {number}', step)
    return [
        Work(function=step, name=names[number] if names else None)
        for number, step in enumerate(listed)
    ]


def checked_attempts(number: int) -> int:
    """A number of attempts, which is at least 1."""
    if number < 1:
        raise ValueError(f'max_attempts must be at least 1, not {number}')
    return number
