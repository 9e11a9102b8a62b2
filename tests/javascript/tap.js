// SPDX-License-Identifier: LGPL-2.1-or-later
// Tests as TAP: asynchronous functions, one after the other.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

import {isWorker, runMain} from '../../bindings/javascript/parallel-glib/parallel.js';

export function assert(condition, why = 'not so') {
  if (!condition)
    throw new Error(why);
}

export function equal(value, expected, what = 'it') {
  const [a, b] = [value, expected].map(one => JSON.stringify(one) ?? 'undefined');
  assert(a === b, `${what} is ${a}, not ${b}`);
}

// What a promise is rejected with, or what a function throws.
export async function errorOf(what) {
  try {
    await (typeof what === 'function' ? what() : what);
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

// Whether a TypeError has exactly this message.
export async function refuses(what, message) {
  const error = await errorOf(what);
  assert(error instanceof TypeError, `${error} is no TypeError`);
  equal(error.message, message, 'the message');
}

// A sink whose text can be read when the run is over.
export function memorySink() {
  const stream = Gio.MemoryOutputStream.new_resizable();
  return {
    stream,
    get text() {
      stream.close(null);
      return new TextDecoder().decode(stream.steal_as_bytes().toArray());
    },
  };
}

// A folder that is removed with what is in it after the test.
export async function withFolder(use) {
  const path = GLib.Dir.make_tmp('parallel-test-XXXXXX');
  try {
    return await use(path);
  } finally {
    const folder = Gio.File.new_for_path(path);
    for (const info of folder.enumerate_children('standard::name', Gio.FileQueryInfoFlags.NONE, null))
      folder.get_child(info.get_name()).delete(null);
    folder.delete(null);
  }
}

export function address(name) {
  return Gio.File.new_for_uri(import.meta.url).get_parent().resolve_relative_path(name).get_uri();
}

// Runs a GJS program, by its path from here, and returns what it printed.
export async function runProgram(name, ...args) {
  // What GJS logs of an error that ends a program is a critical message, which the tests have made fatal.
  const argv = ['env', '--unset=G_DEBUG', 'gjs', '-m', Gio.File.new_for_uri(address(name)).get_path(), ...args];
  const process = Gio.Subprocess.new(argv, Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_PIPE);
  return new Promise((resolve, reject) => {
    process.communicate_utf8_async(null, null, (_process, result) => {
      try {
        const [, stdout, stderr] = process.communicate_utf8_finish(result);
        resolve({status: process.get_if_exited() ? process.get_exit_status() : -process.get_term_sig(), stdout, stderr});
      } catch (error) {
        reject(error);
      }
    });
  });
}

function comment(text) {
  for (const line of text.trimEnd().split('\n'))
    print(`#   ${line}`);
}

async function runAll(tests) {
  const names = Object.keys(tests);
  let failed = 0;
  print(`1..${names.length}`);
  for (const [index, name] of names.entries()) {
    try {
      await tests[name]();
      print(`ok ${index + 1} - ${name}`);
    } catch (error) {
      failed++;
      print(`not ok ${index + 1} - ${name}`);
      comment(`${error}\n${error.stack}`);
    }
  }
  return failed;
}

/** Runs tests, an object of functions, and ends the program. The functions of a test's own module are for its workers. */
export function runTests(tests) {
  if (!isWorker)
    System.exit(runMain(() => runAll(tests)) > 0 ? 1 : 0);
}
