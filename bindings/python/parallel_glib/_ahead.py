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

    def see(self, processes: int) -> bool:
        """Takes note of how many workers there are, if that was not known, as 0 says that it is
        not. Returns whether it is something new.

        >>> ahead = LookAhead(2)
        >>> ahead.see(0), ahead.see(12), ahead.see(12), ahead.most
        (False, True, False, 96)
        """
        if processes in (0, self.processes):
            return False
        self.processes = processes
        self._set(self._each)
        return True

    def _set(self, each: int) -> None:
        self._each = each
        self.most = each * self.processes
        self.least = self.most // 2

    def note(self, seconds: float, size: int = 1) -> None:
        """Takes note of how long a step took. Those that will follow have so many inputs each."""
        self._set(AHEAD_IF_QUICK if seconds < QUICK and size == 1 else AHEAD)
