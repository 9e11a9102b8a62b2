# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where steps run, if not on this machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from . import _transport

PathLike = str | os.PathLike[str]

# Those that are properties of the library's launcher, with their names there.
_PROPERTIES = (
    'address',
    'agent',
    'cancel_argv',
    'connect_back',
    'heartbeat_timeout',
    'joins_arguments',
    'patience',
    'trusts_exit_status',
    'unset_variables',
)

# What a process that has forked has of its parent's. It must not even be given up here: an
# allocation of Slurm's is the parent's.
_of_parents: list[Any] = []


class Launcher:
    """How programs and workers are started somewhere else: on a cluster, another machine, in a
    container. Made by `slurm()`, `ssh()` or `prefix()`.

    It is the `launcher` of any number of runs, one after the other or at the same time. With Slurm,
    outside of an allocation, they share the one that it gets when it is first used. It is given back
    when nothing refers to the launcher, by `close()`, at the end of its block, and in whatever way
    this program ends.

    These options are the same for all three:
    python: the interpreter of the workers, as it is called there; by default that of this program.
        Its own folders of modules stay in its path then, and only those of this program that
        are not its interpreter's come before them
    sys_path: the folders, there, that come before those of the interpreter, in place of those of
        this program; this package has to be in one of them
    cwd: the working directory of the workers, there. By default with Slurm that of this program,
        with all others the one in which the launcher starts them
    agent: the path of the library's program parallel-glib-agent, there; by default as here
    heartbeat_timeout: after so many seconds without a sign of life what runs there is lost
    connect_back, address: whether what is big comes by TCP, and the address of this machine for that

    >>> Launcher.slurm('-N3', '-n12', patience=60)
    Launcher.slurm('-N3', '-n12', patience=60)
    """

    def __init__(self, kind: str, words: Iterable[Any], options: dict[str, Any]) -> None:
        self._kind = kind
        self._words = tuple(os.fspath(word) for word in words)
        self._options = {name: value for name, value in options.items() if value is not None}
        self._lock = threading.Lock()
        self._made: Any = None
        self._maker = 0
        for name in ('sys_path', 'cancel_argv', 'unset_variables'):
            if isinstance(options.get(name), (str, bytes)):
                raise TypeError(f'{name} must be a list of strings, not {options[name]!r}')

    @classmethod
    def slurm(
        cls,
        *options: str,
        patience: float | None = None,
        python: PathLike | None = None,
        sys_path: Sequence[PathLike] | None = None,
        cwd: PathLike | None = None,
        agent: PathLike | None = None,
        heartbeat_timeout: float | None = None,
        connect_back: bool | None = None,
        address: str | None = None,
    ) -> Launcher:
        """The nodes of a cluster, by Slurm's `srun`: those of the allocation that this program runs
        in, or those of one that is got by `salloc` with these options.

        patience: for how many seconds an allocation is waited for; by default for as long as it
            takes. After that steps fail

        >>> Launcher.slurm('-n6')
        Launcher.slurm('-n6')
        """
        return cls('slurm', options, _without(locals(), 'cls', 'options'))

    @classmethod
    def ssh(
        cls,
        host: str,
        *options: str,
        python: PathLike | None = None,
        sys_path: Sequence[PathLike] | None = None,
        cwd: PathLike | None = None,
        agent: PathLike | None = None,
        heartbeat_timeout: float | None = None,
        connect_back: bool | None = None,
        address: str | None = None,
    ) -> Launcher:
        """Another machine, by `ssh`, which never asks for a password. The options are those of
        `ssh`.

        >>> Launcher.ssh('me@host', '-p', '2222')
        Launcher.ssh('me@host', '-p', '2222')
        """
        return cls('ssh', (host, *options), _without(locals(), 'cls', 'host', 'options'))

    @classmethod
    def prefix(
        cls,
        *argv: PathLike,
        joins_arguments: bool | None = None,
        trusts_exit_status: bool | None = None,
        unset_variables: Sequence[str] | None = None,
        cancel_argv: Sequence[str] | None = None,
        python: PathLike | None = None,
        sys_path: Sequence[PathLike] | None = None,
        cwd: PathLike | None = None,
        agent: PathLike | None = None,
        heartbeat_timeout: float | None = None,
        connect_back: bool | None = None,
        address: str | None = None,
    ) -> Launcher:
        """Whatever starts the program whose name and arguments follow its own:
        `podman run -i IMAGE`, `flatpak-spawn --host --watch-bus`.

        joins_arguments, trusts_exit_status, unset_variables, cancel_argv: as the properties of
            Parallel.Launcher

        >>> Launcher.prefix('podman', 'run', '-i', 'image', python='python3')
        Launcher.prefix('podman', 'run', '-i', 'image', python='python3')
        """
        if not argv:
            raise ValueError('a launcher needs at least a program')
        return cls('prefix', argv, _without(locals(), 'cls', 'argv'))

    @property
    def n_slots(self) -> int:
        """How many steps it runs at the same time; 0 where that is not known, or not yet.

        >>> Launcher.ssh('host').n_slots
        0
        """
        made = self._made
        return made.get_n_slots() if made is not None else 0

    @property
    def status(self) -> str | None:
        """What it is waiting for, as 'waiting for resources'.

        >>> print(Launcher.ssh('host').status)
        None
        """
        made = self._made
        return made.dup_status() if made is not None else None

    def close(self) -> None:
        """Gives back what it has got, as soon as no run needs it any more. If it is used again it
        gets that anew.

        >>> Launcher.slurm().close()
        """
        with self._lock:
            self._made = None

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        words = [repr(word) for word in self._words]
        options = [f'{name}={value!r}' for name, value in self._options.items()]
        return f'Launcher.{self._kind}({", ".join(words + options)})'

    def __reduce__(self) -> tuple[Any, ...]:
        return Launcher, (self._kind, self._words, self._options)

    # What follows is for the other parts of this package.

    def to_library(self) -> Any:
        """The Parallel.Launcher, the same one until close()."""
        with self._lock:
            if self._made is not None and self._maker != os.getpid():
                _of_parents.append(self._made)
                self._made = None
            if self._made is None:
                self._made = self._make()
                self._maker = os.getpid()
            return self._made

    def _make(self) -> Any:
        from ._gi import Parallel

        words = list(self._words)
        if self._kind == 'slurm':
            made = Parallel.Launcher.new_slurm(words)
        elif self._kind == 'ssh':
            made = Parallel.Launcher.new_ssh(words[0], words[1:])
        else:
            made = Parallel.Launcher.new_prefix(words)
        for name in _PROPERTIES:
            value = self._options.get(name)
            if value is not None:
                setattr(made.props, name, os.fspath(value) if name == 'agent' else value)
        return made

    def worker_command(self) -> list[str]:
        """The command of a worker there."""
        python = self._options.get('python')
        return _transport.worker_command(
            None if python is None else os.fspath(python), self._folders()
        )

    def setup(self) -> dict[str, Any]:
        """What a worker there is told of the process that it is to be like, for dumps_setup().

        Not of the environment: it has the one that it was started in, which tells it, too, where
        it is.
        """
        cwd = self._options.get('cwd')
        told: dict[str, Any] = {'cwd': None if cwd is None else os.fspath(cwd)}
        if self._folders() is not None or self._options.get('python') is not None:
            told['front'] = self._folders() or _own_folders()
        return told

    def _folders(self) -> list[str] | None:
        folders = self._options.get('sys_path')
        return None if folders is None else [os.fspath(folder) for folder in folders]


class _Given(Launcher):
    """One that was made by introspection."""

    def __init__(self, made: Any) -> None:
        super().__init__('given', (), {})
        self._made = made
        self._maker = os.getpid()

    def to_library(self) -> Any:
        return self._made


def checked_launcher(value: Any) -> Launcher | None:
    """A launcher for what a caller has given as one. Raises TypeError for what is none.

    >>> checked_launcher(('nice', '-n', '10'))
    Traceback (most recent call last):
    TypeError: the launcher must be a Launcher or a Parallel.Launcher, not ('nice', '-n', '10')
    """
    if value is None or isinstance(value, Launcher):
        return value
    if is_launcher(value):
        return _Given(value)
    raise TypeError(f'the launcher must be a Launcher or a Parallel.Launcher, not {value!r}')


def is_launcher(value: Any) -> bool:
    """Whether it is one, without loading the library for the question.

    >>> is_launcher(Launcher.ssh('host')), is_launcher(['ssh', 'host'])
    (True, False)
    """
    return isinstance(value, Launcher) or any(
        cls.__name__ == 'Launcher' and cls.__module__ == 'gi.repository.Parallel'
        for cls in type(value).__mro__
    )


def _own_folders() -> list[str]:
    """The folders of sys.path that are this program's, and not its interpreter's."""
    import sysconfig

    paths = sysconfig.get_paths()
    roots = {paths['stdlib'], paths['platstdlib'], paths['purelib'], paths['platlib']}
    roots |= {path for path in sys.path if path.endswith(('.zip', 'dist-packages', 'site-packages'))}
    roots = {os.path.abspath(root) for root in roots}
    return [
        path
        for path in (os.path.abspath(path) for path in sys.path)
        if not any(path == root or path.startswith(root + os.sep) for root in roots)
    ]


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
