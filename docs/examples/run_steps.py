#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three commands at once, from Python; what they print comes out in the order of the list."""

import gi

gi.require_version('Parallel', '1')
from gi.repository import GLib, Parallel

steps = []
for command in 'sleep 1; echo first', 'echo second', 'echo third; exit 7':
    task = Parallel.CommandTask.new_shell(command)
    steps.append(Parallel.Step.new(task, None))

try:
    Parallel.run_steps(steps, 3, False, None)
except GLib.Error as error:
    print(error.message)

for step in steps:
    print(step.dup_name(), 'exit status', step.get_exit_status())
