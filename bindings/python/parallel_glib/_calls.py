# SPDX-License-Identifier: LGPL-2.1-or-later
"""What travels to a worker: what it is to do.

Workers import this file, so it imports little.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What each worker of a run is told once: what to do with each input, and at the start and the
    end.
    """

    function: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    onexit: Callable[[], object] | None = None
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    discard: bool = False
    """Nobody wants the results, so they need not be such as can travel."""

    def to_set_up(self) -> dict[str, Any]:
        """The same in the words of _transport."""
        return {
            'task': self.function,
            'args': self.args,
            'kwargs': self.kwargs,
            'initializer': self.initializer,
            'initargs': self.initargs,
            'onexit': self.onexit,
            'discard': self.discard,
        }


def call(
    function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """The job's function of a run whose steps each have a function of their own."""
    return function(*args, **(kwargs or {}))


def call_each(function: Callable[..., Any], inputs: Sequence[Sequence[Any]]) -> list[Any]:
    """Several calls that travel together."""
    return [function(*args) for args in inputs]
