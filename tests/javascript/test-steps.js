// SPDX-License-Identifier: LGPL-2.1-or-later
// runParallelSteps(), call() and command(): what they take and give.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {
  CompletedCommand, call, command, isWorker, runParallelSteps,
} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, memorySink, refuses, runTests, withFolder} from './tap.js';

const functions = address('functions.js');
const quiet = {outputMode: 'none'};

export function ofThisModule(text) {
  return `${text} in ${isWorker ? 'a worker' : 'the program'}`;
}

const tests = {
  async results() {
    const values = [1.5, 'ä☃𝄞\0"', true, null, [], {}, {a: [{b: null}]}, ''];
    equal(await runParallelSteps([
      call(functions, 'double', [21]),
      call(functions, 'echo', values),
      call(functions, 'later', ['later']),
      call(functions, 'default', [1]),
      call(import.meta.url, 'ofThisModule', ['called']),
    ], quiet), [42, values, 'later', 'default 1', 'called in a worker']);
  },

  async noResult() {
    const results = await runParallelSteps([call(functions, 'nothing'), call(functions, 'double', [1])], quiet);
    equal([results.length, results[0] === undefined, results[1]], [2, true, 2]);
  },

  async placeholdersInAList() {
    // No input is put for one of them, so what looks like the place for one is part of a file's name.
    const [echoed] = await runParallelSteps([command(['echo', 'a {} b', '{}'])], quiet);
    equal([echoed.stdout, echoed.argv], ['a {} b {}\n', ['echo', 'a {} b', '{}']]);
  },

  async noSteps() {
    equal(await runParallelSteps([]), []);
  },

  async bigValues() {
    const text = 'x☃'.repeat(1 << 20);
    const [[result]] = await runParallelSteps([call(functions, 'echo', [text])], quiet);
    equal(result === text, true);
  },

  async whatHasToJson() {
    const when = new Date(0);
    equal(await runParallelSteps([call(functions, 'echo', [when, {toJSON: () => 'mine'}])], quiet),
      [['1970-01-01T00:00:00.000Z', 'mine']]);
  },

  async argumentsAsTheyWere() {
    const list = [1];
    const step = call(functions, 'echo', [list]);
    list.push(2);
    equal(await runParallelSteps([step], quiet), [[[1]]]);
  },

  async whatIsNoJson() {
    const cycle = {};
    cycle.self = cycle;
    for (const [value, why] of [
      [() => 1, 'what is at "0" is a function'],
      [Symbol('x'), 'what is at "0" is a symbol'],
      [undefined, 'what is at "0" is undefined'],
      [NaN, 'what is at "0" is NaN'],
      [{deep: [Infinity]}, 'what is at "0" is Infinity'],
      [new Map(), 'what is at "0" is an instance of Map without toJSON()'],
      [{list: new Uint8Array(1)}, 'what is at "list" is an instance of Uint8Array without toJSON()'],
    ])
      await refuses(() => call(functions, 'echo', [value]), `The arguments of echo() cannot be sent as JSON: ${why}`);
    for (const value of [cycle, 1n]) {
      let message = null;
      try {
        call(functions, 'echo', [value]);
      } catch (error) {
        message = error.message;
      }
      assert(message?.startsWith('The arguments of echo() cannot be sent as JSON: '), `${message}`);
    }
  },

  async commands() {
    const [first, second] = await runParallelSteps([
      command(['sh', '-c', 'echo out; echo err >&2; printf "\\377"']),
      command(['cat'], {input: 'given', name: 'reader'}),
    ], quiet);
    assert(first instanceof CompletedCommand);
    equal([first.stdout, first.stderr], ['out\n\ufffd', 'err\n']);
    equal([...first.stdoutBytes], [0x6f, 0x75, 0x74, 0x0a, 0xff]);
    equal([second.stdout, second.argv], ['given', ['cat']]);
  },

  async optionsOfCommands() {
    GLib.setenv('PARALLEL_TEST_GONE', 'here', true);
    const print = ['sh', '-c', 'echo "$PWD $PARALLEL_TEST_SET ${PARALLEL_TEST_GONE-unset}"; echo err >&2'];
    const [result, bytes, launched] = await runParallelSteps([
      command(print, {cwd: '/', env: {PARALLEL_TEST_SET: 'set', PARALLEL_TEST_GONE: null}, mergeStderr: true, containment: 'tree'}),
      command(['cat'], {input: new Uint8Array([0, 1, 255])}),
      command(['sh', '-c', 'echo "$LAUNCHED"'], {launcher: ['env', 'LAUNCHED=yes']}),
    ], quiet);
    equal([result.stdout, result.stderr], ['/ set unset\nerr\n', '']);
    equal([...bytes.stdoutBytes], [0, 1, 255]);
    equal(launched.stdout, 'yes\n');
    await withFolder(async folder => {
      GLib.file_set_contents(`${folder}/in`, 'from a file');
      const [read] = await runParallelSteps([command(['cat'], {stdinPath: `${folder}/in`})], quiet);
      equal(read.stdout, 'from a file');
    });
  },

  async mixedSteps() {
    const task = Parallel.CommandTask.new_shell('echo from a task');
    const step = Parallel.Step.new(Parallel.CommandTask.new_shell('echo from a step'), null);
    const sink = memorySink();
    const results = await runParallelSteps(new Set([task, step, command(['echo', 'from a command']), call(functions, 'double', [1])]),
      {sink: sink.stream, maxParallel: 4});
    equal(results[3], 2);
    equal(step.get_state() === Parallel.StepState.SUCCEEDED, true);
    equal(sink.text, 'from a task\nfrom a step\nfrom a command\n');
  },

  async names() {
    equal([
      call(functions, 'echo').name,
      call(functions, 'echo', [1, 'two']).name,
      call(functions, 'echo', ['x'.repeat(100)]).name,
      call(functions, 'echo', [1], {name: 'mine'}).name,
      command(['gzip', '--keep', 'a file', '']).name,
      command(['gzip'], {name: 'mine'}).name,
    ], ['echo', 'echo(1,"two")', `echo("${'x'.repeat(58)}…)`, 'mine', "gzip --keep 'a file' ''", 'mine']);
  },

  async callbacks() {
    const [started, finished] = [[], []];
    await runParallelSteps([call(functions, 'double', [1]), command(['true'])], {
      maxParallel: 1,
      onStepStarted: step => started.push(step.dup_name()),
      onStepFinished: step => finished.push([step.index, step.name, step.ok, step.failure, step.input.name]),
    });
    equal(started, ['double(1)', 'true']);
    equal(finished, [[0, 'double(1)', true, null, 'double(1)'], [1, 'true', true, null, 'true']]);
  },

  async limitsOfParallelism() {
    for (const maxParallel of [1, 3]) {
      let [running, most] = [0, 0];
      await runParallelSteps(Array.from({length: 8}, () => command(['true'])), {
        maxParallel,
        onStepStarted: () => {
          most = Math.max(most, ++running);
        },
        onStepFinished: () => running--,
      });
      assert(most >= 1 && most <= maxParallel, `${most} steps ran at once`);
    }
  },

  async priorities() {
    const order = [];
    await runParallelSteps([1, 2, 3].map(number => call(functions, 'echo', [number], {priority: -number})), {
      maxParallel: 1,
      onStepStarted: step => order.push(step.dup_name()),
    });
    equal(order, ['echo(3)', 'echo(2)', 'echo(1)']);
  },

  async setupOnExitAndWorkersThatAreReplaced() {
    await withFolder(async folder => {
      const log = `${folder}/log`;
      const finished = [];
      const results = await runParallelSteps(Array.from({length: 4}, () => call(functions, 'remembered')), {
        maxParallel: 1,
        maxStepsPerWorker: 2,
        setup: call(functions, 'remember', ['what was set up']),
        onExit: call(functions, 'appendTo', [log, 'exit\n']),
        onStepFinished: step => finished.push([step.index, step.name]),
      });
      equal(results, Array(4).fill('what was set up'));
      equal(new TextDecoder().decode(GLib.file_get_contents(log)[1]), 'exit\nexit\n');
      equal(finished.filter(([index]) => index < 0), [[-1, 'onexit'], [-1, 'onexit']]);
    });
  },

  async aWorkerStays() {
    equal(await runParallelSteps(Array.from({length: 3}, () => call(functions, 'countCalls')), {maxParallel: 1}), [1, 2, 3]);
  },

  async retries() {
    await withFolder(async folder => {
      equal(await runParallelSteps([call(functions, 'failOnce', [`${folder}/mark`])], {maxAttempts: 2, retryDelay: 0}), ['the second time']);
    });
  },

  async progress() {
    let seen = null;
    const results = await runParallelSteps([call(functions, 'reportProgress')], {
      onStepFinished: ({step}) => {
        seen = [step.dup_status(), step.get_progress()];
      },
    });
    equal(results, ['reported']);
    equal(seen, ['a quarter', 0.25]);
  },

  async runsInsideOfSteps() {
    equal(await runParallelSteps([call(functions, 'nestedResults')], quiet), [[8, 'inner\n']]);
  },

  async wrongSteps() {
    await refuses(runParallelSteps('abc'), 'The steps of runParallelSteps() must be a list, not abc');
    await refuses(runParallelSteps(null), 'The steps of runParallelSteps() must be a list, not null');
    await refuses(runParallelSteps([['echo']]),
      'Step 0 is not what call() or command() returns, nor a Parallel.Step or Parallel.Task, but echo');
    await refuses(runParallelSteps([command(['true']), () => 1]),
      "A JavaScript function cannot run in another thread, and a worker process finds one only by its name: use call(import.meta.url, " +
      "'name', args) for an exported function, or a Parallel.AsyncTask for something asynchronous in this thread");
  },

  async wrongCalls() {
    const rule = 'The module of call() must be an address that begins with file:// or resource://, as import.meta.url does, not ';
    await refuses(() => call('./functions.js', 'echo'), `${rule}./functions.js`);
    await refuses(() => call(() => 1), `${rule}a function: a worker finds a function by the name of its export`);
    await refuses(() => call(functions, () => 1), 'The export of call() must be the name of one, a string, not () => 1');
    await refuses(() => call(functions, 'echo', 5), 'The arguments of call() must be an array, not 5');
    await refuses(() => call(functions, 'echo', [], {timeout: -1}),
      'The option "timeout" of call() must be a number of seconds from 0 on, not -1');
  },

  async wrongCommands() {
    await refuses(() => command('ls -l'), 'A command must be an array of strings, a program and its arguments, not ls -l' +
      "; for a line of a shell's: command(['sh', '-c', line])");
    await refuses(() => command([]), 'A command must be an array of strings, a program and its arguments, not ');
    await refuses(() => command(['true'], {input: 'a', stdinPath: 'b'}),
      'The options "input" and "stdinPath" of command() exclude each other');
    await refuses(() => command(['true'], {containment: 'none'}),
      'The option "containment" of command() must be one of \'group\', \'tree\', not \'none\'');
  },

  async wrongOptions() {
    await refuses(runParallelSteps([], 3), 'The options of runParallelSteps() must be an object, not 3');
    await refuses(runParallelSteps([], {maxparallel: 3}),
      'runParallelSteps() has no option "maxparallel"; it has cancellable, errorSink, exitTimeout, gjs, haltOnError, keepAliveInterval, ' +
      'killGrace, launcher, maxAttempts, maxParallel, maxStepsPerWorker, onExit, onStepFinished, onStepStarted, outputLimit, outputLimitPolicy, ' +
      'outputMode, retryDelay, setup, silenceTimeout, sink, stopSequence, timeout');
    for (const [name, value, rule] of [
      ['maxParallel', 0, 'a whole number from 1 on, not 0'],
      ['maxParallel', 1.5, 'a whole number from 1 on, not 1.5'],
      ['haltOnError', 1, 'true or false, not 1'],
      ['timeout', '5', "a number of seconds from 0 on, not '5'"],
      ['timeout', NaN, 'a number of seconds from 0 on, not NaN'],
      ['outputLimit', -1, 'a number of bytes from 0 on, not -1'],
      ['outputMode', 'toString', "one of 'ordered', 'finished', 'tagged', 'none', not 'toString'"],
      ['cancellable', {}, 'a Gio.Cancellable, not [object Object]'],
      ['sink', 1, 'a Gio.OutputStream, not 1'],
      ['onStepFinished', 1, 'a function, not 1'],
      ['setup', 'x', "what call() returns, not 'x'"],
    ])
      await refuses(runParallelSteps([], {[name]: value}), `The option "${name}" of runParallelSteps() must be ${rule}`);
    equal(await runParallelSteps([], {maxParallel: null, timeout: undefined}), []);
  },
};

runTests(tests);
