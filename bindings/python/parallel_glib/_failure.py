# SPDX-License-Identifier: LGPL-2.1-or-later
"""How failures are reported: one Failure a step, all of them in one BackgroundFailure."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import traceback as _traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _guarded
from ._errors import (
    RemoteError,
    RemoteTraceback,
    StepAborted,
    UnexpectedExit,
    publish,
    signal_name,
    type_name,
)

LINES_SHOWN = 10


class FailureKind(enum.StrEnum):
    """What kind of failure it is.

    >>> FailureKind('signal')
    <FailureKind.SIGNAL: 'signal'>
    """

    EXCEPTION = 'exception'
    """The step raised an exception."""
    EXIT = 'exit'
    """The step's process ended, by itself: a status other than 0, or in the middle of a step."""
    SIGNAL = 'signal'
    """The step's process was ended by a signal."""
    TIMEOUT = 'timeout'
    """It ran for longer than its timeout."""
    SILENCE = 'silence'
    """It gave no sign of life for longer than its silence timeout."""
    EXIT_TIMEOUT = 'exit-timeout'
    """It was done, or told to leave, and did not end."""
    OUTPUT_LIMIT = 'output-limit'
    """It wrote too much."""
    INPUT = 'input'
    """The function or its input could not be brought to the worker."""
    RESULT = 'result'
    """The result could not be brought back."""
    WORKER = 'worker'
    """The worker could not be started or set up, or did not keep to the protocol."""
    COMMAND = 'command'
    """The program could not be started."""
    HALTED = 'halted'
    """It was stopped from outside."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """One step that failed.

    >>> failure = Failure(name='compile', index=3, input=('a.c',), kind=FailureKind.EXCEPTION,
    ...                   type_name='ValueError', message='no such flag', duration=1.25)
    >>> print(failure)
    compile: ValueError: no such flag (after 1.2 s)
    """

    name: str
    index: int
    input: Any = None
    kind: FailureKind = FailureKind.EXCEPTION
    type_name: str = ''
    message: str = ''
    traceback: str = ''
    """The traceback in the process where it was raised, as text."""
    exit_status: int | None = None
    signal: int | None = None
    duration: float = 0.0
    output_tail: str = ''
    """The last lines that the step printed."""
    diagnosis: str = ''
    """What was seen of a step that was over a limit: its processes, and the stack of each thread.
    """
    exception: BaseException | None = None
    """What was raised, or what stands for it where nothing was; also what is no `Exception`."""
    path: tuple[str, ...] = ()
    """The names of the steps around it, outermost first, if it failed in a run inside of a step."""

    def __str__(self) -> str:
        what = f'{self.type_name}: {self.message}' if self.message else self.type_name
        lines = what.splitlines() or ['failed']
        more = ' …' if len(lines) > 1 else ''
        return f'{self.full_name}: {lines[0]}{more} (after {self.duration:.1f} s)'

    @property
    def full_name(self) -> str:
        """The name with those of the steps around it.

        >>> Failure(name='inner', index=0, path=('outer',)).full_name
        'outer > inner'
        """
        return ' > '.join((*self.path, self.name))

    @property
    def signal_name(self) -> str | None:
        """The name of the signal that ended it, or None."""
        return signal_name(self.signal)

    @property
    def leaf(self) -> Exception:
        """The exception that stands for it in the group: the original wherever that is possible."""
        return _make_leaf(self)

    def describe(self) -> str:
        """All that is known of it, in many lines.

        >>> failure = Failure(name='a', index=0, type_name='OSError', output_tail='bye')
        >>> print(failure.describe())
        a: OSError (after 0.0 s)
        The end of its output:
          bye
        """
        parts = [str(self)]
        for title, text in (
            ('Traceback in the step', self.traceback),
            ('Diagnosis', self.diagnosis),
            ('The end of its output', self.output_tail),
        ):
            if text:
                parts.append(f'{title}:\n' + _indent(text))
        return '\n'.join(parts)

    @classmethod
    def from_exception(
        cls, exception: BaseException, *, name: str, index: int, **fields: Any
    ) -> Failure:
        """A failure for an exception that was raised in this process.

        >>> Failure.from_exception(KeyError('x'), name='look', index=0).type_name
        'KeyError'
        """
        known: dict[str, Any] = {
            'kind': _kind_of(exception),
            'type_name': type_name(type(exception)),
            'message': _message_of(exception),
            'exit_status': _exit_status_of(exception),
            'signal': getattr(exception, 'signal', None),
            'traceback': ''.join(_traceback.format_exception(exception)),
        }
        return cls(name=name, index=index, exception=exception, **(known | fields))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        exception = _guarded.pack(fields.pop('exception'))
        value = _guarded.pack(fields.pop('input'))
        return _restore_failure, (fields, value, repr_of(self.input), exception)


class BackgroundFailure(ExceptionGroup[Exception]):
    """One or more steps failed.

    It is a group of the exceptions in queue order, so that `except*` works on it. `failures` says
    all about each; `results` are those of the steps that succeeded, by their place in the queue.
    The failures of a run inside of a step stand in the place of that step.

    A group of exceptions holds only `Exception`s. Where a step raised something else, its leaf is a
    `StepAborted`, or an `UnexpectedExit` for SystemExit; `Failure.exception` has the original.

    >>> one = Failure.from_exception(KeyError('x'), name='look', index=4)
    >>> failure = BackgroundFailure([one], total=8)
    >>> print(failure)
    1 of 8 steps failed:
      look: KeyError: 'x' (after 0.0 s)
    >>> failure.exceptions
    (KeyError('x'),)
    """

    failures: tuple[Failure, ...]
    results: dict[int, Any]

    def __new__(
        cls,
        failures: Iterable[Failure],
        *,
        results: Mapping[int, Any] | None = None,
        total: int | None = None,
        message: str | None = None,
    ) -> BackgroundFailure:
        flat = tuple(flatten(failures))
        if message is None:
            message = _headline(len(flat), total)
        leaves: list[Exception] = [failure.leaf for failure in flat]
        self = super().__new__(cls, message, leaves)  # type: ignore[arg-type]
        self.failures = flat
        self.results = dict(results or {})
        return self

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        # The base class would take the arguments for the message and the exceptions.
        pass

    def __str__(self) -> str:
        lines = [f'{self.message}:', *(f'  {failure}' for failure in self.failures[:LINES_SHOWN])]
        if len(self.failures) > LINES_SHOWN:
            lines.append(f'  and {len(self.failures) - LINES_SHOWN} more')
        return '\n'.join(lines)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.message!r}, {list(self.exceptions)!r})'

    def derive(  # type: ignore[override]
        self, excs: Sequence[Exception]
    ) -> ExceptionGroup[Exception]:
        """Called by `split()`, `subgroup()` and `except*`: the group of some of the exceptions."""
        by_leaf = {id(leaf): failure for leaf, failure in zip(self.exceptions, self.failures)}
        if all(id(exception) in by_leaf for exception in excs):
            chosen = [by_leaf[id(exception)] for exception in excs]
            return self._build(chosen, self.results, self.message)
        # A leaf that is a group itself was taken apart.
        return ExceptionGroup(self.message, excs)

    @classmethod
    def _build(
        cls, failures: Iterable[Failure], results: Mapping[int, Any], message: str
    ) -> BackgroundFailure:
        """Makes another one of the same class, whatever arguments its constructor takes."""
        return cls(failures, results=results, message=message)

    def describe(self) -> str:
        """All that is known of all of them.

        >>> text = BackgroundFailure([Failure(name='a', index=0, type_name='OSError')]).describe()
        >>> text.splitlines()[0]
        '1 step failed:'
        """
        return '\n\n'.join([f'{self.message}:', *(failure.describe() for failure in self.failures)])

    def __reduce__(self) -> tuple[Any, ...]:
        results = {index: _guarded.pack(value) for index, value in self.results.items()}
        return _restore_group, (
            type(self),
            self.message,
            self.failures,
            results,
            getattr(self, '__notes__', None),
        )


def flatten(failures: Iterable[Failure]) -> Iterable[Failure]:
    """The failures, with those of a run inside of a step in the place of that step's."""
    for failure in failures:
        nested = failure.exception
        if not isinstance(nested, BackgroundFailure):
            yield failure
            continue
        for inner in nested.failures:
            yield dataclasses.replace(inner, path=(failure.name, *inner.path))


def repr_of(value: Any, limit: int = 200) -> str:
    """A short repr, also of what has a broken one.

    >>> repr_of('x' * 300, 10)
    "'xxxxxxxx…"
    """
    try:
        text = repr(_cut(value, limit))
    except Exception as error:  # the user's own __repr__
        text = f'<{type(value).__name__}: repr() raised {type(error).__name__}>'
    return text if len(text) <= limit else text[: limit - 1] + '…'


def _cut(value: Any, length: int, depth: int = 3) -> Any:
    """The beginning of it, where a repr would take long and mostly be dropped."""
    kind = type(value)
    if kind is int or kind is float:
        return value
    if kind in (str, bytes, bytearray):
        return value[:length]
    if depth > 0 and kind in (list, tuple):
        return kind([_cut(item, length, depth - 1) for item in value[:length]])
    if depth > 0 and kind is dict:
        items = itertools.islice(value.items(), length)
        return {key: _cut(item, length, depth - 1) for key, item in items}
    return value


def _headline(failed: int, total: int | None) -> str:
    noun = 'step' if max(failed, total or 0) == 1 else 'steps'
    return f'{failed} {noun} failed' if total is None else f'{failed} of {total} {noun} failed'


def _indent(text: str) -> str:
    return '\n'.join('  ' + line for line in text.rstrip('\n').splitlines())


def _make_leaf(failure: Failure) -> Exception:
    exception = failure.exception
    if exception is None:
        leaf: Exception = RemoteError(failure.message or 'failed', failure.type_name)
    elif isinstance(exception, Exception):
        leaf = exception
    elif isinstance(exception, SystemExit):
        leaf = UnexpectedExit(f'the step called sys.exit({exception.code!r})', failure.exit_status)
    else:
        leaf = StepAborted(exception)
    # The traceback of another process is only text here; where it was raised in this one, it has
    # its own.
    if failure.traceback and leaf.__cause__ is None and leaf.__traceback__ is None:
        leaf.__cause__ = RemoteTraceback(failure.traceback)
    _add_note(
        leaf,
        f'In step {failure.full_name} (number {failure.index} of its queue, '
        f'after {failure.duration:.1f} s)',
    )
    if failure.diagnosis:
        _add_note(leaf, failure.diagnosis.rstrip('\n'))
    return leaf


def _add_note(exception: BaseException, note: str) -> None:
    if note not in getattr(exception, '__notes__', ()):
        exception.add_note(note)


def _kind_of(exception: BaseException) -> FailureKind:
    if isinstance(exception, SystemExit):
        return FailureKind.EXIT
    if not isinstance(exception, UnexpectedExit):
        return FailureKind.EXCEPTION
    if exception.signal:
        return FailureKind.SIGNAL
    return FailureKind.COMMAND if exception.exit_status is None else FailureKind.EXIT


def _exit_status_of(exception: BaseException) -> int | None:
    if isinstance(exception, SystemExit):
        return exception.code if isinstance(exception.code, int) else 1
    return exception.exit_status if isinstance(exception, UnexpectedExit) else None


def _message_of(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception as error:  # the user's own __str__
        return f'<str() raised {type(error).__name__}>'


def _restore_failure(
    fields: dict[str, Any], value: bytes | None, value_text: str, exception: bytes | None
) -> Failure:
    missing = object()
    restored = _guarded.unpack(exception, missing)
    if restored is missing:
        restored = RemoteError(fields['message'], fields['type_name'])
    return Failure(input=_guarded.unpack(value, value_text), exception=restored, **fields)


def _restore_group(
    cls: type[BackgroundFailure],
    message: str,
    failures: Sequence[Failure],
    results: Mapping[int, bytes | None],
    notes: list[str] | None,
) -> BackgroundFailure:
    kept = {index: _guarded.unpack(data) for index, data in results.items()}
    group = cls._build(failures, kept, message)
    for note in notes or ():
        _add_note(group, note)
    return group


publish(Failure, FailureKind, BackgroundFailure)
