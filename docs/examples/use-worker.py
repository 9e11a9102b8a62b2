#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""use-worker.py FILE...: counts the words of files, in workers that are written in Perl."""

import os
import sys

import gi

gi.require_version('Parallel', '1')
from gi.repository import GLib, Parallel

task = Parallel.WorkerTask.new(['perl', os.path.join(os.path.dirname(__file__), 'worker.pl')])
task.set_encoding(Parallel.Encoding.BYTES)
runner = Parallel.BackgroundTaskRunner.new(task)
runner.set_keep_steps(Parallel.KeepSteps.ALL)

for path in sys.argv[1:]:
    step = Parallel.Step.new(task, GLib.Bytes.new(os.fsencode(path)))
    step.set_name(path)
    runner.put_step(step)
runner.close()

try:
    runner.wait(None)
except GLib.Error as error:
    print(error.message, file=sys.stderr)

for step in runner.dup_steps():
    if step.get_state() == Parallel.StepState.SUCCEEDED:
        print(step.get_result().get_data().decode(), step.dup_name())
