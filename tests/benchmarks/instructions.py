#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""instructions.py N PROGRAM MODE: how many instructions each item costs this program, by callgrind: the same each time.

The start of the program is not counted, since twice the work is compared with the work.
"""

import re
import subprocess
import sys


def count(program, mode, n):
    done = subprocess.run(
        ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', program, mode, str(n)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    return int(re.search(r'Collected\s*:\s*(\d+)', done.stderr)[1])


n, program, mode = int(sys.argv[1]), *sys.argv[2:]
print((count(program, mode, 2 * n) - count(program, mode, n)) / n)
