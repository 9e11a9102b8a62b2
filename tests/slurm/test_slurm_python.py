# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python package on a cluster of three nodes with four CPUs each, which with-cluster.sh has started and nobody else
uses.
"""

import collections
import concurrent.futures
import getpass
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    Executor,
    Launcher,
    UnexpectedExit,
    WorkerFailed,
    map,
    run_parallel_steps,
    run_tasks_in_process_pool,
)

NODES = {'n1', 'n2', 'n3'}
LIMIT = 30
NODE = Command(['sh', '-c', 'echo $SLURMD_NODENAME; : {}'])


def slurm(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def await_true(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def launcher():
    with Launcher.slurm('-N3', '-n12') as made:
        yield made
    # What a test that has failed leaves behind would hold it.
    slurm('scancel', '-u', getpass.getuser())
    await_true(is_free)


def is_free():
    return not slurm('squeue', '-h', '-o', '%i')


@pytest.fixture
def n2():
    """A node that can be set down."""

    def set_down():
        slurm('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')

    try:
        yield set_down
    finally:
        slurm('scontrol', 'update', 'nodename=n2', 'state=resume')
        await_true(lambda: len(slurm('sinfo', '-h', '-N', '-t', 'idle', '-o', '%N')) == len(NODES))


def node_of(number):
    return number, os.environ['SLURMD_NODENAME']


def meet(folder, number, count):
    """Returns when as many are at work at the same time."""
    (folder / f'here-{number}').touch()
    await_true(lambda: len(list(folder.glob('here-*'))) >= count)
    return os.environ['SLURMD_NODENAME']


def test_calls(launcher, tmp_path):
    def work(number):
        # Or they are done before some nodes have begun.
        if number < 12:
            meet(tmp_path, number, 12)
        return node_of(number)

    results = run_tasks_in_process_pool(
        work, [(number,) for number in range(3000)], launcher=launcher
    )
    assert [number for number, _ in results] == list(range(3000))
    used = collections.Counter(node for _, node in results)
    assert set(used) == NODES
    assert launcher.n_slots == 12


def test_map(launcher):
    offset = 7
    assert list(map(lambda number: number + offset, range(20000), launcher=launcher)) == list(
        range(7, 20007)
    )
    assert list(map(abs, range(-5, 0), launcher=launcher)) == [5, 4, 3, 2, 1]


def test_as_many_as_there_are_slots(launcher, tmp_path, monkeypatch):
    """However few processors this machine has: each way to run something fills all slots."""
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: {0})
    inputs = [(tmp_path / 'pool', number, 12) for number in range(12)]
    for name in ('pool', 'map', 'steps', 'executor'):
        (tmp_path / name).mkdir()
    assert set(run_tasks_in_process_pool(meet, inputs, launcher=launcher)) == NODES
    nodes = map(
        meet, [tmp_path / 'map'] * 12, range(12), [12] * 12, batch_size=1, launcher=launcher
    )
    assert set(nodes) == NODES
    with Executor(launcher=launcher) as executor:
        futures = [
            executor.submit(meet, tmp_path / 'executor', number, 12) for number in range(12)
        ]
        assert {future.result(LIMIT) for future in futures} == NODES
    steps = [lambda number=number: meet(tmp_path / 'steps', number, 12) for number in range(12)]
    assert set(run_parallel_steps(steps, return_values=True, launcher=launcher)) == NODES


def test_many_slots_that_are_not_read_ahead_for(launcher, tmp_path, monkeypatch):
    """More than what is read of the inputs before it is known how many slots there are."""
    monkeypatch.setattr('parallel_glib._ahead.AHEAD', 4)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: {0})
    for name in ('pool', 'map'):
        (tmp_path / name).mkdir()
    inputs = ((tmp_path / 'pool', number, 12) for number in range(12))
    assert set(run_tasks_in_process_pool(meet, inputs, launcher=launcher)) == NODES
    nodes = map(
        meet, [tmp_path / 'map'] * 12, range(12), [12] * 12, batch_size=1, launcher=launcher
    )
    assert set(nodes) == NODES


def test_executor(launcher):
    with Executor(launcher=launcher) as executor:
        futures = [executor.submit(node_of, number) for number in range(200)]
        done = [future.result(LIMIT) for future in concurrent.futures.as_completed(futures)]
        assert sorted(number for number, _ in done) == list(range(200))
        with pytest.raises(UnexpectedExit):
            executor.submit(os.kill, 0, 9).result(LIMIT)
        assert executor.submit(lambda: 5).result(LIMIT) == 5


def test_output_in_order(launcher, capfd):
    def talk(number):
        print(number, 'begins', flush=True)
        time.sleep(0.002 * (number % 7))
        print(number, 'ends')

    with BackgroundTaskRunner(talk).configure(launcher=launcher) as queue:
        for number in range(200):
            queue.put((number,))
    lines = [f'{number} {what}' for number in range(200) for what in ('begins', 'ends')]
    assert capfd.readouterr().out.splitlines() == lines


def test_programs(launcher):
    """Of which each is a task of its own; no more agents are started than there are slots."""
    shell = 'echo $SLURMD_NODENAME; echo {} $PPID; pwd'
    steps = [Command(['sh', '-c', shell.replace('{}', str(n))]) for n in range(300)]
    results = run_parallel_steps(steps, return_values=True, launcher=launcher)
    lines = [done.stdout.decode().split() for done in results]
    assert {line[0] for line in lines} == NODES
    assert [int(line[1]) for line in lines] == list(range(300))
    assert len({line[2] for line in lines}) <= 12
    assert {line[3] for line in lines} == {os.getcwd()}


def test_the_far_side(launcher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LATE', 'set')

    def look():
        names = ('SLURM_JOB_ID', 'SLURM_STEP_ID', 'LATE')
        return os.getcwd(), [name in os.environ for name in names]

    assert run_parallel_steps([look], return_values=True, launcher=launcher) == [
        (str(tmp_path), [True] * 3)
    ]


def test_big_values(launcher):
    data = os.urandom(1 << 16) * 1024
    echoed = run_tasks_in_process_pool(
        lambda one: one, [(data,)] * 2, processes=2, launcher=launcher
    )
    assert echoed == [data] * 2


def wait_for_end(folder, number):
    (folder / f'{os.environ["SLURMD_NODENAME"]}-{number}').touch()
    await_true((folder / 'go').exists)
    return os.environ['SLURMD_NODENAME']


@pytest.mark.parametrize('attempts', [1, 2])
def test_node_that_goes_down(n2, launcher, tmp_path, attempts):
    """Its steps fail, and say where they were; or others do them."""

    def set_down():
        await_true(lambda: len(list(tmp_path.glob('n*'))) == 12)
        n2()
        time.sleep(0.5)
        (tmp_path / 'go').touch()

    thread = threading.Thread(target=set_down)
    thread.start()
    runner = BackgroundTaskRunner(wait_for_end, tmp_path)
    runner.configure(launcher=launcher, return_values=True, max_attempts=attempts)
    failures = ()
    try:
        with runner as queue:
            queue.put_many((number,) for number in range(60))
            queue.close()
            results = [step.result for step in runner if step.ok]
    except BackgroundFailure as failure:
        failures = failure.failures
    thread.join()
    lost = [path for path in tmp_path.glob('n2-*')]
    assert len(lost) == 4
    assert len(failures) == (4 if attempts == 1 else 0)
    assert all(isinstance(failure.exception, UnexpectedExit) for failure in failures)
    assert all('n2' in failure.message for failure in failures)
    assert len(results) == 60 - len(failures)
    assert set(results) == {'n1', 'n3'}


def test_executor_with_a_node_that_goes_down(n2, launcher, tmp_path):
    with Executor(launcher=launcher) as executor:
        futures = [executor.submit(wait_for_end, tmp_path, number) for number in range(40)]
        await_true(lambda: len(list(tmp_path.glob('n*'))) == 12)
        n2()
        (tmp_path / 'go').touch()
        ended = [future.exception(LIMIT) for future in futures]
    errors = [error for error in ended if error is not None]
    assert 1 <= len(errors) <= 4
    assert all('n2' in str(error) for error in errors)


def test_allocation(launcher):
    """It is shared, and given back when nobody needs it any more."""
    assert is_free()
    jobs = {
        run_parallel_steps(
            [lambda: os.environ['SLURM_JOB_ID']], return_values=True, launcher=launcher
        )[0]
        for _ in range(3)
    }
    assert {*slurm('squeue', '-h', '-o', '%i')} == jobs and len(jobs) == 1
    launcher.close()
    started = time.monotonic()
    await_true(is_free)
    assert time.monotonic() - started < 2
    assert launcher.n_slots == 0
    assert run_parallel_steps([lambda: 1], return_values=True, launcher=launcher) == [1]
    assert launcher.n_slots == 12


def test_no_room(launcher):
    """Another has all of it."""
    assert run_parallel_steps([lambda: 1], return_values=True, launcher=launcher) == [1]
    with Launcher.slurm('-n1', patience=0) as late:
        with pytest.raises(BackgroundFailure) as caught:
            run_parallel_steps([abs], launcher=late)
    assert isinstance(caught.value.exceptions[0], WorkerFailed)
    assert 'at once' in str(caught.value.exceptions[0])


def test_interrupt(launcher, tmp_path):
    """Nothing is left on the nodes."""

    def interrupt():
        await_true(lambda: len(list(tmp_path.glob('n*'))) == 12)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    sent = []
    # The shell has it ignored by what it starts in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_tasks_in_process_pool(
                wait_for_end, [(tmp_path, number) for number in range(20)], launcher=launcher
            )
        assert time.monotonic() - sent[0] < 2
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    await_true(lambda: not workers())


def workers():
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if b'parallel_glib._worker' in command and path.parent.name != str(os.getpid()):
            found.append(path)
    return found


def test_within_a_worker(launcher):
    """A run inside of a step stays on its node, and does not ask Slurm for anything."""

    def inner():
        nodes = run_tasks_in_process_pool(node_of, [(n,) for n in range(4)], processes=2)
        return {node for _, node in nodes} == {os.environ['SLURMD_NODENAME']}

    assert run_parallel_steps([inner] * 6, return_values=True, launcher=launcher) == [True] * 6


IN_ALLOCATION = """
import os, pathlib, sys, time
from parallel_glib import Launcher, run_tasks_in_process_pool

def meet(number):
    folder = pathlib.Path(sys.argv[1])
    (folder / f'here-{number}').touch()
    while len(list(folder.glob('here-*'))) < 12:
        time.sleep(0.02)
    return os.environ['SLURMD_NODENAME']

launcher = Launcher.slurm()
nodes = run_tasks_in_process_pool(meet, [(number,) for number in range(12)], launcher=launcher)
print(*sorted(set(nodes)), launcher.n_slots)
"""


def test_inside_an_allocation(tmp_path):
    """The program itself runs in one that salloc has got."""
    script = tmp_path / 'script.py'
    script.write_text(IN_ALLOCATION)
    argv = ['salloc', '-Q', '-N3', '-n12', sys.executable, str(script), str(tmp_path)]
    assert subprocess.check_output(argv, text=True, timeout=LIMIT) == 'n1 n2 n3 12\n'
