/* inject.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

/* What a program calls if the library is preloaded; not there otherwise. */

/* From here on what the environment says is done. */
void     inject_arm          (void) __attribute__ ((weak));
/* Ends that, and says how many calls of the function there were. */
unsigned inject_disarm       (void) __attribute__ ((weak));
/* CLOCK_REALTIME and CLOCK_BOOTTIME are @seconds ahead from now on. */
void     inject_shift_clocks (long seconds) __attribute__ ((weak));
