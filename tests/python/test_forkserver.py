"""The server that forks Python workers, spoken to as docs/worker-protocol.md has it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import struct
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

import worker_support as ws
from parallel_glib import _transport


@pytest.fixture(name='server')
def _server() -> Iterator[ws.Server]:
    with ws.Server() as server:
        yield server


def _module_by_value() -> None:
    import sys

    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


_module_by_value()


def test_fork_and_leave(server: ws.Server) -> None:
    with ws.Worker(server=server, mark='PGL_MARK=a=b') as worker:
        assert worker.handshake()[:3] == (1, 3, worker.pid)
        assert worker.value(os.getppid) == server.pid
        assert worker.value(os.getpgrp) == worker.pid
        assert worker.value(os.getenv, 'PGL_MARK') == 'a=b'
        assert worker.call(print, 'text')[0] == b'text\n'
        outcome, output, status = worker.leave()
        assert (outcome.code, output, status) == (ws.NOTHING, b'', 0)


def test_worker_has_no_descriptor_of_the_server(server: ws.Server) -> None:
    def descriptors() -> int:
        return len(os.listdir('/proc/self/fd')) - 1

    with ws.Worker(server=server) as first, ws.Worker(server=server) as second:
        first.handshake()
        second.handshake()
        # 0, 1 and 2, the three of the protocol, claims and stacks.
        assert first.value(descriptors) == 8
        assert second.value(descriptors) == 8


def test_no_gi_and_different_random_numbers(server: ws.Server) -> None:
    def numbers() -> tuple[bool, float]:
        import sys

        return 'gi' in sys.modules, random.random()

    with ws.Worker(server=server) as first, ws.Worker(server=server) as second:
        first.handshake()
        second.handshake()
        gi_of_first, number_of_first = first.value(numbers)
        gi_of_second, number_of_second = second.value(numbers)
        assert not gi_of_first and not gi_of_second
        assert number_of_first != number_of_second


@pytest.mark.parametrize(
    'function, status',
    [
        (lambda: os._exit(3), 3 << 8),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), signal.SIGKILL),
    ],
)
def test_death_and_reaping(server: ws.Server, function: Any, status: int) -> None:
    with ws.Worker(server=server) as worker:
        worker.handshake()
        worker.post(_transport.dumps_call(function))
        worker.ended()
        assert worker.wait() == status
        assert ws.is_zombie(worker.pid)
        with ws.Worker(
            server=server
        ) as other:  # The server goes on, and keeps the number meanwhile.
            assert other.handshake()[2] == other.pid != worker.pid
            assert ws.is_zombie(worker.pid)
        server.reap(worker.pid)
        ws.await_no_process(worker.pid)


def test_reaping_before_the_end(server: ws.Server) -> None:
    with ws.Worker(server=server) as worker:
        worker.handshake()
        server.reap(worker.pid)
        assert worker.value(abs, -1) == 1
        worker.close_input()
        assert worker.wait() == 1 << 8
        ws.await_no_process(worker.pid)


def test_ctrl_c_is_a_failure_of_the_step(server: ws.Server) -> None:
    with ws.Worker(server=server) as worker:
        worker.handshake()
        outcome = worker.call(lambda: os.kill(os.getpid(), signal.SIGINT))[1]
        assert outcome.message == 'KeyboardInterrupt'
        os.kill(server.pid, signal.SIGINT)  # Which does nothing.
        assert worker.value(abs, -1) == 1
    with ws.Worker(server=server) as worker:
        assert worker.handshake()[2] == worker.pid


def test_workers_die_with_the_server() -> None:
    with ws.Server() as server, ws.Worker(server=server) as worker:
        worker.handshake()
        worker.post(_transport.dumps_call(lambda: (print('waits'), signal.pause())))
        worker.output.until(b'waits\n')
        os.kill(server.pid, signal.SIGKILL)
        worker.ended()
        ws.await_gone(worker.pid)
        assert server.wait() == -signal.SIGKILL


def test_end_of_the_socket_kills_the_groups() -> None:
    def step() -> None:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        print('child', pid, flush=True)
        signal.pause()

    with ws.Server() as server, ws.Worker(server=server) as worker:
        worker.handshake()
        worker.post(_transport.dumps_call(step))
        worker.output.until(b'\n')
        server.socket.close()
        assert server.wait() == 0
        ws.await_gone(worker.pid)
        child = int(worker.output.rest().split()[1])  # Which ends only when the child is gone, too.
        ws.await_gone(child)


def test_malformed_packets(server: ws.Server) -> None:
    server.send_fork(77, [0], '')
    assert server.packet() == struct.pack('<BII', ord('N'), 77, errno.EBADMSG)
    server.reap(1)  # Nothing of the server's.
    with ws.Worker(server=server) as worker:
        assert worker.handshake()[2] == worker.pid
    server.socket.send(b'?')
    assert server.wait() == 0


def test_preload(tmp_path: Path) -> None:
    (tmp_path / 'preloaded_by_test.py').write_text('import os\nPID = os.getpid()\n')
    env = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    import sys

    sys.path.append(str(tmp_path))
    try:
        with ws.Server(preload=['preloaded_by_test'], env=env) as server, ws.Worker(
            server=server
        ) as worker:
            worker.handshake()
            assert worker.value(eval, "__import__('preloaded_by_test').PID") == server.pid
    finally:
        sys.path.remove(str(tmp_path))


def test_many_workers(server: ws.Server) -> None:
    workers = [ws.Worker(server=server) for _ in range(20)]
    for worker in workers:
        worker.handshake()
    serials = [worker.post(_transport.dumps_call(pow, (n, 2))) for n, worker in enumerate(workers)]
    assert [worker.result(serial).value for worker, serial in zip(workers, serials)] == [
        n * n for n in range(20)
    ]
    for worker in workers:
        worker.close_input()
    for worker in workers:
        assert worker.wait() == 1 << 8
        server.reap(worker.pid)
        ws.await_no_process(worker.pid)
        worker.__exit__()


# A process that has forked itself


def test_inherited_functions() -> None:
    lock = threading.Lock()
    value = multiprocessing.Value('i', 0)

    def add(amount: int) -> int:
        with lock, value.get_lock():
            value.value += amount
            return value.value

    setup = _transport.inherited_setup(task=add, initializer=lambda: print('set up'))
    functions = [setup, lambda: add(100), (add, (1000,), {})]
    with ws.Server(functions, forked=True) as server, ws.Worker(server=server) as worker:
        worker.handshake()
        output, outcome = worker.setup(inherited=0)
        assert (output, outcome.code) == (b'set up\n', ws.DONE)
        assert worker.run_payload(_transport.dumps_input((5,)))[1].value == 5
        assert worker.run_payload(_transport.dumps_inherited(1))[1].value == 105
        assert worker.run_payload(_transport.dumps_inherited(2))[1].value == 1105
        assert value.value == 1105


def test_handlers_and_streams_of_the_caller_are_not_the_workers() -> None:
    import atexit
    import sys

    def handler(*_args: Any) -> None:
        print("the caller's handler")

    old = signal.signal(signal.SIGTERM, handler)
    atexit.register(os.write, 2, b'')
    try:
        with ws.Server(forked=True) as server, ws.Worker(server=server) as worker:
            worker.handshake()
            assert worker.value(signal.getsignal, signal.SIGTERM) == signal.SIG_DFL
            assert worker.value(
                lambda: (sys.stdout.fileno(), sys.stderr.fileno(), sys.stdin.read())
            ) == (1, 2, '')
            assert worker.call(print, 'text')[0] == b'text\n'
            os.kill(worker.pid, signal.SIGTERM)
            assert worker.wait() == signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, old)
