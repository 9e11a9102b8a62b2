// SPDX-License-Identifier: LGPL-2.1-or-later
// How steps fail, and what is said of it.

import GLib from 'gi://GLib';
import Gio from 'gi://Gio';

import {
  BackgroundFailure, StepError, call, command, isWorker, runParallelSteps,
} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, errorOf, runTests} from './tap.js';

const functions = address('functions.js');

async function failureOf(steps, options = {}) {
  const error = await errorOf(runParallelSteps(steps, {outputMode: 'none', ...options}));
  assert(error instanceof BackgroundFailure && error instanceof AggregateError, `${error}\n${error.stack}`);
  return error;
}

async function onlyFailureOf(step, options) {
  const {failures} = await failureOf([step], options);
  equal(failures.length, 1);
  return failures[0];
}

function summaryOf({name, index, kind, typeName, message, exitStatus, signal}) {
  return {name, index, kind, typeName, message, exitStatus, signal};
}

const none = {exitStatus: null, signal: null};

const tests = {
  async allOfThemTogether() {
    const error = await failureOf([
      call(functions, 'fail', ['one']),
      call(functions, 'double', [3]),
      call(functions, 'failLater', ['two']),
      command(['false']),
    ], {maxParallel: 2});
    equal(error.failures.map(summaryOf), [
      {name: 'fail("one")', index: 0, kind: 'exception', typeName: 'TypeError', message: 'one', ...none},
      {name: 'failLater("two")', index: 2, kind: 'exception', typeName: 'CodecError', message: 'two', ...none},
      {name: 'false', index: 3, kind: 'exit', typeName: 'CommandFailed', message: '“false” exited with status 1', exitStatus: 1, signal: null},
    ]);
    equal(error.results[1], 6);
    equal(error.errors.map(({name, message}) => [name, message]),
      [['TypeError', 'one'], ['CodecError', 'two'], ['CommandFailed', '“false” exited with status 1']]);
    equal(error.errors.every((one, i) => one instanceof StepError && one instanceof Error && one.failure === error.failures[i]), true);
    equal(error.message.replace(/after [\d.]+ s/g, 'after … s'), '3 of 4 steps failed:\n' +
      '  fail("one"): TypeError: one (after … s)\n  failLater("two"): CodecError: two (after … s)\n' +
      '  false: CommandFailed: “false” exited with status 1 (after … s)');
  },

  async theStackOfTheWorker() {
    const failure = await onlyFailureOf(call(functions, 'fail', ['one']));
    // Only the function's own frame; those of the worker's program say nothing.
    equal(/^fail@file:\/\/.*\/functions\.js:\d+:\d+$/.test(failure.stack), true, failure.stack);
    equal(failure.error.stack, failure.stack);
    equal(failure.outputTail, 'failing with one');
    equal(failure.input.exportName, 'fail');
    assert(failure.duration > 0 && failure.duration < 300, `${failure.duration}`);
    equal(failure.describe().split('\n').slice(1), ['Stack in the step:', `  ${failure.stack}`, 'The end of its output:', '  failing with one']);
  },

  async causesAndProperties() {
    const {error} = await onlyFailureOf(call(functions, 'failLater', ['two']));
    equal([error.cause.name, error.cause.message, error.cause instanceof StepError], ['RangeError', 'the reason', true]);
    const {error: another} = await onlyFailureOf(call(functions, 'failWithProperties'));
    equal(another.properties, {path: '/a/b', code: 7});
  },

  async messagesOfManyLines() {
    const message = 'first\n\nsecond\0\ufffd☃\n\n{"third": 1}';
    const failure = await onlyFailureOf(call(functions, 'fail', [message]));
    equal(failure.message, message);
    equal(`${failure}`.startsWith(`${failure.name}: TypeError: first … (after `), true, `${failure}`);
  },

  async aBigMessage() {
    const message = 'x'.repeat(1 << 20);
    equal((await onlyFailureOf(call(functions, 'fail', [message], {name: 'big'}))).message === message, true);
  },

  async errorsOfTheLibrary() {
    const {error, kind} = await onlyFailureOf(call(functions, 'failWithFile'));
    equal([kind, error.name, error.domain], ['exception', 'g-io-error-quark', 'g-io-error-quark']);
    equal(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND), true);
    equal(error.matches(GLib.FileError, Gio.IOErrorEnum.NOT_FOUND), false);
  },

  async whatIsNoError() {
    const failure = await onlyFailureOf(call(functions, 'throwText'));
    equal(summaryOf(failure), {name: 'throwText', index: 0, kind: 'exception', typeName: 'string', message: 'just text', ...none});
  },

  async whatCannotBeBroughtBack() {
    const failure = await onlyFailureOf(call(functions, 'returnsFunction'));
    equal(summaryOf(failure), {name: 'returnsFunction', index: 0, kind: 'result', typeName: 'TypeError',
      message: 'What returnsFunction() has returned cannot be sent as JSON: what is at "0" is a function', ...none});
  },

  async whatIsNotThere() {
    const error = await failureOf([
      call(address('nonexistent.js'), 'f'), call(address('broken-module.js'), 'f'),
      call(functions, 'missing'), call(functions, 'notAFunction'),
    ]);
    equal(error.failures.map(({kind}) => kind), Array(4).fill('input'));
    assert(error.errors[1].name === 'SyntaxError', `${error.errors[1].name}`);
    assert(error.errors[2].message.startsWith(`${functions} exports no function missing; it exports `), error.errors[2].message);
    assert(error.errors[3].message.startsWith(`${functions} exports no function notAFunction; it exports `), error.errors[3].message);
  },

  async aModuleThatStartsSteps() {
    const failure = await onlyFailureOf(call(address('unguarded.js'), 'f'));
    equal([failure.kind, failure.message], ['input', `runParallelSteps() was called by ${address('unguarded.js')} while a worker was ` +
      'loading it. What only the program itself is to do must stand behind if (!isWorker)']);
  },

  async workersThatEnd() {
    const error = await failureOf([
      call(functions, 'exit', [3]), call(functions, 'killItself'), call(functions, 'double', [4]),
    ], {maxParallel: 1});
    equal(error.failures.map(({kind, typeName, exitStatus, signal, signalName}) => [kind, typeName, exitStatus, signal, signalName]),
      [['exit', 'UnexpectedExit', 3, null, null], ['signal', 'UnexpectedExit', null, 9, 'SIGKILL']]);
    equal(error.failures[0].outputTail, 'last words');
    equal(error.results[2], 8);
  },

  async commandsThatFail() {
    const error = await failureOf([command(['/nonexistent/program']), command(['sh', '-c', 'kill -TERM $$']), command(['sh', '-c', 'exit 9'])]);
    equal(error.failures.map(({kind, exitStatus, signal}) => [kind, exitStatus, signal]),
      [['command', null, null], ['signal', null, 15], ['exit', 9, null]]);
    equal(error.errors[0].matches(GLib.SpawnError, GLib.SpawnError.NOENT), true);
  },

  async nestedRuns() {
    const error = await failureOf([call(functions, 'nested', ['one', 'two']), call(functions, 'fail', ['three'])]);
    equal(error.failures.map(({fullName, typeName, message, index}) => [fullName, typeName, message, index]), [
      ['nested("one","two") > fail("one")', 'TypeError', 'one', 0],
      ['nested("one","two") > fail("two")', 'TypeError', 'two', 1],
      ['fail("three")', 'TypeError', 'three', 1],
    ]);
    assert(error.failures[1].stack.startsWith('fail@file://'), error.failures[1].stack);
    equal(error.failures[1].error === error.errors[1] && error.errors[1].failure === error.failures[1], true);
  },

  async setupsThatFail() {
    const error = await failureOf([call(functions, 'double', [1]), call(functions, 'double', [2])],
      {setup: call(functions, 'fail', ['no setup']), maxParallel: 1});
    equal(error.failures.map(({kind, typeName}) => [kind, typeName]), Array(2).fill(['worker', 'WorkerFailed']));
    assert(error.failures[0].message.includes('TypeError: no setup'), error.failures[0].message);
  },

  async onExitThatFails() {
    const error = await failureOf([call(functions, 'double', [1])], {onExit: call(functions, 'fail', ['no end']), maxParallel: 1});
    equal(error.failures.map(summaryOf),
      [{name: 'onexit', index: -1, kind: 'exception', typeName: 'TypeError', message: 'no end', ...none}]);
    equal(error.results, [2]);
  },

  async aProgramThatIsNoWorker() {
    const failure = await onlyFailureOf(call(functions, 'double', [1]), {gjs: 'false'});
    equal(failure.kind, 'worker');
  },

  async whatAttemptsSaid() {
    const failure = await onlyFailureOf(call(functions, 'fail', ['again']), {maxAttempts: 3});
    equal(failure.attemptErrors, Array(2).fill('TypeError: again\nfailing with again'));
  },

  async manyFailures() {
    const error = await failureOf(Array.from({length: 12}, (_, i) => call(functions, 'fail', [`${i}`])), {maxParallel: 2});
    equal(error.failures.map(failure => failure.message), Array.from({length: 12}, (_, i) => `${i}`));
    equal(error.message.split('\n').length, 12);
    equal(error.message.split('\n').at(-1), '  and 2 more');
  },

  async callbacksThatThrow() {
    for (const name of ['onStepStarted', 'onStepFinished']) {
      const thrown = new RangeError('of the callback');
      const error = await errorOf(runParallelSteps([call(functions, 'hang'), command(['true'])], {
        [name]: step => {
          if ((step.name ?? step.dup_name()) === 'true')
            throw thrown;
        },
        killGrace: 0,
        outputMode: 'none',
      }));
      equal(error === thrown, true, `${error}`);
    }
  },
};

if (!isWorker)
  runTests(tests);
