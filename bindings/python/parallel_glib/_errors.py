# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a step ends with that has no exception of its own."""

from __future__ import annotations

import signal as _signal
from collections.abc import Sequence
from typing import Any


class StepError(Exception):
    """The base of the errors that this package makes for a step.

    What a step raises itself is not wrapped: it arrives as it was raised. These are for what is not
    an exception that could be raised here.

    >>> issubclass(TimedOut, StepError) and issubclass(TimedOut, TimeoutError)
    True
    """


class UnexpectedExit(StepError):
    """The process of a step ended in the middle of it: `os._exit()`, `sys.exit()`, a signal.

    >>> UnexpectedExit('the worker was killed', signal=9).signal_name
    'SIGKILL'
    """

    def __init__(
        self, message: str, exit_status: int | None = None, signal: int | None = None
    ) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.signal = signal

    @property
    def signal_name(self) -> str | None:
        """The name of the signal, as 'SIGSEGV', or None."""
        return signal_name(self.signal)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.exit_status, self.signal), self.__dict__


class CommandFailed(UnexpectedExit):
    """A program failed: it could not be started, it ended with a status other than 0, or by a
    signal.

    >>> CommandFailed('false: exited with status 1', exit_status=1, argv=('false',)).argv
    ('false',)
    """

    def __init__(
        self,
        message: str,
        exit_status: int | None = None,
        signal: int | None = None,
        argv: Sequence[str] = (),
    ) -> None:
        super().__init__(message, exit_status, signal)
        self.argv = tuple(argv)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.exit_status, self.signal, self.argv), self.__dict__


class TimedOut(StepError, TimeoutError):
    """A step ran for longer than its timeout."""


class Silent(StepError, TimeoutError):
    """A step gave no sign of life for longer than its silence timeout."""


class ExitTimedOut(StepError, TimeoutError):
    """A worker or a program did not end within its exit timeout."""


class OutputLimitExceeded(StepError):
    """A step wrote more than its output limit."""


class WorkerFailed(StepError):
    """A worker process could not be started or set up, or did not keep to the protocol."""


class StepAborted(StepError):
    """A step raised something that is not an `Exception`, as KeyboardInterrupt.

    A group of exceptions cannot hold it, and here it must not look like a Ctrl-C; so this stands
    for it. The original is `exception`.

    >>> StepAborted(KeyboardInterrupt('enough'))
    StepAborted('KeyboardInterrupt: enough')
    """

    def __init__(self, exception: BaseException) -> None:
        text = str(exception)
        super().__init__(
            f'{type_name(type(exception))}: {text}' if text else type_name(type(exception))
        )
        self.exception = exception

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exception,)


class RemoteError(StepError):
    """An exception that could not be brought here: its type's name, and what it said.

    >>> RemoteError('bad frame', type_name='codec.CodecError')
    RemoteError('codec.CodecError: bad frame')
    """

    def __init__(self, message: str, type_name: str = '') -> None:
        super().__init__(f'{type_name}: {message}' if type_name else message)
        self.message = message
        self.type_name = type_name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.type_name)


class RunCancelled(Exception):
    """The run was stopped through its cancellable."""


class RemoteTraceback(Exception):
    """The traceback of an exception in another process, as text: the cause of the one here."""

    def __str__(self) -> str:
        return '\n"""\n' + str(self.args[0]).rstrip('\n') + '\n"""'


def type_name(cls: type) -> str:
    """The name of a type as tracebacks write it.

    >>> type_name(ValueError), type_name(_signal.Signals)
    ('ValueError', 'signal.Signals')
    """
    name = cls.__qualname__
    return name if cls.__module__ in ('builtins', '__main__') else f'{cls.__module__}.{name}'


def signal_name(number: int | None) -> str | None:
    """The name of a signal.

    >>> signal_name(15), signal_name(None), signal_name(40)
    ('SIGTERM', None, 'signal 40')
    """
    if not number:
        return None
    try:
        return _signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


def publish(*classes: type) -> None:
    """Names classes by where they are imported from, in tracebacks and in pickles."""
    for cls in classes:
        cls.__module__ = 'parallel_glib'


publish(
    StepError,
    UnexpectedExit,
    CommandFailed,
    TimedOut,
    Silent,
    ExitTimedOut,
    OutputLimitExceeded,
    WorkerFailed,
    StepAborted,
    RemoteError,
    RunCancelled,
    RemoteTraceback,
)
