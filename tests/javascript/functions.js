// SPDX-License-Identifier: LGPL-2.1-or-later
// What the workers of the tests do.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

import {call, command, heartbeat, report, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';

let nCalls = 0;
let given = null;

export const notAFunction = 5;

export function double(number) {
  return number * 2;
}

export function echo(...values) {
  return values;
}

export function nothing() {
}

export default function theDefault(value) {
  return `default ${value}`;
}

export function pid() {
  return Gio.Credentials.new().get_unix_pid();
}

export function countCalls() {
  return ++nCalls;
}

export async function later(value) {
  await new Promise(resolve => GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
    resolve();
    return GLib.SOURCE_REMOVE;
  }));
  return value;
}

// All the ways to print there are.
export function printAll(name) {
  print(`${name} print`);
  printerr(`${name} printerr`);
  Gio.Subprocess.new(['echo', `${name} program`], Gio.SubprocessFlags.NONE).wait(null);
  Gio.UnixOutputStream.new(1, false).write_all(new TextEncoder().encode(`${name} end`), null);
}

// Waits until there is a file: until another step has made it.
function waitFor(path) {
  while (!GLib.file_test(path, GLib.FileTest.EXISTS))
    GLib.usleep(1000);
}

export function touch(path) {
  GLib.file_set_contents(path, '');
}

export function printWhen(path, text) {
  print(`${text} begins`);
  waitFor(path);
  print(`${text} ends`);
}

export function printLine(text) {
  print(text);
}

export function printAndTouch(path, text) {
  print(text);
  touch(path);
}

export function appendTo(path, text) {
  const stream = Gio.File.new_for_path(path).append_to(Gio.FileCreateFlags.NONE, null);
  stream.write_all(new TextEncoder().encode(text), null);
  stream.close(null);
}

export class CodecError extends Error {
}

export function fail(message) {
  print(`failing with ${message}`);
  throw new TypeError(message);
}

export async function failLater(message) {
  await later();
  throw new CodecError(message, {cause: new RangeError('the reason')});
}

export function failWithProperties() {
  throw Object.assign(new Error('with more'), {path: '/a/b', code: 7, helper: () => 1});
}

export function failWithFile() {
  Gio.File.new_for_path('/nonexistent/file').load_contents(null);
}

export function throwText() {
  throw 'just text';
}

export function returnsFunction() {
  return {inner: [() => 1]};
}

export function exit(status) {
  print('last words');
  System.exit(status);
}

export function killItself() {
  GLib.spawn_command_line_sync(`sh -c 'kill -KILL ${pid()}'`);
  hang();
}

export function hang() {
  print('hanging');
  for (;;)
    GLib.usleep(10000);
}

export function hangUnderSigterm() {
  // GJS has no handlers for signals, but a program that a step waits for has.
  Gio.Subprocess.new(['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'], Gio.SubprocessFlags.NONE).wait(null);
}

// Silent for less than the limit, alive for more than it.
export function beat(seconds) {
  const end = GLib.get_monotonic_time() + seconds * 1e6;
  while (GLib.get_monotonic_time() < end) {
    heartbeat();
    GLib.usleep(10000);
  }
  return 'alive';
}

export function reportProgress() {
  report(0.25, 'a quarter');
  return 'reported';
}

export function failOnce(path) {
  if (!GLib.file_test(path, GLib.FileTest.EXISTS)) {
    touch(path);
    throw new Error('the first time');
  }
  return 'the second time';
}

export function remember(value) {
  given = value;
}

export function remembered() {
  return given;
}

export async function nested(...messages) {
  await runParallelSteps(messages.map(message => call(import.meta.url, 'fail', [message])), {outputMode: 'none'});
}

export async function nestedResults() {
  const steps = [call(import.meta.url, 'double', [4]), command(['echo', 'inner'])];
  const [doubled, echoed] = await runParallelSteps(steps, {outputMode: 'none'});
  return [doubled, echoed.stdout];
}

export function collectGarbage(number) {
  System.gc();
  return number;
}

// The resident memory of this process, in KiB.
export function residentMemory() {
  System.gc();
  const [, contents] = GLib.file_get_contents('/proc/self/statm');
  return Number(new TextDecoder().decode(contents).split(' ')[1]) * 4;
}

// The resident memory at certain inputs, null at others.
export function residentMemoryAt(places, place) {
  return places.includes(place) ? residentMemory() : null;
}

// Leaves much garbage, and keeps some of what it has made for a while.
const kept = [];

export function makeGarbage(number) {
  for (let i = 0; i < 20000; i++)
    kept[(number * 7919 + i) % 50000] = {number, text: `${number} ${i}`, list: [i, {i}]};
  return number;
}
