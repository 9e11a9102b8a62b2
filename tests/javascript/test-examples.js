// SPDX-License-Identifier: LGPL-2.1-or-later
// The examples of the documentation do what they say.

import Gio from 'gi://Gio';

import {address, equal, runProgram, runTests} from './tap.js';

const examples = '../../docs/examples';

const tests = {
  async steps() {
    equal(await runProgram(`${examples}/steps.js`), {
      status: 0,
      stdout: 'squaring 3\nsquaring 4\nfrom a program\n9 16 from a program\nsquaring -1\nsquaring 5\n' +
        'square(-1) exception RangeError null\nsh -c \'exit 7\' exit CommandFailed 7\n25\n',
      stderr: '',
    });
  },

  async queue() {
    equal(await runProgram(`${examples}/queue.js`), {
      status: 0,
      stdout: 'a.png at quality 85\nb.png at quality 85\nc.png at quality 85\na.jpg b.jpg c.jpg\n<one>\n<two>\n',
      stderr: '',
    });
  },

  async mainAfterATopLevelAwait() {
    const {status, stderr} = await runProgram('late-main.js');
    equal(status, 1);
    equal(stderr.includes('runMain() was called after a top-level await, where GJS resolves no promises'), true, stderr);
  },

  async theModuleByTheNamespace() {
    const module = Gio.File.new_for_uri(address('../../bindings/javascript/parallel-glib/parallel.js')).get_uri();
    equal(await runProgram('by-namespace.js'), {status: 0, stdout: `function 9 ${module}\n`, stderr: ''});
  },
};

runTests(tests);
