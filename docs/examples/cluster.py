#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cluster.py [--slurm]: the same calls on this machine, or on the nodes of Slurm."""

import os
import sys

import parallel_glib

launcher = parallel_glib.Launcher.slurm('-N3', '-n12') if '--slurm' in sys.argv else None


def square(number):
    return number * number, os.environ.get('SLURMD_NODENAME', 'here')


nodes = set()
for result, node in parallel_glib.map(square, range(12), launcher=launcher):
    print(result)
    nodes.add(node)
print('done on', ', '.join(sorted(nodes)), file=sys.stderr)
