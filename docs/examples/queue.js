// SPDX-License-Identifier: LGPL-2.1-or-later
// gjs -m queue.js: a queue that is fed while it is worked off.

// Where it is installed: import {…} from 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';
import {BackgroundTaskRunner, call, command, runMain} from '../../bindings/javascript/parallel-glib/parallel.js';

export function convert(quality, path) {
  print(`${path} at quality ${quality}`);
  return path.replace('.png', '.jpg');
}

runMain(async () => {
  const runner = new BackgroundTaskRunner(call(import.meta.url, 'convert', [85]), {maxParallel: 2});
  for (const path of ['a.png', 'b.png', 'c.png'])
    runner.put(path);
  runner.close();
  const made = [];
  for await (const step of runner)
    made.push(step.result);
  print(made.sort().join(' '));

  const programs = new BackgroundTaskRunner(command(['printf', '%s\n', '<{}>']));
  programs.put('one');
  programs.put('two');
  programs.close();
  await programs.wait();
});
