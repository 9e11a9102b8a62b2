# SPDX-License-Identifier: LGPL-2.1-or-later
"""What comes of a step, and of all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ._failure import BackgroundFailure, Failure

if TYPE_CHECKING:
    from ._backend import Run

ONEXIT = 'onexit'


@dataclasses.dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step that has come to its end.

    >>> FinishedStep(index=0, name='len', input=('abc',), result=3).ok
    True
    """

    index: int
    """Its place in the queue, from 0; -1 for what a worker did at its end."""
    name: str
    input: Any = None
    result: Any = None
    failure: Failure | None = None
    duration: float = 0.0
    skipped: bool = False
    """It was stopped, or never started, because its run was halted."""

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.failure is None and not self.skipped


# A name is made when it is asked for, if it is asked for: it has the repr of the input in it, and
# would be a sixth of what a quick step costs here. Until then there is a function that makes it.
_name_slot = FinishedStep.__dict__['name']


def _name_of(step: FinishedStep) -> str:
    name = _name_slot.__get__(step)
    if not isinstance(name, str):
        name = name()
        _name_slot.__set__(step, name)
    return name


FinishedStep.name = property(_name_of, _name_slot.__set__)  # type: ignore


class Collector:
    """Collects what has finished, for the one error at the end."""

    def __init__(
        self,
        keep_results: bool = False,
        on_step_finished: Callable[[FinishedStep], object] | None = None,
    ) -> None:
        self.results: dict[int, Any] = {}
        self.total = 0
        self._keep_results = keep_results
        self._on_step_finished = on_step_finished
        self._failures: list[Failure] = []

    def add(self, step: FinishedStep) -> None:
        """Takes note of one."""
        self.total += step.index >= 0 or step.name != ONEXIT
        if step.failure is not None:
            self._failures.append(step.failure)
        elif self._keep_results and step.ok and step.index >= 0:
            self.results[step.index] = step.result
        if self._on_step_finished is not None and not step.skipped:
            self._on_step_finished(step)

    def add_batch(self, succeeded: int, failure: Failure | None) -> None:
        """Takes note of several calls, of which the last may have failed."""
        self.total += succeeded
        if failure is not None:
            self.total += 1
            self._failures.append(failure)

    def drain(self, run: Run) -> None:
        """Takes note of all until the run is over."""
        while (step := run.next()) is not None:
            self.add(step)

    def take_ready(self, run: Run) -> Iterator[FinishedStep]:
        """Takes note of those that have finished already; gives those that were not skipped."""
        while (step := run.take()) is not None:
            self.add(step)
            if not step.skipped:
                yield step

    def failure(self) -> BackgroundFailure | None:
        """All the failures, in queue order; those of the workers' ends come last."""
        if not self._failures:
            return None
        last = float('inf')
        ordered = sorted(
            self._failures, key=lambda failure: failure.index if failure.index >= 0 else last
        )
        return BackgroundFailure(ordered, results=self.results, total=max(self.total, len(ordered)))

    def check(self, run: Run) -> None:
        """Raises what there is to be raised in the end."""
        failure = self.failure()
        error = run.error
        if error is not None:
            raise error from failure
        if failure is not None:
            raise failure
