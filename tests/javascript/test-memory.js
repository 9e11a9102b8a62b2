// SPDX-License-Identifier: LGPL-2.1-or-later
// Memory does not grow with the number of items, neither here nor in the workers.

import {BackgroundTaskRunner, call} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, runTests} from './tap.js';
import {residentMemory} from './functions.js';

const functions = address('functions.js');
const N = 100000;
const FIRST = 20000;
// In KiB: what the collector and malloc leave differs from one look to the next. One pointer for each of the items between the looks
// would be 640 KiB, and whatever is really kept of one is a hundred times that.
const BOUND = 8 * 1024;

function feed(runner, n, input) {
  return (async () => {
    for (let i = 0; i < n; i++)
      await runner.putWhenRoom(input(i));
    runner.close();
  })();
}

const tests = {
  async ofTheProgram() {
    const runner = new BackgroundTaskRunner(call(functions, 'double'), {outputMode: 'none', maxPending: 1000});
    const fed = feed(runner, N, i => i);
    let [n, sum, first] = [0, 0, 0];
    for await (const step of runner) {
      sum += step.result;
      if (++n === FIRST)
        first = residentMemory();
    }
    await fed;
    const grown = residentMemory() - first;
    equal([n, sum], [N, N * (N - 1)]);
    print(`# ${first} KiB after ${FIRST} items, ${grown} KiB more after ${N}`);
    assert(grown < BOUND, `the program has grown by ${grown} KiB`);
  },

  async ofAWorker() {
    const runner = new BackgroundTaskRunner(call(functions, 'residentMemoryAt', [[FIRST - 1, N - 1]]), {
      outputMode: 'none', maxPending: 1000, maxParallel: 1,
    });
    const fed = feed(runner, N, i => i);
    const seen = [];
    for await (const step of runner) {
      if (step.result !== null)
        seen.push(step.result);
    }
    await fed;
    equal(seen.length, 2);
    const grown = seen[1] - seen[0];
    print(`# ${seen[0]} KiB after ${FIRST} items, ${grown} KiB more after ${N}`);
    assert(grown < BOUND, `the worker has grown by ${grown} KiB`);
  },
};

runTests(tests);
