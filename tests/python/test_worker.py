"""The Python worker, spoken to as docs/worker-protocol.md has it."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from typing import Any

import pytest

import worker_support as ws
from parallel_glib import _exceptions, _transport


def test_handshake() -> None:
    with ws.Worker() as worker:
        version, got, pid, number, host = worker.handshake()
        assert (version, got, pid, host) == (1, 3, worker.pid, os.uname().nodename)
        assert signal.SIGRTMIN < number < signal.SIGRTMAX


def test_descriptors_that_were_lost_on_the_way() -> None:
    with ws.Worker(socket_input=False) as worker:
        assert worker.handshake(3)[:4] == (1, 0, worker.pid, 0)
        assert worker.value(abs, -3) == 3


def test_some_descriptors() -> None:
    with ws.Worker() as worker:
        assert worker.handshake(1)[1:4:2] == (1, 0)


@pytest.mark.parametrize(
    'arguments',
    [['-m', 'parallel_glib._worker'], [str(ws.BINDINGS / 'parallel_glib' / '_worker.py')]],
)
def test_other_commands(arguments: list[str]) -> None:
    with ws.Worker(
        [sys.executable, *arguments], env={**os.environ, 'PYTHONPATH': str(ws.BINDINGS)}
    ) as worker:
        worker.handshake()

        def beat() -> None:
            import parallel_glib._worker

            parallel_glib._worker.heartbeat(0.5, 'half')

        assert worker.value(beat) is None
        assert worker.alive == [(0.5, 'half')]


def test_imports_little(worker: ws.Worker) -> None:
    def loaded(names: list[str]) -> list[str]:
        return [name for name in names if name in __import__('sys').modules]

    payload = _transport.dumps_call(
        eval,
        (
            "[n for n in ('gi', 'pickle', 'socket', 'threading', 'typing', 'traceback')"
            " if n in __import__('sys').modules]",
        ),
    )
    assert worker.run_payload(payload)[1].value == []
    assert worker.value(loaded, ['gi', 'sys']) == ['sys']


# Steps


def test_results(worker: ws.Worker) -> None:
    for value in (
        None,
        0,
        'x',
        b'',
        b'bytes',
        bytearray(b'x'),
        [1, {'a': (2.5, True)}],
        frozenset({1}),
    ):
        result = worker.value(lambda v: v, value)
        assert (type(result), result) == (type(value), value)


def test_closure_and_class_of_main(worker: ws.Worker) -> None:
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    result = (
        worker.value(
            lambda: Local(offset),
        )
        if (offset := 5)
        else None
    )
    assert isinstance(result, Local) and result.x == 5


def test_setup_and_inputs(worker: ws.Worker, tmp_path: Any) -> None:
    def initializer(text: str) -> None:
        print('initialized', text)

    def task(a: int, b: int, c: int, k: int) -> tuple[int, ...]:
        return a, b, c, k

    output, outcome = worker.setup(
        task=task,
        args=(1,),
        kwargs={'k': 9},
        initializer=initializer,
        initargs=('now',),
        environ={'PGL_TEST': 'yes'},
        cwd=str(tmp_path),
    )
    assert (output, outcome.code, outcome.data) == (b'initialized now\n', ws.DONE, b'')
    assert worker.run_payload(_transport.dumps_input((2, 3)))[1].value == (1, 2, 3, 9)
    assert worker.value(os.getcwd) == str(tmp_path)
    assert worker.value(os.getenv, 'PGL_TEST') == 'yes'


def test_many_requests_in_one_frame(worker: ws.Worker) -> None:
    worker.setup(task=abs)
    count = 2000
    worker.send(
        ws.frame(
            ws.RUN,
            b''.join(ws.request(n, _transport.dumps_input((-n,))) for n in range(1, count + 1)),
        )
    )
    assert [worker.result(n).value for n in range(1, count + 1)] == list(range(1, count + 1))
    for n in range(1, count + 1):
        assert worker.output.until_mark(n) == b''


def test_initializer_fails(worker: ws.Worker) -> None:
    def initializer() -> None:
        print('before')
        raise ValueError('not today')

    output, outcome = worker.setup(initializer=initializer)
    assert output == b'before\n'
    assert outcome.message == 'ValueError: not today'
    assert isinstance(outcome.info.exception, ValueError)
    worker.close_input()
    assert worker.wait() == 1


def test_big_result_and_input(worker: ws.Worker) -> None:
    size = 100 << 20
    outcome = worker.call(lambda n: bytes(n), size)[1]
    assert outcome.data[:1] == b'B' and len(outcome.data) == 1 + size
    assert worker.value(len, b'x' * (20 << 20)) == 20 << 20


def test_result_over_the_limit() -> None:
    with ws.Worker() as worker:
        worker.handshake(limit=100_000)
        _output, outcome = worker.call(bytes, 200_000)
        assert (
            outcome.message
            == 'the result is too long: a frame of 200011 bytes, of which the limit is 100000'
        )
        assert outcome.info.kind == _exceptions.RESULT
        assert len(worker.value(bytes, 100_000 - 11)) == 100_000 - 11

        def fail() -> None:
            raise ValueError('x' * 300_000)

        _output, outcome = worker.call(fail)
        assert outcome.message == 'ValueError: ' + 'x' * (4096 - 12) + '...'
        assert len(outcome.details) < 100_000 and outcome.info.type_name == 'ValueError'
        assert worker.value(abs, -1) == 1


def test_main_without_cloudpickle(worker: ws.Worker, tmp_path: Any) -> None:
    script = tmp_path / 'script.py'
    script.write_text(
        'def double(x):\n    return 2 * x\n' "if __name__ == '__main__':\n    raise SystemError\n"
    )
    import pickle

    plain = pickle.loads(_transport.dumps_setup())
    plain['main_path'] = str(script)
    worker.send(ws.frame(ws.SETUP, pickle.dumps(plain)))
    assert worker.frame()[1][:1] == b'\0'
    by_name = b'C(c__main__\ndouble\n(I4\nt}t.'
    serial = worker.post(by_name)
    assert worker.result(serial).value == 8


# Output


def test_output_order(worker: ws.Worker) -> None:
    def step() -> None:
        print('1 print', end=' ')
        sys.stderr.write('2 stderr ')
        os.write(1, b'3 fd1 ')
        print('4 print', end=' ')
        subprocess.run(['sh', '-c', "printf '5 sh '; printf '6 sh ' >&2"], check=True)
        sys.stdout.buffer.write(b'7 buffer ')
        os.write(2, b'8 fd2 ')
        print('9 print', file=sys.stderr)

    assert (
        worker.call(step)[0] == b'1 print 2 stderr 3 fd1 4 print 5 sh 6 sh 7 buffer 8 fd2 9 print\n'
    )


def test_output_is_seen_at_once(worker: ws.Worker) -> None:
    reading, writing = os.pipe()

    def step(fifo: str) -> None:
        print('waiting', end='')
        with open(fifo, 'rb') as file:
            file.read()

    serial = worker.post(_transport.dumps_call(step, (f'/proc/{os.getpid()}/fd/{reading}',)))
    worker.output.until(b'waiting')
    os.close(writing)
    assert worker.result(serial).value is None
    os.close(reading)


def test_output_of_replaced_streams(worker: ws.Worker) -> None:
    def step() -> None:
        import io

        sys.stdout = io.TextIOWrapper(open(1, 'wb', closefd=False))
        sys.stdout.write('held back')

    assert worker.call(step)[0] == b'held back'
    assert worker.call(print, 'again')[0] == b'again\n'


def test_marks_where_a_step_has_closed_the_output(worker: ws.Worker) -> None:
    def step() -> None:
        null = os.open('/dev/null', os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        print('lost')

    assert worker.call(step)[0] == b''
    assert worker.call(print, 'lost too')[0] == b''


def test_odd_text(worker: ws.Worker) -> None:
    assert worker.call(print, '\udcff\u00e9')[0] == b'\xff\xc3\xa9\n'


def test_destructors_belong_to_their_step(worker: ws.Worker) -> None:
    class Noisy:
        def __del__(self) -> None:
            print('freed')

    assert worker.call(lambda noisy: None, Noisy())[0] == b'freed\n'
    assert worker.call(lambda: None)[0] == b''


def test_input_is_empty(worker: ws.Worker) -> None:
    def step() -> list[Any]:
        return [
            sys.stdin.read(),
            os.read(0, 10),
            subprocess.run(['cat'], stdout=subprocess.PIPE, check=True).stdout,
        ]

    assert worker.value(step) == ['', b'', b'']


def test_programs_get_no_private_descriptor(worker: ws.Worker) -> None:
    command = ['sh', '-c', 'ls /proc/self/fd']
    assert worker.value(subprocess.check_output, command) == b'0\n1\n2\n3\n'  # 3 is the directory.


# Claims


def test_claims(worker: ws.Worker) -> None:
    assert worker.claims is not None
    claims = worker.claims
    payload = [_transport.dumps_call(abs, (-n,)) for n in range(10)]

    def claimed(*serials: int) -> None:
        worker.send(
            ws.frame(ws.RUN, b''.join(ws.request(n, payload[n], claimed=True) for n in serials))
        )

    os.write(claims[1], struct.pack('<Q', 1))
    claimed(1)
    assert worker.result(1).value == 1
    os.write(claims[1], struct.pack('<QQ', 2, 4))
    assert os.read(claims[0], 8) == struct.pack('<Q', 2)  # Taken back.
    claimed(2, 3, 4)  # Finds 4, twice, and keeps it.
    assert worker.result(4).value == 4
    claimed(5, 6)  # Finds nothing.
    worker.send(ws.frame(ws.RUN, ws.request(7, payload[7])))
    assert worker.result(7).value == 7
    with pytest.raises(BlockingIOError):
        os.read(claims[0], 8)


# Stacks


def test_stacks_of_every_thread() -> None:
    with ws.Worker() as worker:
        number = worker.handshake()[3]

        def in_thread(started: Any) -> None:
            started.release()
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
            threading.Event().wait()

        def hung() -> None:
            started = threading.Semaphore(0)
            threading.Thread(target=in_thread, args=(started,), daemon=True).start()
            started.acquire()
            print('hangs')
            while True:
                signal.pause()

        worker.post(_transport.dumps_call(hung))
        worker.output.until(b'hangs\n')
        text = worker.stacks_text(number)
        assert text.startswith('Thread 0x') and '\nCurrent thread 0x' in text
        assert ', line ' in text and ' in in_thread\n' in text and ' in hung\n' in text
        assert worker.process is not None and worker.process.poll() is None


# Heartbeats


def test_heartbeats(worker: ws.Worker) -> None:
    def step() -> None:
        from parallel_glib._worker import heartbeat

        for i in range(1000):
            heartbeat(i / 1000, 'x' * 5000)

    assert worker.value(step) is None
    assert worker.alive[0] == (0.0, 'x' * 1024)
    assert len(worker.alive) < 20

    def unknown() -> None:
        import time
        from parallel_glib import _worker

        time.sleep(_worker.HEARTBEAT_INTERVAL)
        _worker.heartbeat()

    worker.alive.clear()
    assert worker.value(unknown) is None
    assert worker.alive == [(-1.0, '')]


def test_heartbeats_of_threads_against_results(worker: ws.Worker) -> None:
    def step() -> None:
        from parallel_glib import _worker

        _worker.HEARTBEAT_INTERVAL = 0.0

        def beat() -> None:
            while True:
                _worker.heartbeat(0.5, 'beating')

        for _ in range(2):
            threading.Thread(target=beat, daemon=True).start()

    assert worker.value(step) is None
    for size in (10, 100_000, 300_000) * 5:
        assert worker.value(bytes, size) == bytes(size)
    assert set(worker.alive) <= {(0.5, 'beating')}


# The end


def test_leave(worker: ws.Worker) -> None:
    def onexit() -> str:
        print('bye')
        return 'result'

    worker.setup(onexit=onexit)

    def step() -> None:
        import atexit

        atexit.register(print, 'atexit')
        threading.Thread(target=threading.Event().wait).start()  # Is not waited for.

    assert worker.value(step) is None
    outcome, output, status = worker.leave()
    assert (outcome.value, output, status) == ('result', b'bye\natexit\n', 0)


def test_leave_with_nothing_to_do(worker: ws.Worker) -> None:
    outcome, output, status = worker.leave()
    assert (outcome.code, outcome.data, output, status) == (ws.NOTHING, b'', b'', 0)


def test_leave_fails(worker: ws.Worker) -> None:
    def onexit() -> None:
        raise LookupError('at the end')

    worker.setup(onexit=onexit)
    outcome, _output, status = worker.leave()
    assert (outcome.message, status) == ('LookupError: at the end', 0)


def test_end_of_input(worker: ws.Worker) -> None:
    worker.setup(onexit=lambda: print('not called'))
    worker.close_input()
    worker.ended()
    assert (worker.wait(), worker.output.rest()) == (1, b'')


@pytest.mark.parametrize(
    'data, text',
    [
        (ws.frame(ws.RUN), b'no START'),
        (ws.start(magic=b'PGLX'), b'START of the version 1'),
        (ws.start(version=2), b'START of the version 2'),
        (ws.start()[:4] + b'\x01' + bytes(65), b'START of the version 0'),
        (
            struct.pack('<IB', 65537, ws.START),
            b'a frame of 65537 bytes, of which the limit is 65536',
        ),
        (bytes(5), b'a frame of 0 bytes, of which the limit is 65536'),
        (ws.start() + ws.frame(99), b'the kind 99 with 0 bytes'),
        (ws.start() + ws.start(), b'the kind 1 with 28 bytes'),
        (ws.start() + ws.frame(ws.RUN), b'the kind 3 with 0 bytes'),
        (ws.start() + ws.frame(ws.LEAVE, b'x'), b'the kind 4 with 1 bytes'),
        (
            ws.start() + ws.frame(ws.RUN, ws.request(1, b'xyz')[:-1]),
            b'the request 1 after 0, of 3 bytes, flags 0',
        ),
        (
            ws.start() + ws.frame(ws.RUN, ws.request(0, b'xyz')),
            b'the request 0 after 0, of 3 bytes, flags 0',
        ),
        (
            ws.start() + ws.frame(ws.RUN, ws.request(1, b'', True)),
            b'a claimed request without a pipe of claims',
        ),
        (ws.start() + ws.frame(ws.RUN, b'short'), b'unpack_from requires a buffer of at least'),
        (
            ws.start(limit=1000) + struct.pack('<IB', 1001, ws.RUN),
            b'a frame of 1001 bytes, of which the limit is 1000',
        ),
    ],
)
def test_malformed_frames(data: bytes, text: bytes) -> None:
    with ws.Worker() as worker:
        worker.send(data)
        assert worker.wait() == os.EX_PROTOCOL
        assert worker.output.rest().startswith(b'parallel-glib worker: malformed frame: ' + text)
