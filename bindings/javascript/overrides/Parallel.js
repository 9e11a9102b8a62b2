// SPDX-License-Identifier: LGPL-2.1-or-later
// What makes gi://Parallel pleasant in GJS: promises, asynchronous iteration, an AggregateError for what failed, and a
// refusal of what would end in a critical message. GJS loads this by itself when the namespace is imported.
//
// Functions in worker processes are in the module parallel-glib/parallel.js, whose address is Parallel.module_uri.

/* exported _init */

const {Gio, GLib} = imports.gi;

const LINES_SHOWN = 10;
const SPAWN_DOMAINS = ['g-exec-error-quark', 'g-spawn-exit-error-quark'];
// The numbers are those of Linux on every architecture that Debian has but MIPS.
const SIGNALS = [
  'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGUSR1', 'SIGSEGV', 'SIGUSR2',
  'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT', 'SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG',
  'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGWINCH', 'SIGIO', 'SIGPWR', 'SIGSYS',
];

let Parallel = null;

// What is kept as a property of a step: GJS keeps the object that stands for a GObject for as long as that, if it has a property; a
// WeakMap would forget it. THROWN is what an asynchronous step has thrown.
const INPUT = Symbol('input');
const RESULT = Symbol('result');
const THROWN = Symbol('thrown');

/**
 * The error of one failed step: what it threw, or what stands for it where nothing was thrown.
 *
 * `name`, `message` and `stack` are those of the error in the process where it was thrown; `failure` says all about the step.
 * For a GLib.Error there are `domain` (the name of the quark) and `code` too, and `matches()` works as there. What else the error
 * had and can be said in JSON is in `properties`. What an asynchronous step threw, in this process, is its `cause`.
 *
 * @example
 * if (error.name === 'TypeError' && error.failure.index === 3)
 *   print(error.stack);
 */
class StepError extends Error {
  constructor(record) {
    super(record.message, record.cause ? {cause: new StepError(record.cause)} : record.thrown ? {cause: record.thrown} : undefined);
    hide(this, {
      name: record.name,
      stack: record.stack,
      domain: record.domain ?? null,
      code: record.code ?? null,
      properties: record.properties ?? {},
      failure: null,
    });
  }

  /**
   * Whether it is a certain GLib.Error.
   *
   * @param {Function} domain - as for GLib.Error.matches(), for example Gio.IOErrorEnum
   * @param {number} code - the code in that domain
   * @returns {boolean} whether it is
   * @example
   * error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND)
   */
  matches(domain, code) {
    return this.code === code && this.domain !== null && this.domain === domainName(domain);
  }
}

// Fields that are no part of what for…in and console.log() show of an error.
function hide(object, fields) {
  for (const [key, value] of Object.entries(fields))
    Object.defineProperty(object, key, {value, writable: true, configurable: true, enumerable: false});
}

function domainName(domain) {
  const quark = typeof domain === 'number' ? domain : new domain({message: '', code: 0}).domain;
  return GLib.quark_to_string(quark);
}

/**
 * One step that failed.
 *
 * name: what the step is called
 * index: its place in the queue, from 0; -1 for what a worker did at its end
 * input: what it was given
 * kind: 'exception', 'exit', 'signal', 'timeout', 'silence', 'exit-timeout', 'output-limit', 'input', 'result', 'worker',
 *   'command' or 'halted'
 * typeName, message, stack: of what was thrown, in the process where it was
 * exitStatus, signal: how its process ended, or null
 * duration: seconds
 * outputTail: the last lines that it printed
 * diagnosis: what was seen of it when it was over a limit: its processes and what they wait for
 * attemptErrors: the messages of the attempts before the last one
 * path: the names of the steps around it, outermost first, if it failed in a run inside of a step
 * error: the StepError that stands for it
 *
 * @example
 * for (const failure of error.failures)
 *   printerr(failure.describe());
 */
class Failure {
  constructor(fields) {
    Object.assign(this, {
      name: '', index: -1, input: null, kind: 'exception', typeName: 'Error', message: '', stack: '', exitStatus: null,
      signal: null, duration: 0, outputTail: '', diagnosis: '', attemptErrors: [], path: [],
    }, fields);
    const error = this.error ?? new StepError({name: this.typeName, message: this.message, stack: this.stack});
    hide(this, {error});
    error.failure = this;
  }

  /** The name with those of the steps around it. */
  get fullName() {
    return [...this.path, this.name].join(' > ');
  }

  /** The name of the signal, as 'SIGSEGV', or null. */
  get signalName() {
    return this.signal === null ? null : SIGNALS[this.signal - 1] ?? `signal ${this.signal}`;
  }

  toString() {
    const [first, ...more] = this.message.split('\n');
    const what = first === '' ? this.typeName : `${this.typeName}: ${first}`;
    return `${this.fullName}: ${what}${more.length > 0 ? ' …' : ''} (after ${this.duration.toFixed(1)} s)`;
  }

  /**
   * All that is known of it.
   *
   * @returns {string} many lines
   * @example
   * printerr(failure.describe());
   */
  describe() {
    const parts = [
      ['Stack in the step', this.stack],
      ['Diagnosis', this.diagnosis],
      ['The end of its output', this.outputTail],
    ];
    return [
      this.toString(),
      ...parts.filter(([, text]) => text !== '').map(([title, text]) => `${title}:\n${indent(text)}`),
    ].join('\n');
  }
}

function indent(text) {
  return text.trimEnd().split('\n').map(line => `  ${line}`).join('\n');
}

/**
 * One or more steps of a run failed: an AggregateError with one StepError each, in queue order.
 *
 * errors: a StepError for each failure
 * failures: a Failure each, in the same order; those of a run inside of a step stand in the place of that step
 * results: what the steps that succeeded have returned, by their place in the queue; only from runParallelSteps()
 *
 * It matches the GLib.Error that it stands for.
 *
 * @example
 * try {
 *   await runner.wait_async(null);
 * } catch (error) {
 *   if (!(error instanceof Parallel.BackgroundFailure))
 *     throw error;
 *   printerr(error.message);
 * }
 */
class BackgroundFailure extends AggregateError {
  constructor(failures, {total = null, results = [], message = null} = {}) {
    const flat = flatten(failures);
    super(flat.map(failure => failure.error), message ?? summary(flat, total));
    hide(this, {name: 'BackgroundFailure', failures: flat, results});
  }

  /** The domain, as a GLib.Error has it. */
  get domain() {
    return Parallel.run_error_quark();
  }

  /** The code, as a GLib.Error has it. */
  get code() {
    return Parallel.RunError.BACKGROUND_FAILURE;
  }

  /**
   * Whether it is a certain error, as GLib.Error.matches().
   *
   * @param {Function} domain - Parallel.RunError
   * @param {number} code - Parallel.RunError.BACKGROUND_FAILURE
   * @returns {boolean} whether it is
   * @example
   * error.matches(Parallel.RunError, Parallel.RunError.BACKGROUND_FAILURE)
   */
  matches(domain, code) {
    return code === this.code && domainName(domain) === GLib.quark_to_string(this.domain);
  }

  /**
   * All that is known of all failures.
   *
   * @returns {string} many lines
   * @example
   * printerr(error.describe());
   */
  describe() {
    return [this.message.split('\n')[0], ...this.failures.map(failure => failure.describe())].join('\n\n');
  }
}

function summary(failures, total) {
  const count = failures.length;
  const steps = Math.max(count, total ?? 0) === 1 ? 'step' : 'steps';
  const lines = [
    total === null ? `${count} ${steps} failed:` : `${count} of ${Math.max(total, count)} ${steps} failed:`,
    ...failures.slice(0, LINES_SHOWN).map(failure => `  ${failure}`),
  ];
  if (count > LINES_SHOWN)
    lines.push(`  and ${count - LINES_SHOWN} more`);
  return lines.join('\n');
}

// The failures of a run inside of a step are in the place of that step.
function flatten(failures) {
  return failures.flatMap(failure => failure.nested
    ? flatten(failure.nested.map(inner => new Failure({...inner, error: inner.error, path: [failure.name, ...inner.path]})))
    : [failure]);
}

// What a worker that runs JavaScript says of an error stands after the first empty line of its message, and ends with a zero; around
// it is what the library makes of an error. It is not read as a variant, since GJS 1.74 never frees one that it has made of bytes.
function remoteRecord(step) {
  const details = step.dup_failure_details();
  if (details === null || details.get_size() === 0)
    return null;
  const text = new TextDecoder().decode(details.toArray());
  const start = text.indexOf('\n\n{"kind":');
  if (start < 0)
    return null;
  try {
    return JSON.parse(text.slice(start, text.indexOf('\0', start)));
  } catch {
    return null;
  }
}

// The kind and the name for what the library says itself.
function kindOf(error, status, signal) {
  const codes = Parallel.RunError;
  const names = [
    [codes.TIMED_OUT, 'timeout', 'TimedOut'],
    [codes.SILENT, 'silence', 'Silent'],
    [codes.EXIT_TIMED_OUT, 'exit-timeout', 'ExitTimedOut'],
    [codes.OUTPUT_LIMIT, 'output-limit', 'OutputLimitExceeded'],
    [codes.HALTED, 'halted', 'Halted'],
    [codes.POOL_BROKEN, 'worker', 'WorkerFailed'],
    [codes.UNEXPECTED_EXIT, signal > 0 ? 'signal' : 'exit', 'UnexpectedExit'],
  ];
  for (const [code, kind, name] of names) {
    if (error.matches(codes, code))
      return [kind, name];
  }
  const domain = GLib.quark_to_string(error.domain);
  if (SPAWN_DOMAINS.includes(domain))
    return [signal > 0 ? 'signal' : status > 0 ? 'exit' : 'command', 'CommandFailed'];
  return ['exception', domain];
}

/**
 * The failure of a step that has failed.
 *
 * @param {Parallel.Step} step - the step
 * @param {object} known - what is known better than from the step: name, input, index
 * @returns {Parallel.Failure} the failure
 * @example
 * for (const step of runner.dup_failures())
 *   printerr(Parallel.failure_of_step(step).describe());
 */
function failureOfStep(step, known = {}) {
  const error = step.dup_error();
  const [status, signal] = [step.get_exit_status(), step.get_term_signal()];
  const record = remoteRecord(step);
  const fields = {
    name: step.dup_name(),
    index: step.get_index(),
    input: known.input === undefined ? step.get_input() : null,
    // A worker that has told of an error has not ended of it.
    exitStatus: record === null && status >= 0 && signal <= 0 ? status : null,
    signal: signal > 0 ? signal : null,
    duration: step.get_elapsed(),
    outputTail: step.dup_output_tail() ?? '',
    diagnosis: step.dup_diagnosis() ?? '',
    attemptErrors: step.dup_attempt_errors() ?? [],
    ...known,
  };
  if (record !== null) {
    const {name: typeName, message, stack, kind} = record;
    return withNested(new Failure({...fields, kind, typeName, message, stack, error: new StepError(record)}), record);
  }
  // Of a step that was over its limit before it threw, the limit is the failure.
  if (THROWN in step && error.matches(Parallel.RunError, Parallel.RunError.FAILED))
    return failureOfThrown(fields, step[THROWN]);
  const [kind, typeName] = kindOf(error, status, signal);
  const domain = GLib.quark_to_string(error.domain);
  const plain = {name: typeName, message: error.message, stack: '', domain, code: error.code};
  return new Failure({...fields, kind, typeName, message: error.message, error: new StepError(plain)});
}

// Of what was thrown in this process all is there still.
function failureOfThrown(fields, thrown) {
  const isError = thrown instanceof Error;
  const record = {
    name: isError ? String(thrown.name) : typeof thrown,
    message: String(isError ? thrown.message : thrown),
    stack: isError ? String(thrown.stack ?? '').trimEnd() : '',
    thrown,
  };
  const failure = new Failure({
    ...fields, kind: 'exception', typeName: record.name, message: record.message, stack: record.stack, error: new StepError(record),
  });
  if (thrown instanceof BackgroundFailure)
    hide(failure, {nested: thrown.failures.map(inner => new Failure({...inner, error: inner.error}))});
  return failure;
}

function withNested(failure, record) {
  if (record.failures)
    hide(failure, {nested: record.failures.map(({record: inner, ...fields}) => new Failure({...fields, error: new StepError(inner)}))});
  return failure;
}

function isAggregate(error) {
  return error instanceof GLib.Error && error.matches(Parallel.RunError, Parallel.RunError.BACKGROUND_FAILURE);
}

// Calls something that may throw the library's aggregated error, and throws an AggregateError in its place.
function translating(call, getFailedSteps) {
  try {
    return call();
  } catch (error) {
    if (!isAggregate(error))
      throw error;
    const steps = getFailedSteps();
    throw new BackgroundFailure(steps.map(step => failureOfStep(step)), {message: error.message});
  }
}

function overrideRunner(prototype) {
  for (const name of ['wait', 'wait_finish']) {
    const original = prototype[name];
    prototype[name] = function (argument = null) {
      return translating(() => original.call(this, argument), () => this.dup_failures());
    };
  }
  for (const name of ['put_async', 'wait_async', 'next_async'])
    Gio._promisify(prototype, name);

  /**
   * The steps as they finish. The loop ends as wait() does: if some have failed, by a BackgroundFailure.
   *
   * It gives what finishes after it has begun; with Parallel.KeepSteps.UNTIL_TAKEN also what has finished before.
   *
   * @yields {Parallel.Step} a step that has finished
   */
  prototype[Symbol.asyncIterator] = async function* () {
    for (;;) {
      const step = await this.next_async(null);
      if (step === null)
        break;
      yield step;
    }
    await this.wait_async(null);
  };
}

function failedOf(steps) {
  return steps.filter(step => step.get_state() === Parallel.StepState.FAILED);
}

function overrideRunSteps(namespace) {
  // Which steps the result of a call is of: the finish function is not told.
  const stepsOfResult = new WeakMap();
  const {run_steps: run, run_steps_async: runAsync, run_steps_finish: finish} = namespace;

  namespace.run_steps = function (steps, ...rest) {
    return translating(() => run(steps, ...rest), () => failedOf(steps));
  };
  namespace.run_steps_finish = function (result) {
    return translating(() => finish(result), () => failedOf(stepsOfResult.get(result) ?? []));
  };
  // With all five arguments, so that the promise is made where the callback is missing.
  namespace.run_steps_async = function (steps, maxParallel, haltOnError, cancellable, callback) {
    runAsync(steps, maxParallel, haltOnError, cancellable, (source, result) => {
      stepsOfResult.set(result, steps);
      callback(source, result);
    });
  };
  Gio._promisify(namespace, 'run_steps_async', 'run_steps_finish');
}

// Whether a GValue cannot have it: an array, a Map, an instance of a class of JavaScript. A plain object it can, but GJS 1.74 does not
// keep that from its garbage collector.
function isOnlyJavaScript(value) {
  if (value === null || !['object', 'function', 'symbol', 'bigint'].includes(typeof value))
    return false;
  const type = value.$gtype ?? value.constructor?.$gtype;
  return type === undefined || type.name === 'JSObject';
}

// Asynchronous steps are done in this thread, so their inputs and results may be anything.
function overrideValues({AsyncTask, BackgroundTaskRunner, Step, StepState}) {
  const {new: makeStep} = Step;
  const {get_input: getInput, get_result: getResult, set_result: setResult} = Step.prototype;
  const {put, put_async: putAsync} = BackgroundTaskRunner.prototype;
  const staysHere = (task, value) => task instanceof AsyncTask && isOnlyJavaScript(value);

  Step.new = function (task, input) {
    if (!staysHere(task, input))
      return makeStep(task, input);
    const step = makeStep(task, null);
    step[INPUT] = input;
    return step;
  };
  Step.prototype.get_input = function () {
    return INPUT in this ? this[INPUT] : getInput.call(this);
  };
  Step.prototype.set_result = function (value) {
    if (!isOnlyJavaScript(value))
      setResult.call(this, value);
    else if (this.get_state() === StepState.RUNNING)
      this[RESULT] = value;
  };
  Step.prototype.get_result = function () {
    return RESULT in this ? this[RESULT] : getResult.call(this);
  };
  BackgroundTaskRunner.prototype.put = function (value) {
    return staysHere(this.get_task(), value) ? this.put_step(Step.new(this.get_task(), value)) : put.call(this, value);
  };
  BackgroundTaskRunner.prototype.put_async = function (value, ...rest) {
    if (staysHere(this.get_task(), value))
      throw new TypeError('put_async() takes what a GObject.Value can have; put() takes any value for an asynchronous task');
    return putAsync.call(this, value, ...rest);
  };
}

// An exception that leaves a callback is only logged by GJS, and one of an asynchronous function by nobody: the step would
// never end.
function overrideAsyncTask({AsyncTask, RunError, Step}) {
  const {fail} = Step.prototype;

  /**
   * Ends an asynchronous step as a failure.
   *
   * @param {*} error - a GLib.Error, or anything else that can be thrown
   */
  Step.prototype.fail = function (error) {
    if (!(error instanceof GLib.Error)) {
      this[THROWN] = error;
      const message = String(error).replaceAll('\0', ' ').replace(/\s*\n\s*/g, ' ');
      error = new GLib.Error(RunError, RunError.FAILED, message);
    }
    fail.call(this, error);
  };

  const make = AsyncTask.new;

  /**
   * A task of a function that is called in this thread with the step and its Gio.Cancellable. It is asynchronous, and what its
   * promise is resolved with is the step's result; or it calls the step's complete() or fail() itself, then or later. What it
   * throws is the step's failure.
   *
   * @param {Function} start - starts a step
   * @returns {Parallel.AsyncTask} the task
   */
  AsyncTask.new = function (start) {
    return make((step, cancellable) => {
      // Of an attempt before.
      delete step[THROWN];
      delete step[RESULT];
      try {
        const returned = start(step, cancellable);
        if (typeof returned?.then === 'function')
          endWith(step, returned);
      } catch (error) {
        step.fail(error);
      }
    });
  };
}

async function endWith(step, promise) {
  try {
    const value = await promise;
    if (value !== undefined)
      step.set_result(value);
    step.complete();
  } catch (error) {
    step.fail(error);
  }
}

// A function that is called in a worker thread would not be called: GJS blocks it with a critical message.
function refuseFunctions(namespace) {
  const refuse = name => () => {
    throw new TypeError(`${name} calls a function in another thread, which JavaScript cannot do. ` +
      "Run an exported function in a worker process, with call(import.meta.url, 'name', args) of the module Parallel.module_uri; " +
      'or something asynchronous in this thread, with Parallel.AsyncTask');
  };
  const {FunctionTask, BackgroundTaskRunner} = namespace;
  FunctionTask.new = refuse('Parallel.FunctionTask.new()');
  FunctionTask.prototype._init = refuse('new Parallel.FunctionTask()');
  if (FunctionTask.new_for_gtask)
    FunctionTask.new_for_gtask = refuse('Parallel.FunctionTask.new_for_gtask()');
  BackgroundTaskRunner.prototype.set_onexit = refuse('Parallel.BackgroundTaskRunner.set_onexit()');
}

function _init() {
  Parallel = this;
  Object.assign(this, {BackgroundFailure, Failure, StepError, failure_of_step: failureOfStep});
  // Both here and where it is installed the module is beside this folder.
  const folder = Gio.File.new_for_path(new Error().fileName).get_parent().get_parent();
  this.module_uri = folder.resolve_relative_path('parallel-glib/parallel.js').get_uri();

  overrideValues(this);
  overrideRunner(this.BackgroundTaskRunner.prototype);
  overrideRunSteps(this);
  overrideAsyncTask(this);
  refuseFunctions(this);
}
