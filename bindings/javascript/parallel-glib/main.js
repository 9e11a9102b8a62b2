// SPDX-License-Identifier: LGPL-2.1-or-later
// The main loop of a program that has none of its own.

import GLib from 'gi://GLib';

import {isWorker} from './worker-side.js';

/**
 * Runs an asynchronous function, with a main loop, until it has ended. In a worker it does nothing: a worker loads the module for its
 * exports, and not for what the program does.
 *
 * A program could wait at the top level of its module too. But GJS 1.74 keeps a processor busy for as long as it waits there.
 * An application has its own main loop, and needs none of this.
 *
 * @param {Function} main - what the program does; it may be asynchronous
 * @returns {*} what it returned, or what its promise was resolved with; undefined in a worker
 * @throws {*} what it threw
 * @throws {Error} after a top-level await in the same module, where GJS resolves no promises in a main loop
 * @example
 * export function square(x) {
 *   return x * x;
 * }
 *
 * runMain(async () => {
 *   print(await runParallelSteps([call(import.meta.url, 'square', [3])]));
 * });
 */
export function runMain(main) {
  if (isWorker)
    return undefined;

  const loop = new GLib.MainLoop(null, false);
  let [resolvesPromises, isGivenUp] = [false, false];
  Promise.resolve().then(() => {
    resolvesPromises = true;
  });
  // Promises come before everything else in a main loop of GJS, so here they have had their time.
  GLib.idle_add(GLib.PRIORITY_LOW, () => {
    if (!resolvesPromises)
      loop.quit();
    return GLib.SOURCE_REMOVE;
  });

  let outcome = null;
  Promise.resolve().then(() => isGivenUp ? undefined : main()).then(value => {
    outcome = {value};
  }, error => {
    outcome = {error};
  }).finally(() => loop.quit());
  loop.run();

  isGivenUp = outcome === null;
  if (isGivenUp)
    throw new Error('runMain() was called after a top-level await, where GJS resolves no promises: import without await, or await main()');
  if ('error' in outcome)
    throw outcome.error;
  return outcome.value;
}
