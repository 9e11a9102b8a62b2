/* parallel-launch.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launch.h"

#include <fcntl.h>
#include <stdlib.h>

#include "parallel-fd.h"
#include "parallel-fork.h"

void
parallel_launch_clear (ParallelLaunch *launch)
{
  g_clear_object (&launch->launcher);
  for (guint i = 0; i < G_N_ELEMENTS (launch->fds); i++)
    parallel_fd_clear (&launch->fds[i]);
}

void
parallel_launch_init (ParallelLaunch     *launch,
                      const char * const *env)
{
  *launch = (ParallelLaunch) { .fds = { -1, -1, -1 }, .env = (char **) env };

  if (parallel_fork_generation > 0)
    return;

  launch->launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS);
  if (env != NULL)
    g_subprocess_launcher_set_environ (launch->launcher, (char **) env);
}

void
parallel_launch_take_fd (ParallelLaunch *launch,
                         int             source,
                         int             target)
{
  if (launch->launcher == NULL)
    launch->fds[target] = source;
  else if (target == 0)
    g_subprocess_launcher_take_stdin_fd (launch->launcher, source);
  else if (target == 1)
    g_subprocess_launcher_take_stdout_fd (launch->launcher, source);
  else
    g_subprocess_launcher_take_stderr_fd (launch->launcher, source);
}

static gboolean
spawn_without_launcher (ParallelLaunch      *launch,
                        const char * const  *argv,
                        int                 *pid,
                        GError             **error)
{
  GSpawnFlags flags = G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN;

  return g_spawn_async_with_pipes_and_fds (NULL, argv, (const char * const *) launch->env, flags,
                                           NULL, NULL, launch->fds[0], launch->fds[1],
                                           launch->fds[2], NULL, NULL, 0, pid, NULL, NULL, NULL,
                                           error);
}

/* A descriptor that the child inherits is not close-on-exec for the moment. Should another thread
 * start something meanwhile, that has a descriptor too many, and no harm is done: nobody waits for
 * the end of these pipes. Not g_subprocess_launcher_take_fd(): GLib 2.74 duplicates such a
 * descriptor, and when there is none left for that, an assertion of GSubprocess ends the program. */
static void
set_inherited (int      fd,
               gboolean inherited)
{
  if (fd >= 0)
    fcntl (fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

gboolean
parallel_launch_spawn (ParallelLaunch       *launch,
                       const char * const   *argv,
                       const int            *inherited,
                       GSubprocess         **subprocess,
                       int                  *pid,
                       GError              **error)
{
  gboolean success;

  *subprocess = NULL;
  *pid = 0;
  for (guint i = 0; i < 2; i++)
    set_inherited (inherited[i], TRUE);

  if (launch->launcher == NULL)
    success = spawn_without_launcher (launch, argv, pid, error);
  else
    success = (*subprocess = g_subprocess_launcher_spawnv (launch->launcher, argv, error)) != NULL;

  for (guint i = 0; i < 2; i++)
    set_inherited (inherited[i], FALSE);

  return success;
}

const char *
parallel_launch_get_helper (void)
{
  static const char *helper;

  /* Once, and kept: another thread may change the environment. A set-user-ID program must not
   * obey it. */
  if (g_once_init_enter (&helper))
    {
      const char *value = secure_getenv ("PARALLEL_GLIB_EXEC");

      if (value == NULL || value[0] == '\0')
        value = PARALLEL_EXEC_PATH;
      g_once_init_leave (&helper, g_strdup (value));
    }

  return helper;
}
