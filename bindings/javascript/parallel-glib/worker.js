// SPDX-License-Identifier: LGPL-2.1-or-later
// The program of a worker: it calls exported functions, as the runner asks for them.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';
import System from 'system';

import {becomeWorker} from './worker-side.js';
import {countStep} from './collector.js';
import {describeError} from './errors.js';
import {toJson} from './json.js';

const HERE = import.meta.url;
const context = GLib.MainContext.default();
const worker = Parallel.Worker.new();
const state = becomeWorker(worker);
const modules = new Map();
const stringType = new GLib.VariantType('s');
const nothing = new GLib.Variant('()', []);
let atExit = null;

/** What is to be said of an error with another kind than 'exception'. */
class KnownFailure {
  constructor(kind, error) {
    this.kind = kind;
    this.error = error;
  }
}

// The worker does one step after the other, so the main loop runs here, for as long as the step waits for something.
function settle(promise) {
  let outcome = null;
  promise.then(value => {
    outcome = {value};
  }, error => {
    outcome = {error};
  });
  while (outcome === null)
    context.iteration(true);
  if ('error' in outcome)
    throw outcome.error;
  return outcome.value;
}

function loadModule(address) {
  if (!modules.has(address)) {
    state.loading = address;
    try {
      modules.set(address, settle(import(address)));
    } finally {
      state.loading = null;
    }
  }
  return modules.get(address);
}

function findFunction({module, name}) {
  const exports = loadModule(module);
  if (typeof exports[name] === 'function')
    return exports[name];
  const found = Object.keys(exports).filter(key => typeof exports[key] === 'function').sort().join(', ');
  throw new TypeError(`${module} exports no function ${name}; it exports ${found || 'none'}`);
}

// Calls what a request names. Returns JSON, or undefined for nothing.
function callFunction(request) {
  let called = null;
  try {
    called = findFunction(request);
  } catch (error) {
    throw new KnownFailure('input', error);
  }
  let result = called(...request.args);
  if (typeof result?.then === 'function')
    result = settle(Promise.resolve(result));
  try {
    return toJson(result, `What ${request.name}() has returned`);
  } catch (error) {
    throw new KnownFailure('result', error);
  }
}

// The error that the library takes: its message has a line for people, and behind an empty one what the program is to know.
function toGLibError(thrown) {
  const [kind, error] = thrown instanceof KnownFailure ? [thrown.kind, thrown.error] : ['exception', thrown];
  const record = describeError(error, kind, HERE);
  const line = `${record.name}: ${record.message}`.replaceAll('\0', ' ').replace(/\s*\n\s*/g, ' ');
  return new GLib.Error(Parallel.RunError, Parallel.RunError.FAILED, `${line}\n\n${JSON.stringify(record)}`);
}

function guarded(doIt) {
  try {
    return doIt();
  } catch (thrown) {
    throw toGLibError(thrown);
  } finally {
    countStep();
  }
}

// Not new GLib.Variant(): GJS 1.74 never frees one whose constructor returns a floating reference. The text of a variant
// of a string is that of JSON, where the string is JSON itself: all that it has to escape are quotes and backslashes.
function toVariant(json) {
  return json === undefined ? nothing : GLib.Variant.parse(stringType, JSON.stringify(json), null, null);
}

function setUp(_worker, value) {
  return guarded(() => {
    const {setup, onExit} = JSON.parse(value.get_string()[0]);
    atExit = onExit;
    if (setup !== null)
      callFunction(setup);
    return nothing;
  });
}

function doStep(_worker, value) {
  return guarded(() => toVariant(callFunction(JSON.parse(value.get_string()[0]))));
}

function leave() {
  return guarded(() => {
    if (atExit !== null)
      callFunction(atExit);
    return true;
  });
}

worker.set_setup(setUp);
worker.set_onexit(leave);
try {
  worker.run(doStep);
} catch (error) {
  // The runner has gone, or has been told of it.
  printerr(error.message.split('\n')[0]);
  System.exit(1);
}
// Not the end of the module, which would wait for what steps have left behind in the main loop.
System.exit(0);
