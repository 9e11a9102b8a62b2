# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far the inputs of an iterable are read before their turn."""

from __future__ import annotations

import os

# Steps for each worker. Of quick steps a worker has many in front of it, or it would wait for this
# process; slow ones may have big inputs, and there is time to read them. Batches
# are many inputs each.
AHEAD = 8
AHEAD_IF_QUICK = 64
QUICK = 0.002  # seconds


class LookAhead:
    """The most that are read, and from where on it is worth to read again.

    >>> ahead = LookAhead(2)
    >>> ahead.most, ahead.least
    (16, 8)
    >>> ahead.note(0.0001)
    >>> ahead.most, ahead.least
    (128, 64)
    """

    def __init__(self, processes: int | None) -> None:
        self.processes = processes or len(os.sched_getaffinity(0))
        self._each = AHEAD
        self._set(AHEAD)

    def is_new(self, processes: int) -> bool:
        """Whether there turn out to be so many workers; 0 is for what is not known.

        >>> ahead = LookAhead(2)
        >>> ahead.is_new(0), ahead.is_new(2), ahead.is_new(12)
        (False, False, True)
        >>> ahead.see(12)
        >>> ahead.is_new(12), ahead.most
        (False, 96)
        """
        return processes not in (0, self.processes)

    def see(self, processes: int) -> None:
        """Takes note of it."""
        if self.is_new(processes):
            self.processes = processes
            self._set(self._each)

    def _set(self, each: int) -> None:
        self._each = each
        self.most = each * self.processes
        self.least = self.most // 2

    def note(self, seconds: float, size: int = 1) -> None:
        """Takes note of how long a step took. Those that will follow have so many inputs each."""
        self._set(AHEAD_IF_QUICK if seconds < QUICK and size == 1 else AHEAD)
