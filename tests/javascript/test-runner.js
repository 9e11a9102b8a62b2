// SPDX-License-Identifier: LGPL-2.1-or-later
// BackgroundTaskRunner: a queue that is fed while it runs.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {BackgroundFailure, BackgroundTaskRunner, call, command} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, errorOf, memorySink, refuses, runTests} from './tap.js';

const functions = address('functions.js');
const quiet = {outputMode: 'none'};

async function take(runner) {
  const steps = [];
  for await (const step of runner)
    steps.push(step);
  return steps.sort((a, b) => a.index - b.index);
}

const tests = {
  async aFunction() {
    const runner = new BackgroundTaskRunner(call(functions, 'echo', ['bound', 1]), quiet);
    runner.put('a');
    runner.put();
    runner.put({b: 1}, null);
    runner.close();
    equal((await take(runner)).map(({index, name, input, result, ok, failure}) => ({index, name, input, result, ok, failure})), [
      {index: 0, name: 'echo("bound",1,"a")', input: ['a'], result: ['bound', 1, 'a'], ok: true, failure: null},
      {index: 1, name: 'echo("bound",1)', input: [], result: ['bound', 1], ok: true, failure: null},
      {index: 2, name: 'echo("bound",1,{"b":1},null)', input: [{b: 1}, null], result: ['bound', 1, {b: 1}, null], ok: true, failure: null},
    ]);
  },

  async aCommand() {
    const sink = memorySink();
    const runner = new BackgroundTaskRunner(command(['echo', '{}-$&-{}']), {sink: sink.stream});
    runner.put('a');
    runner.put(5);
    runner.close();
    equal((await take(runner)).map(({name, input, result}) => [name, input, result.stdout, result.argv[1]]), [
      ["echo 'a-$&-a'", ['a'], 'a-$&-a\n', 'a-$&-a'],
      ["echo '5-$&-5'", ['5'], '5-$&-5\n', '5-$&-5'],
    ]);
    equal(sink.text, 'a-$&-a\n5-$&-5\n');
  },

  async aTaskOfTheLibrary() {
    const task = Parallel.AsyncTask.new(step => {
      step.set_result(step.get_input() + 1);
      step.complete();
    });
    const runner = new BackgroundTaskRunner(task);
    runner.put(1);
    runner.put(5);
    runner.close();
    equal((await take(runner)).map(({input, result}) => [input, result]), [[[1], 2], [[5], 6]]);
  },

  async fedByItsOwnSteps() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), {...quiet, maxParallel: 2});
    runner.put(1);
    const results = [];
    for await (const step of runner) {
      results.push(step.result);
      if (step.result < 64)
        runner.put(step.result);
      else
        runner.close();
    }
    equal(results, [2, 4, 8, 16, 32, 64]);
  },

  async failures() {
    const runner = new BackgroundTaskRunner(call(functions, 'fail'), quiet);
    for (const name of ['a', 'b'])
      runner.put(name);
    runner.close();
    const seen = [];
    const error = await errorOf(async () => {
      for await (const step of runner)
        seen.push([step.ok, step.result === undefined, step.failure.message]);
    });
    equal(seen.sort(), [[false, true, 'a'], [false, true, 'b']]);
    assert(error instanceof BackgroundFailure, `${error}`);
    equal(error.failures.map(({name, index, input}) => [name, index, input]), [['fail("a")', 0, ['a']], ['fail("b")', 1, ['b']]]);
    equal(await errorOf(runner.wait()) === error, true);
  },

  async keptForALaterIteration() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), quiet);
    runner.put(1);
    runner.put(2);
    runner.close();
    await new Promise(resolve => runner.runner.connect('finished', () => resolve()));
    equal((await take(runner)).map(step => step.result), [2, 4]);
  },

  async notKept() {
    const message = 'What has finished is not kept for an iteration, because of wait() or keepFinished: false';
    const waited = new BackgroundTaskRunner(call(functions, 'double'), quiet);
    waited.close();
    await waited.wait();
    equal((await errorOf(take(waited))).message, message);
    const forgetful = new BackgroundTaskRunner(call(functions, 'double'), {...quiet, keepFinished: false});
    forgetful.close();
    equal((await errorOf(take(forgetful))).message, message);
    await forgetful.wait();
  },

  async iterationAndWait() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), quiet);
    const taken = take(runner);
    // The iteration has begun by its turn.
    await null;
    const waited = runner.wait();
    for (let i = 0; i < 5; i++)
      runner.put(i);
    runner.close();
    equal((await taken).map(step => step.result), [0, 2, 4, 6, 8]);
    await waited;
  },

  async severalIterationsShare() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), quiet);
    const all = Promise.all([take(runner), take(runner)]);
    for (let i = 0; i < 10; i++)
      runner.put(i);
    runner.close();
    equal((await all).flat().map(step => step.result).sort((a, b) => a - b), Array.from({length: 10}, (_, i) => 2 * i));
  },

  async roomInTheQueue() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), {...quiet, maxPending: 2, maxParallel: 1});
    runner.pause();
    runner.put(1);
    runner.put(2);
    const error = await errorOf(() => runner.put(3));
    assert(error instanceof GLib.Error && error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.WOULD_BLOCK), `${error}`);
    const waiting = runner.putWhenRoom(4);
    equal(runner.runner.n_pending, 2);
    runner.resume();
    await waiting;
    runner.close();
    equal((await take(runner)).map(step => step.result), [2, 4, 8]);
  },

  async afterClose() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), quiet);
    runner.close();
    runner.close();
    for (const put of [() => runner.put(1), () => runner.putWhenRoom(1)]) {
      const error = await errorOf(put);
      assert(error instanceof GLib.Error && error.matches(Parallel.RunError, Parallel.RunError.CLOSED), `${error}`);
    }
    await runner.wait();
  },

  async placesOfReplacedWorkers() {
    // What workers do at their ends takes places in the library's queue, between the inputs.
    const runner = new BackgroundTaskRunner(call(functions, 'double'), {
      ...quiet, maxParallel: 1, maxStepsPerWorker: 1, onExit: call(functions, 'nothing'),
    });
    const seen = [];
    runner.put(0);
    for await (const step of runner) {
      seen.push([step.index, step.name, step.input]);
      if (step.index < 0)
        continue;
      if (step.index < 2)
        runner.put(step.index + 1);
      else
        runner.close();
    }
    equal(seen.filter(([index]) => index >= 0), [[0, 'double(0)', [0]], [1, 'double(1)', [1]], [2, 'double(2)', [2]]]);
    equal(seen.filter(([index]) => index < 0), Array(3).fill([-1, 'onexit', null]));
  },

  async limitsOfACall() {
    const runner = new BackgroundTaskRunner(call(functions, 'failOnce', [], {maxAttempts: 2, name: 'mine'}), quiet);
    const path = GLib.Dir.make_tmp('parallel-test-XXXXXX');
    runner.put(`${path}/mark`);
    runner.close();
    equal((await take(runner)).map(step => step.result), ['the second time']);
    GLib.unlink(`${path}/mark`);
    GLib.rmdir(path);
  },

  async wrongUse() {
    const runner = new BackgroundTaskRunner(call(functions, 'echo'), quiet);
    await refuses(() => runner.put(() => 1), 'The input of echo() cannot be sent as JSON: what is at "0" is a function');
    runner.close();
    await runner.wait();
    const withoutPlace = new BackgroundTaskRunner(command(['true']));
    await refuses(() => withoutPlace.put('a'), 'The command "true" has no {} for its input');
    withoutPlace.close();
    const withPlace = new BackgroundTaskRunner(command(['echo', '{}']));
    await refuses(() => withPlace.put('a', 'b'), 'The input of a command is one string or number, not a, b');
    await refuses(() => withPlace.put({}), 'The input of a command is one string or number, not [object Object]');
    withPlace.close();
    await refuses(() => new BackgroundTaskRunner(['echo']), 'A task is what call() or command() returns, or a Parallel.Task, not echo');
    await refuses(() => new BackgroundTaskRunner(() => 1),
      "A JavaScript function cannot run in another thread, and a worker process finds one only by its name: use call(import.meta.url, " +
      "'name', args) for an exported function, or a Parallel.AsyncTask for something asynchronous in this thread");
    const error = await errorOf(() => new BackgroundTaskRunner(command(['true']), {processes: 3}));
    assert(error.message.startsWith('BackgroundTaskRunner has no option "processes"; it has '), error.message);
  },
};

runTests(tests);
