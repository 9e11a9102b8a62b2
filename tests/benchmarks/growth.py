#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""growth.py PROGRAM N: how much longer an item takes of N than of a hundredth or a tenth of them, at least 10,000."""

import subprocess
import sys


def time_of_an_item(program, n):
    return float(subprocess.check_output([program, 'plain', str(n)])) / n


program, n = sys.argv[1], int(sys.argv[2])
few = min(n, 10_000)
# The short run more often, or its noise is all there is to see.
short = sorted(time_of_an_item(program, few) for _ in range(9))[4]
print(time_of_an_item(program, n) / short)
