#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was written for chromite.lib.parallel: only the import is another one."""

from parallel_glib import chromite as parallel


def build(board, package):
    if package == 'broken':
        raise ValueError(f'{package} does not build for {board}')
    print(f'{board}: {package}')


try:
    with parallel.BackgroundTaskRunner(build, 'arm64', processes=2) as queue:
        queue.put(['shell'])
        queue.put(['broken'])
        queue.put(['kernel'])
except parallel.BackgroundFailure as failure:
    print(failure.HasFailureType(ValueError), failure.ToSummaryString())

print(parallel.RunParallelSteps([lambda: 1, lambda: 2], return_values=True))
print(parallel.RunTasksInProcessPool(pow, [[2, 3], [3, 2]], processes=2))
