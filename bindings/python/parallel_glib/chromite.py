# SPDX-License-Identifier: LGPL-2.1-or-later
"""For callers of chromite.lib.parallel: its names, with what they mean there, on this library.

    from parallel_glib import chromite as parallel

Steps are forked from this process and have all that it has, as there. What differs is on the page
Migration.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import dataclasses
import multiprocessing
import multiprocessing.managers
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from . import _failure, _runner, _steps
from ._backend import Settings
from ._errors import ExitTimedOut, RemoteError, Silent, UnexpectedExit

__all__ = [
    'BackgroundFailure',
    'BackgroundTaskRunner',
    'ExceptInfo',
    'ExitWithParent',
    'Manager',
    'ProcessExitTimeout',
    'ProcessSilentTimeout',
    'ProcessUnexpectedExit',
    'RunParallelSteps',
    'RunTasksInProcessPool',
]

SILENT_TIMEOUT = 60 * 145
EXIT_TIMEOUT = 60 * 10

PR_SET_PDEATHSIG = 1

ProcessExitTimeout = ExitTimedOut
ProcessSilentTimeout = Silent
ProcessUnexpectedExit = UnexpectedExit


class ExceptInfo(NamedTuple):
    """One of the exceptions of a BackgroundFailure."""

    type: builtins.type[BaseException]
    str: builtins.str
    traceback: builtins.str


class BackgroundFailure(_failure.BackgroundFailure):
    """One or more steps failed.

    It is a `parallel_glib.BackgroundFailure` that has the members of chromite's CompoundFailure
    too.

    >>> failure = BackgroundFailure(exc_infos=[ExceptInfo(KeyError, "'x'", 'Traceback …')])
    >>> failure.HasFailureType(LookupError), failure.MatchesFailureType(OSError)
    (True, False)
    >>> failure.ToSummaryString()
    "<class 'KeyError'>: 'x'"
    """

    exc_infos: list[ExceptInfo]
    _text: str

    def __new__(
        cls, message: str = '', exc_infos: Sequence[ExceptInfo] | None = None
    ) -> BackgroundFailure:
        infos = list(exc_infos or ())
        # A group cannot be empty.
        failures = [_failure_of_info(number, info) for number, info in enumerate(infos)] or [
            _failure.Failure(name='step', index=0, message=message, exception=RemoteError(message))
        ]
        return cls._build(failures, {}, message, infos, message)

    @classmethod
    def _build(
        cls,
        failures: Iterable[_failure.Failure],
        results: Mapping[int, Any],
        message: str,
        infos: list[ExceptInfo] | None = None,
        text: str = '',
    ) -> BackgroundFailure:
        self = _failure.BackgroundFailure.__new__(
            cls, failures, results=results, message=message or None
        )
        assert isinstance(self, BackgroundFailure)
        self.exc_infos = (
            [_info_of(failure) for failure in self.failures] if infos is None else infos
        )
        self._text = text
        return self

    def __str__(self) -> str:
        return self._text or '\n'.join(
            f'{info.type}: {info.str}\n{info.traceback}' for info in self.exc_infos
        )

    def ToSummaryString(self) -> str:
        """The types and the messages, without tracebacks."""
        return '\n'.join(f'{info.type}: {info.str}' for info in self.exc_infos) or self._text

    def HasEmptyList(self) -> bool:
        """Whether nothing is known of what failed."""
        return not self.exc_infos

    def HasFailureType(self, cls: type[BaseException]) -> bool:
        """Whether one of the exceptions is of that type."""
        return any(issubclass(info.type, cls) for info in self.exc_infos)

    def MatchesFailureType(self, cls: type[BaseException]) -> bool:
        """Whether all of the exceptions are of that type."""
        return bool(self.exc_infos) and all(issubclass(info.type, cls) for info in self.exc_infos)

    def HasFatalFailure(self, whitelist: Iterable[type[BaseException]] | None = None) -> bool:
        """Whether one of the exceptions is of none of those types."""
        allowed = tuple(whitelist or ())
        return any(not issubclass(info.type, allowed) for info in self.exc_infos)


def RunParallelSteps(
    steps: Iterable[Callable[[], Any]],
    max_parallel: int | None = None,
    halt_on_error: bool = False,
    return_values: bool = False,
) -> list[Any] | None:
    """Runs functions in parallel, all at once unless there is a limit.

    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     RunParallelSteps([lambda: 1, lambda: 2], return_values=True)
    [1, 2]
    """
    works = _steps.make_works(steps, None)
    settings = Settings(
        max_parallel=max_parallel or len(works) or None,
        halt_on_error=halt_on_error,
        want_results=return_values,
        start_method='fork',
        silence_timeout=SILENT_TIMEOUT,
        exit_timeout=EXIT_TIMEOUT,
    )
    with _Translated():
        return _steps.run_works(works, settings)


@contextlib.contextmanager
def BackgroundTaskRunner(task: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Runs a function on each input that is put into the queue; queue, processes, onexit and
    halt_on_error as there.

    >>> from parallel_glib import testing
    >>> with testing.serial(), BackgroundTaskRunner(print, 1, sep='-') as queue:
    ...     queue.put(['small', 'cow'])
    1-small-cow
    """
    runner = _runner.BackgroundTaskRunner(task, *args, **kwargs)
    runner._settings = dataclasses.replace(
        runner._settings,
        start_method='fork',
        silence_timeout=SILENT_TIMEOUT,
        exit_timeout=EXIT_TIMEOUT,
    )
    runner._keep_finished = False
    with _Translated(), runner as queue:
        yield queue


def RunTasksInProcessPool(
    task: Callable[..., Any],
    inputs: Iterable[Iterable[Any]],
    processes: int | None = None,
    onexit: Callable[[], object] | None = None,
) -> list[Any]:
    """Runs a function on each input and returns the results.

    >>> from parallel_glib import testing
    >>> with testing.serial():
    ...     RunTasksInProcessPool(pow, [[2, 3], [3, 2]])
    [8, 9]
    """
    settings = Settings(
        start_method='fork', silence_timeout=SILENT_TIMEOUT, exit_timeout=EXIT_TIMEOUT
    )
    with _Translated():
        return _runner.run_pool(task, inputs, processes or None, onexit, settings)


def Manager() -> multiprocessing.managers.SyncManager:
    """A multiprocessing manager, whose sockets are in /tmp: the path of a socket must not be long.

    >>> with Manager() as manager:
    ...     queue = manager.Queue()
    ...     queue.put(1)
    ...     queue.get()
    1
    """
    before = tempfile.tempdir
    tempfile.tempdir = '/tmp'
    try:
        manager = multiprocessing.managers.SyncManager(ctx=multiprocessing.get_context())
        manager.start(_ignore_interrupts)
        return manager
    finally:
        tempfile.tempdir = before


def ExitWithParent(sig: int = signal.SIGHUP) -> bool:
    """Has this process get a signal when its parent dies; whether that worked."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(sig), 0, 0, 0) == 0)


class _Translated:
    """Raises the failures of this package as this module's."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if isinstance(error, _failure.BackgroundFailure) and not isinstance(
            error, BackgroundFailure
        ):
            raise BackgroundFailure._build(
                error.failures, error.results, error.message
            ) from error.__cause__


def _ignore_interrupts() -> None:
    # A Ctrl-C is for the program, which ends the manager when it has no use for it any more.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _info_of(failure: _failure.Failure) -> ExceptInfo:
    exception = failure.exception if failure.exception is not None else failure.leaf
    return ExceptInfo(type(exception), failure.message, failure.traceback or failure.describe())


def _failure_of_info(number: int, info: ExceptInfo) -> _failure.Failure:
    try:
        exception: BaseException = info.type(info.str)
    except Exception:  # it takes other arguments
        exception = RemoteError(info.str, info.type.__name__)
    return _failure.Failure(
        name=f'step {number}',
        index=number,
        type_name=info.type.__name__,
        message=info.str,
        traceback=info.traceback,
        exception=exception,
    )
