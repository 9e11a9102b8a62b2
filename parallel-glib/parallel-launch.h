/* parallel-launch.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* How the helper is started: by a GSubprocessLauncher, or, in a forked child, by g_spawn. Engine thread
 * only, but for parallel_launch_get_helper(). */
typedef struct
{
  GSubprocessLauncher *launcher;    /* NULL in a forked child */
  char               **env;         /* without a launcher: borrowed, NULL for this program's */
  int                  fds[3];      /* without a launcher; -1 for none */
} ParallelLaunch;

/* @env: NULL for this program's; borrowed. */
void        parallel_launch_init       (ParallelLaunch       *launch,
                                        const char * const   *env);
void        parallel_launch_clear      (ParallelLaunch       *launch);

/* Takes @source, which becomes the child's descriptor @target; 0, 1 or 2. */
void        parallel_launch_take_fd    (ParallelLaunch       *launch,
                                        int                   source,
                                        int                   target);

/* Either @subprocess or @pid is set. @inherited: two descriptors that the child sees with their own
 * numbers, or -1. */
gboolean    parallel_launch_spawn      (ParallelLaunch       *launch,
                                        const char * const   *argv,
                                        const int            *inherited,
                                        GSubprocess         **subprocess,
                                        int                  *pid,
                                        GError              **error);

/* Where the helper is: PARALLEL_GLIB_EXEC from the environment (for the uninstalled tests), else
 * the installed one. */
const char *parallel_launch_get_helper (void);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ParallelLaunch, parallel_launch_clear)

G_END_DECLS
