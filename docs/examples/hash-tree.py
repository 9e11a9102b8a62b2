#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hash-tree.py FOLDER: prints what sha256sum prints of every file below a folder.

The hashing is done in worker processes.
"""

import hashlib
import os
import stat
import sys

from parallel_glib import BackgroundFailure, BackgroundTaskRunner


# Called in a worker.
def hash_file(path):
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def files_below(folder):
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def hash_tree(folder):
    digests = {}

    def take(step):
        if step.ok:
            digests[paths[step.index]] = step.result

    paths = []
    runner = BackgroundTaskRunner(hash_file).configure(return_values=True, on_step_finished=take)
    failures = []
    try:
        # The first files are hashed while the tree is still being looked through.
        with runner as queue:
            for path in files_below(folder):
                paths.append(path)
                queue.put((path,))
    except BackgroundFailure as error:
        failures = error.failures
    for path in sorted(digests):
        print(f'{digests[path]}  {path}')
    sys.stdout.flush()
    for failure in failures:
        print(f'{paths[failure.index]}: {failure.message}', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        print('usage: hash-tree FOLDER', file=sys.stderr)
        sys.exit(2)
    sys.exit(hash_tree(sys.argv[1]))
