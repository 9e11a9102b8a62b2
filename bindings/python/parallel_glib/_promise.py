# SPDX-License-Identifier: LGPL-2.1-or-later
"""Something to await that another thread fulfils, whatever loop runs the coroutine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol


class Promise(Protocol):
    """To be awaited once."""

    def fulfil(self) -> None:
        """Lets the coroutine go on. May be called from any thread."""

    def __await__(self) -> Generator[Any, Any, None]:
        ...


def new_promise() -> Promise:
    """One for the loop that runs the coroutine."""
    asyncio = sys.modules.get('asyncio')
    loop = asyncio._get_running_loop() if asyncio is not None else None
    if loop is None:
        return GLibPromise()
    return AsyncioPromise(loop)


async def pause() -> None:
    """Lets others have their turn."""
    promise = new_promise()
    promise.fulfil()
    await promise


class AsyncioPromise:
    """Under asyncio."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._future = loop.create_future()

    def fulfil(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._set)
        except RuntimeError:
            pass  # the loop is closed, and nobody waits

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._future.__await__()


class GLibPromise:
    """In a main context of GLib: that of the coroutine's MainLoopTask."""

    def __init__(self) -> None:
        from ._gi import GLib

        self._context = GLib.MainContext.ref_thread_default()
        self._glib = GLib
        self._go_on: Callable[[], object] | None = None
        self._fulfilled = False

    def fulfil(self) -> None:
        self._fulfilled = True
        source = self._glib.Idle(priority=self._glib.PRIORITY_DEFAULT)
        source.set_callback(self._call)
        source.attach(self._context)

    def then(self, go_on: Callable[[], object]) -> None:
        """What to call, in the context, when it is fulfilled."""
        self._go_on = go_on

    def _call(self, *_: object) -> bool:
        go_on, self._go_on = self._go_on, None
        if go_on is not None:
            go_on()
        return False

    def __await__(self) -> Generator[Any, Any, None]:
        yield self


class Cancelled(BaseException):
    """Raised in a coroutine whose MainLoopTask is cancelled."""


class MainLoopTask:
    """A coroutine that a GLib main loop runs."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        on_done: Callable[[MainLoopTask], object] | None = None,
    ) -> None:
        self._coroutine = coroutine
        self._on_done = on_done
        self._waits_for: GLibPromise | None = None
        self._result: Any = None
        self._exception: BaseException | None = None
        self.done = False
        self._step(None)

    def cancel(self) -> None:
        """Raises Cancelled where the coroutine waits. In the thread of its main loop."""
        if not self.done:
            self._waits_for = None
            self._step(Cancelled())

    def result(self) -> Any:
        """What the coroutine returned; raises what it raised."""
        if not self.done:
            raise RuntimeError('the coroutine is not done')
        if self._exception is not None:
            raise self._exception
        return self._result

    def _step(self, error: BaseException | None) -> None:
        try:
            promise = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration as stop:
            self._end(stop.value, None)
        except BaseException as raised:
            self._end(None, raised)
        else:
            self._wait(promise)

    def _wait(self, promise: Any) -> None:
        if not isinstance(promise, GLibPromise):
            self._step(TypeError(f'{promise!r} cannot be awaited in a GLib main loop'))
            return
        self._waits_for = promise
        promise.then(lambda: self._go_on(promise))

    def _go_on(self, promise: GLibPromise) -> None:
        if self._waits_for is promise:
            self._step(None)

    def _end(self, result: Any, exception: BaseException | None) -> None:
        self.done = True
        self._waits_for = None
        self._result = result
        self._exception = exception
        if self._on_done is not None:
            self._on_done(self)


def start_in_main_loop(
    coroutine: Coroutine[Any, Any, Any], on_done: Callable[[MainLoopTask], object] | None = None
) -> MainLoopTask:
    """Runs a coroutine of this package's in the thread's default main context of GLib, without
    asyncio.

    It begins at once and goes on whenever the main loop runs. on_done is called with the task at
    its end.

    >>> from parallel_glib import run_parallel_steps_async, testing
    >>> from gi.repository import GLib
    >>> loop = GLib.MainLoop()
    >>> with testing.serial():
    ...     task = start_in_main_loop(run_parallel_steps_async([lambda: 1], return_values=True),
    ...                               lambda task: loop.quit())
    ...     loop.run()
    >>> task.result()
    [1]
    """
    return MainLoopTask(coroutine, on_done)
