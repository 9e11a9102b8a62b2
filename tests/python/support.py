# SPDX-License-Identifier: LGPL-2.1-or-later
"""Steps that tell what became of them, through files.

Workers import this file, so it imports little.
"""

import os
import pathlib
import time

LIMIT = 60
"""Seconds. What has not happened by then never will."""


def lasting(folder):
    """The arguments of a program that notes its start and, after half a minute, its end."""
    script = 'echo $$ >> "$0/started"; sleep 30; touch "$0/ended"'
    return ['sh', '-c', script, str(folder)]


def has_started(folder):
    return (folder / 'started').exists() and (folder / 'started').read_text().endswith('\n')


def check_stopped(folder):
    """Of the programs that have been started none is there, and none has come to its end."""
    started = folder / 'started'
    pids = started.read_text().split() if started.exists() else []
    assert not [pid for pid in pids if runs(pid)]
    assert not (folder / 'ended').exists()


def runs(pid):
    """Whether it does, and has not only not been reaped, which may be for init to do."""
    try:
        stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return False
    return stat.rpartition(')')[2].split()[0] not in 'ZX'


def children():
    """The processes that this one has started and that have not been waited for."""
    while True:
        try:
            texts = [path.read_text() for path in pathlib.Path('/proc/self').glob('task/*/children')]
        except OSError:  # A thread has ended, and its children are another's.
            continue
        return {int(pid) for text in texts for pid in text.split()}


def await_true(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)


def meet(folder, count):
    """Returns when as many are here, which has to be at the same time."""
    (folder / f'here-{os.getpid()}').touch()
    await_true(lambda: len(list(folder.glob('here-*'))) >= count)
