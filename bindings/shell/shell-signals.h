/* shell-signals.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _ShellSignals ShellSignals;

typedef void (*ShellSignalFunc) (int      signum,
                                 gpointer user_data);

/* From now on @func is called in the main loop for each signal that comes: SIGINT, SIGTERM and
 * SIGHUP, which mean the end, and SIGUSR1, at which there is something to say. */
ShellSignals *shell_signals_new  (ShellSignalFunc  func,
                                  gpointer         user_data);

/* From now on they do what the system has them do. */
void          shell_signals_free (ShellSignals    *self);

/* Whatever this process does, it ends with @exit_status after @seconds. */
void          shell_signals_limit (guint           seconds,
                                   int             exit_status);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShellSignals, shell_signals_free)

G_END_DECLS
