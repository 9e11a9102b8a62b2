// SPDX-License-Identifier: LGPL-2.1-or-later
// What a worker says of an error, for the overrides of Parallel in the program to make a StepError of.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {toJson} from './json.js';

// An error is to be read by a person; a cause that is its own, or a recursion without an end, is not.
const MAX_CAUSES = 10;
const MAX_STACK = 64 * 1024;

/**
 * What is known of an error, as JSON can say it.
 *
 * @param {*} error - what was thrown
 * @param {string} kind - 'exception', 'input' or 'result'
 * @param {string} program - the address of the worker's own program, whose frames say nothing
 * @returns {object} the record
 */
export function describeError(error, kind, program) {
  return {kind, ...record(error, program, 0)};
}

function record(error, program, depth) {
  if (!(error instanceof Error || error instanceof GLib.Error))
    return {name: typeof error, message: textOf(error), stack: ''};
  const known = {
    name: nameOf(error),
    message: textOf(error.message ?? ''),
    stack: trimmed(textOf(error.stack ?? ''), program),
    properties: propertiesOf(error),
  };
  if (error instanceof GLib.Error)
    Object.assign(known, {domain: GLib.quark_to_string(error.domain), code: error.code});
  if (error.cause !== undefined && error.cause !== null && depth < MAX_CAUSES)
    known.cause = record(error.cause, program, depth + 1);
  if (error instanceof Parallel.BackgroundFailure)
    known.failures = error.failures.map(failure => nestedFailure(failure, program));
  return known;
}

function nestedFailure(failure, program) {
  let input = null;
  try {
    input = JSON.parse(toJson(failure.input, 'The input') ?? 'null');
  } catch {
    // A step of the library's own, with an input that only this process can have.
  }
  const {domain, code} = failure.error;
  return {...failure, input, record: {...record(failure.error, program, 1), domain, code}};
}

function nameOf(error) {
  if (error instanceof GLib.Error)
    return GLib.quark_to_string(error.domain);
  // The name of a class that has not set one is that of its parent.
  const own = textOf(error.name ?? '');
  const ofClass = textOf(error.constructor?.name ?? '');
  return own === 'Error' && ofClass !== '' ? ofClass : own;
}

// What a property or toString() of the user's gives may be anything, and may throw.
function textOf(value) {
  try {
    return String(value);
  } catch (error) {
    return `<String() threw ${error}>`;
  }
}

// Of its own properties those that JSON has.
function propertiesOf(error) {
  const properties = {};
  if (error instanceof GLib.Error)
    return properties;
  for (const [key, value] of Object.entries(error)) {
    try {
      const text = toJson(value, key);
      if (text !== undefined)
        properties[key] = JSON.parse(text);
    } catch {
      // It stays where it is.
    }
  }
  return properties;
}

function trimmed(stack, program) {
  const lines = stack.split('\n').filter(line => !line.includes(program));
  return lines.join('\n').slice(0, MAX_STACK).trimEnd();
}
