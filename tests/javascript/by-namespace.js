// SPDX-License-Identifier: LGPL-2.1-or-later
// A program that asks the namespace where the module is.

import Parallel from 'gi://Parallel?version=1';

const {call, isWorker, runParallelSteps} = await import(Parallel.module_uri);

export function square(number) {
  return number * number;
}

if (!isWorker) {
  const [nine] = await runParallelSteps([call(import.meta.url, 'square', [3])]);
  print(typeof call, nine, Parallel.module_uri);
}
