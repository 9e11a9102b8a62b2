// SPDX-License-Identifier: LGPL-2.1-or-later
// The short form: a list of steps, all at once.

import {Run, isClosed} from './run.js';
import {WorkOfList, workOfStep} from './work.js';
import {checkStepsOptions} from './options.js';
import {refuseWhileLoading} from './worker-side.js';

/**
 * Runs steps in parallel. The promise resolves when all have ended, with what they returned, in the order of the list.
 *
 * What they print comes out in the order of the list, as if they had run one after another. If some fail, the others run
 * nevertheless, and one BackgroundFailure tells of all of them; its `results` are those of the others. The main loop runs on meanwhile,
 * and has to: at the top level of a module, and in `loop.runAsync()` or an application, it does.
 *
 * Options, all optional, all times in seconds:
 * maxParallel: how many run at the same time; by default as many as there are processors
 * haltOnError: stop the others when the first fails
 * timeout, silenceTimeout: for how long each may run, and give no sign of life; no limit by default
 * exitTimeout: for how long a worker or a program may take to end; no limit by default
 * killGrace: how long after SIGTERM comes SIGKILL, 5 by default; stopSequence: other signals, as 'INT,200,TERM,2000,KILL', with milliseconds between them
 * maxAttempts, retryDelay: how often a step that fails is tried, and how long after a failure
 * outputLimit: bytes of output for each step; outputLimitPolicy: 'keep-ends' of what is longer, or 'stop' the step
 * outputMode: 'ordered', 'finished' (each as a whole when it ends), 'tagged' (live by line, with the step's name) or 'none'
 * keepAliveInterval: print who is waited for when nothing was printed for so long
 * sink, errorSink: Gio.OutputStreams to print to, in place of the standard output and the standard error
 * cancellable: a Gio.Cancellable that stops them all; Gio.IOErrorEnum.CANCELLED is thrown then
 * onStepStarted, onStepFinished: called with each Parallel.Step that starts, each FinishedStep; what they throw halts the run
 * setup, onExit: a call() that each worker does before its first step, and at its end if it has done one
 * maxStepsPerWorker: after so many a worker is replaced by a fresh one
 * gjs: the program of the workers, by default that of this process
 * launcher: a Parallel.Launcher that says where the calls run, and the commands that do not say it themselves, if not here; by default
 *   as many run at the same time as an allocation of Slurm's has processors, or as there are here. Modules and the program of the workers are where they are here, if `gjs` does not
 *   say otherwise
 *
 * @param {Iterable} steps - what call() and command() return, Parallel.Steps and Parallel.Tasks, mixed
 * @param {object} options - see above
 * @returns {Promise<Array>} the results: of a call what it returned, of a command a CompletedCommand
 * @throws {BackgroundFailure} if steps have failed
 * @throws {TypeError} for what is no step, and for an unknown option
 * @example
 * const [total] = await runParallelSteps([
 *   call(import.meta.url, 'countLines', ['a.txt']),
 *   command(['gzip', '--keep', 'b.txt']),
 * ], {maxParallel: 2, timeout: 60});
 */
export async function runParallelSteps(steps, options = {}) {
  const checked = checkStepsOptions(options);
  if (typeof steps === 'string' || typeof steps?.[Symbol.iterator] !== 'function')
    throw new TypeError(`The steps of runParallelSteps() must be a list, not ${String(steps)}`);
  const list = [...steps];
  const works = list.map(workOfStep);
  refuseWhileLoading('runParallelSteps()');

  const results = new Array(list.length).fill(undefined);
  const run = new Run(checked, () => null, new WorkOfList(works, list), step => {
    if (step.ok && step.index >= 0)
      results[step.index] = step.result;
  });
  // Before the first starts all are put, so that a wrong one is found before anything was done.
  run.runner.pause();
  try {
    for (const work of works)
      run.putStep(work.makeStep(undefined, () => run.workers(), null, checked.launcher));
  } catch (error) {
    // A run that was cancelled before takes none, and says so in the end.
    if (!isClosed(error)) {
      run.runner.halt(0);
      throw error;
    }
  }
  run.runner.resume();
  run.runner.close();
  run.check(await run.over, results);
  return results;
}
