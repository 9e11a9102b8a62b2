# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured, against what, and what it should be.

A command prints one number. {n} is how much there is to do: as stands here, or what is enough to see that it works.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """ours beside theirs: two commands, in turn, for the ratio of what they print; or ours alone."""

    name: str
    what: str
    n: int
    tiny: int
    ours: str
    target: float | None
    theirs: str | None = None
    against: str = ''
    # 'rate': theirs / ours, at least the target. 'time': ours / theirs, at most the target. 'value': at most the target.
    kind: str = 'rate'
    unit: str = ''
    factor: float = 1
    runs: int = 7


def _functions(mode):
    return '{build}/functions ' + mode + ' {n}'


def _programs(mode, mebibytes=0):
    return '{build}/programs ' + mode + f' {{n}} {mebibytes}'


def _loop(mode):
    return '{build}/loop ' + mode + ' {n}'


def _python(mode):
    return '{python} {source}/python_calls.py ' + mode + ' {n}'


def _output(mode):
    return '{python} {source}/output.py ' + mode + ' {n}'


def _cluster(mode):
    return '{python} {source}/cluster.py ' + mode + ' {n}'


def _timed(command):
    return '{python} {source}/timed.py {n} ' + command


COMMANDS = '5,000 × /bin/true, 2 at a time'
NO_OPS = 'a million function steps that do nothing, 2 threads, results kept'
HANDLED = 'the same with a step-finished handler'
PUT = 'Python: 20,000 tiny calls, each put by itself'
MAP = 'Python: map of 200,000 tiny items'

CASES = [
    Case('spawn', COMMANDS, 5000, 20, _programs('ours'), 0.85, _programs('spawn'), 'posix_spawn and wait'),
    Case('xargs', COMMANDS, 5000, 20, _programs('ours'), 1.0,
         _timed('xargs -P2 -n1 /bin/true'), 'xargs -P2 -n1, which captures nothing'),
    Case('parallel', COMMANDS, 1000, 20, _programs('ours'), 6.0,
         _timed('parallel -j2 /bin/true'), 'GNU parallel -j2, with 1,000'),
    Case('resident', 'a command, from a program with 2 GiB resident', 2000, 20, _programs('ours', 2048), 1.15,
         _programs('ours'), 'from a small one', kind='time'),
    Case('start', 'starting a command, on the caller’s thread, 2 GiB resident, 99th percentile', 1000, 20,
         _programs('start', 2048), 0.1, kind='value', unit='ms', factor=1e3),
    Case('start-peer', 'the same by GSubprocess with default flags', 200, 5,
         _programs('subprocess', 2048), None, kind='value', unit='ms', factor=1e3, runs=3),
    Case('functions-gtask', NO_OPS, 1_000_000, 1000, _functions('kept'), 3.0, _functions('gtask'), 'g_task_run_in_thread'),
    Case('functions-pool', NO_OPS, 1_000_000, 1000, _functions('kept'), 0.4, _functions('pool'), 'GThreadPool'),
    Case('handler', HANDLED, 1_000_000, 1000, _functions('handled'), 1.5, _functions('gtask'),
         'g_task_run_in_thread with a callback'),
    Case('put-futures', PUT, 20_000, 20, _python('put_ours'), 6.0, _python('put_futures'), 'ProcessPoolExecutor.submit'),
    Case('put-pool', PUT, 20_000, 20, _python('put_ours'), 2.0, _python('put_pool'), 'Pool.apply_async'),
    Case('map-pool', MAP, 200_000, 20, _python('map_ours'), 1.0, _python('map_pool'), 'Pool.map'),
    Case('map-joblib', MAP, 200_000, 20, _python('map_ours'), 1.0, _python('map_joblib'), 'joblib'),
    Case('pool', 'Python: a pool made, 2 calls, closed, 20 times', 20, 2, _python('pool_ours'), 1.0, _python('pool_futures'),
         'ProcessPoolExecutor with fork', kind='time'),
    Case('steps', 'Python: 200 steps that do nothing', 200, 4, _python('steps_ours'), 3.0, _python('steps_processes'),
         'multiprocessing.Process, 2 at a time'),
    Case('big', 'Python: 4 calls with 64 MiB each way', 64, 1, _python('big_ours'), 2.0, _python('big_futures'),
         'ProcessPoolExecutor'),
    Case('output', 'output: 2 steps × 1 GiB, in order, into a pipe', 1024, 1, _output('ours'), 1.25, _output('cat'),
         'cat of the two files', kind='time'),
    Case('output-memory', 'memory of the command meanwhile', 1024, 1, _output('memory'), 64, kind='value', unit='MiB', runs=3),
    Case('latency', 'from a write of the first unfinished step to its appearance, median', 400, 10, _loop('latency'), 20,
         kind='value', unit='ms', factor=1e3),
    Case('idle', 'system calls of the library in a second in which nothing happens', 3, 2,
         '{python} {source}/idle.py {build}/loop {n}', 0, kind='value', unit='a second', runs=3),
    Case('stall-commands', 'main loop standing still while 20,000 commands run, 99.9 %', 20_000, 20, _loop('commands'), 1,
         kind='value', unit='ms', factor=1e3, runs=3),
    Case('stall-commands-longest', 'the same, the longest', 20_000, 20, _loop('commands-longest'), 8,
         kind='value', unit='ms', factor=1e3, runs=3),
    Case('stall-functions', 'main loop standing still while a million function steps run, 99.9 %', 1_000_000, 1000,
         _loop('functions'), 1, kind='value', unit='ms', factor=1e3, runs=3),
    Case('stall-functions-longest', 'the same, the longest', 1_000_000, 1000, _loop('functions-longest'), 8,
         kind='value', unit='ms', factor=1e3, runs=3),
    Case('memory-queued', 'memory of an input in the queue', 1_000_000, 1000, '{build}/memory queued {n}', 200,
         kind='value', unit='bytes', runs=3),
    Case('memory-finished', 'memory of a finished step that is kept', 200_000, 1000, '{build}/memory finished {n}', 700,
         kind='value', unit='bytes', runs=3),
    Case('growth-100k', 'time of an item: 100,000 beside 10,000', 100_000, 1000, '{python} {source}/growth.py {build}/functions {n}',
         1.2, kind='value', unit='×', runs=7),
    Case('growth-1m', 'time of an item: 1,000,000 beside 10,000', 1_000_000, 1000, '{python} {source}/growth.py {build}/functions {n}',
         1.2, kind='value', unit='×', runs=7),
    Case('cluster-commands', 'Slurm, 3 nodes on one machine: 1,000 × /bin/true', 1000, 20, _cluster('commands'), 20,
         _cluster('srun'), 'a loop of srun in the same allocation'),
    Case('cluster-round-trips', 'Slurm: a call of a Python worker with 64 KiB each way', 500, 5, _cluster('round_trips'), 3,
         _cluster('local_round_trips'), 'the same worker here, at two pipes', kind='time', unit='ms', factor=1e3),
    Case('instructions-function', 'instructions of a function step that does nothing', 20_000, 100,
         '{python} {source}/instructions.py {n} {build}/functions plain', None, kind='value', unit='instructions', runs=1),
    Case('instructions-handler', 'the same with a step-finished handler', 20_000, 100,
         '{python} {source}/instructions.py {n} {build}/functions handled', None, kind='value', unit='instructions', runs=1),
    Case('instructions-command', 'instructions of a command, of this program', 200, 10,
         '{python} {source}/instructions.py {n} {build}/programs ours', None, kind='value', unit='instructions', runs=1),
]
