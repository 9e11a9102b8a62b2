# SPDX-License-Identifier: LGPL-2.1-or-later
"""For the tests of those who use this package."""

from __future__ import annotations

import contextlib

from . import _backend
from ._serial import SerialBackend

__all__ = ['serial']


def serial() -> contextlib.AbstractContextManager[None]:
    """Has everything run in this process, one after the other, while the block runs.

    Nothing is pickled, so that mocks and patches work in the steps, and a debugger stops in them.
    Failures are
    the same as in parallel: all steps run, and one `BackgroundFailure` has the exceptions. What is
        put into the queue of a
    `BackgroundTaskRunner` runs at the end of its block; what is submitted to an `Executor` runs at
    once. Limits on time have no effect.

    >>> from parallel_glib import run_parallel_steps
    >>> seen = []
    >>> with serial():
    ...     run_parallel_steps([lambda: seen.append(1), lambda: seen.append(2)])
    >>> seen
    [1, 2]
    """
    return _backend.overridden(SerialBackend())
