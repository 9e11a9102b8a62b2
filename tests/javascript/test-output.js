// SPDX-License-Identifier: LGPL-2.1-or-later
// What steps print: each its own bytes, in queue order.

import GLib from 'gi://GLib';

import {BackgroundTaskRunner, call, command, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';
import {address, equal, memorySink, runProgram, runTests, withFolder} from './tap.js';

const functions = address('functions.js');

async function printed(steps, options) {
  const sink = memorySink();
  await runParallelSteps(steps, {...options, sink: sink.stream});
  return sink.text;
}

const tests = {
  async allWaysToPrintAreOneStream() {
    const names = ['one', 'two', 'three', 'four'];
    equal(await printed(names.map(name => call(functions, 'printAll', [name])), {maxParallel: 2}),
      names.map(name => `${name} print\n${name} printerr\n${name} program\n${name} end`).join(''));
  },

  async queueOrder() {
    // The first ends last, and the others wait for their turn.
    await withFolder(async folder => {
      const mark = `${folder}/mark`;
      equal(await printed([
        call(functions, 'printWhen', [mark, 'first']),
        call(functions, 'printAll', ['second']),
        command(['echo', 'third']),
        call(functions, 'printAndTouch', [mark, 'fourth']),
      ], {maxParallel: 2}),
      'first begins\nfirst ends\nsecond print\nsecond printerr\nsecond program\nsecond endthird\nfourth\n');
    });
  },

  async asTheyFinish() {
    await withFolder(async folder => {
      const mark = `${folder}/mark`;
      equal(await printed([
        call(functions, 'printWhen', [mark, 'first']),
        call(functions, 'printAndTouch', [mark, 'second']),
      ], {maxParallel: 2, outputMode: 'finished'}).then(text => text.split('\n').sort()),
      ['', 'first begins', 'first ends', 'second']);
    });
  },

  async tagged() {
    equal(await printed([call(functions, 'printLine', ['text'], {name: 'mine'})], {outputMode: 'tagged'}), 'mine\ttext\n');
    const sink = memorySink();
    const runner = new BackgroundTaskRunner(call(functions, 'printLine'), {outputMode: 'tagged', sink: sink.stream});
    runner.put('text');
    runner.close();
    await runner.wait();
    equal(sink.text, 'printLine("text")\ttext\n');
  },

  async twoSinks() {
    const [out, err] = [memorySink(), memorySink()];
    await runParallelSteps([command(['sh', '-c', 'echo out; echo err >&2'])], {sink: out.stream, errorSink: err.stream});
    equal([out.text, err.text], ['out\n', 'err\n']);
  },

  async limited() {
    equal(await printed([command(['printf', 'abcdefghij'], {name: 'x'})], {outputLimit: 4}).then(text => [text.slice(0, 2), text.slice(-2)]),
      ['ab', 'ij']);
  },

  async heldBack() {
    const sink = memorySink();
    const runner = new BackgroundTaskRunner(command(['echo', '{}']), {holdOutput: true, sink: sink.stream});
    runner.put('background');
    for await (const step of runner) {
      equal(step.ok, true);
      break;
    }
    equal(sink.stream.get_data_size(), 0);
    runner.close();
    await runner.wait();
    equal(sink.text, 'background\n');
  },

  async ofAProgram() {
    const result = await runProgram('print-program.js');
    equal(result, {
      status: 0,
      stdout: 'before\nfirst print\nfirst printerr\nfirst program\nfirst endsecond print\nsecond printerr\nsecond program\nsecond end' +
        'command\nafter\n',
      stderr: 'err\n',
    });
  },

  async ofASetup() {
    // What a worker prints outside of a step belongs to its first one.
    equal(await printed([call(functions, 'nothing')], {setup: call(functions, 'printAll', ['setup']), maxParallel: 1}),
      'setup print\nsetup printerr\nsetup program\nsetup end');
  },

  async inOtherCharacters() {
    const text = 'ä☃𝄞'.repeat(1000);
    equal(await printed([call(functions, 'printLine', [text]), command(['printf', '%s', text])], {}), `${text}\n${text}`);
  },

  async muchOfIt() {
    const lines = Array.from({length: 200}, (_, i) => `${i}`.padStart(8, '.'));
    const steps = lines.map(line => call(functions, 'printLine', [line.repeat(500)]));
    const text = await printed(steps, {maxParallel: 4});
    equal(GLib.compute_checksum_for_string(GLib.ChecksumType.SHA256, text, -1),
      GLib.compute_checksum_for_string(GLib.ChecksumType.SHA256, lines.map(line => `${line.repeat(500)}\n`).join(''), -1));
  },
};

runTests(tests);
