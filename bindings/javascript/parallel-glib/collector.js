// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps GJS's garbage collector out of trouble.
//
// When SpiderMonkey collects in slices it may let the program go on while it is still sweeping. GJS 1.74 takes every call from C for
// one that comes out of a finaliser then, and blocks it ("Attempting to call back into JSAPI during the sweeping phase of GC"): signals
// and callbacks are lost, and a promise that waits for one of them is never resolved. Since nothing runs then, nothing ends the sweeping
// either. Collecting as a whole, before so much garbage has come together that slices begin, does not do that.

import GLib from 'gi://GLib';
import System from 'system';

// A step leaves some kilobytes; slices begin at some 30 MB.
const STEPS = 1000;
// After so many times the duration of a collection there is one even if there were fewer steps: who knows what they have left.
const MOST_OFTEN = 4;
const LEAST_OFTEN = 20;

let nSteps = 0;
let duration = 5000;
let last = GLib.get_monotonic_time();

/** To be called at the end of each step, here and in workers. */
export function countStep() {
  const start = GLib.get_monotonic_time();
  nSteps++;
  if (start - last < (nSteps < STEPS ? LEAST_OFTEN : MOST_OFTEN) * duration)
    return;
  System.gc();
  nSteps = 0;
  last = GLib.get_monotonic_time();
  duration = last - start;
}
