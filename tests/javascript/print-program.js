// SPDX-License-Identifier: LGPL-2.1-or-later
// A program that prints, with steps that print.

import {call, command, runMain, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';

const functions = new Error().fileName.replace(/[^/]*$/, 'functions.js');

runMain(async () => {
  print('before');
  await runParallelSteps([
    call(functions, 'printAll', ['first']),
    call(functions, 'printAll', ['second']),
    command(['sh', '-c', 'echo command; echo err >&2']),
  ]);
  print('after');
});
