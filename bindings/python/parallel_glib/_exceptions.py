"""What a failed step says: how a worker describes an exception, and how its caller gets it back.

The description is plain data, so that reading it never runs code of the step. Only the exception
itself is pickled apart, inside of it, and whoever reads it decides whether to try that.
"""

from __future__ import annotations

try:  # The C module alone: pickle.py takes 8 ms more to import, and every worker would wait for it.
    from _pickle import Unpickler, UnpicklingError, dumps, loads
except ImportError:  # pragma: no cover
    from pickle import Unpickler, UnpicklingError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

MESSAGE_LIMIT = 4096
"""The longest message that goes into the line of a failure. The details have all of it."""

RAISED = 'exception'
INPUT = 'input'
RESULT = 'result'
SETUP = 'setup'

_PREFIXES = {
    INPUT: 'the input cannot be unpickled: ',
    RESULT: 'the result cannot be pickled: ',
    SETUP: 'the setup cannot be unpickled: ',
}


class RemoteFailureInfo:
    """A failure as its caller sees it.

    kind: what failed: RAISED, INPUT, RESULT or SETUP.
    type_name: the qualified name of the exception's type, empty if there was none.
    message: what the exception says, without the name of its type.
    traceback: the text of the traceback in the worker, with the chained exceptions.
    notes: the notes of the exception (PEP 678).
    system_exit: the exit status if the step called sys.exit(), else None.
    exception: the exception, whose cause is a RemoteTraceback; a RemoteError if it cannot be
    unpickled.
    restored: whether exception is the one that was raised.
    restore_error: why it is not, empty if it was never pickled or if it is.
    """

    # Filled in by restore().
    exception: BaseException

    __slots__ = (
        'kind',
        'type_name',
        'message',
        'traceback',
        'notes',
        'system_exit',
        'exception',
        'restored',
        'restore_error',
    )

    def __init__(self) -> None:
        self.kind = RAISED
        self.type_name = ''
        self.message = ''
        self.traceback = ''
        self.notes: list[str] = []
        self.system_exit: int | None = None
        self.restored = False
        self.restore_error = ''


# The worker's side


def describe(
    error: BaseException, kind: str = RAISED, hide: tuple[str, ...] = ()
) -> tuple[bytes, dict[str, Any]]:
    """The message (one line) and the details of an exception. Frames of the files in hide are left
    out at the top.
    """
    name = type_name(error)
    text = safe_text(error)
    details = {
        'type': name,
        'kind': kind,
        'message': text,
        'traceback': format_traceback(error, hide),
        'notes': _notes(error),
        'system_exit': exit_status(error),
        'exception': pickle_exception(error),
    }
    return line(_PREFIXES.get(kind, '') + _short(name) + (': ' + text if text else '')), details


def describe_text(message: str, kind: str) -> tuple[bytes, dict[str, Any]]:
    """The same for a failure that is no exception."""
    details = {
        'type': '',
        'kind': kind,
        'message': message,
        'traceback': '',
        'notes': [],
        'system_exit': None,
        'exception': None,
    }
    return line(message), details


def pack(message: bytes, details: dict[str, Any], limit: int) -> bytes:
    """The bytes of a failed outcome, without its first one. What does not fit into the limit is
    left out.
    """
    packed = dumps(details, 5)
    if len(message) + len(packed) + 4 > limit:
        packed = dumps(_shrunk(details, (limit - len(message)) // 16), 5)
    if len(message) + len(packed) + 4 > limit:
        message, packed = message[: max(limit - 4, 0)], b''
    return len(message).to_bytes(4, 'little') + message + packed


def _shrunk(details: dict[str, Any], size: int) -> dict[str, Any]:
    """The details without the pickled exception, of the texts their first and last characters (4
    bytes or fewer).
    """

    def cut(text: str) -> str:
        half = size // 2
        return text if len(text) <= size else text[:half] + '\n[...]\n' + text[len(text) - half :]

    return {
        **details,
        'message': cut(details['message']),
        'traceback': cut(details['traceback']),
        'notes': [],
        'exception': None,
    }


def line(text: str) -> bytes:
    """The text in one line, as UTF-8, not longer than MESSAGE_LIMIT."""
    text = ' '.join(text[: MESSAGE_LIMIT + 1].split())
    if len(text) > MESSAGE_LIMIT:
        text = text[:MESSAGE_LIMIT] + '...'
    return text.encode('utf-8', 'backslashreplace')


def type_name(error: BaseException) -> str:
    """The name of the type with its module, as a traceback has it."""
    cls = type(error)
    module = cls.__dict__.get('__module__')
    if not isinstance(module, str) or module in ('builtins', '__main__'):
        return cls.__qualname__
    return f'{module}.{cls.__qualname__}'


def _short(name: str) -> str:
    return name.rpartition('.')[2]


def safe_text(error: BaseException) -> str:
    """str(error), or what it raised."""
    try:
        return str.__str__(str(error))  # Plain text, if it was of a subclass.
    except BaseException as other:  # pylint: disable=broad-except
        return f'(no message: its __str__ raised {type(other).__name__})'


def format_traceback(error: BaseException, hide: tuple[str, ...]) -> str:
    """The traceback with all chained exceptions; at the least the frames, if something in them
    cannot be formatted.
    """
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in hide:
        frames = frames.tb_next
    try:
        import traceback  # Takes 15 ms, and most workers never need it.

        return ''.join(traceback.format_exception(type(error), error, frames))
    except BaseException as other:  # pylint: disable=broad-except
        return (
            _plain_traceback(error, frames) + f'(not formatted in full: {type(other).__name__})\n'
        )


def _plain_traceback(error: BaseException, frames: TracebackType | None) -> str:
    lines = ['Traceback (most recent call last):']
    while frames is not None:
        code = frames.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frames.tb_lineno}, in {code.co_name}')
        frames = frames.tb_next
    return '\n'.join(lines) + f'\n{type_name(error)}: {safe_text(error)}\n'


def _notes(error: BaseException) -> list[str]:
    try:
        return [str.__str__(str(note)) for note in error.__notes__]  # type: ignore[attr-defined]
    except BaseException:  # pylint: disable=broad-except
        return []


def exit_status(error: BaseException) -> int | None:
    """What the process would exit with, None if it is no SystemExit."""
    if not isinstance(error, SystemExit):
        return None
    code = error.code
    if code is None:
        return 0
    return int(code) if isinstance(code, int) else 1


def pickle_exception(error: BaseException) -> bytes | None:
    """The exception pickled, None if that cannot be done."""
    try:
        return dumps(error, 5)
    except Exception:  # pylint: disable=broad-except
        pass
    except BaseException:  # pylint: disable=broad-except
        return None
    try:
        import cloudpickle

        return cloudpickle.dumps(error, 5)
    except BaseException:  # pylint: disable=broad-except
        return None


# The caller's side


class _PlainUnpickler(Unpickler):
    """For plain data only: it finds no class and no function, so that nothing is run."""

    def find_class(self, module: str, name: str) -> Any:
        raise UnpicklingError(f'{module}.{name} is no plain data')


def restore(details: bytes, message: str) -> RemoteFailureInfo:
    """The failure that an outcome tells of. Never raises, whatever is in it."""
    from ._errors import RemoteError, RemoteTraceback

    info = RemoteFailureInfo()
    info.message = message
    data = _plain(details)
    if data is None:  # The details of a worker in another language, or of none.
        info.traceback = bytes(details).decode('utf-8', 'replace')
        info.exception = RemoteError(message)
    else:
        info.kind = data['kind']
        info.type_name = data['type']
        info.message = data['message']
        info.traceback = data['traceback']
        info.notes = data['notes']
        info.system_exit = data['system_exit']
        _restore_exception(info, data['exception'], message)
    if info.traceback:
        # Not by an assignment, which the class of the exception could have made its own.
        cause = RemoteTraceback(info.traceback)
        BaseException.__cause__.__set__(info.exception, cause)  # type: ignore
    return info


def _restore_exception(info: RemoteFailureInfo, pickled: bytes | None, message: str) -> None:
    from ._errors import RemoteError

    if pickled is not None and info.kind == RAISED:
        try:
            error = loads(pickled)
            if isinstance(error, BaseException):
                info.exception = error
                info.restored = True
                return
            info.restore_error = (
                f'it was unpickled as {type(error).__name__}, which is no exception'
            )
        except BaseException as other:  # pylint: disable=broad-except
            info.restore_error = f'{type(other).__name__}: {safe_text(other)}'
    info.exception = (
        RemoteError(info.message, info.type_name) if info.kind == RAISED else RemoteError(message)
    )
    if info.restore_error:
        info.exception.add_note(f'It could not be unpickled here: {info.restore_error}')


def _plain(details: bytes) -> dict[str, Any] | None:
    import io

    try:
        data = _PlainUnpickler(io.BytesIO(details)).load()
        keys = {'type': str, 'kind': str, 'message': str, 'traceback': str, 'notes': list}
        if (
            isinstance(data, dict)
            and all(isinstance(data[key], cls) for key, cls in keys.items())
            and {'system_exit', 'exception'} <= data.keys()
        ):
            return data
    except Exception:  # pylint: disable=broad-except
        pass
    return None
