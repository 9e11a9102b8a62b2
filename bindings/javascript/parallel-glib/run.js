// SPDX-License-Identifier: LGPL-2.1-or-later
// A run of the library, with what comes of it collected.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {FinishedStep} from './finished.js';
import {applyToRunner} from './options.js';
import {countStep} from './collector.js';
import {makeWorkerTask} from './workers.js';

/**
 * One run: a Parallel.BackgroundTaskRunner, the failures of its steps, and a promise for its end.
 *
 * It lives until it is over, also if nobody holds it: from the beginning on the library waits for it.
 */
export class Run {
  #options;
  #finished;
  #failures = [];
  #nPut = 0;
  #nSeen = 0;
  #callbackError = null;

  /**
   * @param {object} options - checked options
   * @param {Function} makeTask - given this, makes the runner's task, or null
   * @param {object} describing - WorkOfRunner or WorkOfList
   * @param {Function} finished - called with each FinishedStep, in this main context
   */
  constructor(options, makeTask, describing, finished) {
    this.#options = options;
    this.#finished = finished;
    this.runner = Parallel.BackgroundTaskRunner.new(makeTask(this));
    this.runner.keep_steps = Parallel.KeepSteps.NONE;
    applyToRunner(this.runner, options);
    this.runner.connect('step-finished', (_runner, step) => this.#stepFinished(describing, step));
    if (options.onStepStarted)
      this.runner.connect('step-started', (_runner, step) => this.#callBack(options.onStepStarted, step));
    this.over = this.#untilOver();
  }

  /** The task of all calls of this run, made when the first one is put. */
  workers() {
    this.workerTask ??= makeWorkerTask(this.#options);
    return this.workerTask;
  }

  putInput(value) {
    this.runner.put(value);
    this.#nPut++;
  }

  putStep(step) {
    this.runner.put_step(step);
    this.#nPut++;
  }

  async putWhenRoom(value) {
    await this.runner.put_async(value, null);
    this.#nPut++;
  }

  /** The failures so far, in queue order; those of the workers' ends come last. */
  failure(results = []) {
    if (this.#failures.length === 0)
      return null;
    const place = ({index}) => index < 0 ? Infinity : index;
    const failures = this.#failures.sort((a, b) => Math.sign(place(a) - place(b)) || 0);
    return new Parallel.BackgroundFailure(failures, {total: this.#nPut, results});
  }

  // Resolves with what the run ended with besides the failures of its steps, or null.
  async #untilOver() {
    try {
      await this.runner.wait_async(null);
    } catch (error) {
      if (this.#callbackError === null && !error.matches(Parallel.RunError, Parallel.RunError.BACKGROUND_FAILURE))
        return error;
    }
    return this.#callbackError ?? this.#whatWasLost();
  }

  // GJS can block calls, see collector.js. A run of which something was not heard has not gone well.
  #whatWasLost() {
    const nLost = this.runner.get_n_succeeded() + this.runner.get_n_failed() - this.#nSeen;
    return nLost === 0 ? null : new Error(`GJS has blocked the signals of ${nLost} finished steps; its critical messages say why`);
  }

  /** Throws what is to be thrown when the run is over. */
  check(error, results) {
    const failure = this.failure(results);
    // That the run was halted says less than the failure that may have halted it.
    if (error !== null && !(failure !== null && isHalted(error))) {
      if (failure !== null && error.cause === undefined)
        error.cause = failure;
      throw error;
    }
    if (failure !== null)
      throw failure;
  }

  #stepFinished(describing, step) {
    countStep();
    if (step.get_state() === Parallel.StepState.HALTED)
      return;
    const finished = new FinishedStep(describing, step);
    if (finished.failure !== null)
      this.#failures.push(finished.failure);
    // What a worker does at its end is only counted by the library if it fails.
    this.#nSeen += finished.index >= 0 || !finished.ok;
    this.#finished(finished);
    if (this.#options.onStepFinished)
      this.#callBack(this.#options.onStepFinished, finished);
  }

  // What a callback throws would only be logged. It ends the run.
  #callBack(callback, step) {
    if (this.#callbackError !== null)
      return;
    try {
      callback(step);
    } catch (error) {
      this.#callbackError = error;
      this.runner.halt(Parallel.HaltMode.NOW);
    }
  }
}

function isHalted(error) {
  return error instanceof GLib.Error && error.matches(Parallel.RunError, Parallel.RunError.HALTED);
}

/** Whether a put was refused because the queue is closed, as that of a halted run is. */
export function isClosed(error) {
  return error instanceof GLib.Error && error.matches(Parallel.RunError, Parallel.RunError.CLOSED);
}
