// SPDX-License-Identifier: LGPL-2.1-or-later
// gjs -m steps.js: functions in worker processes and a program, all at once, and one error for all that failed.

// Where it is installed this is, as pkg-config --variable=javascriptdir parallel-glib-1 has it:
// import {…} from 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';
import {BackgroundFailure, call, command, runMain, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';

export function square(number) {
  print(`squaring ${number}`);
  if (number < 0)
    throw new RangeError(`${number} is negative`);
  return number * number;
}

// A worker loads this module for its exports; in it runMain() does nothing.
runMain(async () => {
  const me = import.meta.url;
  const [nine, sixteen, listing] = await runParallelSteps([
    call(me, 'square', [3]),
    call(me, 'square', [4]),
    command(['echo', 'from a program']),
  ], {maxParallel: 2});
  print(nine, sixteen, listing.stdout.trim());

  try {
    await runParallelSteps([call(me, 'square', [-1]), call(me, 'square', [5]), command(['sh', '-c', 'exit 7'])]);
  } catch (error) {
    if (!(error instanceof BackgroundFailure))
      throw error;
    for (const failure of error.failures)
      print(failure.name, failure.kind, failure.typeName, failure.exitStatus);
    print(error.results[1]);
  }
});
