// SPDX-License-Identifier: LGPL-2.1-or-later
// A module that forgets to look whether it is loaded by a worker.

import {command, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';

export function f() {
}

await runParallelSteps([command(['true'])]);
