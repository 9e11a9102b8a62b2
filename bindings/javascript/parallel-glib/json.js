// SPDX-License-Identifier: LGPL-2.1-or-later
// What travels between the program and its workers: JSON, in the form in which the worker protocol carries a variant.

import GLib from 'gi://GLib';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// A variant of the type `v` that holds a string: its text, a zero for its end, a zero for the end of the value, its type. Written
// out here, because it costs a third of what making the variant does.
const STRING_TAIL = '\0\0s';
const TYPE_OF_STRING = 0x73;

const SHOWN = 60;

/**
 * The JSON of a value, which must come out as it went in: what JSON.stringify() would change without a word is a TypeError.
 *
 * @param {*} value - plain objects, arrays, strings, finite numbers, booleans, null, and what has a toJSON()
 * @param {string} what - what it is, for the error's message
 * @returns {string|undefined} the text, or undefined for undefined
 */
export function toJson(value, what) {
  try {
    return JSON.stringify(value, check);
  } catch (error) {
    // A cycle, a BigInt, a toJSON() that throws, or one of ours.
    throw new TypeError(`${what} cannot be sent as JSON: ${error.message}`, {cause: error});
  }
}

// A replacer for JSON.stringify(): `this` is what holds the value.
function check(key, value) {
  switch (typeof value) {
  case 'object':
    if (value !== null && !Array.isArray(value) && !isPlain(value))
      throw new TypeError(`${place(key)} is an instance of ${value.constructor?.name ?? 'a class'} without toJSON()`);
    break;
  case 'number':
    if (!Number.isFinite(value))
      throw new TypeError(`${place(key)} is ${value}`);
    break;
  case 'undefined':
    if (Array.isArray(this))
      throw new TypeError(`${place(key)} is undefined`);
    break;
  case 'function':
  case 'symbol':
    throw new TypeError(`${place(key)} is a ${typeof value}`);
  }
  return value;
}

function isPlain(object) {
  const prototype = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}

function place(key) {
  return key === '' ? 'it' : `what is at "${key}"`;
}

/**
 * A short text for a list of arguments, for names.
 *
 * @param {Array} values - what can be said in JSON
 * @returns {string} the text, without brackets
 */
export function shortJson(values) {
  const text = JSON.stringify(values).slice(1, -1);
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN - 1)}…`;
}

/**
 * Text as the bytes that a worker takes.
 *
 * @param {string} text - the text
 * @returns {GLib.Bytes} the bytes
 */
export function textToBytes(text) {
  return new GLib.Bytes(encoder.encode(text + STRING_TAIL));
}

/**
 * The text in the bytes of textToBytes(), or in what a worker has answered.
 *
 * @param {GLib.Bytes} bytes - the bytes
 * @returns {string|undefined} the text, undefined where a worker has answered with nothing
 */
export function bytesToText(bytes) {
  const data = bytes.toArray();
  if (data.at(-1) !== TYPE_OF_STRING)
    return undefined;
  return decoder.decode(data.subarray(0, data.length - STRING_TAIL.length));
}
