# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under asyncio, and in a GLib main loop."""

import asyncio
import time

import pytest
from gi.repository import GLib
from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    run_parallel_steps_async,
    start_in_main_loop,
)


def fail(text):
    raise ValueError(text)


def in_asyncio(coroutine):
    return asyncio.run(coroutine)


def in_main_loop(coroutine):
    loop = GLib.MainLoop()
    # It may be done at once.
    task = start_in_main_loop(coroutine, lambda task: GLib.idle_add(loop.quit))
    loop.run()
    return task.result()


@pytest.fixture(params=[in_asyncio, in_main_loop])
def run(request):
    return request.param


def test_results(backend, run):
    assert run(run_parallel_steps_async([lambda: 1, lambda: 2], return_values=True)) == [1, 2]


def test_failures(backend, run):
    with pytest.raises(BackgroundFailure, match='1 of 2 steps failed'):
        run(run_parallel_steps_async([lambda: 1, lambda: fail('x')]))


def test_runner(backend, run):
    async def main():
        runner = BackgroundTaskRunner(pow, 2).configure(return_values=True)
        async with runner as queue:
            queue.put_many([(1,), (2,), (3,)])
            queue.close()
            return sorted([step.result async for step in runner])

    assert run(main()) == [2, 4, 8]


def test_runner_that_is_not_iterated(backend, run):
    async def main():
        async with BackgroundTaskRunner(fail) as queue:
            queue.put(('x',))

    with pytest.raises(BackgroundFailure):
        run(main())


def test_exception_of_the_block_wins(backend, run):
    async def main():
        async with BackgroundTaskRunner(fail) as queue:
            queue.put(('x',))
            raise LookupError

    with pytest.raises(LookupError) as caught:
        run(main())
    assert isinstance(caught.value.__context__, BackgroundFailure)


# Programs: over the library itself.


def test_the_loop_goes_on_meanwhile():
    async def main():
        ticks = 0
        steps = asyncio.ensure_future(run_parallel_steps_async([Command(['sleep', '0.3'])]))
        while not steps.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return ticks

    assert asyncio.run(main()) > 10


def test_cancelled(elapsed):
    async def main():
        await asyncio.wait_for(run_parallel_steps_async([Command(['sleep', '30'])]), 0.2)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    assert elapsed() < 3


def test_cancelled_in_a_main_loop(elapsed):
    loop = GLib.MainLoop()
    task = start_in_main_loop(
        run_parallel_steps_async([Command(['sleep', '30'])]), lambda task: loop.quit()
    )
    GLib.timeout_add(100, lambda: task.cancel())
    loop.run()
    assert elapsed() < 3
    with pytest.raises(BaseException, match=''):
        task.result()


def test_something_else_awaited_in_a_main_loop():
    async def main():
        await asyncio.sleep(0.1)

    task = start_in_main_loop(main())
    with pytest.raises((TypeError, RuntimeError)):
        task.result()


def test_many_at_once():
    async def main():
        begin = time.monotonic()
        await asyncio.gather(
            *[run_parallel_steps_async([Command(['sleep', '0.3'])]) for _ in range(5)]
        )
        return time.monotonic() - begin

    assert asyncio.run(main()) < 1.4
