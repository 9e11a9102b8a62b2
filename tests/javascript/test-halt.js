// SPDX-License-Identifier: LGPL-2.1-or-later
// Halting, cancelling, and steps that do not end.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {BackgroundFailure, BackgroundTaskRunner, call, command, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, assert, equal, errorOf, memorySink, runProgram, runTests, withFolder} from './tap.js';

const functions = address('functions.js');
const quiet = {outputMode: 'none', killGrace: 1};

function isHalted(error) {
  return error instanceof GLib.Error && error.matches(Parallel.RunError, Parallel.RunError.HALTED);
}

const tests = {
  async haltOnError() {
    await withFolder(async folder => {
      const mark = `${folder}/mark`;
      const sink = memorySink();
      const finished = [];
      const error = await errorOf(runParallelSteps([
        call(functions, 'hang'), call(functions, 'fail', ['enough']), call(functions, 'touch', [mark]),
      ], {maxParallel: 2, haltOnError: true, killGrace: 1, sink: sink.stream, onStepFinished: step => finished.push(step.name)}));
      assert(error instanceof BackgroundFailure, `${error}`);
      equal(error.failures.map(({name, message}) => [name, message]), [['fail("enough")', 'enough']]);
      equal(finished, ['fail("enough")']);
      equal(GLib.file_test(mark, GLib.FileTest.EXISTS), false);
    });
  },

  async cancellable() {
    const cancellable = new Gio.Cancellable();
    let pid = 0;
    const error = await errorOf(runParallelSteps([command(['sleep', '1000']), command(['true'])], {
      ...quiet, maxParallel: 1, cancellable,
      onStepStarted: step => {
        pid = Number(step.dup_subprocess().get_identifier());
        cancellable.cancel();
      },
    }));
    assert(error instanceof GLib.Error && error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), `${error}`);
    equal(error.cause, undefined);
    assert(pid > 0);
    equal(GLib.file_test(`/proc/${pid}`, GLib.FileTest.EXISTS), false);
  },

  async cancelledBefore() {
    const cancellable = new Gio.Cancellable();
    cancellable.cancel();
    const error = await errorOf(runParallelSteps([call(functions, 'double', [1])], {cancellable}));
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), `${error}`);
  },

  async cancelledWithFailures() {
    const cancellable = new Gio.Cancellable();
    const error = await errorOf(runParallelSteps([call(functions, 'fail', ['first']), call(functions, 'hang')], {
      ...quiet, maxParallel: 2, cancellable, onStepFinished: () => cancellable.cancel(),
    }));
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), `${error}`);
    equal(error.cause.failures.map(failure => failure.message), ['first']);
  },

  async haltNow() {
    const runner = new BackgroundTaskRunner(call(functions, 'hang'), {...quiet, maxParallel: 1});
    const started = new Promise(resolve => runner.runner.connect('step-started', () => resolve()));
    runner.put();
    runner.put();
    await started;
    runner.halt();
    let n = 0;
    const error = await errorOf(async () => {
      for await (const _step of runner)
        n++;
    });
    equal(n, 0);
    equal(isHalted(error), true, `${error}`);
    equal(isHalted(await errorOf(runner.wait())), true);
    assert((await errorOf(() => runner.put())).matches(Parallel.RunError, Parallel.RunError.CLOSED));
  },

  async haltSoon() {
    await withFolder(async folder => {
      const mark = `${folder}/mark`;
      const runner = new BackgroundTaskRunner(call(functions, 'printWhen', [mark]), {...quiet, maxParallel: 1});
      const started = new Promise(resolve => runner.runner.connect('step-started', () => resolve()));
      runner.put('runs');
      runner.put('never runs');
      await started;
      runner.halt({soon: true});
      GLib.file_set_contents(mark, '');
      const seen = [];
      const error = await errorOf(async () => {
        for await (const step of runner)
          seen.push(step.input);
      });
      equal(seen, [['runs']]);
      equal(isHalted(error), true, `${error}`);
    });
  },

  async hungWorker() {
    const error = await errorOf(runParallelSteps([
      call(functions, 'hang', [], {timeout: 1}), call(functions, 'double', [3]), call(functions, 'double', [4]),
    ], {...quiet, maxParallel: 1}));
    const [failure] = error.failures;
    equal([error.failures.length, failure.kind, failure.typeName, failure.name], [1, 'timeout', 'TimedOut', 'hang']);
    assert(failure.diagnosis.includes('worker.js'), failure.diagnosis);
    equal(failure.outputTail, 'hanging');
    equal(error.results.slice(1), [6, 8]);
  },

  async hungProgramOfAStep() {
    const error = await errorOf(runParallelSteps([call(functions, 'hangUnderSigterm')], {...quiet, killGrace: 0.2, timeout: 1}));
    equal(error.failures.map(({kind}) => kind), ['timeout']);
    assert(error.failures[0].diagnosis.includes('trap "" TERM'), error.failures[0].diagnosis);
  },

  async silentWorker() {
    const error = await errorOf(runParallelSteps([call(functions, 'hang')], {...quiet, silenceTimeout: 1}));
    equal(error.failures.map(({kind, typeName}) => [kind, typeName]), [['silence', 'Silent']]);
  },

  async signsOfLife() {
    equal(await runParallelSteps([call(functions, 'beat', [4])], {...quiet, silenceTimeout: 2}), ['alive']);
  },

  async anExitThatHangs() {
    const error = await errorOf(runParallelSteps([call(functions, 'double', [1])], {
      ...quiet, maxParallel: 1, onExit: call(functions, 'hang'), exitTimeout: 1,
    }));
    equal(error.failures.map(({kind, name}) => [kind, name]), [['exit-timeout', 'onexit']]);
  },

  async tooMuchOutput() {
    const error = await errorOf(runParallelSteps([command(['yes'])], {...quiet, outputLimit: 1000, outputLimitPolicy: 'stop'}));
    equal(error.failures.map(({kind}) => kind), ['output-limit']);
  },

  async otherSignals() {
    const stubborn = command(['sh', '-c', 'trap "echo interrupted; exit 0" INT; while :; do sleep 0.1; done']);
    const error = await errorOf(runParallelSteps([stubborn], {outputMode: 'none', timeout: 1, stopSequence: 'INT,60000,KILL'}));
    equal(error.failures.map(({kind, outputTail}) => [kind, outputTail]), [['timeout', 'interrupted']]);
    const wrong = await errorOf(runParallelSteps([stubborn], {stopSequence: 'NONSENSE'}));
    assert(wrong instanceof GLib.Error, `${wrong}`);
  },

  async programsThatEndDieWithTheirSteps() {
    // A runner that nobody closes does not keep a program from ending.
    equal(await runProgram('forgetful-program.js'), {status: 0, stdout: 'the end\n', stderr: ''});
  },
};

runTests(tests);
