// SPDX-License-Identifier: LGPL-2.1-or-later
// What the override adds to gi://Parallel itself.

import GLib from 'gi://GLib';
import Gio from 'gi://Gio';
import GIRepository from 'gi://GIRepository?version=2.0';
import Parallel from 'gi://Parallel?version=1';
import System from 'system';

import {assert, equal, errorOf, runTests} from './tap.js';

function commandRunner() {
  const task = Parallel.CommandTask.new(['sh', '-c', 'echo "out $0"; exit $0', '{}']);
  const runner = Parallel.BackgroundTaskRunner.new(task);
  runner.set_keep_steps(Parallel.KeepSteps.UNTIL_TAKEN);
  runner.set_output_mode(Parallel.OutputMode.NONE);
  return runner;
}

function stepsWithStatus(...statuses) {
  return statuses.map(status => Parallel.Step.new(Parallel.CommandTask.new(['sh', '-c', `exit ${status}`]), null));
}

function later() {
  return new Promise(resolve => GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
    System.gc();
    resolve();
    return GLib.SOURCE_REMOVE;
  }));
}

// The names of all calls of the namespace that end in _async, as the typelib has them.
function asyncCalls() {
  const repository = GIRepository.Repository.get_default();
  const names = [];
  const isAsync = info => info.get_name().endsWith('_async');
  for (let i = 0; i < repository.get_n_infos('Parallel'); i++) {
    const info = repository.get_info('Parallel', i);
    if (info.get_type() === GIRepository.InfoType.FUNCTION && isAsync(info))
      names.push(info.get_name());
    if (info.get_type() !== GIRepository.InfoType.OBJECT)
      continue;
    for (let j = 0; j < GIRepository.object_info_get_n_methods(info); j++) {
      const method = GIRepository.object_info_get_method(info, j);
      if (isAsync(method))
        names.push(`${info.get_name()}.${method.get_name()}`);
    }
  }
  return names.sort();
}

const tests = {
  async everyAsyncCallHasAPromise() {
    const runner = commandRunner();
    const calls = {
      'BackgroundTaskRunner.next_async': () => runner.next_async(null),
      'BackgroundTaskRunner.put_async': () => runner.put_async('0', null),
      'BackgroundTaskRunner.wait_async': () => {
        runner.close();
        return runner.wait_async(null);
      },
      'run_steps_async': () => Parallel.run_steps_async(stepsWithStatus(0), 1, false, null),
    };
    equal(asyncCalls(), Object.keys(calls), 'the list of calls');

    const next = calls['BackgroundTaskRunner.next_async']();
    equal(await calls['BackgroundTaskRunner.put_async'](), true);
    equal((await next).get_exit_status(), 0);
    equal(await calls['BackgroundTaskRunner.wait_async'](), true);
    equal(await calls.run_steps_async(), true);
  },

  async callbacksStillWork() {
    const runner = commandRunner();
    runner.put_string('3');
    runner.close();
    const error = await new Promise(resolve => runner.wait_async(null, (source, result) => {
      resolve(errorOf(() => source.wait_finish(result)));
    }));
    equal(error.failures.map(failure => failure.exitStatus), [3]);

    const steps = stepsWithStatus(0, 5);
    const another = await new Promise(resolve => Parallel.run_steps_async(steps, 0, false, null, (_source, result) => {
      resolve(errorOf(() => Parallel.run_steps_finish(result)));
    }));
    equal(another.failures.map(failure => failure.exitStatus), [5]);
  },

  async iteration() {
    const runner = commandRunner();
    runner.set_max_parallel(1);
    for (const status of ['0', '4', '0'])
      runner.put_string(status);
    runner.close();
    const seen = [];
    const error = await errorOf(async () => {
      for await (const step of runner)
        seen.push([step.get_index(), step.get_exit_status()]);
    });
    equal(seen, [[0, 0], [1, 4], [2, 0]]);
    assert(error instanceof Parallel.BackgroundFailure, `${error}`);
  },

  async iterationOfSuccess() {
    const runner = commandRunner();
    runner.put_string('0');
    runner.close();
    let n = 0;
    for await (const step of runner)
      n += step.get_state() === Parallel.StepState.SUCCEEDED;
    equal(n, 1);
  },

  async iterationThatIsLeft() {
    const runner = commandRunner();
    for (const status of ['0', '0', '0'])
      runner.put_string(status);
    runner.close();
    for await (const _step of runner)
      break;
    await runner.wait_async(null);
    equal(runner.get_n_succeeded(), 3);
  },

  async theAggregatedError() {
    for (const run of [
      () => Parallel.run_steps(stepsWithStatus(0, 7, 0, 9), 2, false, null),
      () => Parallel.run_steps_async(stepsWithStatus(0, 7, 0, 9), 2, false, null),
    ]) {
      const error = await errorOf(run);
      assert(error instanceof AggregateError && error instanceof Parallel.BackgroundFailure, `${error}`);
      equal(error.name, 'BackgroundFailure');
      equal(error.message.split('\n')[0], '2 of 4 steps failed:');
      equal([error.matches(Parallel.RunError, Parallel.RunError.BACKGROUND_FAILURE),
        error.matches(Parallel.RunError, Parallel.RunError.FAILED),
        error.matches(Gio.IOErrorEnum, Parallel.RunError.BACKGROUND_FAILURE)], [true, false, false]);
      equal(error.errors.length, 2);
      equal(error.errors.map(one => one instanceof Error && one instanceof Parallel.StepError), [true, true]);
      equal(error.errors.map(one => [one.name, one.domain, one.code]),
        [['CommandFailed', 'g-spawn-exit-error-quark', 7], ['CommandFailed', 'g-spawn-exit-error-quark', 9]]);
      equal(error.errors[0].matches(GLib.spawn_exit_error_quark(), 7), true);
      equal(error.errors[1] === error.failures[1].error && error.errors[1].failure === error.failures[1], true);
      equal(error.failures.map(({name, index, kind, exitStatus, signal}) => [name, index, kind, exitStatus, signal]),
        [['sh -c exit 7', 1, 'exit', 7, null], ['sh -c exit 9', 3, 'exit', 9, null]]);
    }
  },

  async theSynchronousWait() {
    const runner = commandRunner();
    runner.put_string('6');
    runner.close();
    const error = await errorOf(() => runner.wait(null));
    equal(error.failures.map(failure => [failure.name, failure.input, failure.outputTail]), [['6', '6', 'out 6']]);
    equal(error.describe().split('\n').slice(0, 1), ['1 of 1 steps failed:']);
  },

  async otherErrorsStayAsTheyAre() {
    const cancellable = new Gio.Cancellable();
    cancellable.cancel();
    const error = await errorOf(Parallel.run_steps_async(stepsWithStatus(0), 1, false, cancellable));
    assert(error instanceof GLib.Error && error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), `${error}`);
  },

  async functionsInThreadsAreRefused() {
    for (const [name, refused] of Object.entries({
      'Parallel.FunctionTask.new()': () => Parallel.FunctionTask.new(() => true),
      'new Parallel.FunctionTask()': () => new Parallel.FunctionTask(),
      'Parallel.BackgroundTaskRunner.set_onexit()': () => new Parallel.BackgroundTaskRunner().set_onexit(() => true),
    })) {
      const error = await errorOf(refused);
      assert(error instanceof TypeError, `${error}`);
      assert(error.message.startsWith(`${name} calls a function in another thread, which JavaScript cannot do`), error.message);
      assert(error.message.includes("call(import.meta.url, 'name', args)"), error.message);
    }
    equal(Parallel.FunctionTask.new_for_gtask, undefined);
  },

  async asynchronousOperations() {
    const task = Parallel.AsyncTask.new(step => {
      GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
        if (step.get_input() === 2)
          step.fail(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND, 'no two'));
        else
          step.complete();
        return GLib.SOURCE_REMOVE;
      });
    });
    const runner = Parallel.BackgroundTaskRunner.new(task);
    for (const number of [1, 2, 3])
      runner.put(number);
    runner.close();
    const error = await errorOf(runner.wait_async(null));
    equal(error.failures.map(({kind, typeName, message, input}) => [kind, typeName, message, input]),
      [['exception', 'g-io-error-quark', 'no two', 2]]);
    equal(error.errors[0].matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND), true);
  },

  async asynchronousFunctions() {
    const values = [1, 'a', true, null, 1n, [1, 2], {a: [1]}, new Map([[1, 2]]), new Uint8Array([1]), Symbol('s'), () => 1];
    const task = Parallel.AsyncTask.new(async (step, cancellable) => {
      assert(cancellable instanceof Gio.Cancellable);
      await later();
      return step.get_input();
    });
    const runner = Parallel.BackgroundTaskRunner.new(task);
    runner.set_keep_steps(Parallel.KeepSteps.ALL);
    for (const value of values)
      runner.put(value);
    runner.close();
    await runner.wait_async(null);
    const steps = runner.dup_steps();
    System.gc();
    equal(steps.map((step, i) => [step.get_input() === values[i], step.get_result() === values[i]]), values.map(() => [true, true]));
    equal(Parallel.Step.new(task, values[6]).get_input() === values[6], true);
  },

  async asynchronousFunctionsThatThrow() {
    class OddError extends Error {
    }
    const outcomes = [
      step => {
        throw new OddError(step.get_input());
      },
      async step => {
        await later();
        throw new OddError(step.get_input());
      },
      step => step.fail(new OddError(step.get_input())),
      async () => {
        throw 'x';
      },
    ];
    for (const outcome of outcomes) {
      const runner = Parallel.BackgroundTaskRunner.new(Parallel.AsyncTask.new(outcome));
      runner.put('x');
      runner.close();
      const {failures: [failure]} = await errorOf(runner.wait_async(null));
      System.gc();
      equal([failure.kind, failure.message], ['exception', 'x']);
      equal(failure.error.cause instanceof OddError || failure.error.cause === 'x', true);
      equal(failure.stack.includes('test-override.js'), failure.typeName !== 'string', failure.stack);
    }
  },

  async asynchronousFunctionsThatNest() {
    const inner = Parallel.AsyncTask.new(async step => {
      throw new RangeError(`inner ${step.get_input()}`);
    });
    const runner = Parallel.BackgroundTaskRunner.new(Parallel.AsyncTask.new(() =>
      Parallel.run_steps_async([1, 2].map(number => Parallel.Step.new(inner, number)), 0, false, null)));
    runner.put('outer');
    runner.close();
    const error = await errorOf(runner.wait_async(null));
    equal(error.errors.map(({name, message, cause}) => [name, message, cause.name]),
      [['RangeError', 'inner 1', 'RangeError'], ['RangeError', 'inner 2', 'RangeError']]);
    equal(error.failures.map(({fullName}) => fullName), ['outer > 1', 'outer > 2']);
  },

  async asynchronousFunctionsThatAreRepeated() {
    let n = 0;
    const runner = Parallel.BackgroundTaskRunner.new(Parallel.AsyncTask.new(async step => {
      n++;
      if (step.get_input() === 'hangs' && n > 1)
        await new Promise(() => {});
      throw new Error(`attempt ${n}`);
    }));
    runner.set_max_attempts(2);
    runner.set_timeout(0.1);
    runner.set_kill_grace(0.1);
    runner.put('hangs');
    runner.close();
    const {failures: [failure]} = await errorOf(runner.wait_async(null));
    equal([failure.kind, failure.typeName, failure.error.cause], ['timeout', 'TimedOut', undefined]);
    equal(failure.attemptErrors.length, 1);
  },

  async valuesThatWait() {
    const runner = Parallel.BackgroundTaskRunner.new(Parallel.AsyncTask.new(step => step.complete()));
    const error = await errorOf(() => runner.put_async([1], null));
    assert(error instanceof TypeError, `${error}`);
  },
};

runTests(tests);
