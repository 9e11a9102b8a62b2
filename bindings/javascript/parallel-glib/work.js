// SPDX-License-Identifier: LGPL-2.1-or-later
// What can be a step: how its inputs become steps of the library, and what a finished one of them was.

import Parallel from 'gi://Parallel?version=1';

import {Call} from './call.js';
import {Command} from './command.js';

/** A task of the library's own, with any inputs. */
class PlainTask {
  constructor(task) {
    this.task = task;
  }

  taskFor(launcher) {
    if (launcher)
      throw new TypeError('A Parallel.Task has a launcher of its own, which its set_launcher() sets');
    return this.task;
  }

  encode(inputs) {
    if (inputs.length > 1)
      throw new TypeError(`The input of a Parallel.Task is one value, not ${inputs.length}`);
    return inputs[0] ?? null;
  }

  makeStep(inputs = []) {
    return Parallel.Step.new(this.task, this.encode(inputs));
  }

  nameOf() {
    return null;
  }

  isExit(step) {
    return this.task instanceof Parallel.WorkerTask && step.get_input() === null && step.dup_name() === 'onexit';
  }

  indexOf(step) {
    return step.get_index();
  }

  inputOf(step) {
    const input = step.get_input();
    return input === null ? [] : [input];
  }

  resultOf(step) {
    return step.get_result();
  }
}

/** A step of the library's own, that a list contains. */
class PlainStep extends PlainTask {
  #step;

  constructor(step) {
    super(step.get_task());
    this.#step = step;
  }

  makeStep() {
    return this.#step;
  }
}

function refuseFunction(value) {
  if (typeof value === 'function') {
    throw new TypeError("A JavaScript function cannot run in another thread, and a worker process finds one only by its name: use call(" +
      "import.meta.url, 'name', args) for an exported function, or a Parallel.AsyncTask for something asynchronous in this thread");
  }
}

/**
 * What a runner does with each of its inputs.
 *
 * @param {Call|Command|Parallel.Task} task - the user's task
 * @returns {object} with encode() and makeStep() for its inputs; isExit(), indexOf(), nameOf(), inputOf() and resultOf() for finished steps
 */
export function workOfTask(task) {
  refuseFunction(task);
  if (task instanceof Call || task instanceof Command)
    return task;
  if (task instanceof Parallel.Task)
    return new PlainTask(task);
  throw new TypeError(`A task is what call() or command() returns, or a Parallel.Task, not ${String(task)}`);
}

/**
 * What is done as one step of a list.
 *
 * @param {Call|Command|Parallel.Step|Parallel.Task} step - what stands in the list
 * @param {number} index - where
 * @returns {object} as that of workOfTask()
 */
export function workOfStep(step, index) {
  refuseFunction(step);
  if (step instanceof Parallel.Step)
    return new PlainStep(step);
  if (step instanceof Call || step instanceof Command || step instanceof Parallel.Task)
    return workOfTask(step);
  throw new TypeError(`Step ${index} is not what call() or command() returns, nor a Parallel.Step or Parallel.Task, but ${String(step)}`);
}

/** Describes the finished steps of a runner, that all have the same task. */
export class WorkOfRunner {
  #work;

  constructor(work) {
    this.#work = work;
  }

  indexOf(step) {
    return this.#work.isExit(step) ? -1 : this.#work.indexOf(step);
  }

  nameOf(step) {
    return this.#work.isExit(step) ? step.dup_name() : this.#work.nameOf(this.inputOf(step)) ?? step.dup_name();
  }

  inputOf(step) {
    return this.#work.isExit(step) ? null : this.#work.inputOf(step);
  }

  resultOf(step) {
    return this.#work.resultOf(step);
  }
}

/** Describes the finished steps of a list. They are all put before one ends, so what workers do at their ends comes behind them. */
export class WorkOfList {
  #works;
  #steps;

  constructor(works, steps) {
    this.#works = works;
    this.#steps = steps;
  }

  indexOf(step) {
    const index = step.get_index();
    return index < this.#steps.length ? index : -1;
  }

  nameOf(step) {
    return step.dup_name();
  }

  inputOf(step) {
    return this.#steps[step.get_index()] ?? null;
  }

  resultOf(step) {
    return this.#works[step.get_index()].resultOf(step);
  }
}
