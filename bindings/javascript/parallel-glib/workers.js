// SPDX-License-Identifier: LGPL-2.1-or-later
// The task of the library whose workers are GJS.

import GLib from 'gi://GLib';
import Gio from 'gi://Gio';
import Parallel from 'gi://Parallel?version=1';

import {textToBytes} from './json.js';

const HERE = Gio.File.new_for_uri(import.meta.url).get_parent();

// This program's own GJS, where that is what it is: another version may not have what its modules need.
function findGjs() {
  let program = null;
  try {
    program = GLib.file_read_link('/proc/self/exe');
  } catch {
    return 'gjs';
  }
  return /^gjs(-console)?$/.test(GLib.path_get_basename(program)) ? program : 'gjs';
}

/**
 * Makes a task whose steps are calls of exported functions.
 *
 * @param {object} options - checked options: setup and onExit, calls; maxStepsPerWorker; gjs, the program; launcher
 * @returns {Parallel.WorkerTask} the task
 */
export function makeWorkerTask({setup, onExit, maxStepsPerWorker, gjs, launcher}) {
  // The overrides are in a folder beside this one, which the worker need not have in its environment.
  const task = Parallel.WorkerTask.new([
    gjs ?? findGjs(), '-I', HERE.get_parent().get_path(), '-m', HERE.get_child('worker.js').get_path(),
  ]);
  task.encoding = Parallel.Encoding.BYTES;
  if (launcher !== undefined)
    task.set_launcher(launcher);
  if (maxStepsPerWorker !== undefined)
    task.max_steps_per_worker = maxStepsPerWorker;
  if (setup || onExit) {
    const requests = [setup, onExit].map(one => one ? one.request() : 'null');
    task.setup = textToBytes(`{"setup":${requests[0]},"onExit":${requests[1]}}`);
    task.has_onexit = onExit !== undefined;
  }
  return task;
}
