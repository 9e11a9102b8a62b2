// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps GJS's garbage collector out of trouble.
//
// When there is much garbage, SpiderMonkey collects in slices, and may let the program go on while it is still sweeping. GJS 1.74 takes
// every call from C for one that comes out of a finaliser then, and blocks it ("Attempting to call back into JSAPI during the sweeping
// phase of GC"): signals and callbacks are lost, and a promise that waits for one of them is never resolved. A worker is called from C
// for each step. Since nothing runs any more, nothing ends the sweeping either.
//
// Collecting as a whole, before there is so much garbage, does not do that; nor does finishing what was begun in slices.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

// No program leaves so much garbage in so short a time that slices begin: microseconds. A look costs a fiftieth of it at most.
const INTERVAL = 10000;

// The collector knows nothing of what is behind the objects of the library; after so many steps that is as much as this program.
const STEPS = 1000;

let lastTime = 0;
let nSteps = 0;
// Where the numbers are written to and read from: a file without a name, that is gone with this process.
let file = undefined;
// As they were after the last collection.
let base = null;

function makeFile() {
  try {
    const [made, stream] = Gio.File.new_tmp(null);
    made.delete(null);
    return {stream, path: `/proc/self/fd/${stream.get_output_stream().get_fd()}`};
  } catch {
    return null;
  }
}

// Null where it cannot be known: no /proc, a full disk.
function look() {
  if (file === undefined)
    file = makeFile();
  try {
    // What is there is added to.
    file.stream.truncate(0, null);
    System.dumpMemoryInfo(file.path);
    const text = new TextDecoder().decode(GLib.file_get_contents(file.path)[1]);
    return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
  } catch {
    return null;
  }
}

// Slices begin at the end of the way. Half of it would do; a third keeps memory lower.
function isFar(bytes, before, trigger) {
  return bytes - before > (trigger - before) / 3;
}

function isDue(info) {
  if (nSteps >= STEPS || base === null || info.sliceCount !== base.sliceCount || info.majorGCCount !== base.majorGCCount)
    return true;
  const [now, then] = [info.zone, base.zone];
  return isFar(now.gcBytes, then.gcBytes, now.gcAllocTrigger) || isFar(now.mallocBytes, then.mallocBytes, now.mallocTriggerBytes);
}

/** To be called at the end of each step, here and in workers. */
export function countStep() {
  nSteps++;
  if (GLib.get_monotonic_time() - lastTime < INTERVAL)
    return;
  const info = look();
  if (info === null || isDue(info)) {
    System.gc();
    base = look();
    nSteps = 0;
  }
  lastTime = GLib.get_monotonic_time();
}
