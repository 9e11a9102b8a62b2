// SPDX-License-Identifier: LGPL-2.1-or-later
// A function that runs in a worker process: named by its module and its export.

import Parallel from 'gi://Parallel?version=1';

import {applyToStep, checkCallOptions} from './options.js';
import {bytesToText, shortJson, textToBytes, toJson} from './json.js';

/**
 * An exported function with arguments, to be called in a worker process. Made by call().
 *
 * @example
 * call(import.meta.url, 'convert', ['a.png']).name   // 'convert("a.png")'
 */
export class Call {
  #head;

  constructor(module, exportName, args, options) {
    const json = toJson(args, `The arguments of ${exportName}()`);
    // As they are now: what is changed in them afterwards changes nothing here.
    this.args = JSON.parse(json);
    this.module = module;
    this.exportName = exportName;
    this.options = options;
    this.#head = `{"module":${JSON.stringify(module)},"name":${JSON.stringify(exportName)},"args":${json.slice(0, -1)}`;
    Object.freeze(this);
  }

  /** Its name in failures. */
  get name() {
    return this.options.name ?? this.#nameFor(this.args);
  }

  #nameFor(args) {
    return args.length > 0 ? `${this.exportName}(${shortJson(args)})` : this.exportName;
  }

  // What follows is for the other parts of this module.

  /** The name of its step for more arguments. */
  nameOf(more) {
    return more.length > 0 ? this.#nameFor([...this.args, ...more]) : this.name;
  }

  /** What a worker is to be told, with more arguments behind those that it has. The number is for indexOf(). */
  request(more = [], number = null) {
    const json = more.length > 0 ? toJson(more, `The input of ${this.exportName}()`).slice(1, -1) : '';
    const comma = json !== '' && this.args.length > 0 ? ',' : '';
    return `${this.#head}${comma}${json}]${number === null ? '' : `,"number":${number}`}}`;
  }

  encode(more, number = null) {
    return textToBytes(this.request(more, number));
  }

  makeStep(more = [], workers, number = null) {
    const step = Parallel.Step.new(workers(), this.encode(more, number));
    step.set_name(this.nameOf(more));
    applyToStep(step, this.options);
    return step;
  }

  /** Whether it is what a worker does at its end, which has no request. */
  isExit(step) {
    return step.get_input() === null;
  }

  /** The place in the queue, without what workers that were replaced have done at their end in between. */
  indexOf(step) {
    return JSON.parse(bytesToText(step.get_input())).number ?? step.get_index();
  }

  inputOf(step) {
    return JSON.parse(bytesToText(step.get_input())).args.slice(this.args.length);
  }

  resultOf(step) {
    const text = bytesToText(step.get_result());
    return text === undefined ? undefined : JSON.parse(text);
  }
}

/**
 * Names a function to run in a worker process: the export of a module, with arguments.
 *
 * The worker is a GJS of its own, which imports the module once and calls the function with each step's arguments. Arguments and result
 * are JSON: plain objects, arrays, strings, finite numbers, booleans and null, and what has a toJSON(); anything else is a TypeError.
 * The function may be asynchronous. What it prints is printed in its place; what it throws arrives with its stack.
 *
 * @param {string} module - the address of the module: import.meta.url for the module itself, or another file: or resource: address
 * @param {string} exportName - the name of the export, 'default' for the default one
 * @param {Array} args - its arguments; a BackgroundTaskRunner puts those of put() behind them
 * @param {object} options - name: its name in failures, by default the call itself; timeout, silenceTimeout: seconds for this step;
 *   maxAttempts: how often it is tried; priority: a lower one starts earlier, 0 by default
 * @returns {Call} what runParallelSteps() and BackgroundTaskRunner take
 * @throws {TypeError} for a relative address, and for arguments that JSON does not have
 * @example
 * export function square(x) {
 *   return x * x;
 * }
 *
 * await runParallelSteps([call(import.meta.url, 'square', [3])])   // [9]
 */
export function call(module, exportName, args = [], options = {}) {
  if (typeof module !== 'string' || !/^(file|resource):\/\//.test(module)) {
    throw new TypeError('The module of call() must be an address that begins with file:// or resource://, as import.meta.url does, ' +
      `not ${typeof module === 'function' ? 'a function: a worker finds a function by the name of its export' : String(module)}`);
  }
  if (typeof exportName !== 'string')
    throw new TypeError(`The export of call() must be the name of one, a string, not ${String(exportName)}`);
  if (!Array.isArray(args))
    throw new TypeError(`The arguments of call() must be an array, not ${String(args)}`);
  return new Call(module, exportName, args, checkCallOptions(options));
}
