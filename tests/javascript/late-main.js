// SPDX-License-Identifier: LGPL-2.1-or-later
// A program that awaits before it calls runMain().

import GLib from 'gi://GLib';

import {runMain} from '../../bindings/javascript/parallel-glib/parallel.js';

await new Promise(resolve => GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
  resolve();
  return GLib.SOURCE_REMOVE;
}));
runMain(() => print('not reached'));
