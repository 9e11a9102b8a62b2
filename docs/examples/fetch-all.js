// SPDX-License-Identifier: LGPL-2.1-or-later
// gjs -m fetch-all.js URL...: fetches each URL, at most 4 at a time.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';
import System from 'system';

// Where it is installed: import {…} from 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';
import {BackgroundFailure, BackgroundTaskRunner, runMain} from '../../bindings/javascript/parallel-glib/parallel.js';

Gio._promisify(Gio.SocketClient.prototype, 'connect_to_host_async');
Gio._promisify(Gio.OutputStream.prototype, 'write_all_async');
Gio._promisify(Gio.OutputStream.prototype, 'splice_async');

const SPLICE = Gio.OutputStreamSpliceFlags.CLOSE_TARGET;

// A program that is more than an example has Soup.Session.send_and_read_async() here.
async function get(url, cancellable) {
  const uri = GLib.Uri.parse(url, GLib.UriFlags.ENCODED);
  const target = (uri.get_path() || '/') + (uri.get_query() === null ? '' : `?${uri.get_query()}`);
  const port = uri.get_port() > 0 ? uri.get_port() : 80;
  const connection = await new Gio.SocketClient().connect_to_host_async(uri.get_host(), port, cancellable);
  try {
    const request = new TextEncoder().encode(`GET ${target} HTTP/1.0\r\nHost: ${uri.get_host()}:${port}\r\n\r\n`);
    await connection.get_output_stream().write_all_async(request, GLib.PRIORITY_DEFAULT, cancellable);
    const answer = Gio.MemoryOutputStream.new_resizable();
    await answer.splice_async(connection.get_input_stream(), SPLICE, GLib.PRIORITY_DEFAULT, cancellable);
    return answer.steal_as_bytes().toArray();
  } finally {
    connection.close(null);
  }
}

// The head ends at the first empty line.
function statusAndLength(answer) {
  const isEnd = (_byte, i) => [13, 10, 13, 10].every((byte, j) => answer[i + j] === byte);
  const end = answer.findIndex(isEnd);
  const [, status] = new TextDecoder().decode(answer.subarray(0, Math.max(end, 0))).match(/^HTTP\/1\.\d (\d{3})/) ?? [];
  if (!status)
    throw new Error('The answer is not HTTP');
  return {status, length: answer.length - end - 4};
}

async function fetchAll(urls) {
  const task = Parallel.AsyncTask.new(async (step, cancellable) => statusAndLength(await get(step.get_input(), cancellable)));
  const runner = new BackgroundTaskRunner(task, {maxParallel: 4});
  for (const url of urls)
    runner.put(url);
  runner.close();

  const results = [];
  let failures = [];
  try {
    for await (const step of runner) {
      if (step.ok)
        results[step.index] = step.result;
    }
  } catch (error) {
    if (!(error instanceof BackgroundFailure))
      throw error;
    ({failures} = error);
  }
  results.forEach(({status, length}, index) => print(`${status} ${length} ${urls[index]}`));
  for (const {name, message} of failures)
    printerr(`${name}: ${message}`);
  return failures.length > 0 ? 1 : 0;
}

System.exit(runMain(() => {
  if (ARGV.length > 0)
    return fetchAll(ARGV);
  printerr('usage: fetch-all URL...');
  return 2;
}));
