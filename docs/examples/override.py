#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""override.py FOLDER: the library by introspection, with what the installed override adds to it."""

import os
import sys

import gi

gi.require_version('Parallel', '1')
os.chdir(sys.argv[1])

from gi.repository import Parallel

Parallel.run_steps([['gzip', '--keep', 'a.txt'], ['gzip', '--keep', 'b.txt']])

task = Parallel.CommandTask.new(['gzip', '--test', '{}'])
with Parallel.BackgroundTaskRunner(task, max_parallel=2, halt_on_error=False) as runner:
    runner.put('a.txt.gz')
    runner.put('b.txt.gz')
    runner.close()
    for step in runner.finished():
        print(step, step.result, step.error)
