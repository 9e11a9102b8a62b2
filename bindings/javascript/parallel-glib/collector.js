// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps GJS's garbage collector out of trouble.
//
// When SpiderMonkey collects in slices it may let the program go on while it is still sweeping. GJS takes every call from C for one that
// comes out of a finaliser then, and blocks it ("Attempting to call back into JSAPI during the sweeping phase of GC"): signals and
// callbacks are lost, and a promise that waits for one of them is never resolved. Collecting as a whole, before so much garbage has come
// together that it begins to collect in slices, does not do that; and the more often, the less there is to sweep.

import GLib from 'gi://GLib';
import System from 'system';

// A step leaves some kilobytes; slices begin at some 30 MB.
const STEPS = 1000;
// Of a program with a big heap, whose collections take long, they take no more than this part of the time.
const SHARE = 0.25;

let nSteps = 0;
let nextTime = 0;

/** To be called for each step that has ended. */
export function countStep() {
  if (++nSteps < STEPS)
    return;
  const start = GLib.get_monotonic_time();
  if (start < nextTime)
    return;
  nSteps = 0;
  System.gc();
  const end = GLib.get_monotonic_time();
  nextTime = end + (end - start) / SHARE;
}
