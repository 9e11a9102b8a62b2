/* parallel-launcher-core.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-launcher-private.h"

G_BEGIN_DECLS

/* The part of a launcher that the engine works with: it outlives the launcher as long as there is something to let go of,
 * and never refers to it but weakly, so that a launcher never ends in the engine's hands while that needs it. */

/* One that has one place, and is ready. */
ParallelLauncherCore *parallel_launcher_core_new         (ParallelLauncher       *launcher);

/* One for Slurm: in the allocation in whose environment this program is, or else in one that is got with @options. */
ParallelLauncherCore *parallel_launcher_core_new_slurm   (ParallelLauncher       *launcher,
                                                          const char * const     *options);

/* Any thread. The launcher is gone: lets go of everything. */
void                  parallel_launcher_core_close       (ParallelLauncherCore   *self);

/* Any thread. */
char                 *parallel_launcher_core_dup_status  (ParallelLauncherCore   *self);
guint                 parallel_launcher_core_get_n_slots (ParallelLauncherCore   *self);

/* Engine thread only. @patience: in seconds, negative for no limit. */
void                  parallel_launcher_core_prepare     (ParallelLauncherCore   *self,
                                                          double                  patience,
                                                          ParallelLauncherReady   callback,
                                                          gpointer                user_data);
void                  parallel_launcher_core_forget      (ParallelLauncherCore   *self,
                                                          gpointer                user_data);

/* Any thread; constant. */
gboolean              parallel_launcher_core_is_slurm    (ParallelLauncherCore   *self);

/* Engine thread only: Slurm's job in which things are started, or NULL. */
const char           *parallel_launcher_core_get_job     (ParallelLauncherCore   *self);

G_END_DECLS
