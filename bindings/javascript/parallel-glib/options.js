// SPDX-License-Identifier: LGPL-2.1-or-later
// The options of the public functions: each is checked by itself, so that a mistake is a TypeError where it was made.

import Gio from 'gi://Gio';
import Parallel from 'gi://Parallel?version=1';

import {Call} from './call.js';

const isWhole = value => Number.isSafeInteger(value) && value >= 0;

function kind(description, isRight, convert = value => value) {
  return {description, isRight, convert};
}

function oneOf(names) {
  const list = Object.keys(names).map(name => `'${name}'`).join(', ');
  return kind(`one of ${list}`, value => Object.hasOwn(names, value), value => names[value]);
}

const count = kind('a whole number from 1 on', value => isWhole(value) && value >= 1 && value < 2 ** 31);
const flag = kind('true or false', value => typeof value === 'boolean');
const seconds = kind('a number of seconds from 0 on', value => Number.isFinite(value) && value >= 0);
const size = kind('a number of bytes from 0 on', isWhole);
const text = kind('a string', value => typeof value === 'string');
const stream = kind('a Gio.OutputStream', value => value instanceof Gio.OutputStream);

// Those that are properties of the library's runner, with their names there.
const RUN = {
  maxParallel: ['max_parallel', count],
  haltOnError: ['halt_on_error', flag],
  timeout: ['timeout', seconds],
  silenceTimeout: ['silence_timeout', seconds],
  exitTimeout: ['exit_timeout', seconds],
  killGrace: ['kill_grace', seconds],
  stopSequence: ['stop_sequence', text],
  maxAttempts: ['max_attempts', count],
  retryDelay: ['retry_delay', seconds],
  outputLimit: ['output_limit', size],
  outputLimitPolicy: ['output_limit_policy', oneOf({
    'keep-ends': Parallel.OutputLimitPolicy.KEEP_ENDS,
    'stop': Parallel.OutputLimitPolicy.STOP,
  })],
  outputMode: ['output_mode', oneOf({
    ordered: Parallel.OutputMode.ORDERED,
    finished: Parallel.OutputMode.FINISHED,
    tagged: Parallel.OutputMode.TAGGED,
    none: Parallel.OutputMode.NONE,
  })],
  keepAliveInterval: ['keep_alive_interval', seconds],
  sink: ['sink', stream],
  errorSink: ['error_sink', stream],
  cancellable: ['cancellable', kind('a Gio.Cancellable', value => value instanceof Gio.Cancellable)],
};

const QUEUE = {
  maxPending: ['max_pending', count],
  holdOutput: ['hold_output', flag],
};

const STEP = {
  priority: ['priority', kind('a whole number', Number.isSafeInteger)],
  timeout: ['timeout', seconds],
  silenceTimeout: ['silence_timeout', seconds],
  maxAttempts: ['max_attempts', count],
};

const called = kind('what call() returns', value => value instanceof Call);
/** Where something runs: a launcher of the library. */
export const isLauncher = value => value instanceof Parallel.Launcher;

const callback = kind('a function', value => typeof value === 'function');

// Those that this module sees to.
const OWN = {
  onStepStarted: callback,
  onStepFinished: callback,
  setup: called,
  onExit: called,
  maxStepsPerWorker: count,
  gjs: text,
  launcher: kind('a Parallel.Launcher', isLauncher),
};

const OF_STEPS = {...kindsOf(RUN), ...OWN};
const OF_RUNNER = {...OF_STEPS, ...kindsOf(QUEUE), keepFinished: flag};
const OF_CALL = {...kindsOf(STEP), name: text};

function kindsOf(properties) {
  return Object.fromEntries(Object.entries(properties).map(([name, [, its]]) => [name, its]));
}

function check(where, given, kinds) {
  if (given === null || typeof given !== 'object')
    throw new TypeError(`The options of ${where} must be an object, not ${String(given)}`);
  const checked = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(kinds, name))
      throw new TypeError(`${where} has no option "${name}"; it has ${Object.keys(kinds).sort().join(', ')}`);
    if (value === undefined || value === null)
      continue;
    if (!kinds[name].isRight(value))
      throw new TypeError(`The option "${name}" of ${where} must be ${kinds[name].description}, not ${shown(value)}`);
    checked[name] = kinds[name].convert(value);
  }
  return checked;
}

function shown(value) {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** The options of runParallelSteps(), checked. Those that are null or undefined are left out. */
export const checkStepsOptions = given => check('runParallelSteps()', given, OF_STEPS);

/** The options of BackgroundTaskRunner, checked. */
export const checkRunnerOptions = given => check('BackgroundTaskRunner', given, OF_RUNNER);

/** The options of call(), checked. */
export const checkCallOptions = given => check('call()', given, OF_CALL);

/** The options of command() that are of its step, with those that are only the command's given in `others`. */
export const checkCommandOptions = (given, others) => check('command()', given, {...OF_CALL, ...others});

export {flag, kind, oneOf, text};

function apply(object, options, properties) {
  for (const [name, [property]] of Object.entries(properties)) {
    if (options[name] !== undefined)
      object[property] = options[name];
  }
}

/**
 * Sets what a runner of the library is to know.
 *
 * @param {Parallel.BackgroundTaskRunner} runner - a runner to which nothing was put
 * @param {object} options - checked options
 */
export function applyToRunner(runner, {stopSequence, ...options}) {
  apply(runner, options, {...RUN, ...QUEUE});
  // The property would complain of a wrong one with a warning, and not throw.
  if (stopSequence !== undefined)
    runner.set_stop_sequence(stopSequence);
}

/**
 * Sets what a step of the library is to know.
 *
 * @param {Parallel.Step} step - a step that was not put
 * @param {object} options - checked options
 */
export function applyToStep(step, options) {
  apply(step, options, STEP);
}
