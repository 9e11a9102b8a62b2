#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cluster.py MODE N: over a private cluster of Slurm's, three nodes on the loopback interface: commands through agents beside a
loop of srun, and round trips to a worker there beside the same worker on this machine, at the end of two pipes.

Prints seconds: of N commands, or of one round trip.
"""

import os
import subprocess
import sys
import time

NODES, CPUS = 3, 4
SIZE = 65536
# srun takes so much longer that it is given only a part of the work.
SRUN_PART = 20
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def start_inside(mode, n):
    """This script again, in an allocation of all the nodes."""
    allocation = ['salloc', '-Q', f'-N{NODES}', f'-n{NODES * CPUS}']
    os.execv(f'{TESTS}/slurm/with-cluster.sh',
             ['with-cluster.sh', '-n', str(NODES), '-c', str(CPUS), '--', *allocation, sys.executable, __file__, mode, str(n),
              'inside'])


def load():
    import gi

    gi.require_version('Parallel', '1')
    from gi.repository import GLib, Parallel

    return GLib, Parallel


# Commands.


def commands(n):
    GLib, Parallel = load()
    task = Parallel.CommandTask.new(['/bin/true'])
    task.set_launcher(Parallel.Launcher.new_slurm([]))
    runner = Parallel.BackgroundTaskRunner.new(task)
    runner.set_keep_steps(Parallel.KeepSteps.NONE)
    start = time.perf_counter()
    for _ in range(n):
        runner.put(None)
    runner.close()
    runner.wait(None)
    assert runner.get_n_succeeded() == n
    return time.perf_counter() - start


def srun(n):
    count = max(1, n // SRUN_PART)
    start = time.perf_counter()
    for _ in range(count):
        subprocess.run(['srun', '-Q', '-N1', '-n1', '--overlap', '--exact', '--mpi=none', '/bin/true'], check=True,
                       stdin=subprocess.DEVNULL)
    return (time.perf_counter() - start) * n / count


# Round trips.


def round_trips(n, there=True):
    GLib, Parallel = load()
    from parallel_glib import _transport

    task = Parallel.WorkerTask.new(_transport.worker_command())
    if there:
        task.set_launcher(Parallel.Launcher.new_slurm([]))
    task.set_encoding(Parallel.Encoding.BYTES)
    task.set_setup(GLib.Bytes.new(_transport.dumps_setup(task=bytes)))
    runner = Parallel.BackgroundTaskRunner.new(task)
    runner.set_max_parallel(1)
    runner.set_keep_steps(Parallel.KeepSteps.NONE)
    data = os.urandom(SIZE)
    payload = GLib.Bytes.new(_transport.dumps_input((data,)))
    loop = GLib.MainLoop()
    times = []

    def finished(_runner, step):
        times.append(time.perf_counter())
        # The first byte tells how the result is packed.
        assert step.get_result().get_data()[1:] == data
        if len(times) > n:
            loop.quit()
        else:
            runner.put(payload)

    runner.connect('step-finished', finished)
    runner.put(payload)
    loop.run()
    runner.close()
    runner.wait(None)
    return (times[-1] - times[0]) / n


def local_round_trips(n):
    return round_trips(n, there=False)


def main(mode, n, *inside):
    if not inside and mode != 'local_round_trips':
        start_inside(mode, n)
    print(f'{globals()[mode](int(n)):.9f}')


if __name__ == '__main__':
    main(*sys.argv[1:])
