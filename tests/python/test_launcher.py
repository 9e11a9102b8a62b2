# SPDX-License-Identifier: LGPL-2.1-or-later
"""Steps where a launcher starts them, which is on this machine here."""

import asyncio
import itertools
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import parallel_glib
import pytest
from parallel_glib import (
    BackgroundFailure,
    BackgroundTaskRunner,
    Command,
    CommandFailed,
    Executor,
    FailureKind,
    Launcher,
    UnexpectedExit,
    WorkerFailed,
    map,
    run_parallel_steps,
    run_parallel_steps_async,
    run_tasks_in_process_pool,
    testing,
)

import support

# A variable that only what a launcher has started has.
THERE = 'THERE=yes'


def is_there(*_args):
    return os.environ.get('THERE') == 'yes'


def made_by_introspection():
    from gi.repository import Parallel

    return Parallel.Launcher.new_prefix(['env', THERE])


MAKERS = {
    'prefix': lambda: Launcher.prefix('env', THERE),
    # As ssh: the arguments are one line for a shell.
    'shell': lambda: Launcher.prefix('env', THERE, 'sh', '-c', joins_arguments=True),
    'connect-back': lambda: Launcher.prefix('env', THERE, connect_back=True, address='127.0.0.1'),
    'introspection': made_by_introspection,
}


@pytest.fixture(params=MAKERS)
def launcher(request):
    return MAKERS[request.param]()


# Each way to run something.


def test_steps(launcher, capfd):
    def talk():
        time.sleep(0.2)
        print('one')
        return is_there()

    program = Command(['sh', '-c', 'echo two $THERE'])
    talked, done, three = run_parallel_steps(
        [talk, program, lambda: print('three') or 3], return_values=True, launcher=launcher
    )
    assert (talked, done.stdout, done.args, three) == (True, b'two yes\n', program.argv, 3)
    assert capfd.readouterr().out == 'one\ntwo yes\nthree\n'


def test_steps_that_are_awaited(launcher):
    steps = [is_there, lambda: 2]
    assert asyncio.run(
        run_parallel_steps_async(steps, return_values=True, launcher=launcher)
    ) == [True, 2]


def test_pool(launcher):
    assert run_tasks_in_process_pool(pow, [(2, 3), (3, 2)], launcher=launcher) == [8, 9]
    assert all(run_tasks_in_process_pool(is_there, [(1,)] * 100, launcher=launcher))
    assert run_tasks_in_process_pool(
        lambda number: number * 2, [(number,) for number in range(500)], 3, launcher=launcher
    ) == list(range(0, 1000, 2))


def test_map(launcher):
    assert list(map(lambda number: -number, range(3000), launcher=launcher)) == list(
        range(0, -3000, -1)
    )
    assert list(map(is_there, range(20), batch_size=1, launcher=launcher)) == [True] * 20


def test_map_that_is_left(launcher):
    results = map(abs, itertools.count(), launcher=launcher)
    assert list(itertools.islice(results, 100)) == list(range(100))
    results.close()


def test_map_of_a_program(launcher):
    results = map(Command(['sh', '-c', 'echo $THERE {}']), 'ab', launcher=launcher)
    assert [done.stdout for done in results] == [b'yes a\n', b'yes b\n']


def test_runner(launcher, capfd):
    def work(prefix, number):
        print(prefix, number, is_there())

    def leave():
        print('bye')

    runner = BackgroundTaskRunner(work, 'item', processes=1, onexit=leave)
    with runner.configure(launcher=launcher, max_steps_per_worker=100) as queue:
        for number in range(5):
            queue.put((number,))
        print('before', flush=True)
    expected = ['before', *(f'item {number} True' for number in range(5)), 'bye']
    assert capfd.readouterr().out.splitlines() == expected


def test_runner_of_a_program(launcher, capfd):
    with BackgroundTaskRunner(Command(['sh', '-c', 'echo {} $THERE'])).configure(
        launcher=launcher
    ) as queue:
        queue.put_many('ab')
    assert capfd.readouterr().out == 'a yes\nb yes\n'


def test_executor(launcher):
    with Executor(launcher=launcher) as executor:
        assert executor.submit(is_there).result(support.LIMIT) is True
        futures = [executor.submit(lambda x=x: x + 1) for x in range(50)]
        assert [future.result(support.LIMIT) for future in futures] == list(range(1, 51))
        assert list(executor.map(pow, [2, 3], [3, 2], chunksize=2)) == [8, 9]


def test_executor_with_an_initializer(launcher):
    def initialize(value):
        os.environ['INITIALIZED'] = value

    with Executor(2, launcher=launcher, initializer=initialize, initargs=('so',)) as executor:
        assert executor.submit(os.getenv, 'INITIALIZED').result(support.LIMIT) == 'so'


def test_serially():
    """In this process there is nothing to launch."""
    with testing.serial():
        launcher = Launcher.prefix('/nowhere')
        assert run_parallel_steps([is_there], return_values=True, launcher=launcher) == [False]


# Programs.


def test_a_program_of_its_own(launcher):
    """Which runs there, while the others are here."""
    results = run_parallel_steps(
        [Command(['sh', '-c', 'echo $THERE'], launcher=launcher), is_there], return_values=True
    )
    assert (results[0].stdout, results[1]) == (b'yes\n', False)


def test_its_launcher_wins():
    here, there = Launcher.prefix('env', 'THERE=no'), Launcher.prefix('env', THERE)
    command = Command(['sh', '-c', 'echo $THERE'], launcher=there)
    assert run_parallel_steps([command], return_values=True, launcher=here)[0].stdout == b'yes\n'


def test_settings_of_a_program(launcher, tmp_path, monkeypatch):
    monkeypatch.setenv('LESS', 'here')
    (tmp_path / 'input').write_text('from a file')
    shell = 'echo "$MORE,$LESS,$THERE"; pwd; cat; echo error >&2'
    results = run_parallel_steps(
        [
            Command(
                ['sh', '-c', shell],
                env={'MORE': 'a {} b', 'LESS': None},
                cwd=tmp_path,
                input='read',
                merge_stderr=True,
            ),
            Command(['cat'], stdin_path=tmp_path / 'input'),
            Command(['sh', '-c', 'nice'], launcher=['nice', '-n', '7']),
        ],
        return_values=True,
        launcher=launcher,
    )
    assert results[0].stdout.decode() == f'a {{}} b,,yes\n{tmp_path}\nreaderror\n'
    assert results[1].stdout == b'from a file'
    assert int(results[2].stdout) == 7 + os.nice(0)


def test_failures_of_programs(launcher):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps(
            [
                Command(['sh', '-c', 'exit 3']),
                Command(['sh', '-c', 'kill -9 $$']),
                Command(['/no/such/program']),
            ],
            launcher=launcher,
        )
    failures = caught.value.failures
    assert [failure.kind for failure in failures] == ['exit', 'signal', 'command']
    assert (failures[0].exit_status, failures[1].signal) == (3, 9)
    assert all(isinstance(failure.exception, CommandFailed) for failure in failures)


def test_programs_share_agents(launcher):
    """Different programs, too, of which each is a task of the library's."""
    steps = [Command(['sh', '-c', f': {number}; echo $PPID']) for number in range(60)]
    results = run_parallel_steps(steps, 3, return_values=True, launcher=launcher)
    assert len({done.stdout for done in results}) <= 3


# What goes wrong.


def fail():
    raise LookupError('not here')


def test_failures(launcher):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([lambda: 1, fail, lambda: os._exit(3)], launcher=launcher)
    raised, ended = caught.value.failures
    assert isinstance(raised.exception, LookupError)
    assert 'line' in raised.traceback and 'in fail' in raised.traceback
    assert ended.kind == FailureKind.EXIT and isinstance(ended.exception, UnexpectedExit)


def die_once(path):
    """The first that comes here dies."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return 'lives'
    os.kill(os.getpid(), signal.SIGKILL)


def test_death_of_a_worker(launcher, tmp_path):
    inputs = [(str(tmp_path / 'dead'),)] * 30
    with pytest.raises(BackgroundFailure) as caught:
        run_tasks_in_process_pool(die_once, inputs, processes=2, launcher=launcher)
    assert [failure.kind for failure in caught.value.failures] == [FailureKind.SIGNAL]
    assert list(caught.value.results.values()) == ['lives'] * 29


def test_death_and_another_attempt(launcher, tmp_path):
    steps = [lambda: die_once(str(tmp_path / 'dead'))]
    assert run_parallel_steps(
        steps, return_values=True, max_attempts=2, launcher=launcher
    ) == ['lives']


def test_executor_survives_a_death(launcher):
    with Executor(2, launcher=launcher) as executor:
        with pytest.raises(UnexpectedExit):
            executor.submit(os.kill, 0, 9).result(support.LIMIT)
        assert executor.submit(abs, -1).result(support.LIMIT) == 1


def test_executor_that_breaks(launcher):
    with Executor(2, launcher=launcher, on_worker_death='break') as executor:
        with pytest.raises(BrokenProcessPool):
            executor.submit(os._exit, 1).result(support.LIMIT)


@pytest.mark.parametrize('argv', [['/no/such/launcher'], ['false']])
def test_launcher_that_starts_nothing(argv):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([abs], launcher=Launcher.prefix(*argv))
    assert isinstance(caught.value.exceptions[0], WorkerFailed)
    with pytest.raises(BackgroundFailure):
        run_parallel_steps([Command(['true'])], launcher=Launcher.prefix(*argv))
    with Executor(launcher=Launcher.prefix(*argv)) as executor:
        with pytest.raises(BrokenProcessPool):
            executor.submit(abs, 1).result(support.LIMIT)


def test_timeout(launcher):
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps(
            [lambda: time.sleep(100), lambda: 1], timeout=1, kill_grace=0.5, launcher=launcher
        )
    assert [failure.kind for failure in caught.value.failures] == [FailureKind.TIMEOUT]


@pytest.mark.parametrize('size', [0, 1, 1 << 16, 64 << 20])
def test_big_values(launcher, size):
    data = os.urandom(1 << 16) * (size >> 16) or os.urandom(size)
    echoed = run_tasks_in_process_pool(
        lambda one: one, [(data,), (bytearray(data),)], processes=1, launcher=launcher
    )
    assert echoed[0] == data and echoed[1] == bytearray(data)


@pytest.mark.parametrize('seed', range(8))
def test_interrupt(launcher, seed, tmp_path):
    moment = random.Random(seed).uniform(0.01, 0.6)
    program = Command(support.lasting(tmp_path))
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, moment)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_parallel_steps([lambda: time.sleep(30)] * 2 + [program] * 2, 4, launcher=launcher)
    finally:
        signal.signal(signal.SIGALRM, before)
    support.check_stopped(tmp_path)


# What the far side is like.


def test_environment(launcher, monkeypatch):
    """It is what the launcher gives, and not this one put in its place."""
    monkeypatch.setenv('LATE', 'set')
    results = run_parallel_steps(
        [lambda: (os.environ['THERE'], os.environ['LATE'], os.getcwd(), sys.executable, sys.path)],
        return_values=True,
        launcher=launcher,
    )
    paths = [os.path.abspath(path) for path in sys.path]
    assert results == [('yes', 'set', os.getcwd(), sys.executable, paths)]


def test_another_interpreter(tmp_path):
    python = tmp_path / 'another-python'
    python.symlink_to(sys.executable)
    launcher = Launcher.prefix('env', python=python, cwd=tmp_path)
    see = lambda: (sys.executable, os.getcwd(), sys.path)  # noqa: E731
    ((executable, cwd, paths),) = run_parallel_steps([see], return_values=True, launcher=launcher)
    assert executable == str(python)
    assert cwd == os.path.realpath(tmp_path)
    # The folder of this test is found, and comes first.
    assert paths[: len(support_paths())] == support_paths()
    assert run_parallel_steps([is_there], return_values=True, launcher=launcher) == [False]


def support_paths():
    from parallel_glib._launcher import _own_folders

    return _own_folders()


def test_folders_of_modules(tmp_path):
    (tmp_path / 'only_there.py').write_text('VALUE = 5')
    root = os.path.dirname(os.path.dirname(parallel_glib.__file__))
    launcher = Launcher.prefix('env', sys_path=[tmp_path, root])

    def work():
        import only_there

        return only_there.VALUE, sys.path[:2]

    assert run_parallel_steps([work], return_values=True, launcher=launcher) == [
        (5, [str(tmp_path), root])
    ]


def test_package_that_is_not_there(tmp_path):
    launcher = Launcher.prefix('env', '-u', 'PYTHONPATH', sys_path=[tmp_path])
    with pytest.raises(BackgroundFailure) as caught:
        run_parallel_steps([is_there], launcher=launcher)
    assert "No module named 'parallel_glib'" in caught.value.failures[0].message


def test_within_a_worker(launcher):
    """A run inside of a step is where the step is, and does not launch anything."""

    def inner():
        import parallel_glib
        from parallel_glib import _backend

        pids = parallel_glib.run_tasks_in_process_pool(os.getpid, [()] * 4, processes=2)
        return len(set(pids)) <= 2, _backend.Settings().launcher

    assert run_parallel_steps([inner], return_values=True, launcher=launcher) == [(True, None)]


def test_it_can_travel():
    """To be used there, by whoever wants to."""
    launcher = Launcher.prefix('env', THERE)

    def inner():
        return list(parallel_glib.map(is_there, range(2), launcher=launcher))

    assert run_parallel_steps([inner], return_values=True) == [[True, True]]


# The object.


def test_made_without_the_library():
    code = (
        'import sys; from parallel_glib import Command, Launcher; '
        'Launcher.slurm("-N3", patience=1); Launcher.ssh("host", "-v"); '
        'Command(["true"], launcher=Launcher.prefix("env")); print("gi" in sys.modules)'
    )
    assert subprocess.check_output([sys.executable, '-c', code]) == b'False\n'


def test_properties():
    launcher = Launcher.prefix(
        'env',
        'X=1',
        joins_arguments=True,
        trusts_exit_status=False,
        unset_variables=['A'],
        cancel_argv=['cancel', '{job}'],
        agent='/there/agent',
        heartbeat_timeout=3,
        connect_back=True,
        address='host',
    )
    made = launcher.to_library()
    assert launcher.to_library() is made
    assert list(made.get_argv()) == ['env', 'X=1']
    for name, value in launcher._options.items():
        assert made.get_property(name) == value
    assert Launcher.slurm(patience=2).to_library().get_patience() == 2
    assert list(Launcher.ssh('a@b', '-p', '1').to_library().get_argv())[-4:] == [
        '-p', '1', '--', 'a@b'
    ]  # fmt: skip
    assert (launcher.n_slots, launcher.status) == (0, None)
    with launcher:
        pass
    assert launcher.to_library() is not made


def test_copies():
    launcher = Launcher.slurm('-n3', patience=1)
    launcher.to_library()
    copy = pickle.loads(pickle.dumps(launcher))
    assert repr(copy) == repr(launcher) == "Launcher.slurm('-n3', patience=1)"


def test_after_a_fork():
    """The child makes one of its own, and leaves that of its parent alone."""
    launcher = Launcher.prefix('env', THERE)
    made = launcher.to_library()
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if launcher.to_library() is not made else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert launcher.to_library() is made


@pytest.mark.parametrize('wrong', ['srun', ['env'], 3, ('env',)])
def test_what_is_no_launcher(wrong):
    for call in (
        lambda: run_parallel_steps([abs], launcher=wrong),
        lambda: run_tasks_in_process_pool(abs, [], launcher=wrong),
        lambda: map(abs, [], launcher=wrong),
        lambda: Executor(launcher=wrong),
        lambda: BackgroundTaskRunner(abs).configure(launcher=wrong),
    ):
        with pytest.raises(TypeError, match='the launcher must be'):
            call()


def test_wrong_options():
    with pytest.raises(ValueError):
        Launcher.prefix()
    with pytest.raises(TypeError):
        Launcher.prefix('env', sys_path='/folder')
    with pytest.raises(TypeError):
        Launcher.slurm(no_such_option=1)
    with pytest.raises(TypeError):
        Command(['true'], launcher='nice')


@pytest.mark.start_methods('fork')
def test_fork_is_refused(processes):
    launcher = Launcher.prefix('env')
    for call in (
        lambda: run_parallel_steps([abs], launcher=launcher),
        lambda: run_tasks_in_process_pool(abs, [], launcher=launcher),
        lambda: list(map(abs, [], launcher=launcher)),
        lambda: Executor(launcher=launcher).submit(abs, 1),
        lambda: BackgroundTaskRunner(abs).configure(launcher=launcher).__enter__(),
    ):
        with pytest.raises(ValueError, match='forked'):
            call()
    run_parallel_steps([Command(['true'])], launcher=launcher)


@pytest.mark.start_methods('spawn')
def test_spawn_is_the_same(processes, launcher):
    assert run_parallel_steps([is_there], return_values=True, launcher=launcher) == [True]


def test_task_of_the_library(launcher):
    from gi.repository import Parallel

    runner = BackgroundTaskRunner(Parallel.CommandTask.new(['true']))
    with pytest.raises(TypeError, match='set_launcher'):
        runner.configure(launcher=launcher).__enter__()
