/* parallel-aside.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Work that may hang in the kernel, as reading of a process that hangs itself may: done in a thread
 * of its own, so that the engine never waits for it. */

/* In the thread. */
typedef void (*ParallelAsideWork) (gpointer data);

/* In the engine, once: when the work is done, or, with @in_time FALSE, when its time is over and it
 * is left to itself. */
typedef void (*ParallelAsideDone) (gpointer data,
                                   gboolean in_time);

/* Engine thread only. @free is called when both are through with @data, in either thread. If no
 * thread can be made, the work is done here. */
void parallel_aside (ParallelAsideWork  work,
                     ParallelAsideDone  done,
                     gpointer           data,
                     GDestroyNotify     free,
                     gint64             limit /* microseconds */);

G_END_DECLS
