# SPDX-License-Identifier: LGPL-2.1-or-later
"""How worker processes come into being."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import warnings
from typing import Any

from . import _calls
from ._calls import Delivery, Job, Place

METHODS = ('forkserver', 'fork', 'spawn')

# What is started finds the package, and the user's modules, where this process does.
BOOT = (
    'import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); '
    'from parallel_glib.{0} import main; main()'
)

_method = 'forkserver'
_server: Any = None
_lock = threading.Lock()


def set_start_method(method: str) -> None:
    """Chooses how the workers of the runs that are opened from now on come into being.

    'forkserver', the default: a clean process is started once, and forks them. They have nothing of
        this process; functions and inputs travel to them.
    'fork': they are forked from this process and have all that it has: locks,
        `multiprocessing.Value`, open files. A step that is known when the run is opened does not
        have to be such as can be pickled.
    'spawn': each is a fresh interpreter. Slow, and independent of everything.

    >>> set_start_method('spawn')
    >>> get_start_method()
    'spawn'
    >>> set_start_method('forkserver')
    """
    global _method
    _method = checked_method(method)


def get_start_method() -> str:
    """The start method of new runs.

    >>> get_start_method()
    'forkserver'
    """
    return _method


def checked_method(method: str) -> str:
    """Raises ValueError for what is no start method.

    >>> checked_method('thread')
    Traceback (most recent call last):
    ValueError: the start method is one of forkserver, fork, spawn, not 'thread'
    """
    if method not in METHODS:
        raise ValueError(f'the start method is one of {", ".join(METHODS)}, not {method!r}')
    return method


def make_task(job: Job, method: str | None) -> Any:
    """A Parallel.WorkerTask whose workers do the job."""
    from . import _transport
    from ._gi import GLib, Parallel

    method = method or _method
    setup: Any
    if method == 'fork':
        setup = _calls.inherit(job)
        try:
            task = Parallel.WorkerTask.new_for_server(_fork_server())
        finally:
            _calls.disinherit(setup)
    else:
        setup = Delivery(Place.here(), _transport.dumps_call(job, (), {}))
        if method == 'spawn':
            task = Parallel.WorkerTask.new(_argv('_worker'))
        else:
            task = Parallel.WorkerTask.new_for_server(_clean_server())
    task.set_setup(GLib.Bytes.new(_transport.dumps_call(setup, (), {})))
    task.props.has_onexit = job.onexit is not None
    return task


def _argv(module: str) -> list[str]:
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, '-c', BOOT.format(module), json.dumps(sys.path)]


def _clean_server() -> Any:
    global _server
    from ._gi import Parallel

    with _lock:
        if _server is None:
            _server = Parallel.WorkerServer.new(_argv('_forkserver'), None)
        return _server


def _fork_server() -> Any:
    """Forks a server off this process, which has everything as it is now."""
    from . import _forkserver
    from ._gi import Parallel
    from ._sink import flush

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    flush()
    with warnings.catch_warnings():
        # The engine's threads do not matter to the child: pthread_atfork handlers see to that.
        warnings.simplefilter('ignore', DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            _forkserver.serve(theirs.detach())
        finally:
            os._exit(70)
    theirs.close()
    return Parallel.WorkerServer.new_for_fd(ours.detach(), pid)


def _forget_server() -> None:
    global _server, _lock
    _server = None
    _lock = threading.Lock()


# The server of a parent is not a child's.
os.register_at_fork(after_in_child=_forget_server)
