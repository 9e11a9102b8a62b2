/* parallel-spawner.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "parallel-exit-watch.h"

G_BEGIN_DECLS

/* Starts programs: GSubprocess with G_SUBPROCESS_FLAGS_INHERIT_FDS, so that GLib uses posix_spawn,
 * on the helper parallel-glib-exec, which does in the child what posix_spawn cannot: its own
 * process group, death with this program, working directory, default signals, no stray descriptors.
 * See parallel-exec-protocol.h for its arguments.
 *
 * In the child of a fork of this program GLib's own thread that waits for GSubprocess is missing,
 * so there g_spawn does the same thing, and its children are waited for in the engine.
 *
 * Engine thread only: PR_SET_PDEATHSIG fires when the thread that started the child ends. */

typedef struct
{
  const char * const *argv;         /* the program and its arguments, at least one */
  const char * const *env;          /* "NAME=value", or NULL for the program's own */
  const char         *cwd;          /* or NULL for the program's own */
  int                 stdin_fd;     /* taken (closed in the parent in any case); -1 for /dev/null */
  gboolean            merge_stderr; /* one pipe for both streams */
  gboolean            supervise;    /* the helper stays and reports how the program ended */
  gboolean            tree;         /* the same, and nothing that the program starts outlives it */
  gboolean            unguarded;    /* the program has to let go of something elsewhere, which it cannot when it is killed: it
                                     * gets SIGHUP when this program dies, and its process group is not told to the guardian.
                                     * Where it is supervised all the same, the pid is not its own, and signals for it go to
                                     * the group. */
} ParallelSpawnRequest;

typedef struct
{
  GSubprocess *subprocess;          /* NULL in a forked child */
  int          pid;                 /* also the process group */
  char        *mark;                /* in the environment of all its descendants; to be freed */
  gboolean     supervised;          /* as asked for, or because exit statuses are not safe here */
  int          stdout_fd;           /* the pipes' read ends: non-blocking, close-on-exec */
  int          stderr_fd;           /* -1 when merged */
} ParallelSpawned;

/* Starts a program. What can be known beforehand is reported here: a program that does not exist
 * (G_SPAWN_ERROR_NOENT), is not executable (G_SPAWN_ERROR_ACCES), is a folder, a working
 * directory that does not exist (G_SPAWN_ERROR_CHDIR), SIGCHLD ignored by this program
 * (G_SPAWN_ERROR_FAILED, with what to do), no descriptors left (G_SPAWN_ERROR_FAILED naming the
 * limit). The message names the program or the folder. @env's PATH is what the program is looked
 * for in, as execvpe() would; a relative name with a slash is relative to @cwd. */
gboolean parallel_spawner_spawn         (const ParallelSpawnRequest *request,
                                         ParallelSpawned            *spawned,
                                         GError                    **error);

/* A mark of its own, for a process that is made in another way. */
char    *parallel_spawner_make_mark      (void);

/* Has @callback called when the child has ended. @user_data must live until then. */
void     parallel_spawner_watch          (const ParallelSpawned      *spawned,
                                          ParallelExitFunc            callback,
                                          gpointer                    user_data);

/* To be asked once after the child's exit has been seen: the error with which the helper could
 * not become the program (same codes and messages), or NULL if it did. What else was reported of
 * the child is for parallel_exec_reports_take_end(), and then to be forgotten. */
GError  *parallel_spawner_take_failure   (int                         pid,
                                          const ParallelSpawnRequest *request);

G_END_DECLS
