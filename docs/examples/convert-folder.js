// SPDX-License-Identifier: LGPL-2.1-or-later
// gjs -m convert-folder.js SOURCE DEST: converts each file of a folder to ISO-8859-15, by a program per file.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

// Where it is installed: import {…} from 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';
import {BackgroundFailure, command, runMain, runParallelSteps} from '../../bindings/javascript/parallel-glib/parallel.js';

function namesOfFiles(folder) {
  const children = Gio.File.new_for_path(folder).enumerate_children('standard::name,standard::type', Gio.FileQueryInfoFlags.NONE, null);
  return [...children].filter(info => info.get_file_type() === Gio.FileType.REGULAR).map(info => info.get_name()).sort();
}

async function convertFolder(source, dest) {
  const names = namesOfFiles(source);
  const steps = names.map(name => command([
    'iconv', '-f', 'UTF-8', '-t', 'ISO-8859-15', '-o', GLib.build_filenamev([dest, name]), GLib.build_filenamev([source, name]),
  ], {name}));

  let failures = [];
  try {
    await runParallelSteps(steps);
  } catch (error) {
    if (!(error instanceof BackgroundFailure))
      throw error;
    ({failures} = error);
  }
  const failed = new Set(failures.map(failure => failure.index));
  for (const [index, name] of names.entries())
    print(`${name}: ${failed.has(index) ? 'failed' : 'converted'}`);
  for (const {name, exitStatus, message} of failures)
    printerr(`${name}: ${exitStatus !== null ? `exit status ${exitStatus}` : message}`);
  return failures.length > 0 ? 1 : 0;
}

System.exit(runMain(() => {
  if (ARGV.length === 2)
    return convertFolder(...ARGV);
  printerr('usage: convert-folder SOURCE DEST');
  return 2;
}));
