/* parallel-process-look.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-process-table.h"

G_BEGIN_DECLS

/* What one process or thread is doing, as a line of text. Any thread; may hang when the process hangs
 * in the kernel, but not if @brief. */

/* "1234 S for 2.0 s: sleep 1000: waits in clock_nanosleep". @brief: with the name of the program only. */
void parallel_process_look        (const ParallelProcess *process,
                                   gboolean               brief,
                                   GString               *text);

/* The same of a thread of this process, which has been at its work since @started (monotonic time). */
void parallel_process_look_thread (int                    tid,
                                   gint64                 started,
                                   GString               *text);

G_END_DECLS
