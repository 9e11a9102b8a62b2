"""The worker: a process that is started once and does many steps, as docs/worker-protocol.md
describes it.

Every worker waits for the imports of this module, so it takes the C modules where the modules
around them (signal, socket, struct, pickle) are slow to import, and imports what only some need
where it is needed.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':
    # By -m or by its path. The module is needed under its own name, where heartbeat() finds the
    # worker.
    if not __package__:
        import os

        sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    from parallel_glib._worker import main

    main()

import _signal
import faulthandler
import fcntl
import io
import os
import time
from _struct import Struct, error as StructError
from _thread import allocate_lock

from parallel_glib import _exceptions, _together, _transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Callable, NoReturn

VERSION = 1
START, SETUP, RUN, LEAVE = 1, 2, 3, 4
READY, SET_UP, RESULT, ALIVE, LEFT = 65, 66, 67, 68, 69
CLAIMED = 1
CLAIMS, STACKS = 1, 2
FIRST_LIMIT = 65536
READ_SIZE = 65536

STACKS_SIGNAL = _signal.SIGRTMIN + 13
"""Real-time signals are not used by libraries, and programs that use some take those at either end
first.
"""

HEARTBEAT_INTERVAL = 0.2
STATUS_LIMIT = 1024

_HEAD = Struct('<IB')
_START = Struct('<4sHHI16s')
_READY = Struct('<HHIB')
_REQUEST = Struct('<QBI')
_RESULT_HEAD = Struct('<IBQB')
_OUTCOME_HEAD = Struct('<IBB')
_SERIAL = Struct('<Q')
_ALIVE = Struct('<IBd')

_DONE, _FAILED, _NOTHING = 0, 1, 2
# Of no interest in a traceback. The last one is the caller's, which need not be loaded here.
_OWN_FILES = (
    __file__,
    _together.__file__,
    _transport.__file__,
    os.path.join(os.path.dirname(__file__), '_calls.py'),
)

_current: Worker | None = None
_kept: list[Any] = []


class ProtocolError(Exception):
    """The runner has sent what no runner sends."""


class EndOfInput(Exception):
    """The runner has closed the input, or is gone."""


def heartbeat(progress: float | None = None, status: str | None = None) -> None:
    """Tells the runner that the step is alive. For steps; elsewhere it does nothing.

    Of more than five a second the later ones are dropped.
    """
    if _current is not None:
        _current.heartbeat(progress, status)


def write_all(descriptor: int, buffers: Sequence[Any]) -> None:
    """Writes all of the buffers, in one go if the other end takes them, without joining them."""
    views = [memoryview(buffer) for buffer in buffers if len(buffer)]
    while views:
        try:
            written = os.writev(descriptor, views)
        except BlockingIOError:
            _wait_writable(descriptor)
            continue
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views:
            views[0] = views[0][written:]


def _wait_writable(descriptor: int) -> None:
    """A step can have made the description non-blocking, which all its descriptors share."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()


class _Output(io.FileIO):
    """The lowest layer of sys.stdout and sys.stderr: writes all of what it is given."""

    def write(self, data: Any) -> int:
        view = memoryview(data).cast('B')
        done = 0
        while done < len(view):
            count = super().write(view[done:])
            if count is None:
                _wait_writable(self.fileno())
            else:
                done += count
        if _current is not None and _current.batch is not None:
            _current.batch.note_written(done)
        return done


def _text_output(descriptor: int, errors: str) -> io.TextIOWrapper:
    """Unbuffered: what print(), os.write() and other programs write stays in order, and nothing is
    lost in a crash.
    """
    raw = _Output(descriptor, 'w', closefd=False)
    return io.TextIOWrapper(raw, 'utf-8', errors, None, True, True)  # type: ignore[arg-type]


class _Input:
    """Frames from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.limit = FIRST_LIMIT
        self.received: list[int] = []
        self._data = b''
        self._at = 0
        self._first = True

    def next(self) -> tuple[int, memoryview]:
        """The kind and the payload of the next frame."""
        self._need(5)
        length, kind = _HEAD.unpack_from(self._data, self._at)
        if not 1 <= length <= self.limit:
            raise ProtocolError(f'a frame of {length} bytes, of which the limit is {self.limit}')
        start = self._at + 5
        end = self._at + 4 + length
        if end <= len(self._data):
            self._at = end
            return kind, memoryview(self._data)[start:end]
        if length <= READ_SIZE:
            self._need(4 + length)
            start, self._at = self._at + 5, self._at + 4 + length
            return kind, memoryview(self._data)[start : self._at]
        return kind, self._big(start, length - 1)

    def _need(self, size: int) -> None:
        while len(self._data) - self._at < size:
            data = self._read_first() if self._first else os.read(self.descriptor, READ_SIZE)
            if not data:
                raise EndOfInput
            self._data = self._data[self._at :] + data
            self._at = 0

    def _big(self, start: int, size: int) -> memoryview:
        """A payload that is read to where it stays."""
        payload = memoryview(bytearray(size))
        filled = len(self._data) - start
        payload[:filled] = memoryview(self._data)[start:]
        self._data, self._at = b'', 0
        while filled < size:
            count = os.readv(self.descriptor, [payload[filled:]])
            if count == 0:
                raise EndOfInput
            filled += count
        return payload

    def _read_first(self) -> bytes:
        """The first bytes, and the descriptors that come with them if the input is a socket."""
        self._first = False
        try:
            import _socket

            sock = _socket.socket(fileno=os.dup(self.descriptor))
        except OSError:
            return os.read(self.descriptor, READ_SIZE)
        with_fds = _socket.CMSG_SPACE(16 * 4)
        data, ancillary, _flags, _address = sock.recvmsg(
            READ_SIZE, with_fds, _socket.MSG_CMSG_CLOEXEC
        )
        sock.close()
        for level, kind, payload in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                self.received += memoryview(payload[: len(payload) // 4 * 4]).cast('i')
        return data


class Worker:
    """The worker that this process is."""

    def __init__(
        self, stdin_fd: int, stdout_fd: int, stderr_fd: int, functions: Sequence[Any]
    ) -> None:
        self._functions = functions
        self._lock = allocate_lock()
        self._in_step = False
        self._next_heartbeat = 0.0
        self._serial = 0
        self._claims = self._stacks = -1
        self._claimed = 0
        self._may_set_up = True
        self._setup: dict[str, Any] = dict.fromkeys(('task', 'onexit', 'discard'))
        self._token = b''
        self._is_fork = False
        self.batch: _together.Together | None = None
        originals = (stdin_fd, stdout_fd, stderr_fd)
        self._input = _Input(_private(stdin_fd))
        os.set_blocking(self._input.descriptor, True)
        self._answers, self._output = _private(stdout_fd), _private(stderr_fd)
        for descriptor in originals:
            if descriptor > 2:
                os.close(descriptor)

    # What the process is for its steps

    def take_over(self) -> None:
        """Gives the process the descriptors, streams and handlers that steps find."""
        null = os.open('/dev/null', os.O_RDONLY | os.O_CLOEXEC)
        for descriptor, source in enumerate((null, self._output, self._output)):
            os.dup2(source, descriptor)
        os.close(null)
        # Those of before can hold what somebody else had not flushed: they must not be freed, which
        # would flush it.
        _kept.extend(
            (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__)
        )
        sys.stdin = sys.__stdin__ = open(
            0, encoding='utf-8', errors='surrogateescape', closefd=False
        )
        sys.stdout = sys.__stdout__ = _text_output(1, 'surrogateescape')  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = _text_output(2, 'backslashreplace')  # type: ignore[misc]
        self._stdout, self._stderr = sys.stdout, sys.stderr
        faulthandler.enable(self._output)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """A step has forked, and this is the child: it is no worker, and must not hold the worker's
        descriptors.
        """
        if self._is_fork:
            return
        self._is_fork = True
        if self.batch is not None:
            self.batch.stop()
        if self._stacks >= 0:
            faulthandler.unregister(STACKS_SIGNAL)
        faulthandler.enable(2)
        for descriptor in (
            self._input.descriptor,
            self._answers,
            self._output,
            self._claims,
            self._stacks,
        ):
            if descriptor >= 0:
                os.close(descriptor)

    # The protocol

    def serve(self) -> NoReturn:
        """Does what comes, until there is nothing more."""
        try:
            self._handshake()
            while True:
                kind, payload = self._input.next()
                self._dispatch(kind, payload)
                del payload  # A big one is not to be held while the next is waited for.
        except (EndOfInput, ConnectionError):
            os._exit(1)
        except (ProtocolError, StructError) as error:
            write_all(self._output, [f'parallel-glib worker: malformed frame: {error}\n'.encode()])
            os._exit(os.EX_PROTOCOL)
        except KeyboardInterrupt:  # Between two steps.
            os._exit(128 + _signal.SIGINT)

    def _handshake(self) -> None:
        kind, payload = self._input.next()
        if kind != START or len(payload) != _START.size:
            raise ProtocolError('no START')
        magic, version, descriptors, limit, self._token = _START.unpack(payload)
        if magic != b'PGLW' or version != VERSION:
            raise ProtocolError(f'START of the version {version}')
        got = self._accept_descriptors(descriptors)
        self._input.limit = limit
        signal = self._register_stacks()
        ready = _READY.pack(VERSION, got, os.getpid(), signal) + os.uname().nodename.encode()
        write_all(self._answers, [_HEAD.pack(1 + len(ready), READY) + ready])

    def _accept_descriptors(self, announced: int) -> int:
        """What has come of the announced; all or nothing, as it cannot be told which of them are
        missing.
        """
        received = self._input.received
        bits = [bit for bit in (CLAIMS, STACKS) if announced & bit]
        if len(received) != bin(announced).count('1'):
            bits = []
        for bit, descriptor in zip(bits, received):
            if bit == CLAIMS:
                self._claims = _raised(descriptor)
            else:
                self._stacks = _raised(descriptor)
        for descriptor in received[len(bits) :]:
            os.close(descriptor)
        return sum(bits)

    def _register_stacks(self) -> int:
        if self._stacks < 0:
            return 0
        faulthandler.register(STACKS_SIGNAL, self._stacks, all_threads=True, chain=False)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {STACKS_SIGNAL})
        return STACKS_SIGNAL

    def _dispatch(self, kind: int, payload: memoryview) -> None:
        if kind == RUN and payload:
            self._may_set_up = False
            self._run(payload)
        elif kind == SETUP and self._may_set_up:
            self._may_set_up = False
            self._set_up(payload)
        elif kind == LEAVE and not payload:
            self._leave()
        else:
            raise ProtocolError(f'the kind {kind} with {len(payload)} bytes')

    def _set_up(self, payload: memoryview) -> None:
        outcome = self._attempt(self._do_setup, payload)
        self._mark(0)
        self._send(SET_UP, b'', outcome)

    def _do_setup(self, payload: memoryview) -> tuple[int, bytes, bytes]:
        try:
            plain = _transport.loads_setup(payload)
            _transport.apply_setup(plain)
            setup = _transport.load_callables(plain, self._functions)
        except BaseException as error:  # pylint: disable=broad-except
            return self._failure(error, _exceptions.SETUP)
        self._setup = setup
        if setup['initializer'] is None:
            return _DONE, b'', b''
        outcome = self._call(setup['initializer'], setup['initargs'], {})
        return (_DONE, b'', b'') if outcome[0] == _DONE else outcome

    def _run(self, payload: memoryview) -> None:
        at = 0
        while at < len(payload):
            serial, flags, size = _REQUEST.unpack_from(payload, at)
            at += _REQUEST.size
            if size > len(payload) - at or flags & ~CLAIMED or serial <= self._serial:
                raise ProtocolError(
                    f'the request {serial} after {self._serial}, of {size} bytes, flags {flags}'
                )
            self._serial = serial
            if not flags or self._claim(serial):
                outcome = self._attempt(self._do_request, payload[at : at + size])
                self._mark(serial)
                self._send(RESULT, _SERIAL.pack(serial), outcome)
            at += size

    def _claim(self, serial: int) -> bool:
        """Whether the request is this worker's, and not one that the runner has taken back."""
        if self._claims < 0:
            raise ProtocolError('a claimed request without a pipe of claims')
        if self._claimed == 0:
            try:
                data = os.read(self._claims, 8)
            except BlockingIOError:
                return False
            if not data:
                raise EndOfInput
            (self._claimed,) = _SERIAL.unpack(data)
        if self._claimed > serial:
            return False
        if self._claimed < serial:
            raise ProtocolError(f'the request {serial}, but the claim of {self._claimed}')
        self._claimed = 0
        return True

    def _leave(self) -> NoReturn:
        import atexit

        outcome: tuple[int, bytes, bytes] = (_NOTHING, b'', b'')
        if self._setup['onexit'] is not None:
            outcome = self._attempt(self._do_onexit, None)
        atexit._run_exitfuncs()  # type: ignore[attr-defined]
        self._flush()
        self._send(LEFT, b'', outcome)
        os._exit(0)  # Not sys.exit(), which waits for threads that steps have left behind.

    def _do_onexit(self, _none: None) -> tuple[int, bytes, bytes]:
        return self._call(self._setup['onexit'], (), {})

    # Steps

    def _attempt(
        self, function: Callable[[Any], tuple[int, bytes, bytes]], data: Any
    ) -> tuple[int, bytes, bytes]:
        """Runs something of the user. What it leaves is freed before this returns, while it is
        still its step.
        """
        self._in_step = True
        try:
            return function(data)
        finally:
            self._in_step = False
            if self._is_fork:
                self._end_fork()

    def _end_fork(self) -> NoReturn:
        """The child of a step that has forked comes to the end of the step: only one of the two is
        the worker.
        """
        error = sys.exc_info()[1]
        self._flush()
        os._exit(0 if error is None else 1)

    def _do_request(self, data: memoryview) -> tuple[int, bytes, bytes]:
        if data and data[0] in (_transport.COLUMNS, _transport.EACH):
            return self._do_batch(data)
        try:
            function, args, kwargs = _transport.load_request(data, self._setup, self._functions)
        except BaseException as error:  # pylint: disable=broad-except
            return self._failure(error, _exceptions.INPUT)
        return self._call(function, args, kwargs)

    def _do_batch(self, data: memoryview) -> tuple[int, bytes, bytes]:
        try:
            self.batch = batch = _together.load(data, self._setup)
        except BaseException as error:  # pylint: disable=broad-except
            return self._failure(error, _exceptions.INPUT)
        try:
            error = batch.run()
            failure = None if error is None else self._failure(error, batch.kind)[2]
            del error
            return _DONE, _transport.BATCH_TAG, batch.dumps(failure)
        finally:
            self.batch = None

    def _call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[int, bytes, bytes]:
        try:
            result = function(*args, **kwargs)
        except SystemExit as error:
            if _exceptions.exit_status(error) != 0:
                return self._failure(error, _exceptions.RAISED)
            result = None
        except BaseException as error:  # pylint: disable=broad-except
            return self._failure(error, _exceptions.RAISED)
        if self._setup['discard']:
            result = None
        try:
            return (_DONE, *_transport.dumps_result(result))
        except BaseException as error:  # pylint: disable=broad-except
            return self._failure(error, _exceptions.RESULT)

    def _failure(self, error: BaseException, kind: str) -> tuple[int, bytes, bytes]:
        if self._is_fork:  # Nobody asks for it, so that it is only seen here.
            sys.excepthook(type(error), error, error.__traceback__)
            raise error
        return _FAILED, b'', self._pack(*_exceptions.describe(error, kind, _OWN_FILES))

    def _pack(self, message: bytes, details: dict[str, Any]) -> bytes:
        return _exceptions.pack(message, details, self._input.limit - 10)

    # Output

    def _flush(self) -> None:
        """Streams that a step has put in the place of sys.stdout or sys.stderr can hold text."""
        for stream, own in ((sys.stdout, self._stdout), (sys.stderr, self._stderr)):
            if stream is not own and stream is not None:
                try:
                    stream.flush()
                except BaseException:  # pylint: disable=broad-except
                    pass  # It is not even known what it is.

    def _mark(self, serial: int) -> None:
        if sys.stdout is not self._stdout or sys.stderr is not self._stderr:
            self._flush()
        write_all(self._output, [self._token + _SERIAL.pack(serial)])

    def _send(self, kind: int, serial: bytes, outcome: tuple[int, bytes, bytes]) -> None:
        """Writes an answer with an outcome: its number, a tag, and what follows."""
        code, tag, data = outcome
        length = 2 + len(serial) + len(tag) + len(data)
        if length > self._input.limit:
            code, tag, data = self._too_long(length)
            length = 2 + len(serial) + len(data)
        head = _HEAD.pack(length, kind) + serial + bytes((code,)) + tag
        with self._lock:
            write_all(self._answers, (head, data))

    def _too_long(self, length: int) -> tuple[int, bytes, bytes]:
        text = (
            f'the result is too long: a frame of {length} bytes, '
            f'of which the limit is {self._input.limit}'
        )
        return _FAILED, b'', self._pack(*_exceptions.describe_text(text, _exceptions.RESULT))

    def heartbeat(self, progress: float | None, status: str | None) -> None:
        """Sends ALIVE if it is time for one. It never waits: where something is being sent, the
        runner sees life.
        """
        now = time.monotonic()
        if now < self._next_heartbeat or self._is_fork or not self._lock.acquire(blocking=False):
            return
        try:
            if self._in_step and now >= self._next_heartbeat:
                self._next_heartbeat = now + HEARTBEAT_INTERVAL
                self._send_alive(
                    -1.0 if progress is None else min(max(float(progress), 0.0), 1.0), status or ''
                )
        finally:
            self._lock.release()

    def _send_alive(self, progress: float, status: str) -> None:
        # Short, so that the pipe takes it in one piece, whatever comes in between.
        text = status.encode('utf-8', 'replace')[:STATUS_LIMIT].decode('utf-8', 'ignore').encode()
        write_all(self._answers, [_ALIVE.pack(9 + len(text), ALIVE, progress) + text])


def _private(descriptor: int) -> int:
    """A copy that steps do not get."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _raised(descriptor: int) -> int:
    """The descriptor, which is not one of the three that every program takes as its own."""
    if descriptor > 2:
        return descriptor
    copy = _private(descriptor)
    os.close(descriptor)
    return copy


def serve(
    stdin_fd: int, stdout_fd: int, stderr_fd: int, functions: Sequence[Any] | None = None
) -> NoReturn:
    """Makes this process a worker that speaks through the three descriptors, which it closes. Never
    returns.

    A process that has forked itself must have flushed its streams before. functions are those that
    it has inherited.
    """
    global _current
    worker = Worker(stdin_fd, stdout_fd, stderr_fd, functions or ())
    worker.take_over()
    _current = worker
    try:
        worker.serve()
    except BaseException:  # pylint: disable=broad-except
        sys.excepthook(*sys.exc_info())
    os._exit(os.EX_SOFTWARE)


def main() -> NoReturn:
    """The worker that was started as a program."""
    serve(0, 1, 2)
