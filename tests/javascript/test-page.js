// SPDX-License-Identifier: LGPL-2.1-or-later
// The samples of docs/javascript.md run as they stand there, but for the folder in which the module is installed.

import GLib from 'gi://GLib';
import Gio from 'gi://Gio';

import {assert, equal, runProgram, runTests, withFolder} from './tap.js';

const here = Gio.File.new_for_uri(import.meta.url).get_parent();
const module = here.resolve_relative_path('../../bindings/javascript/parallel-glib/parallel.js').get_uri();
const INSTALLED = 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';

function textOf(name) {
  return new TextDecoder().decode(here.resolve_relative_path(name).load_contents(null)[1]);
}

const samples = [...textOf('../../docs/javascript.md').matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);

// What a reader has around each sample, in the order of the page, and what it prints then.
const surroundings = [
  {
    after: 'print([call, command, runMain, runParallelSteps].map(one => typeof one).join());',
    printed: 'function,function,function,function\n',
  },
  {
    after: 'print([call, command, runParallelSteps].map(one => typeof one).join());',
    printed: 'function,function,function\n',
  },
  {
    before: samples[0],
    printed: /^squaring 3\ntotal .*(\n.*)+\n9 total .*(\n.*)+$/,
  },
  {
    before: `import {BackgroundTaskRunner, call, runMain} from '${INSTALLED}';
      export function convert(quality, path) {
        print('converting');
        return path + quality;
      }
      runMain(async () => {`,
    after: '});',
    printed: text => text.trim().split('\n').sort().join('\n') === 'convert(85,"a.png") a.png a.png85\n' +
      'convert(85,"b.png") b.png b.png85\nconvert(85,"c.png") c.png c.png85\nconverting\nconverting\nconverting',
  },
  {
    before: `import Parallel from 'gi://Parallel?version=1';
      import {call, command, runMain, runParallelSteps} from '${INSTALLED}';
      export function square(number) {
        print('squaring');
        return number * number;
      }
      runMain(async () => {`,
    after: '});',
    printed: `squaring\n${GLib.get_host_name()}\n`,
  },
  {
    before: `import Gio from 'gi://Gio';
      import Parallel from 'gi://Parallel?version=1';
      import {BackgroundTaskRunner, runMain} from '${INSTALLED}';
      runMain(async () => {`,
    after: `
        runner.put(Gio.File.new_for_path('/proc/self/status'));
        runner.put(Gio.File.new_for_path('/nonexistent'));
        runner.close();
        try {
          for await (const step of runner)
            print(step.ok ? step.result > 0 : step.failure.error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND));
        } catch (error) {
          print(error.failures.length);
        }
      });`,
    printed: 'true\ntrue\n1\n',
  },
];

// There need not be a cluster.
const CLUSTER = "new_slurm(['-N3', '-n12'])";
const NO_CLUSTER = "new_prefix(['env'])";

const tests = {
  async thereAreAsManyAsHere() {
    equal(samples.length, surroundings.length);
    assert(samples[0].includes(INSTALLED));
  },
};

for (const [index, {before = '', after = '', printed}] of surroundings.entries()) {
  tests[`sample ${index + 1}`] = () => withFolder(async folder => {
    const path = `${folder}/sample.js`;
    GLib.file_set_contents(path, `${before}\n${samples[index]}\n${after}`
      .replaceAll(INSTALLED, module).replaceAll(CLUSTER, NO_CLUSTER));
    const {status, stdout, stderr} = await runProgram(path);
    equal([status, stderr], [0, '']);
    const isRight = {
      string: () => stdout === printed,
      function: () => printed(stdout),
      object: () => printed.test(stdout),
    }[typeof printed];
    assert(isRight(), stdout);
  });
}

runTests(tests);
