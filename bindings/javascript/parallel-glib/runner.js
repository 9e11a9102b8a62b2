// SPDX-License-Identifier: LGPL-2.1-or-later
// A queue, and a pool that works it off in the background.

import Parallel from 'gi://Parallel?version=1';

import {Call} from './call.js';
import {Run} from './run.js';
import {WorkOfRunner, workOfTask} from './work.js';
import {checkRunnerOptions} from './options.js';
import {refuseWhileLoading} from './worker-side.js';

/**
 * Runs a task on the inputs that are put into a queue, in the background.
 *
 * After close() the run comes to its end, which wait() waits for; what was printed comes out in queue order. If some inputs failed, one
 * BackgroundFailure tells of all of them. It can be iterated over, which gives a FinishedStep for each step as it ends.
 *
 * The runner lives until it is closed, or halted, and all has ended.
 *
 * Options: those of runParallelSteps(), and
 * maxPending: how many inputs wait at most; put() throws when there are more, putWhenRoom() waits
 * holdOutput: print nothing before close()
 * keepFinished: whether what has finished is kept for whoever iterates later, true by default. wait() says that nobody will
 *
 * @example
 * const runner = new BackgroundTaskRunner(call(import.meta.url, 'convert', [85]), {maxParallel: 2});
 * for (const path of ['a.png', 'b.png', 'c.png'])
 *   runner.put(path);                       // convert(85, 'a.png')
 * runner.close();
 * for await (const step of runner)
 *   print(step.input, step.result);
 */
export class BackgroundTaskRunner {
  #work;
  #run;
  #asSteps;
  // Finished steps that nobody has taken; null if nobody will.
  #untaken = [];
  // The iterations that wait for a step: functions that make them look again.
  #waiting = [];
  #isOver = false;
  #ended;
  // Numbers for the inputs, where workers take places in the queue at their ends; else null.
  #number;
  #launcher;

  /**
   * @param {Call|Command|Parallel.Task} task - what to do: what call() returns, to whose arguments those of put() are added; what
   *   command() returns, where `{}` stands for the input; or a task of the library
   * @param {object} options - see above
   * @throws {TypeError} for what is no task, and for an unknown option
   */
  constructor(task, options = {}) {
    const checked = checkRunnerOptions(options);
    this.#work = workOfTask(task);
    refuseWhileLoading('new BackgroundTaskRunner()');
    if (checked.keepFinished === false)
      this.#untaken = null;
    // Names that are seen while it runs have to be told to the library; that costs an object for each input that waits.
    this.#asSteps = hasStepOptions(task) || checked.outputMode === Parallel.OutputMode.TAGGED || checked.keepAliveInterval > 0;
    this.#number = checked.onExit ? 0 : null;
    this.#launcher = checked.launcher;
    const makeTask = run => task instanceof Call ? run.workers() : this.#work.taskFor(checked.launcher);
    this.#run = new Run(checked, makeTask, new WorkOfRunner(this.#work), step => this.#stepFinished(step));
    this.#ended = this.#end();
  }

  /**
   * Queues an input.
   *
   * @param {...*} inputs - for a call() the arguments behind those that it has; for a command() one string or number
   * @throws {TypeError} if the task cannot do anything with it
   * @throws {GLib.Error} Parallel.RunError.CLOSED after close() or halt(), Gio.IOErrorEnum.WOULD_BLOCK if maxPending are waiting
   * @example
   * runner.put('a.png');
   */
  put(...inputs) {
    if (this.#asSteps)
      this.#run.putStep(this.#work.makeStep(inputs, () => this.#run.workers(), this.#number, this.#launcher));
    else
      this.#run.putInput(this.#work.encode(inputs, this.#number));
    this.#count();
  }

  /**
   * Queues an input as soon as fewer than maxPending are waiting. Several that wait are put in the order of their calls.
   *
   * @param {...*} inputs - as for put()
   * @returns {Promise} resolves when it is in the queue
   * @throws {TypeError|GLib.Error} as put()
   * @example
   * for (let i = 0; i < 1e6; i++)
   *   await runner.putWhenRoom(i);
   */
  async putWhenRoom(...inputs) {
    if (this.#asSteps)
      throw new TypeError('putWhenRoom() is not there for tagged output, keep-alive lines and a call() or command() with options of its own');
    const value = this.#work.encode(inputs, this.#number);
    this.#count();
    await this.#run.putWhenRoom(value);
  }

  #count() {
    if (this.#number !== null)
      this.#number++;
  }

  /**
   * Says that there will be nothing more, so that the run can come to its end. May be called more than once.
   *
   * @example
   * runner.close();
   */
  close() {
    this.#run.runner.close();
  }

  /**
   * Waits until the runner is closed and all has ended and is printed. What has finished and was not taken by an iteration is let go of.
   *
   * @returns {Promise} resolves if all have succeeded
   * @throws {BackgroundFailure} if steps have failed
   * @throws {GLib.Error} Gio.IOErrorEnum.CANCELLED if it was cancelled, Parallel.RunError.HALTED if it was halted
   * @example
   * runner.close();
   * await runner.wait();
   */
  wait() {
    if (this.#waiting.length === 0)
      this.#untaken = null;
    return this.#ended;
  }

  /**
   * Ends the run early: what is queued is skipped, what runs is stopped, and nothing more of it is printed. Returns at once.
   *
   * @param {object} options - soon: let what runs come to its end, false by default
   * @example
   * runner.halt({soon: true});
   */
  halt({soon = false} = {}) {
    this.#run.runner.halt(soon ? Parallel.HaltMode.SOON : Parallel.HaltMode.NOW);
  }

  /**
   * Starts nothing more until resume(). What runs goes on.
   *
   * @example
   * runner.pause();
   */
  pause() {
    this.#run.runner.pause();
  }

  /**
   * Starts steps again after pause().
   *
   * @example
   * runner.resume();
   */
  resume() {
    this.#run.runner.resume();
  }

  /**
   * The library's object: a Gio.ListModel with properties for how far it is, and dump(), which says what it waits for.
   *
   * @returns {Parallel.BackgroundTaskRunner} the object
   * @example
   * print(runner.runner.n_pending, runner.runner.progress, runner.runner.dump());
   */
  get runner() {
    return this.#run.runner;
  }

  /**
   * The steps as they finish, until the runner is closed and all have ended. The loop ends as wait() does: if some have failed, by a
   * BackgroundFailure. What was halted is not given. Leaving the loop early stops nothing.
   *
   * @yields {FinishedStep} a step that has ended
   */
  async *[Symbol.asyncIterator]() {
    if (this.#untaken === null)
      throw new Error('What has finished is not kept for an iteration, because of wait() or keepFinished: false');
    for (;;) {
      while (this.#untaken?.length > 0)
        yield this.#untaken.shift();
      if (this.#isOver)
        break;
      await new Promise(resolve => this.#waiting.push(resolve));
    }
    await this.#ended;
  }

  #stepFinished(step) {
    this.#untaken?.push(step);
    this.#wake();
  }

  #wake() {
    for (const look of this.#waiting.splice(0))
      look();
  }

  async #end() {
    const error = await this.#run.over;
    this.#isOver = true;
    this.#wake();
    this.#run.check(error);
  }
}

// A name does not count: the failures have it anyway.
function hasStepOptions(task) {
  return Object.keys(task.options ?? {}).some(name => ['priority', 'timeout', 'silenceTimeout', 'maxAttempts'].includes(name));
}
