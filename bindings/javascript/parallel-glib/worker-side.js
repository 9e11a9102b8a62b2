// SPDX-License-Identifier: LGPL-2.1-or-later
// What code can ask and say that runs in a worker.

// The worker's program keeps it here, and not in a module: a module that is imported by two addresses is there twice.
const STATE = Symbol.for('parallel-glib.worker');

/**
 * Says that this process is a worker.
 *
 * @param {Parallel.Worker} worker - the worker
 * @returns {object} what this module looks at: `loading` is the address of the module that is being loaded, or null
 */
export function becomeWorker(worker) {
  globalThis[STATE] = {worker, loading: null};
  isWorker = true;
  return globalThis[STATE];
}

/**
 * Whether this process is a worker. A worker loads the module that a function is from, so what only the program itself is to do stands
 * behind a look at this.
 *
 * @example
 * export function square(x) {
 *   return x * x;
 * }
 *
 * if (!isWorker)
 *   print(await runParallelSteps([call(import.meta.url, 'square', [3])]));
 */
export let isWorker = globalThis[STATE] !== undefined;

/**
 * Says that the step that is being done is alive, so that its silence timeout begins again. It costs little, so it may be called
 * often. Outside of a worker it does nothing.
 *
 * @example
 * for (const line of lines) {
 *   heartbeat();
 *   parse(line);
 * }
 */
export function heartbeat() {
  globalThis[STATE]?.worker.heartbeat();
}

/**
 * Says how far the step that is being done has come, which is a sign of life too. It is `progress` and `status` of the Parallel.Step.
 * Outside of a worker it does nothing.
 *
 * @param {number|null} progress - how much of it is done, from 0 to 1; null if that is not known
 * @param {string|null} status - what it is doing, a short text
 * @example
 * report(done / total, `${done} of ${total} pages`);
 */
export function report(progress, status = null) {
  globalThis[STATE]?.worker.report(progress ?? -1, status);
}

/**
 * Throws where a worker is only loading a module. What would run then are the steps that this worker is part of, and workers would
 * start workers without end.
 *
 * @param {string} what - what was called
 */
export function refuseWhileLoading(what) {
  const loading = globalThis[STATE]?.loading;
  if (loading) {
    throw new Error(`${what} was called by ${loading} while a worker was loading it. ` +
      'What only the program itself is to do must stand behind if (!isWorker)');
  }
}
