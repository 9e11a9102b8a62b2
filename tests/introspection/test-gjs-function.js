// SPDX-License-Identifier: LGPL-2.1-or-later
// GJS cannot be called in another thread, and says so with a critical message. A function step fails there, and nothing hangs.

import Parallel from 'gi://Parallel?version=1';
import System from 'system';

print('1..1');
const runner = Parallel.BackgroundTaskRunner.new(Parallel.FunctionTask.new(() => true));
runner.put_string('x');
runner.close();

let outcome = 'it succeeded';
try {
  runner.wait(null);
} catch (error) {
  outcome = error;
}
const failed = outcome.matches?.(Parallel.RunError, Parallel.RunError.BACKGROUND_FAILURE);
print(failed ? 'ok 1 - a function step fails' : `not ok 1 - a function step fails # ${outcome}`);
System.exit(failed ? 0 : 1);
