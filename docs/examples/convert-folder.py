#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""convert-folder.py SOURCE DEST: converts each file of a folder to ISO-8859-15, by a program per file."""

import os
import sys

from parallel_glib import BackgroundFailure, Command, run_parallel_steps


def convert_folder(source, dest):
    names = sorted(entry.name for entry in os.scandir(source) if entry.is_file())
    steps = [
        Command(['iconv', '-f', 'UTF-8', '-t', 'ISO-8859-15', '-o', os.path.join(dest, name), os.path.join(source, name)])
        for name in names
    ]

    failures = []
    try:
        run_parallel_steps(steps)
    except BackgroundFailure as error:
        failures = error.failures
    failed = {failure.index for failure in failures}
    for index, name in enumerate(names):
        print(f'{name}: {"failed" if index in failed else "converted"}')
    sys.stdout.flush()
    for failure in failures:
        why = failure.message if failure.exit_status is None else f'exit status {failure.exit_status}'
        print(f'{names[failure.index]}: {why}', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        print('usage: convert-folder SOURCE DEST', file=sys.stderr)
        sys.exit(2)
    sys.exit(convert_folder(*sys.argv[1:]))
