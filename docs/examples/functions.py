#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python functions in worker processes: steps, a queue, results, failures."""

import os
import time

from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    run_parallel_steps,
    run_tasks_in_process_pool,
)


def slow():
    time.sleep(0.3)
    print('first')
    return 'slow'


def convert(quality, path):
    print(f'{path} at quality {quality}')


# Functions and programs; what they print comes out in the order of the list.
results = run_parallel_steps([slow, Command(['echo', 'second']), lambda: 42], return_values=True)
print(results[0], results[1].stdout, results[2])

# A queue that is worked off while the block runs.
with BackgroundTaskRunner(convert, 85, processes=2) as queue:
    for path in ('a.png', 'b.png', 'c.png'):
        queue.put((path,))

# Results in the order of the inputs.
print(run_tasks_in_process_pool(pow, [(2, 3), (3, 2)]))

# One failure stops nobody; in the end one exception has them all.
try:
    run_parallel_steps([lambda: os._exit(3), lambda: 1 / 0, lambda: 'fine'], return_values=True)
except BackgroundFailure as failure:
    for entry in failure.failures:
        print(entry.index, entry.kind, entry.exit_status, entry.type_name)
    print(failure.results)
