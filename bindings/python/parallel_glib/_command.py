# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program as a step."""

from __future__ import annotations

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ._errors import CommandFailed, signal_name
from ._launcher import Launcher, checked_launcher, is_launcher

PathLike = str | os.PathLike[str]

PLACEHOLDER = '{}'


@dataclasses.dataclass(frozen=True, init=False)
class Command:
    """A program, to be run as a step or as the task of a runner, mixed freely with functions.

    What it prints comes in its place. Its result is a `subprocess.CompletedProcess` with its
    output, made only where results are asked for. It fails with `CommandFailed` if it cannot be
    started, ends with a status other than 0 or by a signal.

    argv: the program and its arguments; `{}` in one stands for the input if it is the task of a
        runner
    env: variables to set (or, with the value None, to unset) in the environment it inherits
    cwd: its working directory
    input: what it reads on its standard input, which is empty by default
    stdin_path: a file to read from instead
    launcher: what to put in front of argv, as `('nice', '-n', '10')`; or a `Launcher`, which says
        where it runs. Its working directory, the file it reads, and the environment that it
        inherits are those that are there, then
    merge_stderr: whether its standard error goes where its standard output goes

    >>> Command(['echo', 'hello world']).name
    "echo 'hello world'"
    >>> Command(['echo', '{}'])('hello').stdout
    b'hello\\n'
    """

    argv: tuple[str, ...]
    env: Mapping[str, str | None] | None
    cwd: str | None
    input: bytes | None
    stdin_path: str | None
    launcher: tuple[str, ...] | Launcher
    merge_stderr: bool
    label: str | None

    def __init__(
        self,
        argv: Sequence[PathLike],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: PathLike | None = None,
        input: str | bytes | None = None,
        stdin_path: PathLike | None = None,
        launcher: Sequence[PathLike] | Launcher = (),
        merge_stderr: bool = False,
        name: str | None = None,
    ) -> None:
        if isinstance(argv, (str, bytes)):
            raise TypeError(
                'argv must be a list of arguments, not one string; '
                "for a shell's command line use Command(['sh', '-c', line])"
            )
        if not argv:
            raise ValueError('argv is empty')
        if input is not None and stdin_path is not None:
            raise ValueError('input and stdin_path exclude each other')
        values = {
            'argv': tuple(os.fspath(word) for word in argv),
            'env': None if env is None else dict(env),
            'cwd': None if cwd is None else os.fspath(cwd),
            'input': input.encode() if isinstance(input, str) else input,
            'stdin_path': None if stdin_path is None else os.fspath(stdin_path),
            'launcher': _checked_launcher(launcher),
            'merge_stderr': merge_stderr,
            'label': name,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @property
    def name(self) -> str:
        """Its name in failures: the one it was given, or its command line."""
        return self.label or shlex.join(self.argv)

    @property
    def prefix(self) -> tuple[str, ...]:
        """What is put in front of argv.

        >>> Command(['make'], launcher=['nice']).prefix
        ('nice',)
        """
        return self.launcher if isinstance(self.launcher, tuple) else ()

    @property
    def place(self) -> Launcher | None:
        """Where it runs, if it says so.

        >>> Command(['make'], launcher=Launcher.ssh('host')).place
        Launcher.ssh('host')
        """
        return None if isinstance(self.launcher, tuple) else self.launcher

    def arguments(self, *inputs: Any) -> tuple[str, ...]:
        """The command line for an input.

        >>> Command(['gzip', '{}']).arguments('a.txt')
        ('gzip', 'a.txt')
        """
        if not inputs:
            return self.prefix + self.argv
        text = input_text(inputs)
        if not any(PLACEHOLDER in word for word in self.argv):
            raise TypeError(f'{self.name!r} has no {PLACEHOLDER} for its input {text!r}')
        return self.prefix + tuple(word.replace(PLACEHOLDER, text) for word in self.argv)

    def __call__(self, *inputs: Any) -> subprocess.CompletedProcess[bytes]:
        """Runs it in this thread, on this machine, waits for it, and returns what it printed."""
        argv = self.arguments(*inputs)
        _flush()
        try:
            with _open_stdin(self) as stdin:
                done = subprocess.run(
                    argv,
                    stdin=stdin,
                    input=self.input,
                    cwd=self.cwd,
                    env=merged_environment(self.env),
                    stdout=subprocess.PIPE,
                    check=False,
                    stderr=subprocess.STDOUT if self.merge_stderr else subprocess.PIPE,
                )
        except OSError as error:
            raise CommandFailed(f'{self.name}: {error}', argv=argv) from error
        check_status(argv, self.name, done)
        return done


def _checked_launcher(value: Any) -> tuple[str, ...] | Launcher:
    if is_launcher(value):
        place = checked_launcher(value)
        assert place is not None
        return place
    if isinstance(value, (str, bytes)):
        raise TypeError(f'launcher must be a list of arguments or a Launcher, not {value!r}')
    return tuple(os.fspath(word) for word in value or ())


def input_text(inputs: Sequence[Any]) -> str:
    """The text that stands for a program's input: a string, a path or a number.

    >>> input_text((3,))
    '3'
    """
    if len(inputs) != 1 or not isinstance(inputs[0], (str, os.PathLike, int, float)):
        raise TypeError(f'the input of a program is one string, path or number, not {inputs!r}')
    value = inputs[0]
    return str(value) if isinstance(value, (int, float)) else os.fspath(value)


def merged_environment(changes: Mapping[str, str | None] | None) -> dict[str, str] | None:
    """The environment of this process with the changes, or None if there are none."""
    if changes is None:
        return None
    merged = {**os.environ, **{name: value for name, value in changes.items() if value is not None}}
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
    return merged


def check_status(argv: Sequence[str], name: str, done: subprocess.CompletedProcess[bytes]) -> None:
    """Raises what a status other than 0 means."""
    if done.returncode == 0:
        return
    if done.returncode > 0:
        error = CommandFailed(
            f'{name}: exited with status {done.returncode}', exit_status=done.returncode, argv=argv
        )
    else:
        number = -done.returncode
        error = CommandFailed(
            f'{name}: killed by {signal_name(number)}',
            signal=int(signal.Signals(number)),
            argv=argv,
        )
    error.output = done  # type: ignore[attr-defined]
    raise error


class _open_stdin:
    def __init__(self, command: Command) -> None:
        self._command = command
        self._file: Any = None

    def __enter__(self) -> Any:
        if self._command.input is not None:
            return None
        self._file = open(self._command.stdin_path or os.devnull, 'rb')
        return self._file

    def __exit__(self, *_exc: object) -> None:
        if self._file is not None:
            self._file.close()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
