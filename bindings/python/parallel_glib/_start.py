# SPDX-License-Identifier: LGPL-2.1-or-later
"""How worker processes come into being."""

from __future__ import annotations

import os
import socket
import threading
import warnings
from collections.abc import Sequence
from typing import Any

from ._calls import Job
from ._launcher import Launcher

# What is inherited with the number 0 is the setup.
INHERITED = 1

METHODS = ('forkserver', 'fork', 'spawn')

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


def make_task(
    job: Job, method: str, functions: Sequence[Any] = (), launcher: Launcher | None = None
) -> Any:
    """A Parallel.WorkerTask whose workers do the job.

    launcher: where they are programs, whatever the method
    functions: what those that are forked inherit, from the number INHERITED on
    """
    from . import _transport
    from ._gi import GLib, Parallel

    if launcher is not None:
        task = Parallel.WorkerTask.new(launcher.worker_command())
        task.set_launcher(launcher.to_library())
        setup = _transport.dumps_setup(**job.to_set_up(), **launcher.setup())
    elif method == 'fork':
        inherited = _transport.inherited_setup(**job.to_set_up())
        task = Parallel.WorkerTask.new_for_server(_fork_server([inherited, *functions]))
        setup = _transport.dumps_setup(inherited=0, cwd=_folder())
    else:
        setup = _transport.dumps_setup(
            **job.to_set_up(), environ=dict(os.environ), cwd=_folder()
        )
        if method == 'spawn':
            task = Parallel.WorkerTask.new(_transport.worker_command())
        else:
            task = Parallel.WorkerTask.new_for_server(_clean_server())
    task.set_encoding(Parallel.Encoding.BYTES)
    task.set_setup(GLib.Bytes.new(setup))
    task.set_has_onexit(job.onexit is not None)
    return task


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _clean_server() -> Any:
    global _server
    from . import _transport
    from ._gi import Parallel

    with _lock:
        if _server is None:
            _server = Parallel.WorkerServer.new(_transport.server_command(), None)
        return _server


def _fork_server(functions: list[Any]) -> Any:
    """Forks a server off this process, which has everything as it is now."""
    from . import _forkserver
    from ._gi import Parallel
    from ._sink import flush
    from ._wait import Handlers

    flush()
    # Until the library knows of the child, so that nothing is left if one of them raises.
    with Handlers():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with warnings.catch_warnings():
            # The engine's threads do not matter to the child: pthread_atfork handlers see to that.
            warnings.simplefilter('ignore', DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                _forkserver.serve_forked(theirs.detach(), functions)
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
