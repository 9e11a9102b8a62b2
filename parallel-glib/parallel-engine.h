/* parallel-engine.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "parallel-mailbox.h"

G_BEGIN_DECLS

/* The one thread of this process that starts programs, watches them, reads their output and runs
 * the clocks. It is made by the first call that needs it and lives until the process ends: a
 * child with PR_SET_PDEATHSIG dies with the thread that started it. All signals are blocked in
 * it. */

/* Any thread. Makes sure that the engine runs; fails if the system has no room for a thread. */
gboolean  parallel_engine_start  (GError          **error);

/* Any thread, after a successful start: @func is called in the engine thread with @mail. */
void      parallel_engine_post   (ParallelMail     *mail,
                                  ParallelMailFunc  func);

gboolean  parallel_engine_is_current (void);

/* Engine thread only: calls @func once at @ready_time (monotonic, in microseconds), unless the
 * source is destroyed before. Returns the source, owned by the caller. */
GSource  *parallel_engine_add_timer  (gint64        ready_time,
                                      GSourceFunc   func,
                                      gpointer      user_data);

/* Takes a source, if it is one, out of its context and lets it go. */
void      parallel_source_clear      (GSource     **source);

/* Any thread. As g_main_context_new(), which ends the program when there is no descriptor left; this one
 * fails. */
GMainContext *parallel_main_context_try_new  (GError **error);

/* Any thread. Makes what GLib has once a process for its GTasks and children, a thread and a context,
 * with an error where GLib by itself would end the program. */
gboolean      parallel_glib_worker_try_start (GError **error);

G_END_DECLS
