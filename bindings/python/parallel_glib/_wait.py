# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for the library such that Ctrl-C is answered at once, and loses nothing."""

from __future__ import annotations

# Not signal, which makes an enumeration member of each number: this is done for almost each step.
import _signal
import contextlib
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ._gi import GLib

# A signal ends the poll that a wait sleeps in. This is for the one that comes between the last look
# and the poll.
LOOK_INTERVAL = 50  # milliseconds


class Waiter:
    """A main context of our own, and waiting in it.

    Nothing of the caller's is dispatched meanwhile.
    """

    def __init__(self) -> None:
        self.context = GLib.MainContext.new()
        self._clock = None
        if _in_main_thread():
            self._clock = GLib.Timeout(interval=LOOK_INTERVAL)
            self._clock.set_callback(lambda *_: True)
            self._clock.attach(self.context)

    @contextlib.contextmanager
    def pushed(self) -> Iterator[None]:
        """What is made in the block belongs to this context."""
        self.context.push_thread_default()
        try:
            yield
        finally:
            self.context.pop_thread_default()

    def until(self, done: Callable[[], object], *, patient: bool = False) -> None:
        """Waits until done() is true.

        Handlers of signals are called in between, and what they raise ends the waiting; if
        `patient`, they are called at the end.
        """
        if done():
            return
        with Handlers() as handlers:
            while not done():
                self.context.iteration(True)
                if not patient:
                    handlers.call_pending()

    def dispatch(self) -> None:
        """Dispatches what is ready, without waiting."""
        if not self.context.pending():
            return
        with Handlers():
            while self.context.iteration(False):
                pass

    def wake(self) -> None:
        """Makes until() ask again. May be called from any thread."""
        self.context.wakeup()

    def close(self) -> None:
        """Gives up what the context holds."""
        if self._clock is None:
            return
        # The binding gives a source a __del__, in which a handler's exception would be lost too.
        with Handlers():
            self._clock.destroy()
            self._clock = None


class Handlers:
    """Puts off the signal handlers that are written in Python.

    They would be called in the callbacks of the library or the hooks of fork(), wherever the
    interpreter is, and what they raise there is printed and lost. In the main thread only: in no
    other one are they called.
    """

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._replaced: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> Handlers:
        if _in_main_thread():
            for number in _python_signals():
                handler = _signal.getsignal(number)
                if callable(handler):
                    self._replaced[number] = handler
                    _signal.signal(number, self._note)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._replaced.items():
            if _signal.getsignal(number) == self._note:
                _signal.signal(number, handler)
        self.call_pending()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._pending.append(number)

    def call_pending(self) -> None:
        """Calls the handlers of the signals that have come."""
        while self._pending:
            number = self._pending.pop(0)
            self._replaced[number](number, None)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _python_signals() -> list[int]:
    # The default and to ignore are numbers; None is the handler of a C library.
    get, plain = _signal.getsignal, (_signal.SIG_DFL, _signal.SIG_IGN, None)
    return [number for number in range(1, _signal.NSIG) if get(number) not in plain]
