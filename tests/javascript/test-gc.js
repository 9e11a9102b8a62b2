// SPDX-License-Identifier: LGPL-2.1-or-later
// The garbage collector runs in every callback, so that whatever is not held where it has to be is gone.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';
import System from 'system';

import {BackgroundTaskRunner, call, command, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, errorOf, memorySink, runTests} from './tap.js';

const functions = address('functions.js');
const N = 40;

function counting() {
  const counted = {started: 0, finished: 0};
  return [counted, {
    outputMode: 'none',
    onStepStarted: step => {
      System.gc();
      counted.started += step.get_index() >= 0;
      System.gc();
    },
    onStepFinished: step => {
      System.gc();
      counted.finished += step.ok;
      System.gc();
    },
  }];
}

const tests = {
  async calls() {
    const [counted, options] = counting();
    const steps = Array.from({length: N}, (_, i) => call(functions, 'collectGarbage', [i]));
    equal(await runParallelSteps(steps, options), Array.from({length: N}, (_, i) => i));
    equal(counted, {started: N, finished: N});
  },

  async commands() {
    const [counted, options] = counting();
    const results = await runParallelSteps(Array.from({length: N}, (_, i) => command(['echo', `${i}`])), options);
    System.gc();
    equal(results.map(result => result.stdout), Array.from({length: N}, (_, i) => `${i}\n`));
    equal(counted, {started: N, finished: N});
  },

  async failures() {
    const [, options] = counting();
    const error = await errorOf(runParallelSteps(Array.from({length: N}, (_, i) => call(functions, 'fail', [`${i}`])), options));
    System.gc();
    equal(error.failures.map(failure => failure.message), Array.from({length: N}, (_, i) => `${i}`));
  },

  async queues() {
    // Nothing here holds the runner but its own iteration.
    const results = [];
    const iterate = async () => {
      const runner = new BackgroundTaskRunner(call(functions, 'collectGarbage'), {outputMode: 'none', maxPending: 4});
      const feed = async () => {
        for (let i = 0; i < N; i++) {
          await runner.putWhenRoom(i);
          System.gc();
        }
        runner.close();
      };
      const fed = feed();
      for await (const step of runner) {
        System.gc();
        results.push(step.result);
        await null;
        System.gc();
      }
      await fed;
    };
    await iterate();
    equal(results.sort((a, b) => a - b), Array.from({length: N}, (_, i) => i));
  },

  async forgottenQueues() {
    // A queue that nobody holds does what was put, and its callbacks are called.
    const counts = await Promise.all(Array.from({length: 5}, () => new Promise(resolve => {
      let n = 0;
      const runner = new BackgroundTaskRunner(command(['true']), {
        onStepFinished: () => {
          System.gc();
          if (++n === 4)
            resolve(n);
        },
      });
      for (let i = 0; i < 4; i++)
        runner.put();
      runner.close();
    })));
    equal(counts, Array(5).fill(4));
  },

  async theLibraryItself() {
    const seen = {};
    const listen = (object, ...signals) => {
      for (const signal of signals) {
        object.connect(signal, () => {
          System.gc();
          seen[signal] = (seen[signal] ?? 0) + 1;
        });
      }
    };
    const run = async () => {
      const runner = Parallel.BackgroundTaskRunner.new(Parallel.CommandTask.new(['sh', '-c', 'echo $0; exit $0', '{}']));
      runner.set_keep_steps(Parallel.KeepSteps.UNTIL_TAKEN);
      runner.set_sink(memorySink().stream);
      equal(runner.get_n_items(), 0);
      listen(runner, 'step-started', 'step-finished', 'finished', 'items-changed', 'notify::n-running', 'output');
      for (let i = 0; i < N; i++)
        await runner.put_async(`${i % 2}`, null);
      runner.close();
      const statuses = [];
      const error = await errorOf(async () => {
        for await (const step of runner) {
          System.gc();
          statuses.push(step.get_exit_status());
        }
      });
      return [statuses.filter(status => status === 1).length, error.failures.length];
    };
    equal(await run(), [N / 2, N / 2]);
    equal([seen['step-started'], seen['step-finished'], seen['output'], seen['finished']], [N, N, N, 1]);
    assert(seen['items-changed'] > 0 && seen['notify::n-running'] > 0);
  },

  async garbageOfWorkers() {
    // So much that the collector would work in slices, in which GJS calls nothing.
    const n = 400;
    equal(await runParallelSteps(Array.from({length: n}, (_, i) => call(functions, 'makeGarbage', [i])), {outputMode: 'none'}),
      Array.from({length: n}, (_, i) => i));
  },

  async asynchronousTasks() {
    const task = Parallel.AsyncTask.new(step => {
      System.gc();
      GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
        System.gc();
        step.set_result(step.get_input() * 2);
        step.complete();
        return GLib.SOURCE_REMOVE;
      });
    });
    const results = [];
    const runner = new BackgroundTaskRunner(task);
    for (let i = 0; i < N; i++)
      runner.put(i);
    runner.close();
    for await (const step of runner) {
      System.gc();
      results.push(step.result);
    }
    equal(results.sort((a, b) => a - b), Array.from({length: N}, (_, i) => 2 * i));
  },
};

runTests(tests);
