# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library as plain introspection shows it to Python."""

import pathlib
import struct
import subprocess
import sys
import threading
import traceback

import gi

gi.require_version('Parallel', '1')
from gi.repository import Gio, GLib, Parallel

CLASSES = ('AsyncTask', 'BackgroundTaskRunner', 'CommandTask', 'FunctionTask', 'Launcher', 'Step', 'Task', 'Worker',
           'WorkerServer', 'WorkerTask')
ENUMS = ('Containment', 'Encoding', 'HaltMode', 'KeepSteps', 'OutputLimitPolicy', 'OutputMode', 'OutputStream', 'RunError',
         'StepState')
FUNCTIONS = ('run_error_quark', 'run_steps', 'run_steps_async', 'run_steps_finish')
CONSTANTS = ('MAJOR_VERSION', 'MINOR_VERSION', 'MICRO_VERSION', 'VERSION_S')
CALLBACKS = ('AsyncFunction', 'Function', 'WorkerExitFunction', 'WorkerFunction')
# The exported functions that only C can call.
SKIPPED = ('parallel_function_task_new_for_gtask',)
# The parts of the engine, and what would shadow something of GObject or GLib.
PRIVATE = ('Engine', 'Mailbox', 'Notifier', 'Output', 'Sequencer', 'Sink', 'Spawner', 'Spool', 'Turn', 'Mail')
SHADOWING = ('Error', 'Object', 'Source')
GOBJECT_METHODS = ('emit', 'connect', 'notify', 'ref', 'unref', 'bind_property', 'get_property', 'set_property')


def command_runner(sink=None, **properties):
    runner = Parallel.BackgroundTaskRunner.new(Parallel.CommandTask.new(['sh', '-c', 'echo $0; exit $0', '{}']))
    runner.set_keep_steps(Parallel.KeepSteps.ALL)
    runner.set_output_mode(Parallel.OutputMode.NONE if sink is None else Parallel.OutputMode.ORDERED)
    if sink is not None:
        runner.set_sink(sink)
    for name, value in properties.items():
        runner.set_property(name, value)
    return runner


def test_names():
    names = {*CLASSES, *ENUMS, *FUNCTIONS, *CONSTANTS, *(name + 'Class' for name in CLASSES)}
    difference = {name for name in dir(Parallel) if not name.startswith('_')} ^ names
    assert not difference, f'missing, or not expected: {sorted(difference)}'
    # Python shows no types of functions.
    infos = gi.Repository.get_default().get_infos('Parallel')
    difference = {info.get_name() for info in infos} ^ names ^ set(CALLBACKS)
    assert not difference, f'missing, or not expected: {sorted(difference)}'


def test_functions():
    exported = (pathlib.Path(__file__).parents[1] / 'abi' / 'symbols.txt').read_text().split()
    infos = gi.Repository.get_default().get_infos('Parallel')
    functions = [info for info in infos if info.get_name() in FUNCTIONS]
    functions += [method for info in infos if info.get_name() in CLASSES for method in info.get_methods()]
    difference = {info.get_symbol() for info in functions} ^ {
        symbol for symbol in exported if symbol not in SKIPPED and not symbol.endswith('_get_type')
    }
    assert not difference, f'missing, or not expected: {sorted(difference)}'


def test_private_names():
    for name in PRIVATE + SHADOWING:
        assert not hasattr(Parallel, name), f'{name} can be seen'
    for name in CLASSES:
        own = vars(getattr(Parallel, name))
        for method in GOBJECT_METHODS:
            assert method not in own, f'{name}.{method} shadows that of GObject'
    for field in ('place', 'start', 'stop', 'describe', 'check', 'padding'):
        assert not hasattr(Parallel.Task, 'do_' + field), f'Task.do_{field} can be overridden'


def test_enums():
    for name in ENUMS:
        members = [member for member in dir(getattr(Parallel, name)) if member.isupper()]
        assert len(members) >= 2, f'{name} has {members}'
    assert Parallel.RunError.BACKGROUND_FAILURE == 1
    assert Parallel.OutputMode.NONE.value_nick == 'none'


def test_two_commands():
    sink = Gio.MemoryOutputStream.new_resizable()
    runner = command_runner(sink)
    runner.set_max_parallel(2)
    assert runner.put('0')
    assert runner.put_string('00')
    runner.close()
    assert runner.wait(None)
    sink.close(None)
    assert sink.steal_as_bytes().get_data() == b'0\n00\n'
    assert runner.get_n_succeeded() == 2 and runner.get_n_failed() == 0
    assert [step.get_input() for step in runner.dup_steps()] == ['0', '00']
    output = runner.dup_steps()[1].dup_output(Parallel.OutputStream.STDOUT)
    assert output.get_data() == b'00\n'


def test_list_model():
    runner = command_runner()
    for number in range(3):
        runner.put_string('0')
    runner.close()
    runner.wait(None)
    assert runner.get_n_items() == 3
    assert all(step.get_state() == Parallel.StepState.SUCCEEDED for step in runner)


def test_run_steps():
    task = Parallel.CommandTask.new_shell('echo "# from a step"')
    steps = [Parallel.Step.new(task, None) for _ in range(2)]
    assert Parallel.run_steps(steps, 2, False, None)
    assert all(step.get_exit_status() == 0 for step in steps)


def test_error():
    runner = command_runner()
    for status in '0', '7', '0', '9':
        runner.put_string(status)
    runner.close()
    try:
        runner.wait(None)
    except GLib.Error as error:
        assert error.matches(Parallel.run_error_quark(), Parallel.RunError.BACKGROUND_FAILURE), error
        assert '2 of 4' in error.message, error.message
    else:
        raise AssertionError('no error')
    failures = runner.dup_failures()
    assert [step.get_exit_status() for step in failures] == [7, 9]
    assert failures[0].dup_error().matches(GLib.quark_from_string('g-spawn-exit-error-quark'), 7)


def test_wait_async():
    loop = GLib.MainLoop()
    runner = command_runner()
    finished = []
    runner.connect('step-finished', lambda _runner, step: finished.append(step.get_index()))
    outcome = []

    def done(source, result):
        assert threading.current_thread() is threading.main_thread()
        try:
            outcome.append(source.wait_finish(result))
        except GLib.Error as error:
            outcome.append(error)
        loop.quit()

    runner.put_string('0')
    runner.put_string('3')
    runner.close()
    runner.wait_async(None, done)
    loop.run()
    assert sorted(finished) == [0, 1], finished
    assert isinstance(outcome[0], GLib.Error), outcome


def test_function_task():
    def double(step, _cancellable):
        assert threading.current_thread() is not threading.main_thread()
        step.set_result(2 * step.get_input())
        return True

    runner = Parallel.BackgroundTaskRunner.new(Parallel.FunctionTask.new(double))
    runner.set_keep_steps(Parallel.KeepSteps.ALL)
    for number in range(10):
        runner.put(number)
    runner.close()
    runner.wait(None)
    assert [step.get_result() for step in runner.dup_steps()] == list(range(0, 20, 2))


WORKER = """
import sys
import gi
gi.require_version('Parallel', '1')
from gi.repository import GLib, Parallel

def double(worker, value, *data):
    worker.report(0.5, 'half')
    if value.get_int32() == 0:
        raise GLib.Error('zero', 'test-domain', 7)
    return GLib.Variant('i', 2 * value.get_int32())

def at_exit(worker, *data):
    print('at exit', flush=True)
    return True

assert Parallel.Worker.is_wanted(sys.argv)
worker = Parallel.Worker.new()
worker.set_onexit(at_exit)
sys.exit(0 if worker.run(double) else 1)
"""


def test_worker():
    def frame(kind, payload=b''):
        return struct.pack('<IB', len(payload) + 1, kind) + payload

    def request(serial, number):
        return struct.pack('<QBIi', serial, 0, 6, number) + b'\0i'

    token = b'0123456789abcdef'
    start = frame(1, b'PGLW' + struct.pack('<HHI', 1, 0, 65536) + token)
    run = subprocess.run([sys.executable, '-c', WORKER, '--parallel-worker'], check=True, capture_output=True,
                         input=start + frame(3, request(1, 21) + request(2, 0)) + frame(4))
    assert run.stderr == token + struct.pack('<Q', 1) + token + struct.pack('<Q', 2) + b'at exit\n', run.stderr
    alive = frame(68, struct.pack('<d', 0.5) + b'half')
    result = frame(67, struct.pack('<QBi', 1, 0, 42) + b'\0i')
    failure = struct.pack('<QBI', 2, 1, 4) + b'zero'
    assert alive + result + alive in run.stdout and failure in run.stdout, run.stdout
    assert run.stdout.endswith(frame(69, b'\0\0\0()')), run.stdout


def test_cancelled():
    runner = command_runner()
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    runner.put_string('0')
    runner.close()
    try:
        runner.wait(cancellable)
    except GLib.Error as error:
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED), error
    else:
        raise AssertionError('no error')


def main():
    tests = [(name, function) for name, function in globals().items() if name.startswith('test_')]
    failed = 0
    print(f'1..{len(tests)}', flush=True)
    for number, (name, function) in enumerate(tests, 1):
        try:
            function()
        except Exception:
            failed += 1
            print(f'not ok {number} - {name}')
            for line in traceback.format_exc().splitlines():
                print(f'#   {line}', flush=True)
        else:
            print(f'ok {number} - {name}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
