// SPDX-License-Identifier: LGPL-2.1-or-later
// Steps where a launcher starts them, which is on this machine here.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {
  BackgroundFailure, BackgroundTaskRunner, call, command, runParallelSteps,
} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, errorOf, memorySink, refuses, runTests, withFolder} from './tap.js';

const functions = address('functions.js');
const quiet = {outputMode: 'none'};

// What only something that a launcher has started has in its environment.
export function where() {
  return GLib.getenv('THERE') ?? 'here';
}

export function sayWhere(number) {
  print(number, where());
}

export async function runInside() {
  return (await runParallelSteps([call(import.meta.url, 'where')], quiet))[0];
}


const makers = {
  prefix: () => Parallel.Launcher.new_prefix(['env', 'THERE=there']),
  shell() {
    const launcher = Parallel.Launcher.new_prefix(['env', 'THERE=there', 'sh', '-c']);
    launcher.set_joins_arguments(true);
    return launcher;
  },
};
const whereIsIt = call(import.meta.url, 'where');
const tellsWhere = command(['sh', '-c', 'echo ${THERE:-here}']);

const cases = {
  async steps(launcher) {
    const sink = memorySink();
    const [place, told, values] = await runParallelSteps([whereIsIt, tellsWhere, call(functions, 'echo', [1, 'ä'])],
      {launcher, sink: sink.stream});
    equal([place, told.stdout, values, sink.text], ['there', 'there\n', [1, 'ä'], 'there\n']);
  },

  async runner(launcher) {
    const sink = memorySink();
    const runner = new BackgroundTaskRunner(call(import.meta.url, 'sayWhere'), {launcher, sink: sink.stream});
    for (let number = 0; number < 50; number++)
      runner.put(number);
    runner.close();
    await runner.wait();
    equal(sink.text, Array.from({length: 50}, (_, number) => `${number} there\n`).join(''));
  },

  async runnerOfACommand(launcher) {
    const results = [];
    const runner = new BackgroundTaskRunner(command(['sh', '-c', 'echo {} $THERE']), {launcher, ...quiet});
    runner.put('a');
    runner.put('b');
    runner.close();
    for await (const step of runner)
      results.push([step.input, step.result.stdout]);
    equal(results.sort(), [[['a'], 'a there\n'], [['b'], 'b there\n']]);
  },

  async setupAndExit(launcher) {
    const sink = memorySink();
    await runParallelSteps([whereIsIt], {
      launcher, maxParallel: 1, sink: sink.stream,
      onExit: call(import.meta.url, 'sayWhere', ['exit']),
    });
    equal(sink.text, 'exit there\n');
  },

  async commandsOfTheirOwn(launcher) {
    const [there, here] = await runParallelSteps([command(tellsWhere.argv, {launcher}), tellsWhere], quiet);
    equal([there.stdout, here.stdout], ['there\n', 'here\n']);
  },

  // The same command here, there and here again.
  async oneCommandInSeveralPlaces(launcher) {
    const outputs = [];
    for (const place of [null, launcher, null]) {
      const [{stdout}] = await runParallelSteps([tellsWhere], {...quiet, launcher: place});
      outputs.push(stdout);
    }
    equal(outputs, ['here\n', 'there\n', 'here\n']);
  },

  async settingsOfACommand(launcher) {
    await withFolder(async folder => {
      const [done, nice] = await runParallelSteps([
        command(['sh', '-c', 'echo "$A $THERE,$HOME"; pwd; cat'], {
          env: {A: 'a {} b', HOME: null}, cwd: folder, input: 'read', launcher,
        }),
        command(['sh', '-c', 'echo $THERE $A'], {launcher: ['env', 'A=prefix']}),
      ], {...quiet, launcher});
      equal(done.stdout, `a {} b there,\n${folder}\nread`);
      equal(nice.stdout, 'there prefix\n');
    });
  },

  async failures(launcher) {
    const error = await errorOf(runParallelSteps([
      call(functions, 'double', [1]),
      call(functions, 'noSuchFunction'),
      command(['sh', '-c', 'exit 3']),
      command(['/no/such/program']),
    ], {...quiet, launcher}));
    assert(error instanceof Parallel.BackgroundFailure, `${error}`);
    equal(error.failures.map(failure => [failure.index, failure.kind, failure.exitStatus]),
      [[1, 'input', null], [2, 'exit', 3], [3, 'command', null]]);
    equal(error.results[0], 2);
  },

  async bigValues(launcher) {
    const text = 'x☃'.repeat(1 << 20);
    const [[result]] = await runParallelSteps([call(functions, 'echo', [text])], {...quiet, launcher});
    equal(result === text, true);
  },

  async halt(launcher) {
    const runner = new BackgroundTaskRunner(command(['sleep', '{}']), {launcher, ...quiet});
    const started = new Promise(resolve => runner.runner.connect('step-started', () => resolve()));
    runner.put(31);
    await started;
    runner.halt();
    const error = await errorOf(runner.wait());
    assert(error.matches(Parallel.RunError, Parallel.RunError.HALTED), `${error}`);
  },
};

const tests = {
  async startsNothing() {
    const launcher = Parallel.Launcher.new_prefix(['/no/such/launcher']);
    const error = await errorOf(runParallelSteps([whereIsIt], {...quiet, launcher}));
    assert(error instanceof BackgroundFailure, `${error}`);
    equal(error.failures[0].kind, 'worker');
  },

  async wrongOnes() {
    await refuses(() => runParallelSteps([], {launcher: ['env']}),
      'The option "launcher" of runParallelSteps() must be a Parallel.Launcher, not env');
    await refuses(() => command(['true'], {launcher: 'nice'}),
      'The option "launcher" of command() must be an array of strings or a Parallel.Launcher, not \'nice\'');
    await refuses(() => new BackgroundTaskRunner(Parallel.CommandTask.new(['true']), {launcher: makers.prefix()}),
      'A Parallel.Task has a launcher of its own, which its set_launcher() sets');
  },

  // What a step runs is not launched.
  async inside() {
    const launcher = Parallel.Launcher.new_prefix(['env', 'THERE=there']);
    equal(await runParallelSteps([call(import.meta.url, 'runInside')], {...quiet, launcher}), ['there']);
  },
};
for (const [kind, make] of Object.entries(makers)) {
  for (const [name, run] of Object.entries(cases))
    tests[`${kind}/${name}`] = () => run(make());
}

runTests(tests);
