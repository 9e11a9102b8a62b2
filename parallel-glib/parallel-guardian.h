/* parallel-guardian.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The guardian of this process: see parallel-exec-guard.c. A helper tells it of the process group
 * that it makes, before the program runs; this side says when a group is gone, and starts another
 * guardian if somebody has killed the one that there was. Without one, for lack of descriptors or
 * processes, steps run all the same: their programs still die with this one.
 *
 * Engine thread only. */

/* To be called before each step: makes sure that there is a guardian. Returns FALSE if its start has
 * still to show whether exit statuses arrive here: then no step is to be started before @ready is
 * called, a moment later. */
gboolean parallel_guardian_prepare (void (*ready) (void));

/* The write end of its pipe, or -1. */
int      parallel_guardian_get_fd  (void);

/* The step in the process group @pgid has been started, and has ended. */
void     parallel_guardian_add     (int pgid);
void     parallel_guardian_remove  (int pgid);

G_END_DECLS
