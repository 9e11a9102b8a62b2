# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many items of map() travel together, and what comes back of them."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._failure import Failure
from ._transport import MAX_BATCH_BYTES

TARGET = 0.005
"""Seconds that a batch takes in its worker: what is lost if that dies, and how long one worker can
go on when the others have nothing left.
"""
READING = 0.005
"""Seconds after which what was read so far is not kept back any longer."""
GROWTH = 4
MOST = 4096
"""Items. With more nothing is gained, since a step costs some microseconds."""
PIECE = 64
"""Items that are read between two looks at the clock."""
SHARES = 4
"""In so many batches for each worker the rest of inputs of a known number is divided at the least.
"""

_SIZED = (list, tuple, range, set, frozenset, dict, str, bytes)


@dataclasses.dataclass(slots=True)
class Done:
    """What comes of the calls of a batch: the results of those before the one that failed, if any.
    """

    results: list[Any]
    failure: Failure | None = None
    count: int = 1
    seconds: float = 0.0
    size: int = 0
    """Bytes that travelled, in the direction in which there were more."""
    printed: bool = False


class Sizes:
    """How many items the next batch has, from how it went with those before.

    >>> sizes = Sizes()
    >>> sizes.size
    1
    >>> sizes.note(Done([0], count=1, seconds=0.00001))
    >>> sizes.size
    4
    >>> sizes.note(Done([0], count=4, seconds=0.1))
    >>> sizes.size
    1
    >>> Sizes(100).size
    100
    """

    def __init__(self, fixed: int | None = None) -> None:
        self.fixed = fixed
        self.size = fixed or 1

    def note(self, done: Done) -> None:
        """Takes note of a batch that is done."""
        if self.fixed is not None:
            return
        if done.printed:
            self.size = 1  # What items print is their own, and is seen while they run.
            return
        fitting = min(
            MOST,
            int(TARGET * done.count / max(done.seconds, 1e-9)),
            MAX_BATCH_BYTES * done.count // max(done.size, 1),
        )
        # What was put before the size has grown says nothing of more.
        most = self.size * GROWTH if done.count >= self.size else self.size
        self.size = max(1, min(fitting, most))

    def next(self, left: int | None, workers: int) -> int:
        """The size of a batch if so many items are left."""
        if self.fixed is not None or left is None:
            return self.size
        # None that is much too short either.
        return max(min(self.size, left // (workers * SHARES)), self.size // 8, 1)


class Inputs:
    """Reads the items of iterables, as many as are wanted, or fewer if that takes long.

    >>> inputs = Inputs((range(5), 'abcd'), bounded=True)
    >>> inputs.left
    4
    >>> inputs.read(3)
    [[0, 1, 2], ['a', 'b', 'c']]
    >>> inputs.give_back([[1, 2], ['b', 'c']])
    >>> inputs.read(10)
    [[1, 2], ['b', 'c']]
    >>> inputs.read(10), inputs.read(10)
    ([[3], ['d']], None)
    """

    def __init__(
        self,
        iterables: Sequence[Iterable[Any]],
        bounded: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """bounded: read less than is wanted if that takes long."""
        # Those of others, and their items, could take any time.
        known = [len(values) for values in iterables if type(values) in _SIZED]  # type: ignore
        self.left = min(known) if known else None
        self._rows = iter(iterables[0]) if len(iterables) == 1 else zip(*iterables)
        self._single = len(iterables) == 1
        self._bounded = bounded and len(known) < len(iterables)
        self._clock = clock
        self._ended = False
        self._back: list[list[Any]] | None = None

    def read(self, count: int) -> list[list[Any]] | None:
        """The next items as a list for each argument; None if there are no more."""
        if self._back is not None:
            columns, self._back = self._back, None
        else:
            rows = self._read_rows(count)
            if not rows:
                return None
            columns = [rows] if self._single else [list(column) for column in zip(*rows)]
        if self.left is not None:
            self.left -= len(columns[0])
        return columns

    def _read_rows(self, count: int) -> list[Any]:
        if not self._bounded:
            return self._read_piece(count)
        rows: list[Any] = []
        end = self._clock() + READING
        piece = 1
        while len(rows) < count and not self._ended:
            piece = min(piece, count - len(rows))
            rows += self._read_piece(piece)
            if self._clock() >= end:
                break
            piece = min(2 * piece, PIECE)
        return rows

    def _read_piece(self, count: int) -> list[Any]:
        # Not once more after the end: zip() would take items that nobody gets.
        if self._ended:
            return []
        rows = list(itertools.islice(self._rows, count))
        self._ended = len(rows) < count
        return rows

    def give_back(self, columns: list[list[Any]]) -> None:
        """Items that are to be read again."""
        self._back = columns
        if self.left is not None:
            self.left += len(columns[0])
