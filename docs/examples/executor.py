#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An executor that survives its workers, map(), and the same under asyncio."""

import asyncio
import os
import signal
from itertools import count, islice

import parallel_glib
from parallel_glib import BackgroundTaskRunner, Executor, UnexpectedExit

with Executor(max_workers=2) as executor:
    doomed = executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    future = executor.submit(lambda: 'still here')
    try:
        doomed.result()
    except UnexpectedExit as error:
        print(error.signal_name)
    print(future.result())

# Endless inputs: they are read only as far ahead as is needed.
print(list(islice(parallel_glib.map(lambda number: number * number, count()), 4)))


async def main():
    runner = BackgroundTaskRunner(len).configure(return_values=True)
    async with runner as queue:
        queue.put_many([('a',), ('bc',), ('def',)])
        queue.close()
        return sorted([step.result async for step in runner])


print(asyncio.run(main()))
