// SPDX-License-Identifier: LGPL-2.1-or-later
// gjs -m hash-tree.js FOLDER: prints what sha256sum prints of every file below a folder; the hashing is done in worker processes.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

// Where it is installed: import {…} from 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';
import {BackgroundTaskRunner, call, isWorker, runMain} from '../../bindings/javascript/parallel-glib/parallel.js';

const CHUNK = 1 << 20;

// Called in a worker.
export function hashFile(path) {
  const stream = Gio.File.new_for_path(path).read(null);
  const checksum = new GLib.Checksum(GLib.ChecksumType.SHA256);
  for (;;) {
    const bytes = stream.read_bytes(CHUNK, null);
    if (bytes.get_size() === 0)
      break;
    checksum.update(bytes.toArray());
  }
  stream.close(null);
  return checksum.get_string();
}

function* filesBelow(folder) {
  const attributes = 'standard::name,standard::type';
  for (const info of Gio.File.new_for_path(folder).enumerate_children(attributes, Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS, null)) {
    const path = GLib.build_filenamev([folder, info.get_name()]);
    if (info.get_file_type() === Gio.FileType.DIRECTORY)
      yield* filesBelow(path);
    else if (info.get_file_type() === Gio.FileType.REGULAR)
      yield path;
  }
}

async function hashTree(folder) {
  const runner = new BackgroundTaskRunner(call(import.meta.url, 'hashFile'), {outputMode: 'none'});
  // The first files are hashed while the tree is still being looked through.
  for (const path of filesBelow(folder))
    runner.put(path);
  runner.close();

  const lines = new Map();
  try {
    for await (const {input: [path], ok, result} of runner) {
      if (ok)
        lines.set(path, `${result}  ${path}`);
    }
  } catch (error) {
    for (const {input: [path], message} of error.failures ?? [])
      printerr(`${path}: ${message}`);
    if (!error.failures)
      throw error;
    return 1;
  } finally {
    for (const path of [...lines.keys()].sort())
      print(lines.get(path));
  }
  return 0;
}

// A worker loads this module too, for its export.
if (!isWorker) {
  System.exit(runMain(() => {
    if (ARGV.length === 1)
      return hashTree(ARGV[0]);
    printerr('usage: hash-tree FOLDER');
    return 2;
  }));
}
