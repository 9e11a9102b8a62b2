# SPDX-License-Identifier: LGPL-2.1-or-later
"""Executor with the arguments and the name by which the tests of CPython make one."""

import concurrent.futures
import sys

import parallel_glib


class ProcessPoolExecutor(parallel_glib.Executor):
    """Its `mp_context` says which start method it has."""

    on_worker_death = 'replace'

    def __init__(self, max_workers=None, mp_context=None, **arguments):
        if mp_context is not None:
            parallel_glib.set_start_method(mp_context.get_start_method())
        super().__init__(max_workers, on_worker_death=self.on_worker_death, **arguments)

    @property
    def _broken(self):
        return self._pool._broken


class BreakingExecutor(ProcessPoolExecutor):
    on_worker_death = 'break'


def prelude(method):
    """What a script runs first so that it, too, gets this executor."""
    return (
        f'import sys; sys.path[:] = {sys.path!r}\n'
        'import multiprocessing, parallel_glib, cpython_adapter\n'
        'cpython_adapter.install()\n'
        f'parallel_glib.set_start_method({method!r})\n'
    )


def install():
    """Replaces the executors of concurrent.futures in this process."""
    concurrent.futures.ProcessPoolExecutor = ProcessPoolExecutor
    concurrent.futures.ThreadPoolExecutor = ProcessPoolExecutor
