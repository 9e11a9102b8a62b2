// SPDX-License-Identifier: LGPL-2.1-or-later
// A program that ends while a step runs.

import {BackgroundTaskRunner, command, runMain} from '../../bindings/javascript/parallel-glib/parallel.js';

runMain(async () => {
  const runner = new BackgroundTaskRunner(command(['sleep', '1000']));
  const started = new Promise(resolve => runner.runner.connect('step-started', () => resolve()));
  runner.put();
  await started;
  print('the end');
});
