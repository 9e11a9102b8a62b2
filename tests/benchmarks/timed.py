#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""timed.py N COMMAND…: gives a command N lines to work on, and prints how many seconds it took."""

import subprocess
import sys
import time

n, *command = sys.argv[1:]
lines = ''.join(f'{i}\n' for i in range(int(n))).encode()
start = time.perf_counter()
subprocess.run(command, input=lines, check=True)
print(time.perf_counter() - start)
