"""The runner's side of docs/worker-protocol.md, small and blocking, for the tests of the worker."""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Sequence

BINDINGS = Path(__file__).resolve().parents[2] / 'bindings' / 'python'
if str(BINDINGS) not in sys.path:
    sys.path.insert(0, str(BINDINGS))

from parallel_glib import (
    _exceptions,
    _transport,
)  # noqa: E402  # pylint: disable=wrong-import-position

TIMEOUT = 60.0
LIMIT = 1 << 30
TOKEN = bytes(range(100, 116))
START, SETUP, RUN, LEAVE = 1, 2, 3, 4
READY, SET_UP, RESULT, ALIVE, LEFT = 65, 66, 67, 68, 69
DONE, FAILED, NOTHING = 0, 1, 2


def frame(kind: int, payload: bytes = b'') -> bytes:
    return struct.pack('<IB', 1 + len(payload), kind) + payload


def start(
    descriptors: int = 0, limit: int = LIMIT, magic: bytes = b'PGLW', version: int = 1
) -> bytes:
    return frame(START, struct.pack('<4sHHI16s', magic, version, descriptors, limit, TOKEN))


def request(serial: int, payload: bytes, claimed: bool = False) -> bytes:
    return struct.pack('<QBI', serial, int(claimed), len(payload)) + payload


class Outcome:
    """An outcome as it came."""

    def __init__(self, data: bytes) -> None:
        self.code = data[0]
        self.data = data[1:]
        self.message = ''
        self.details = b''
        if self.code == FAILED:
            (size,) = struct.unpack_from('<I', data, 1)
            self.message = data[5 : 5 + size].decode()
            self.details = data[5 + size :]

    @property
    def value(self) -> Any:
        assert self.code == DONE, self.message
        return _transport.loads_result(self.data)

    @property
    def info(self) -> _exceptions.RemoteFailureInfo:
        assert self.code == FAILED
        return _exceptions.restore(self.details, self.message)


class Output(threading.Thread):
    """Reads an output to its end, so that the worker never waits, and splits it at the marks."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._data = b''
        self._ended = False
        self.start()

    def run(self) -> None:
        while True:
            data = os.read(self._descriptor, 1 << 16)
            with self._changed:
                self._data += data
                self._ended = not data
                self._changed.notify_all()
            if not data:
                os.close(self._descriptor)
                return

    def until_mark(self, serial: int) -> bytes:
        """What was written before the mark of a step, which has to be the next one."""
        mark = TOKEN + struct.pack('<Q', serial)
        with self._changed:
            assert self._changed.wait_for(lambda: mark in self._data or self._ended, TIMEOUT)
            before, found, self._data = self._data.partition(mark)
            assert found, before
            assert TOKEN not in before
            return before

    def until(self, text: bytes) -> None:
        """Waits until the output has the text."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self._data or self._ended, TIMEOUT)
            assert text in self._data, self._data

    def rest(self) -> bytes:
        """All that comes to the end."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, TIMEOUT)
            return self._data


class Worker:
    """A worker and the runner's ends of what it has."""

    def __init__(
        self,
        command: Sequence[str] | None = None,
        server: Server | None = None,
        mark: str = '',
        socket_input: bool = True,
        env: dict[str, str] | None = None,
    ) -> None:
        self.serial = 0
        self._answers = b''
        self.alive: list[tuple[float, str]] = []
        self.claims: tuple[int, int] | None = None
        self.stacks = -1
        self.process: subprocess.Popen[bytes] | None = None
        self.server = server
        theirs_in, theirs_out, theirs_err = self._make_ends(socket_input)
        if server is None:
            self.process = (
                subprocess.Popen(
                    command or _transport.worker_command(),
                    stdin=theirs_in,
                    stdout=theirs_out,
                    stderr=theirs_err,
                    process_group=0,
                    env=env,
                )
                if sys.version_info >= (3, 11)
                else subprocess.Popen(
                    command or _transport.worker_command(),
                    stdin=theirs_in,
                    stdout=theirs_out,
                    stderr=theirs_err,
                    env=env,
                )
            )
            self.pid = self.process.pid
        else:
            self.pid = server.fork((theirs_in, theirs_out, theirs_err), mark)
        for descriptor in (theirs_in, theirs_out, theirs_err):
            os.close(descriptor)

    def _make_ends(self, socket_input: bool) -> tuple[int, int, int]:
        if socket_input:
            ours, theirs = socket.socketpair()
            theirs_in = theirs.detach()
            self.input: socket.socket | None = ours
            self.input_fd = ours.fileno()
        else:
            theirs_in, self.input_fd = os.pipe()
            self.input = None
        self.answers_fd, theirs_out = os.pipe()
        output, theirs_err = os.pipe()
        self.output = Output(output)
        return theirs_in, theirs_out, theirs_err

    # Frames

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.input_fd, view) :]

    def frame(self) -> tuple[int, bytes]:
        """The next frame that is not ALIVE."""
        while True:
            (length,) = struct.unpack('<I', self._read(4))
            body = self._read(length)
            if body[0] != ALIVE:
                return body[0], body[1:]
            self.alive.append((struct.unpack_from('<d', body, 1)[0], body[9:].decode()))

    def _read(self, size: int) -> bytes:
        parts = [self._answers[:size]]
        self._answers = self._answers[size:]
        missing = size - len(parts[0])
        while missing:
            self._await(self.answers_fd)
            data = os.read(self.answers_fd, min(missing, 1 << 20))
            if not data:
                raise EOFError
            parts.append(data)
            missing -= len(data)
        return b''.join(parts)

    @staticmethod
    def _await(descriptor: int) -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(TIMEOUT * 1000), 'nothing came'

    # The protocol

    def handshake(self, descriptors: int = 3, limit: int = LIMIT) -> tuple[int, int, int, int, str]:
        """START, and what READY has: version, descriptors, pid, signal, host."""
        if self.input is None or descriptors == 0:
            self.send(start(descriptors, limit))
        else:
            self._send_with_descriptors(descriptors, limit)
        kind, payload = self.frame()
        assert kind == READY
        return (*struct.unpack_from('<HHIB', payload), payload[9:].decode())

    def _send_with_descriptors(self, descriptors: int, limit: int) -> None:
        passed = []
        if descriptors & 1:
            self.claims = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            passed.append(self.claims[0])
        if descriptors & 2:
            self.stacks, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            passed.append(theirs)
        data = start(descriptors, limit)
        assert self.input is not None
        self.input.sendmsg(
            [data[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', passed))]
        )
        self.send(data[1:])
        if descriptors & 2:
            os.close(theirs)

    def setup(self, **kwargs: Any) -> tuple[bytes, Outcome]:
        """SETUP as of dumps_setup(): its output and its outcome."""
        self.send(frame(SETUP, _transport.dumps_setup(**kwargs)))
        output = self.output.until_mark(0)
        kind, payload = self.frame()
        assert kind == SET_UP
        return output, Outcome(payload)

    def post(self, payload: bytes) -> int:
        """Sends a request and returns its serial."""
        self.serial += 1
        self.send(frame(RUN, request(self.serial, payload)))
        return self.serial

    def result(self, serial: int) -> Outcome:
        kind, payload = self.frame()
        assert kind == RESULT
        assert struct.unpack_from('<Q', payload)[0] == serial
        return Outcome(payload[8:])

    def run_payload(self, payload: bytes) -> tuple[bytes, Outcome]:
        """Does a step: its output and its outcome."""
        serial = self.post(payload)
        outcome = self.result(serial)
        return self.output.until_mark(serial), outcome

    def call(self, function: Any, *args: Any, **kwargs: Any) -> tuple[bytes, Outcome]:
        return self.run_payload(_transport.dumps_call(function, args, kwargs))

    def value(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """The result of a step that prints nothing."""
        output, outcome = self.call(function, *args, **kwargs)
        assert output == b''
        return outcome.value

    def leave(self) -> tuple[Outcome, bytes, int]:
        """LEAVE: the outcome, the output after the last mark, and the wait status."""
        self.send(frame(LEAVE))
        kind, payload = self.frame()
        assert kind == LEFT
        return Outcome(payload), self.output.rest(), self.wait()

    def close_input(self) -> None:
        if self.input is not None:
            self.input.close()
        else:
            os.close(self.input_fd)
        self.input_fd = -1

    def ended(self) -> None:
        """The worker's answers have come to their end."""
        try:
            answer = self.frame()
        except EOFError:
            return
        raise AssertionError(answer)

    def wait(self) -> int:
        """What the process ended with: as subprocess has it, or as waitpid() has it if a server has
        forked it.
        """
        if self.process is not None:
            return self.process.wait(TIMEOUT)
        assert self.server is not None
        return self.server.exited(self.pid)

    def stacks_text(self, signal: int) -> str:
        """What the worker writes when it gets its signal, to the end of it: the stack of the main
        thread.
        """
        os.kill(self.pid, signal)
        text = b''
        while (
            b'in main\n' not in text
            and b'in run_command\n' not in text
            and b'"<string>"' not in text
        ):
            self._await(self.stacks)
            text += os.read(self.stacks, 1 << 16)
        return text.decode()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_error: Any) -> None:
        if self.input_fd >= 0:
            self.close_input()
        os.close(self.answers_fd)
        for descriptor in (*(self.claims or ()), self.stacks):
            if descriptor >= 0:
                os.close(descriptor)
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait(TIMEOUT)


class Server:
    """A server of workers, which was started or forked."""

    def __init__(
        self,
        functions: Sequence[Any] | None = None,
        preload: Sequence[str] = (),
        env: dict[str, str] | None = None,
        forked: bool = False,
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(TIMEOUT)
        self.socket = ours
        self._numbers = 0
        self._exits: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        if forked:
            self.pid = self._fork_self(ours, theirs, functions)
        else:
            self._process = subprocess.Popen(
                _transport.server_command(preload=preload), stdin=theirs, env=env, process_group=0
            )
            self.pid = self._process.pid
        theirs.close()
        assert self.socket.recv(64) == b'H\x01\x00'

    @staticmethod
    def _fork_self(
        ours: socket.socket, theirs: socket.socket, functions: Sequence[Any] | None
    ) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            from parallel_glib import _forkserver

            os.setpgid(0, 0)
            _forkserver.serve_forked(theirs.detach(), functions, close=[ours.detach()])
        return pid

    def packet(self) -> bytes:
        """The next packet that does not tell of an end."""
        while True:
            packet = self.socket.recv(64)
            if packet[:1] != b'X':
                return packet
            pid, status = struct.unpack('<Ii', packet[1:])
            self._exits[pid] = status

    def send_fork(self, number: int, descriptors: Sequence[int], mark: str) -> None:
        self.socket.sendmsg(
            [struct.pack('<BI', ord('F'), number) + mark.encode()],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', descriptors))],
        )

    def fork(self, descriptors: Sequence[int], mark: str = '') -> int:
        """The process id of a new worker."""
        self._numbers += 1
        self.send_fork(self._numbers, descriptors, mark)
        packet = self.packet()
        assert packet[:1] == b'S', packet
        number, pid = struct.unpack('<II', packet[1:])
        assert number == self._numbers
        return pid

    def exited(self, pid: int) -> int:
        """The wait status of a worker, when it has ended."""
        while pid not in self._exits:
            packet = self.socket.recv(64)
            assert packet[:1] == b'X', packet
            other, status = struct.unpack('<Ii', packet[1:])
            self._exits[other] = status
        return self._exits.pop(pid)

    def reap(self, pid: int) -> None:
        self.socket.send(struct.pack('<BI', ord('R'), pid))

    def wait(self) -> int:
        """How the server ended, as subprocess has it."""
        if self._process is not None:
            return self._process.wait(TIMEOUT)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_error: Any) -> None:
        self.socket.close()
        if self._process is not None:
            self._process.wait(TIMEOUT)
        else:
            try:
                os.waitpid(self.pid, 0)
            except ChildProcessError:
                pass


def await_gone(pid: int) -> None:
    """Waits for the end of a process that is not a child of this one; a zombie has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(TIMEOUT * 1000), f'{pid} is still there'
    finally:
        os.close(pidfd)


def is_zombie(pid: int) -> bool:
    """Whether the process has ended, and is kept."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
    except FileNotFoundError:
        return False


def await_no_process(pid: int) -> None:
    """Waits until the number is free. There is nothing to be waited for, so this asks again and
    again.
    """
    deadline = time.monotonic() + TIMEOUT
    while os.path.exists(f'/proc/{pid}'):
        assert time.monotonic() < deadline
        time.sleep(0.002)
