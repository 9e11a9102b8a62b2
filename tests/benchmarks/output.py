#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""output.py MODE MEBIBYTES: two steps that write so much each, into a pipe, beside a cat of two such files.

Prints the seconds it took, or with the mode memory the most memory that the command had, in MiB.
"""

import os
import subprocess
import sys
import tempfile
import time

MEBIBYTE = 1 << 20


def drain(stream):
    """Reads all there is; returns how much. The pipe is as large as it can be in both cases."""
    total = 0
    while chunk := os.read(stream.fileno(), MEBIBYTE):
        total += len(chunk)
    return total


def run(command, mebibytes):
    """Returns the seconds, and the most memory of the program or one that it started, in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    total = drain(process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or total != 2 * mebibytes * MEBIBYTE:
        raise SystemExit(f'{command}: {total} bytes, exit status {process.returncode}')
    return seconds, usage.ru_maxrss / 1024


def make_files(folder, mebibytes):
    block = os.urandom(MEBIBYTE)
    for name in 'ab':
        with open(os.path.join(folder, name), 'wb') as file:
            for _ in range(mebibytes):
                file.write(block)


def main(mode, mebibytes):
    mebibytes = int(mebibytes)
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder, mebibytes)
        files = [os.path.join(folder, name) for name in 'ab']
        command = ['cat', *files]
        if mode != 'cat':
            command = [os.environ['PARALLEL_GLIB_COMMAND'], '-j2', 'cat', ':::', *files]
        seconds, memory = run(command, mebibytes)
        print(memory if mode == 'memory' else seconds)


if __name__ == '__main__':
    main(*sys.argv[1:])
