# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the library says of a failed step or run, in Python's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _exceptions
from ._errors import (
    CommandFailed,
    ExitTimedOut,
    OutputLimitExceeded,
    RemoteError,
    RunCancelled,
    Silent,
    StepError,
    TimedOut,
    UnexpectedExit,
    WorkerFailed,
    type_name,
)
from ._failure import Failure, FailureKind
from ._gi import Gio, GLib, Parallel

_RUN_ERROR = GLib.quark_to_string(Parallel.run_error_quark())
_SPAWN_ERRORS = ('g-exec-error-quark', 'g-spawn-exit-error-quark')


def _code(name: str) -> int | None:
    """The code of an error, or None where the library does not have it yet."""
    value = getattr(Parallel.RunError, name, None)
    return None if value is None else int(value)


_Maker = Callable[[str], StepError]
_BY_CODE: dict[int | None, tuple[FailureKind, _Maker]] = {
    _code('TIMED_OUT'): (FailureKind.TIMEOUT, TimedOut),
    _code('SILENT'): (FailureKind.SILENCE, Silent),
    _code('EXIT_TIMED_OUT'): (FailureKind.EXIT_TIMEOUT, ExitTimedOut),
    _code('OUTPUT_LIMIT'): (FailureKind.OUTPUT_LIMIT, OutputLimitExceeded),
    _code('HALTED'): (FailureKind.HALTED, StepError),
    _code('FAILED'): (FailureKind.WORKER, WorkerFailed),
    _code('POOL_BROKEN'): (FailureKind.WORKER, WorkerFailed),
}


def failure_of_step(step: Any, *, name: str, index: int, input: Any) -> Failure:
    """The failure of a step that has failed."""
    fields = {
        'name': name,
        'index': index,
        'input': input,
        'duration': step.get_elapsed(),
        'output_tail': step.dup_output_tail() or '',
        'diagnosis': step.dup_diagnosis() or '',
    }
    error = step.dup_error()
    details = step.dup_failure_details()
    if _is(error, 'FAILED') and details is not None:
        return remote_failure(error.message, details.get_data() or b'', fields)
    return _plain_failure(step, error, fields)


def failure_of_run(error: Any) -> BaseException | None:
    """What a run ended with besides the failures of its steps."""
    if error is None:
        return None
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED):
        return RunCancelled('the run was cancelled')
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.BROKEN_PIPE):
        return BrokenPipeError(error.message)
    if error.domain == _RUN_ERROR and error.code in (_code('BACKGROUND_FAILURE'), _code('HALTED')):
        return None
    return OSError(error.message)


def _is(error: Any, name: str) -> bool:
    return bool(error.domain == _RUN_ERROR and error.code == _code(name))


def remote_failure(message: str, details: bytes, fields: dict[str, Any]) -> Failure:
    """What the worker has told of an exception."""
    remote = _exceptions.restore(details, message)
    try:
        kind = FailureKind(remote.kind)
    except ValueError:
        kind = FailureKind.EXCEPTION
    exception = remote.exception
    status = None
    if isinstance(exception, SystemExit):
        kind = FailureKind.EXIT
        status = exception.code if isinstance(exception.code, int) else 1
    return Failure(
        kind=kind,
        type_name=remote.type_name,
        message=remote.message,
        traceback=remote.traceback,
        exception=exception,
        exit_status=status,
        **fields,
    )


def _plain_failure(step: Any, error: Any, fields: dict[str, Any]) -> Failure:
    """A failure without an exception."""
    status, number = step.get_exit_status(), step.get_term_signal()
    exception: StepError
    if _is(error, 'UNEXPECTED_EXIT'):
        exception = UnexpectedExit(error.message, status if status > 0 else None, number or None)
        kind = FailureKind.SIGNAL if number else FailureKind.EXIT
    elif error.domain == _RUN_ERROR and error.code in _BY_CODE:
        kind, make = _BY_CODE[error.code]
        exception = make(error.message)
    elif error.domain in _SPAWN_ERRORS:
        exception = CommandFailed(error.message, status if status > 0 else None, number or None)
        kind = (
            FailureKind.SIGNAL
            if number
            else FailureKind.EXIT
            if status > 0
            else FailureKind.COMMAND
        )
    else:
        exception = RemoteError(error.message, error.domain)
        kind = FailureKind.EXCEPTION
    return Failure(
        kind=kind,
        type_name=type_name(type(exception)),
        message=error.message,
        exception=exception,
        exit_status=status if status > 0 else None,
        signal=number or None,
        **fields,
    )
