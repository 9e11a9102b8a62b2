#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""idle.py PROGRAM SECONDS: how many system calls the library makes in a second while a step only sleeps."""

import os
import subprocess
import sys
import tempfile

program, seconds = sys.argv[1], int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    trace = os.path.join(folder, 'trace')
    subprocess.run(['strace', '-f', '-ttt', '-o', trace, program, 'idle', str(seconds)], check=True, stdout=subprocess.DEVNULL)
    with open(trace, encoding='utf-8', errors='replace') as file:
        moments = sorted(float(line.split()[1]) for line in file)
# All that happens is at the start and at the end, so what is a quarter of a second from both is too much.
first, last = moments[0] + 0.25, moments[-1] - 0.25
calls = sum(first < moment < last for moment in moments)
print(calls / seconds)
