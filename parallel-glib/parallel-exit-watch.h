/* parallel-exit-watch.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Something else in this program has waited for the child, and what it was told is lost. */
#define PARALLEL_EXIT_LOST (-1)

/* @wait_status: as waitpid() has it, or PARALLEL_EXIT_LOST. Engine thread, and never from within
 * parallel_exit_watch(). */
typedef void (*ParallelExitFunc) (int      pid,
                                  int      wait_status,
                                  gpointer user_data);

/* Calls @callback once, when the child has ended. GLib waits for @subprocess; where that is NULL, in a
 * forked child, the engine itself waits for @pid. GLib 2.74 takes a child that somebody else has waited for
 * for a success, or never tells at all; so the kernel is asked too, which from Linux 6.15 on
 * remembers the status, and who is told nothing learns that it is lost. @pid: 0 if it is not known
 * and the status is no matter. Engine thread only. */
void parallel_exit_watch (GSubprocess      *subprocess,
                          int               pid,
                          ParallelExitFunc  callback,
                          gpointer          user_data);

/* The same for a child that never ends with success, so that one that seems to shows that exit statuses
 * are lost. */
void parallel_exit_watch_trial (GSubprocess      *subprocess,
                                int               pid,
                                ParallelExitFunc  callback,
                                gpointer          user_data);

/* What starts such a child, and has it watched; FALSE if it cannot. It is used when a child had been waited
 * for before it could be looked at, and seems to have ended with success: then nothing else would
 * tell that this was somebody else's doing. */
typedef gboolean (*ParallelExitTrial) (ParallelExitFunc callback,
                                       gpointer         user_data);
void parallel_exit_set_trial (ParallelExitTrial trial);

/* Whether something else in this program is known to wait for children that are not its own, and
 * that it is. */
gboolean parallel_exit_knows_thief  (void);
void     parallel_exit_report_thief (void);

/* SIGCHLD must not be ignored, or GLib takes every lost exit status for success. */
gboolean parallel_exit_check_child_signal (GError **error);

/* Whether this program has a handler for SIGCHLD, which may wait for children that are not its own. */
gboolean parallel_exit_has_child_handler (void);

G_END_DECLS
