# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under asyncio, and in a GLib main loop."""

import asyncio

import pytest
from gi.repository import GLib
from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    run_parallel_steps_async,
    start_in_main_loop,
)
from parallel_glib._promise import Cancelled

import support


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


def test_over_the_limit_of_wait_for(tmp_path):
    async def main():
        steps = run_parallel_steps_async([Command(support.lasting(tmp_path))])
        await asyncio.wait_for(steps, 0.2)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    support.check_stopped(tmp_path)


def test_cancelled(tmp_path):
    async def main():
        steps = run_parallel_steps_async([Command(support.lasting(tmp_path))])
        task = asyncio.ensure_future(steps)
        while not support.has_started(tmp_path):
            await asyncio.sleep(0.01)
        task.cancel('enough')
        with pytest.raises(asyncio.CancelledError, match='enough'):
            await task
        assert task.cancelled()

    asyncio.run(main())
    support.check_stopped(tmp_path)


def test_cancelled_in_a_main_loop(tmp_path):
    loop = GLib.MainLoop()
    ended = []

    def on_done(task):
        ended.append(task)
        loop.quit()

    task = start_in_main_loop(
        run_parallel_steps_async([Command(support.lasting(tmp_path))]), on_done
    )

    def cancel_when_it_runs():
        if not support.has_started(tmp_path):
            return True
        task.cancel()
        return False

    GLib.timeout_add(10, cancel_when_it_runs)
    loop.run()
    support.check_stopped(tmp_path)
    assert ended == [task]
    with pytest.raises(Cancelled) as caught:
        task.result()
    assert type(caught.value) is Cancelled


def test_something_else_awaited_in_a_main_loop():
    async def main():
        await asyncio.sleep(0.1)

    task = start_in_main_loop(main())
    with pytest.raises(RuntimeError, match='no running event loop'):
        task.result()


def test_many_at_once(tmp_path):
    script = 'touch "$0/$$"; while [ $(ls "$0" | wc -l) -lt 5 ]; do sleep 0.01; done'
    meeting = Command(['sh', '-c', script, str(tmp_path)])

    async def main():
        runs = [run_parallel_steps_async([meeting], timeout=support.LIMIT) for _ in range(5)]
        await asyncio.gather(*runs)

    asyncio.run(main())
