#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions in worker processes and a program, all at once, and one error for all that failed."""

from parallel_glib import BackgroundFailure, Command, run_parallel_steps


def square(number):
    print(f'squaring {number}')
    if number < 0:
        raise ValueError(f'{number} is negative')
    return number * number


steps = [lambda: square(3), Command(['echo', 'from a program']), lambda: square(4)]
print(run_parallel_steps(steps, max_parallel=2, return_values=True))

try:
    run_parallel_steps([lambda: square(-1), lambda: square(5), Command(['sh', '-c', 'exit 7'])])
except BackgroundFailure as failure:
    for entry in failure.failures:
        print(entry.name, entry.kind, entry.type_name, entry.exit_status)
