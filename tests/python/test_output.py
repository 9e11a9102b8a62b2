# SPDX-License-Identifier: LGPL-2.1-or-later
"""What steps print, and where it goes."""

import contextlib
import functools
import io
import os
import subprocess
import sys

import pytest
from parallel_glib import BackgroundTaskRunner, Command, run_parallel_steps

SCRIPT = '''
import sys
sys.path[:0] = {path!r}
from parallel_glib import *
print('before')
run_parallel_steps([Command(['sh', '-c', 'sleep 0.2; echo one']), Command(['echo', 'two'])])
print('between')
with BackgroundTaskRunner(Command(['echo', '{{}}'])) as queue:
    queue.put('three')
    print('foreground')
print('after')
'''


def test_order_with_what_this_process_prints():
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT.format(path=sys.path)], stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.split() == [
        b'before',
        b'one',
        b'two',
        b'between',
        b'foreground',
        b'three',
        b'after',
    ]


def test_closed_pipe():
    script = SCRIPT.format(path=sys.path)
    done = subprocess.run(
        ['sh', '-c', f'{sys.executable} -c "$0" | true', script], stderr=subprocess.PIPE, timeout=60
    )
    assert b'BrokenPipeError' in done.stderr


def test_replaced_streams():
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        run_parallel_steps(
            [Command(['sh', '-c', 'sleep 0.1; echo é; echo b >&2']), Command(['echo', 'c'])]
        )
    assert (out.getvalue(), error.getvalue()) == ('é\nc\n', 'b\n')


def test_replaced_by_something_with_bytes(tmp_path):
    with open(tmp_path / 'out', 'w') as file, contextlib.redirect_stdout(file):
        run_parallel_steps([Command(['printf', r'\377\n'])])
    assert (tmp_path / 'out').read_bytes() == b'\xff\n'


def test_pytest_captures(capsys):
    run_parallel_steps([Command(['echo', 'one']), Command(['echo', 'two'])])
    assert capsys.readouterr().out == 'one\ntwo\n'


def test_a_stream_that_raises():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError('full')

    with contextlib.redirect_stdout(Full()), pytest.raises(OSError, match='full'):
        run_parallel_steps([Command(['echo', 'one']), Command(['sleep', '10'])])


# Workers.


def write_pieces(number):
    piece = (f'{number:02}' * 5_000).encode()
    for descriptor in 1, 2:
        for _ in range(100):
            os.write(descriptor, piece)


def expected_pieces(count):
    return ''.join(f'{number:02}' * 5_000 * 200 for number in range(count))


@pytest.fixture
def short():
    """Compares long texts without printing them."""

    def equal(one, other):
        if one != other:
            place = next(
                (index for index, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), None
            )
            raise AssertionError(f'{len(one)} and {len(other)} characters, different at {place}')

    return equal


def test_fifty_steps_of_two_megabytes(processes, capfd, short):
    run_parallel_steps([functools.partial(write_pieces, number) for number in range(50)])
    short(capfd.readouterr().out, expected_pieces(50))


def test_the_same_nested(processes, capfd, short):
    def outer():
        run_parallel_steps([functools.partial(write_pieces, number) for number in range(50)])

    run_parallel_steps([outer])
    short(capfd.readouterr().out, expected_pieces(50))


def test_all_ways_to_print_in_one_order(processes, capfd):
    def task():
        for number in range(20):
            print('print', number)
            sys.stderr.write(f'stderr {number}\n')
            os.write(1, f'write {number}\n'.encode())
            subprocess.run(['echo', 'echo', str(number)])

    run_parallel_steps([task])
    assert capfd.readouterr().out == ''.join(
        f'print {number}\nstderr {number}\nwrite {number}\necho {number}\n' for number in range(20)
    )


def test_output_of_each_item(processes, capfd):
    def task(number):
        print('item', number, end=';')

    with BackgroundTaskRunner(task, processes=3) as queue:
        queue.put_many((number,) for number in range(100))
    assert capfd.readouterr().out == ''.join(f'item {number};' for number in range(100))


def test_output_of_a_failed_step(processes, capfd):
    def task():
        print('some words')
        print('last words', flush=True)
        os._exit(3)

    from parallel_glib import BackgroundFailure

    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([task])
    assert capfd.readouterr().out == 'some words\nlast words\n'
    assert 'last words' in caught.value.failures[0].output_tail
