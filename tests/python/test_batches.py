# SPDX-License-Identifier: LGPL-2.1-or-later
"""map() whose items travel together: each is still what it would be by itself."""

import collections
import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import types

import pytest
from parallel_glib import (
    BackgroundFailure,
    Command,
    FailureKind,
    RemoteError,
    UnexpectedExit,
    _map,
    map,
    testing,
)
from parallel_glib._ahead import LookAhead
from parallel_glib._batches import MOST, Done, Inputs, Sizes
from parallel_glib._outcome import FinishedStep
from parallel_glib._process import ProcessRun
from parallel_glib._together import Together

import support

pytestmark = pytest.mark.start_methods('forkserver')


def double(number):
    return 2 * number


def pid_of(_number):
    return os.getpid()


def failure_of(results):
    """What was given before it, and the one failure."""
    given = []
    with pytest.raises(BackgroundFailure) as caught:
        for value in results:
            given.append(value)
    (failure,) = caught.value.failures
    return given, failure


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the batches that are put."""
    before = ProcessRun.put_batch
    noted = []

    def put_batch(run, work, bounded):
        index, count = before(run, work, bounded)
        noted.append(count)
        return index, count

    monkeypatch.setattr(ProcessRun, 'put_batch', put_batch)
    return noted


class Counting:
    """An endless iterator that knows how much was taken, and may become slow."""

    def __init__(self, slow_from=sys.maxsize):
        self.taken = 0
        self._slow_from = slow_from

    def __iter__(self):
        return self

    def __next__(self):
        if self.taken >= self._slow_from:
            time.sleep(0.01)
        self.taken += 1
        return self.taken - 1


# Results


@pytest.mark.parametrize('size', [None, 1, 7, 1000])
def test_values_and_order(backend, size):
    expected = [2 * number for number in range(3000)]
    assert list(map(double, range(3000), processes=2, batch_size=size)) == expected
    unordered = map(double, range(3000), processes=2, batch_size=size, ordered=False)
    assert sorted(unordered) == expected


@pytest.mark.parametrize('size', [None, 1, 7])
def test_several_iterables_of_unequal_length(backend, size):
    bases, exponents = range(100, 400), (number % 5 for number in range(250))
    results = map(pow, bases, exponents, itertools.count(3), batch_size=size)
    assert list(results) == [pow(100 + i, i % 5, 3 + i) for i in range(250)]
    assert list(map(pow, [], range(3), batch_size=size)) == []


def test_no_more_is_read_after_the_end(backend):
    longer = iter(range(10))
    assert list(map(pow, longer, [2, 2, 2], batch_size=2)) == [0, 1, 4]
    # As of the builtin, one is lost, in finding that the other has no more.
    assert next(longer) == 4


def kinds(number):
    return [number, None, b'bytes', (number, 'text'), {number}, lambda: number][number % 6]


def test_results_of_all_kinds(processes):
    results = list(map(kinds, range(600), batch_size=100))
    for number, value in enumerate(results):
        assert value() == number if number % 6 == 5 else value == kinds(number)


def test_inputs_of_all_kinds(processes):
    inputs = [kinds(number) for number in range(50)]
    assert list(map(type, inputs, batch_size=10)) == [type(value) for value in inputs]


def appended(value, number):
    value.append(number)
    return value


def test_items_do_not_see_the_changes_of_others(processes):
    """Each has a copy of its own, and what it returns is what it was then."""
    results = map(appended, itertools.repeat([]), range(20), batch_size=5, processes=1)
    assert list(results) == [[number] for number in range(20)]
    task = functools.partial(appended, collections.deque())
    results = map(task, range(8), batch_size=4, processes=1)
    assert [len(value) for value in results] == list(range(1, 9))


# The size


@pytest.mark.parametrize('size', [0, -1])
def test_wrong_size(size):
    with pytest.raises(ValueError, match=f'batch_size must be at least 1, not {size}'):
        map(double, [1], batch_size=size)


def test_programs_are_not_batched(backend):
    with pytest.raises(TypeError, match='each program is a step of its own'):
        map(Command(['echo', '{}']), ['a', 'b'], batch_size=2)
    for size in None, 1:
        done = map(Command(['echo', '{}']), ['a', 'b'], batch_size=size)
        assert [program.stdout for program in done] == [b'a\n', b'b\n']


def test_exactly_so_many(processes):
    """The processes take turns in whole batches."""
    pids = list(map(pid_of, range(700), batch_size=70, processes=2))
    assert all(len(set(pids[i : i + 70])) == 1 for i in range(0, 700, 70))


def test_quick_ones_travel_together(processes, sizes):
    assert list(map(double, range(100000), processes=2)) == [2 * i for i in range(100000)]
    assert sizes[0] == 1 and max(sizes) > 100


def sleep_a_little(number):
    time.sleep(0.006)
    return number


def test_slow_ones_do_not(processes, sizes):
    assert list(map(sleep_a_little, range(60), processes=2)) == list(range(60))
    assert set(sizes) == {1}


def test_sizes_grow_and_shrink():
    sizes = Sizes()
    seen = []
    for seconds, size, printed in [
        (1e-6, 0, False),
        (1e-6, 0, False),
        (1e-6, 0, False),
        (0.01, 0, False),  # of 64: there is room for 32
        (1e-6, 0, False),
        (1e-6, 1 << 20, False),  # of 128: a MiB
        (1e-6, 1 << 22, False),
        (1e-6, 0, False),
        (1e-6, 0, True),
        (1e-6, 0, False),
    ]:
        sizes.note(Done([], count=sizes.size, seconds=seconds, size=size, printed=printed))
        seen.append(sizes.size)
    assert seen == [4, 16, 64, 32, 128, 128, 32, 128, 1, 4]
    for _ in range(20):
        sizes.note(Done([], count=sizes.size, seconds=1e-9))
    assert sizes.size == MOST


def test_batches_of_before_say_little():
    sizes = Sizes()
    sizes.note(Done([], count=1, seconds=1e-6))
    for _ in range(10):
        sizes.note(Done([], count=1, seconds=1e-6))
    assert sizes.size == 4
    sizes.note(Done([], count=1, seconds=1.0))
    assert sizes.size == 1


def test_each_worker_gets_its_share():
    sizes = Sizes()
    sizes.size = 4096
    assert sizes.next(None, 2) == 4096
    assert sizes.next(1000000, 2) == 4096
    assert sizes.next(16000, 2) == 2000
    assert sizes.next(100, 2) == 512  # Half a millisecond's work is not divided.
    sizes.size = 2
    assert sizes.next(100, 2) == 2
    assert sizes.next(5, 2) == 1


def test_reading_ends_when_it_takes_long():
    now = [0.0]

    def items(seconds):
        for number in itertools.count():
            now[0] += seconds
            yield number

    def read(seconds, count):
        inputs = Inputs([items(seconds)], bounded=True, clock=lambda: now[0])
        return len(inputs.read(count)[0])

    assert read(0.0, 4096) == 4096
    assert read(0.01, 4096) == 1
    assert read(0.002, 4096) == 3
    assert read(0.0001, 4096) <= 50 + 64
    fixed = Inputs([items(0.01)], bounded=False, clock=lambda: now[0])
    assert len(fixed.read(100)[0]) == 100


def test_the_number_that_is_left():
    assert Inputs([range(5), itertools.count()], True).left == 5
    assert Inputs([itertools.count()], True).left is None

    class Odd(list):
        def __len__(self):
            raise LookupError

    inputs = Inputs([Odd(), {1: 2, 3: 4}], True)
    assert inputs.left == 2


def test_slow_inputs_keep_nothing_back(processes):
    """However many quick items a batch could have by then."""
    inputs = Counting(slow_from=50000)
    results = map(double, inputs, processes=2)
    for _ in range(50000):
        next(results)
    ahead = [inputs.taken - place for place, _ in zip(range(50000, 50040), results)]
    results.close()
    # They are read one by one, and given while the next ones are.
    assert min(ahead) <= 32


class FakeRun:
    """Has done the first step when the third is put, and never waits."""

    error = None
    n_slots = 0

    def __init__(self):
        self.n_put = 0

    def put_batch(self, work, bounded):
        self.n_put += 1
        return self.n_put - 1, 1

    def take(self):
        done = self.n_put == 3 and not hasattr(self, 'taken')
        if not done:
            return None
        self.taken = True
        return FinishedStep(0, 'first', result=Done(['first']))


@pytest.mark.parametrize('method', ['in_order', 'as_they_come'])
@pytest.mark.parametrize('seconds, n_put', [(0.01, 3), (0.0, 5 * 8)])
def test_what_is_there_does_not_wait_for_slow_inputs(monkeypatch, method, seconds, n_put):
    clock = itertools.count(0, seconds)
    monkeypatch.setattr(_map, 'time', types.SimpleNamespace(monotonic=lambda: next(clock)))
    run = FakeRun()
    run.next = lambda until=None: FinishedStep(0, 'first', result=Done(['first']))
    flow = _map._Flow(run, Inputs([itertools.count()], True), Sizes(), LookAhead(5))
    assert next(getattr(flow, method)()) == ['first']
    assert run.n_put == n_put


def test_endless_inputs(processes):
    inputs = Counting()
    results = map(double, inputs, processes=2)
    assert list(itertools.islice(results, 100000)) == [2 * i for i in range(100000)]
    results.close()
    assert inputs.taken <= 100000 + 2 * 8 * MOST
    inputs = Counting()
    results = map(double, inputs, processes=2, batch_size=10)
    assert next(results) == 0
    results.close()
    assert inputs.taken <= 2 * 8 * 10 + 10


@pytest.mark.parametrize('make', [bytes, bytearray], ids=['plain', 'not-plain'])
def test_big_items_travel_alone(processes, sizes, make):
    """Also where small ones were first."""
    inputs = itertools.chain([make(1)] * 1000, (make(700000 + i) for i in range(30)))
    results = list(map(len, inputs, processes=2))
    assert results == [1] * 1000 + [700000 + i for i in range(30)]
    assert sum(sizes) == 1030 and sizes[-20:] == [1] * 20
    assert max(sizes) > 1


def blown_up(number):
    return bytes(number)


def test_big_results_travel_alone(processes, sizes):
    results = map(blown_up, itertools.repeat(600000, 60), processes=2)
    assert [len(value) for value in results] == [600000] * 60
    assert max(sizes) <= 4 and sizes[-20:] == [1] * 20


# Failures


def fail_on(bad, number):
    if number == bad:
        raise ValueError(f'not {number}')
    return number


@pytest.mark.parametrize('ordered', [True, False])
@pytest.mark.parametrize('bad', [0, 1, 9, 10, 15, 19, 24])
def test_failure_of_an_item(backend, bad, ordered):
    given, failure = failure_of(
        map(fail_on, itertools.repeat(bad), range(25), processes=1, batch_size=10, ordered=ordered)
    )
    assert given == list(range(bad))
    assert (failure.index, failure.input) == (bad, (bad, bad))
    assert failure.name == f'fail_on({bad}, {bad})'
    assert (failure.type_name, failure.message) == ('ValueError', f'not {bad}')
    assert type(failure.exception) is ValueError
    frames = [line for line in failure.traceback.splitlines() if line.startswith('  File')]
    assert len(frames) == 1 and 'in fail_on' in frames[0]


def test_failure_among_many(processes):
    given, failure = failure_of(map(fail_on, itertools.repeat(54321), range(100000), processes=2))
    assert given == list(range(54321))
    assert failure.index == 54321
    assert failure.output_tail == ''


def touch(folder, number):
    (folder / str(number)).touch()
    if number == 3:
        raise KeyError(number)


def test_nothing_after_a_failure_in_its_batch(backend, tmp_path):
    failure_of(map(touch, itertools.repeat(tmp_path), range(10), batch_size=10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['0', '1', '2', '3']


def raise_one(number):
    if number == 2:
        raise StopIteration('enough')
    return number


def test_stop_iteration_is_a_failure_as_any(backend):
    given, failure = failure_of(map(raise_one, range(5), batch_size=5))
    assert (given, failure.index, failure.message) == ([0, 1], 2, 'enough')
    assert type(failure.exception) is StopIteration
    assert 'in raise_one' in failure.traceback


def exit_on(status, number):
    if number == 2:
        sys.exit(status)
    return number


def test_exit(backend):
    given, failure = failure_of(map(exit_on, itertools.repeat(3), range(5), batch_size=5))
    assert (given, failure.index) == ([0, 1], 2)
    assert (failure.kind, failure.exit_status) == (FailureKind.EXIT, 3)
    # No failure, as of a single call.
    results = map(exit_on, itertools.repeat(0), range(5), batch_size=5)
    assert list(results) == [0, 1, None, 3, 4]


def test_input_that_cannot_be_pickled(processes):
    lock = threading.Lock()
    given, failure = failure_of(map(type, [1, 2, 'a', lock, 4], batch_size=5))
    assert given == [int, int, str]
    assert (failure.index, failure.input, failure.kind) == (3, (lock,), FailureKind.INPUT)
    assert failure.message.startswith('argument 1 of the task (a lock) cannot be pickled: ')


def lock_on(number):
    return threading.Lock() if number == 3 else [number]


def test_result_that_cannot_be_pickled(processes):
    given, failure = failure_of(map(lock_on, range(6), batch_size=6))
    assert given == [[0], [1], [2]]
    assert (failure.index, failure.name, failure.kind) == (3, 'lock_on(3)', FailureKind.RESULT)
    assert "cannot pickle '_thread.lock' object" in failure.message
    single = failure_of(map(lock_on, range(6), batch_size=1))[1]
    assert (single.message, single.type_name) == (failure.message, failure.type_name)


class Bad:
    """Cannot be unpickled in one of the processes."""

    def __init__(self, where):
        self.where = where

    def __setstate__(self, state):
        self.__dict__ = state
        if self.where in (None, os.getpid()):
            raise LookupError('unpickled')


def bad_here(pid, number):
    return Bad(pid) if number == 3 else number


def test_what_cannot_be_unpickled(processes):
    given, failure = failure_of(map(type, [0, 'a', 2.0, Bad(None), 4], batch_size=5))
    assert given == [int, str, float]
    assert (failure.index, failure.kind) == (3, FailureKind.INPUT)
    given, failure = failure_of(
        map(bad_here, itertools.repeat(os.getpid()), range(5), batch_size=5)
    )
    assert given == [0, 1, 2]
    assert (failure.index, failure.kind) == (3, FailureKind.RESULT)
    assert failure.message == 'unpickled'


def die_on(bad, number):
    if number == bad:
        os._exit(7)
    return number


def test_death_of_a_worker(processes):
    given, failure = failure_of(
        map(die_on, itertools.repeat(25), range(40), processes=1, batch_size=10)
    )
    assert given == list(range(20))
    assert (failure.index, failure.kind, failure.exit_status) == (20, FailureKind.EXIT, 7)
    assert failure.input == [(25, number) for number in range(20, 30)]
    assert failure.name == 'die_on(25, 20) and 9 more'
    for text in failure.message, str(failure.exception), str(failure):
        assert '10 calls, from item 20 on, travelled together' in text
        assert 'one of them ended the worker' in text
        assert 'batch_size=1 gives each a step of its own' in text
    assert type(failure.exception) is UnexpectedExit
    assert failure.exception.exit_status == 7


def test_death_of_a_worker_with_one_item(processes):
    given, failure = failure_of(
        map(die_on, itertools.repeat(25), range(40), processes=1, batch_size=1)
    )
    assert given == list(range(25))
    assert (failure.index, failure.input) == (25, (25, 25))
    assert 'together' not in failure.message


def fork_on(folder, number):
    (folder / f'{number}-{os.getpid()}').touch()
    if number == 2:
        pid = os.fork()
        if pid != 0:
            os.waitpid(pid, 0)
    return number


def test_an_item_that_forks(processes, tmp_path):
    """The child does not go on with what follows."""
    results = map(fork_on, itertools.repeat(tmp_path), range(6), batch_size=6)
    assert list(results) == list(range(6))
    assert len(list(tmp_path.iterdir())) == 6


def test_interrupt_that_an_item_raises():
    calls = Together(lambda number: os.kill(os.getpid(), signal.SIGINT), [[1, 2]])
    assert type(calls.run()) is KeyboardInterrupt and calls.results == []


# Output


def say(number):
    print('item', number)
    if number % 3 == 0:
        os.write(1, b'-' * (number % 7) + b'\n')
    return number


@pytest.mark.parametrize('size', [None, 1, 40])
def test_output_in_order(processes, capfd, size):
    assert list(map(say, range(300), processes=2, batch_size=size)) == list(range(300))
    expected = ''.join(
        f'item {i}\n' + ('-' * (i % 7) + '\n' if i % 3 == 0 else '') for i in range(300)
    )
    assert capfd.readouterr().out == expected


def say_from(first, number):
    if number >= first:
        print('item', number)
    return number


def test_items_that_print_travel_alone(processes, sizes, capfd):
    results = map(say_from, itertools.repeat(2000), range(3000000), processes=2)
    seen = list(itertools.islice(results, 20000))
    results.close()
    assert seen == list(range(20000))
    assert max(sizes) > 1 and sizes[-20:] == [1] * 20
    lines = capfd.readouterr().out.splitlines()[: 20000 - 2000]
    assert lines == [f'item {number}' for number in range(2000, 20000)]


def fail_after_text(texts, number):
    if number < 5:
        for text in texts.get(number, ()):
            print(text)
        return number
    for text in texts.get(5, ()):
        print(text)
    raise ValueError(number)


@pytest.mark.parametrize(
    'texts, tail',
    [
        ({}, ''),
        ({1: ['of another'], 4: ['ä' * 3000]}, ''),
        ({5: ['mine']}, 'mine'),
        ({1: ['other'], 4: ['x' * 5000], 5: ['mine', '', 'ü and more']}, 'mine\n\nü and more'),
        ({4: ['other'], 5: [str(i) for i in range(20)]}, '\n'.join(str(i) for i in range(10, 20))),
        ({4: ['other'], 5: ['é' * 1500]}, 'é' * 999),
    ],
)
def test_tail_of_the_output_is_of_the_item(processes, capfd, texts, tail):
    given, failure = failure_of(
        map(fail_after_text, itertools.repeat(texts), range(8), batch_size=8)
    )
    assert given == [0, 1, 2, 3, 4]
    assert failure.output_tail == tail
    printed = ''.join(f'{line}\n' for number in sorted(texts) for line in texts[number])
    assert capfd.readouterr().out == printed


# Stopping


def wait_for(folder, number):
    (folder / 'started').touch()
    if number >= 20:
        time.sleep(30)
        (folder / 'ended').touch()
    return number


@pytest.mark.parametrize('way', ['close', 'forget'])
def test_stopping(processes, tmp_path, way):
    results = map(wait_for, itertools.repeat(tmp_path), itertools.count(), batch_size=10)
    assert next(results) == 0
    if way == 'close':
        results.close()
    del results
    assert not (tmp_path / 'ended').exists()


INTERRUPTED = '''
import itertools, os, signal, time
from parallel_glib import map

def slow(number):
    if number == 50:
        os.kill(parent, signal.SIGINT)
        time.sleep(30)
    return number

parent = os.getpid()
try:
    for _ in map(slow, itertools.count(), batch_size=20):
        pass
except KeyboardInterrupt:
    print('interrupted')
'''


def test_interrupt():
    begin = time.monotonic()
    done = subprocess.run([sys.executable, '-c', INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert done.stdout == 'interrupted\n'
    assert time.monotonic() - begin < 20


def test_in_this_process_nothing_is_done_before_its_turn():
    calls = []
    with testing.serial():
        results = map(calls.append, range(100))
        assert calls == []
        for number in range(50):
            next(results)
            assert calls == list(range(number + 1))
        calls.clear()
        results = map(calls.append, range(100, 200), batch_size=5)
        next(results)
        assert calls == [100, 101, 102, 103, 104]


def test_remote_error_of_an_item(processes):
    def fail(number):
        class Local(Exception):
            def __reduce__(self):
                raise TypeError

        raise Local(number)

    _, failure = failure_of(map(fail, range(5), batch_size=5))
    assert type(failure.exception) is RemoteError and failure.message == '0'
