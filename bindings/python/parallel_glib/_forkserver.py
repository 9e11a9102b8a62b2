"""The server: a process that forks workers, as docs/worker-protocol.md describes it under
"Servers".

It is either started as a program, clean, or a process that has forked itself calls serve_forked().
It has one thread and does nothing of the user but the imports it is told to do, so a fork of it is
cheap and safe.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':
    # By -m or by its path, as in _worker.
    if not __package__:
        import os

        sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    from parallel_glib._forkserver import main

    main()

import _signal
import _socket
import errno
import fcntl
import gc
import os
import select
from _struct import Struct

from parallel_glib import _worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

VERSION = 1
PACKET_SIZE = 65536
PR_SET_PDEATHSIG = 1

_U32 = Struct('<BI')
_STARTED = Struct('<BII')
_EXITED = Struct('<BIi')

# What a worker or its first failure would import, so that it is imported once.
_PRELOADED = ('cloudpickle', 'pickle', 'signal', 'socket', 'struct', 'threading', 'traceback')


class _Child:
    """A worker: it has a process id until the runner lets it be reaped."""

    __slots__ = ('pid', 'pidfd', 'exited', 'reapable')

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.exited = False
        self.reapable = False


class Server:
    """The server that this process is."""

    def __init__(self, descriptor: int, functions: Sequence[Any]) -> None:
        self._functions = functions
        self._pid = os.getpid()
        self._prctl = _load_prctl()
        private = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
        if descriptor == 0:
            null = os.open('/dev/null', os.O_RDONLY | os.O_CLOEXEC)
            os.dup2(null, 0)
            os.close(null)
        else:
            os.close(descriptor)
        self._socket = _socket.socket(fileno=private)
        self._socket.setblocking(True)
        self._epoll = select.epoll()
        self._epoll.register(private, select.EPOLLIN)
        self._children: dict[int, _Child] = {}
        self._by_pidfd: dict[int, _Child] = {}

    def run(self) -> NoReturn:
        """Forks workers until the socket is closed, and kills them then."""
        try:
            self._send(b'H' + VERSION.to_bytes(2, 'little'))
            while self._serve_events():
                pass
        except ConnectionError:
            pass
        finally:
            for pid in self._children:
                _kill_group(pid)
        os._exit(0)

    def _serve_events(self) -> bool:
        for descriptor, _events in self._epoll.poll():
            if descriptor != self._socket.fileno():
                self._child_exited(self._by_pidfd[descriptor])
            elif not self._receive():
                return False
        return True

    def _send(self, packet: bytes) -> None:
        self._socket.send(packet, _socket.MSG_NOSIGNAL)

    def _receive(self) -> bool:
        packet, ancillary, _flags, _address = self._socket.recvmsg(
            PACKET_SIZE, _socket.CMSG_SPACE(16 * 4), _socket.MSG_CMSG_CLOEXEC
        )
        if not packet:
            return False
        descriptors = _received(ancillary)
        kind, number = _U32.unpack_from(packet) if len(packet) >= 5 else (0, 0)
        if kind == b'F'[0]:
            self._fork(number, os.fsdecode(packet[5:]), descriptors)
        elif kind == b'R'[0]:
            self._reap(number)
        else:
            sys.stderr.write(f'parallel-glib server: an unknown packet: {packet[:16]!r}\n')
            return False
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    # Workers

    def _fork(self, number: int, mark: str, descriptors: list[int]) -> None:
        try:
            if len(descriptors) != 3:
                raise OSError(errno.EBADMSG, 'not three descriptors')
            child = self._forked(mark, descriptors)
        except OSError as error:
            self._send(_STARTED.pack(b'N'[0], number, error.errno or errno.EIO))
            return
        self._children[child.pid] = self._by_pidfd[child.pidfd] = child
        self._send(_STARTED.pack(b'S'[0], number, child.pid))
        self._epoll.register(child.pidfd, select.EPOLLIN)

    def _forked(self, mark: str, descriptors: list[int]) -> _Child:
        pid = os.fork()
        if pid == 0:
            self._be_worker(mark, descriptors)
        _set_group(pid)
        try:
            return _Child(pid)
        except OSError:  # No descriptor is left for it.
            os.kill(pid, _signal.SIGKILL)
            os.waitpid(pid, 0)
            raise

    def _be_worker(self, mark: str, descriptors: list[int]) -> NoReturn:
        """The rest of the life of a forked process. Nothing gets out of here into the server's
        code.
        """
        try:
            _set_group(0)
            self._prctl(PR_SET_PDEATHSIG, _signal.SIGKILL)
            if os.getppid() != self._pid:  # It had died before it was asked for.
                os._exit(1)
            self._close_descriptors()
            _become_clean(mark)
            _worker.serve(*descriptors, self._functions)
        except BaseException:  # pylint: disable=broad-except
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(os.EX_SOFTWARE)

    def _close_descriptors(self) -> None:
        self._socket.close()
        self._epoll.close()
        for descriptor in self._by_pidfd:
            os.close(descriptor)

    def _child_exited(self, child: _Child) -> None:
        """Tells of it, but leaves the process a zombie: the runner may be about to kill its group
        by its number.
        """
        self._epoll.unregister(child.pidfd)
        child.exited = True
        info = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
        assert info is not None
        self._send(_EXITED.pack(b'X'[0], child.pid, _wait_status(info)))
        if child.reapable:
            self._reap(child.pid)

    def _reap(self, pid: int) -> None:
        child = self._children.get(pid)
        if child is None:
            return
        child.reapable = True
        if child.exited:
            os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
            del self._children[pid], self._by_pidfd[child.pidfd]
            os.close(child.pidfd)


def _received(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    descriptors: list[int] = []
    for level, kind, payload in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors += memoryview(payload[: len(payload) // 4 * 4]).cast('i')
    return descriptors


def _wait_status(info: Any) -> int:
    """The status as waitpid() has it."""
    if info.si_code == os.CLD_EXITED:
        return info.si_status << 8
    return info.si_status | (0x80 if info.si_code == os.CLD_DUMPED else 0)


def _set_group(pid: int) -> None:
    """Done by both, so that it is done before either goes on."""
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, _signal.SIGKILL)
    except OSError:
        pass


def _load_prctl() -> Callable[..., int]:
    import ctypes

    return ctypes.CDLL(None).prctl


def _become_clean(mark: str) -> None:
    """Undoes in a worker what the server has for itself, or what nothing that was forked should
    share.
    """
    import atexit

    atexit._clear()  # type: ignore[attr-defined]  # Those of the process that was forked.
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    name, _equals, value = mark.partition('=')
    if name:
        os.environ[name] = value
    numpy_random = sys.modules.get('numpy.random')
    if numpy_random is not None:  # Python's own random does it by itself.
        numpy_random.seed()


def _reset_signals() -> None:
    """The handlers of the process that has forked are not for its workers, nor is the descriptor
    that wakes it.
    """
    _signal.set_wakeup_fd(-1)
    for signal in _signal.valid_signals():
        handler = _signal.getsignal(signal)
        if handler not in (_signal.SIG_DFL, _signal.SIG_IGN):  # None is the handler of a C library.
            _signal.signal(signal, _signal.SIG_DFL)
    _signal.signal(
        _signal.SIGINT, _signal.SIG_IGN
    )  # The terminal's; the runner tells the server when to end.
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def serve_forked(
    descriptor: int, functions: Sequence[Any] | None = None, close: Sequence[int] = ()
) -> NoReturn:
    """Makes this process, which has just been forked, a server on a socket. Never returns.

    The streams of the process must have been flushed before it was forked. Its workers inherit the
    functions. close are descriptors that the server and its workers must not keep: at the least the
    other end of the socket, or the server never sees that it is closed, and the runner's ends of
    the pipes of other workers.
    """
    try:
        if os.getpgid(0) != os.getpid():
            os.setpgid(0, 0)
        for other in close:
            os.close(other)
        _reset_signals()
        # What is there now is not looked at by the collector in the workers, which would copy all
        # of its pages.
        gc.freeze()
        Server(descriptor, functions or ()).run()
    except BaseException:  # pylint: disable=broad-except
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(os.EX_SOFTWARE)


def _preload(modules: Sequence[str], quietly: bool) -> None:
    """Imports what workers will need. What cannot be imported fails in the step that needs it."""
    import importlib

    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException as error:  # pylint: disable=broad-except
            if not quietly:
                sys.stderr.write(
                    f'parallel-glib server: {module} cannot be preloaded: '
                    f'{type(error).__name__}: {error}\n'
                )


def _option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else ''


def main(arguments: list[str] | None = None) -> NoReturn:
    """The server that was started as a program: [--sys-path PATH:...] [--preload MODULE,...]."""
    arguments = sys.argv[1:] if arguments is None else arguments
    path = _option(arguments, '--sys-path')
    if path:
        sys.path[:] = path.split(os.pathsep)
    _preload(_PRELOADED, quietly=True)
    _preload([name for name in _option(arguments, '--preload').split(',') if name], quietly=False)
    sys.argv[1:] = []
    serve_forked(0)
