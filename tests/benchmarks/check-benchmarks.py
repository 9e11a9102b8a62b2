#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-benchmarks.py BUILD_DIR: runs each benchmark with next to nothing to do. What it is compared with may be missing."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys

import benchmark
from cases import CASES

NEEDED = {'parallel': 'parallel', 'idle': 'strace'}


@functools.lru_cache
def has_cluster():
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'slurm', 'with-cluster.sh')
    return subprocess.run([script, '--', 'true'], stderr=subprocess.DEVNULL).returncode == 0


def missing(case):
    program = 'valgrind' if case.name.startswith('instructions-') else NEEDED.get(case.name)
    if program is not None and shutil.which(program) is None:
        return program
    if case.name.startswith('cluster-') and not has_cluster():
        return 'a cluster of Slurm'
    if case.name == 'map-joblib' and importlib.util.find_spec('joblib') is None:
        return 'joblib'
    return None


def main(build):
    places = {'build': build, 'source': os.path.dirname(os.path.abspath(__file__)), 'python': sys.executable}
    print(f'1..{len(CASES)}')
    failed = False
    for number, case in enumerate(CASES, 1):
        lacks = missing(case)
        if lacks is not None:
            print(f'ok {number} - {case.name} # SKIP {lacks} is missing')
            continue
        try:
            result = benchmark.run(case, places, tiny=True)
            ok, why = result['ours'] >= 0, result
        except SystemExit as error:
            ok, why = False, error
        failed = failed or not ok
        print(f'{"ok" if ok else "not ok"} {number} - {case.name}', flush=True)
        if not ok:
            print(f'#   {why}')
    return failed


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
