// SPDX-License-Identifier: LGPL-2.1-or-later
// A step that has come to its end.

import Parallel from 'gi://Parallel?version=1';

/**
 * A step that has come to its end. Given to `onStepFinished`, and by a BackgroundTaskRunner that is iterated over.
 *
 * index: its place in the queue, from 0; -1 for what a worker did at its end
 * duration: seconds
 * failure: the Parallel.Failure if it has failed, else null
 *
 * @example
 * for await (const step of runner)
 *   print(step.name, step.ok ? step.result : step.failure.message);
 */
export class FinishedStep {
  #work;
  #step;

  constructor(work, step) {
    this.#work = work;
    this.#step = step;
    this.index = work.indexOf(step);
    this.duration = step.get_elapsed();
    this.failure = step.get_state() === Parallel.StepState.FAILED
      ? Parallel.failure_of_step(step, {name: this.name, index: this.index, input: this.input})
      : null;
  }

  /** Whether it has succeeded. */
  get ok() {
    return this.failure === null;
  }

  /** What it is called. */
  get name() {
    return this.#work.nameOf(this.#step);
  }

  /** What it was given: the arguments of put() as an array; for a step of a list, what stands there. */
  get input() {
    return this.#work.inputOf(this.#step);
  }

  /** What the function has returned, or the CompletedCommand of a program; undefined if it has failed. */
  get result() {
    return this.ok && this.index >= 0 ? this.#work.resultOf(this.#step) : undefined;
  }

  /** The library's object for it, which has more: output, resource use, attempts. */
  get step() {
    return this.#step;
  }
}
