/* parallel-spawner.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Starts programs: GSubprocess with G_SUBPROCESS_FLAGS_INHERIT_FDS, so that GLib uses posix_spawn,
 * on the helper parallel-glib-exec, which does in the child what posix_spawn cannot: its own
 * process group, death with this program, working directory, default signals, no stray descriptors.
 * See parallel-glib-exec.c for its arguments.
 *
 * Engine thread only: PR_SET_PDEATHSIG fires when the thread that started the child ends. */

typedef struct
{
  const char * const *argv;         /* the program and its arguments, at least one */
  const char * const *env;          /* "NAME=value", or NULL for the program's own */
  const char         *cwd;          /* or NULL for the program's own */
  int                 stdin_fd;     /* taken (closed in the parent in any case); -1 for /dev/null */
  gboolean            merge_stderr; /* one pipe for both streams */
  gboolean            measure;      /* the helper stays and reports the resource use */
} ParallelSpawnRequest;

typedef struct
{
  GSubprocess *subprocess;
  int          pid;
  int          stdout_fd;           /* the pipes' read ends: non-blocking, close-on-exec */
  int          stderr_fd;           /* -1 when merged */
} ParallelSpawned;

typedef struct
{
  double user_time;                 /* seconds */
  double system_time;
  gint64 max_rss;                   /* bytes */
} ParallelUsage;

/* Starts a program. What can be known beforehand is reported here: a program that does not exist
 * (G_SPAWN_ERROR_NOENT), is not executable (G_SPAWN_ERROR_ACCES), is a folder, a working
 * directory that does not exist (G_SPAWN_ERROR_CHDIR), SIGCHLD ignored by this program
 * (G_SPAWN_ERROR_FAILED, with what to do), no descriptors left (G_SPAWN_ERROR_FAILED naming the
 * limit). The message names the program or the folder. @env's PATH is what the program is looked
 * for in, as execvpe() would; a relative name with a slash is relative to @cwd. */
gboolean parallel_spawner_spawn         (const ParallelSpawnRequest *request,
                                         ParallelSpawned            *spawned,
                                         GError                    **error);

/* To be asked once after the child's exit has been seen: the error with which the helper could
 * not become the program (same codes and messages), or NULL if it did. */
GError  *parallel_spawner_take_failure  (int                         pid,
                                         const ParallelSpawnRequest *request);

/* To be asked once after the child's exit, if @measure was set. FALSE when nothing was reported. */
gboolean parallel_spawner_take_usage    (int                         pid,
                                         ParallelUsage              *usage);

/* The child's exit was seen and neither of the two above will be asked: forgets what was
 * reported of it. */
void     parallel_spawner_forget        (int                         pid);

/* Where the helper is: PARALLEL_GLIB_EXEC from the environment (for the uninstalled tests), else
 * the installed one. */
const char *parallel_spawner_get_helper (void);

G_END_DECLS
