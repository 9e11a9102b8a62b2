// SPDX-License-Identifier: LGPL-2.1-or-later
// The library as plain introspection shows it to GJS.

import Gio from 'gi://Gio';
import GIRepository from 'gi://GIRepository?version=2.0';
import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';
import System from 'system';

function assert(condition, why) {
  if (!condition)
    throw new Error(why ?? 'not so');
}

function assertEqual(value, expected) {
  const [a, b] = [JSON.stringify(value), JSON.stringify(expected)];
  assert(a === b, `${a} is not ${b}`);
}

function commandRunner() {
  const task = Parallel.CommandTask.new(['sh', '-c', 'echo $0; exit $0', '{}']);
  const runner = Parallel.BackgroundTaskRunner.new(task);
  runner.set_keep_steps(Parallel.KeepSteps.ALL);
  runner.set_output_mode(Parallel.OutputMode.NONE);
  return runner;
}

// What the typelib has at its top.
function* infos() {
  const repository = GIRepository.Repository.get_default();
  for (let i = 0; i < repository.get_n_infos('Parallel'); i++)
    yield repository.get_info('Parallel', i);
}

// The C names of the functions in it.
function* symbols() {
  for (const info of infos()) {
    if (info.get_type() === GIRepository.InfoType.FUNCTION)
      yield GIRepository.function_info_get_symbol(info);
    if (info.get_type() !== GIRepository.InfoType.OBJECT)
      continue;
    for (let i = 0; i < GIRepository.object_info_get_n_methods(info); i++)
      yield GIRepository.function_info_get_symbol(GIRepository.object_info_get_method(info, i));
  }
}

const tests = {
  names() {
    const classes = [
      'AsyncTask', 'BackgroundTaskRunner', 'CommandTask', 'FunctionTask', 'Launcher', 'Step', 'Task', 'Worker', 'WorkerServer',
      'WorkerTask',
    ];
    const enums = [
      'Containment', 'Encoding', 'HaltMode', 'KeepSteps', 'OutputLimitPolicy', 'OutputMode', 'OutputStream', 'RunError', 'StepState',
    ];
    const functions = ['run_steps', 'run_steps_async', 'run_steps_finish', 'run_error_quark'];
    const constants = ['MAJOR_VERSION', 'MICRO_VERSION', 'MINOR_VERSION', 'VERSION_S'];
    const callbacks = ['AsyncFunction', 'Function', 'WorkerExitFunction', 'WorkerFunction'];
    const expected = [...classes, ...classes.map(name => `${name}Class`), ...enums, ...functions, ...constants, ...callbacks];
    assertEqual([...infos()].map(info => info.get_name()).sort(), expected.sort());

    for (const name of classes)
      assert(Parallel[name]?.$gtype, `${name} is missing`);
    for (const name of enums)
      assert(Object.keys(Parallel[name]).length >= 2, `${name} has too few members`);
    for (const name of functions)
      assert(typeof Parallel[name] === 'function', `${name} is missing`);
    for (const name of constants)
      assert(Parallel[name] !== undefined, `${name} is missing`);
  },

  functions() {
    const list = Gio.File.new_for_uri(import.meta.url).resolve_relative_path('../../abi/symbols.txt');
    const exported = new TextDecoder().decode(list.load_contents(null)[1]).trim().split('\n');
    // What takes a structure of GLib's own threads, and what has varargs, is for C only.
    const skipped = ['parallel_function_task_new_for_gtask'];
    assertEqual([...symbols()].sort(), exported.filter(name => !skipped.includes(name) && !name.endsWith('_get_type')).sort());
  },

  privateNames() {
    for (const name of ['Engine', 'Mailbox', 'Sequencer', 'Sink', 'Spawner', 'Spool', 'Error', 'Object'])
      assert(Parallel[name] === undefined, `${name} can be seen`);
    for (const type of ['BackgroundTaskRunner', 'CommandTask', 'Step']) {
      for (const method of ['emit', 'connect', 'notify', 'ref', 'bind_property'])
        assert(!Object.hasOwn(Parallel[type].prototype, method), `${type}.${method} shadows that of GObject`);
    }
  },

  twoCommands() {
    const runner = commandRunner();
    const sink = Gio.MemoryOutputStream.new_resizable();
    runner.set_output_mode(Parallel.OutputMode.ORDERED);
    runner.set_sink(sink);
    assert(runner.put_string('0'));
    assert(runner.put('00'));
    runner.close();
    assert(runner.wait(null));
    sink.close(null);
    assertEqual(new TextDecoder().decode(sink.steal_as_bytes().get_data()), '0\n00\n');
    assertEqual(runner.dup_steps().map(step => step.get_input()), ['0', '00']);
    assertEqual(runner.get_n_items(), 2);
  },

  runSteps() {
    const task = Parallel.CommandTask.new_shell('echo "# from a step"');
    const steps = [Parallel.Step.new(task, null), Parallel.Step.new(task, null)];
    assert(Parallel.run_steps(steps, 2, false, null));
    assertEqual(steps.map(step => step.get_exit_status()), [0, 0]);
  },

  errorCaught() {
    const runner = commandRunner();
    for (const status of ['0', '7', '0', '9'])
      runner.put_string(status);
    runner.close();
    let caught = null;
    try {
      runner.wait(null);
    } catch (error) {
      caught = error;
    }
    assert(caught?.matches(Parallel.RunError, Parallel.RunError.BACKGROUND_FAILURE), `${caught}`);
    assert(caught.message.includes('2 of 4'), caught.message);
    assertEqual(runner.dup_failures().map(step => step.get_exit_status()), [7, 9]);
  },

  waitAsync() {
    const loop = new GLib.MainLoop(null, false);
    const runner = commandRunner();
    const finished = [];
    let caught = null;
    runner.connect('step-finished', (_runner, step) => finished.push(step.get_index()));
    runner.put_string('0');
    runner.put_string('3');
    runner.close();
    runner.wait_async(null, (source, result) => {
      try {
        source.wait_finish(result);
      } catch (error) {
        caught = error;
      }
      loop.quit();
    });
    loop.run();
    assertEqual(finished.sort(), [0, 1]);
    assert(caught instanceof GLib.Error);
  },

  asyncTask() {
    const loop = new GLib.MainLoop(null, false);
    const task = Parallel.AsyncTask.new(step => {
      GLib.timeout_add(GLib.PRIORITY_DEFAULT, 1, () => {
        step.set_result(step.get_input() * 2);
        step.complete();
        return GLib.SOURCE_REMOVE;
      });
    });
    const runner = Parallel.BackgroundTaskRunner.new(task);
    runner.set_keep_steps(Parallel.KeepSteps.ALL);
    for (const number of [1, 2, 3])
      runner.put(number);
    runner.close();
    runner.wait_async(null, (source, result) => {
      source.wait_finish(result);
      loop.quit();
    });
    loop.run();
    assertEqual(runner.dup_steps().map(step => step.get_result()), [2, 4, 6]);
  },
};

const names = Object.keys(tests);
let failed = 0;
print(`1..${names.length}`);
names.forEach((name, index) => {
  try {
    tests[name]();
    print(`ok ${index + 1} - ${name}`);
  } catch (error) {
    failed++;
    print(`not ok ${index + 1} - ${name}`);
    `${error}\n${error.stack}`.split('\n').forEach(line => print(`#   ${line}`));
  }
});
System.exit(failed > 0 ? 1 : 0);
