# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that travel together: how a worker does them, and what it tells of them.

Each is what it would be by itself: its failure has its own traceback, what it returns is pickled
before the next one can change it, and what follows a failure is not done. Workers import this file,
so it imports little.
"""

from __future__ import annotations

import time

from parallel_glib import _exceptions, _transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Together:
    """The calls of a batch, and how far they are.

    >>> calls = Together(abs, [[-1, 2]])
    >>> calls.run(), calls.results
    (None, [1, 2])
    """

    def __init__(
        self, function: Callable[..., Any], columns: list[list[Any]], pickled: bool = False
    ) -> None:
        """pickled: there is one column, of inputs that are pickled each by itself."""
        self.results: list[Any] = []
        self.kind = _exceptions.RAISED
        self._apart: dict[int, bytes] = {}
        self._function = function
        self._columns = columns
        self._pickled = pickled
        self._iterator = iter(columns[0]) if len(columns) == 1 else zip(*columns)
        self._begin = time.monotonic()
        self._writer = -1
        self._written = self._written_before = 0

    def run(self) -> BaseException | None:
        """Does the calls; returns what one of them failed with, in the way that `kind` says."""
        call_rest = self._call_pickled
        if not self._pickled:
            call_rest = self._call_one if len(self._columns) == 1 else self._call_many
        while True:
            try:
                call_rest()
                return None
            except SystemExit as error:
                if self.kind != _exceptions.RAISED or _exceptions.exit_status(error) != 0:
                    return error
                self.results.append(None)
            except BaseException as error:  # pylint: disable=broad-except
                return error

    # The loops are plain ones, though extend(map(...)) needs a quarter less: it would take a
    # StopIteration that a call raises for the end.

    def _call_one(self) -> None:
        function, append, plain = self._function, self.results.append, _transport.PLAIN
        for item in self._iterator:
            result = function(item)
            if type(result) in plain:
                append(result)
            else:
                self._keep_apart(result)

    def _call_many(self) -> None:
        function, append, plain = self._function, self.results.append, _transport.PLAIN
        for args in self._iterator:
            result = function(*args)
            if type(result) in plain:
                append(result)
            else:
                self._keep_apart(result)

    def _call_pickled(self) -> None:
        function, loads = self._function, _transport.loads
        for data in self._iterator:
            self.kind = _exceptions.INPUT
            args = loads(data)
            self.kind = _exceptions.RAISED
            result = function(*args)
            if type(result) in _transport.PLAIN:
                self.results.append(result)
            else:
                self._keep_apart(result)
            del args, result

    def _keep_apart(self, result: Any) -> None:
        """Pickles it now, since it may be changed by the next call."""
        self.kind = _exceptions.RESULT
        self._apart[len(self.results)] = b''.join(_transport.dumps_result(result))
        self.kind = _exceptions.RAISED
        self.results.append(None)

    def stop(self) -> None:
        """Does no call after the one that is being done."""
        for column in self._columns:
            column.clear()

    def note_written(self, size: int) -> None:
        """So many bytes were written by the call that is being done."""
        if self._writer != len(self.results):
            self._writer, self._written_before = len(self.results), self._written
        self._written += size

    def dumps(self, failure: bytes | None) -> bytes:
        """The result of the batch.

        failure: that of the call after those that have results, as in an outcome
        """
        before = self._written_before if self._writer == len(self.results) else self._written
        seconds = time.monotonic() - self._begin
        return _transport.dumps_batch_result(seconds, self.results, self._apart, failure, before)


def load(data: memoryview, setup: dict[str, Any]) -> Together:
    """The calls that an input asks for."""
    function = setup['task']
    if function is None:
        raise ValueError('inputs for a task, but the setup has none')
    if setup['args'] or setup['kwargs']:
        from _functools import partial

        function = partial(function, *setup['args'], **setup['kwargs'])
    value = _transport.loads(data[1:])
    if data[0] == _transport.EACH:
        return Together(function, [value], pickled=True)
    return Together(function, value)
