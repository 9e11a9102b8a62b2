/* parallel-spawner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"
#include "parallel-exec-reports.h"
#include "parallel-fd.h"
#include "parallel-guardian.h"
#include "parallel-launch.h"
#include "parallel-spawn-error.h"

/* The write ends go to the child; the read ends to @spawned. */
static gboolean
open_outputs (ParallelLaunch                     *launch,
              const ParallelSpawnRequest *request,
              ParallelSpawned            *spawned)
{
  int stdout_fd;
  int stderr_fd;

  if (!parallel_fd_open_pipe (&spawned->stdout_fd, &stdout_fd, 0))
    return FALSE;
  parallel_launch_take_fd (launch, stdout_fd, 1);

  /* Not G_SUBPROCESS_FLAGS_STDERR_MERGE: with that and posix_spawn, GLib 2.74 closes the child's
   * stdout. */
  if (request->merge_stderr)
    stderr_fd = parallel_fd_duplicate (stdout_fd);
  else if (!parallel_fd_open_pipe (&spawned->stderr_fd, &stderr_fd, 0))
    stderr_fd = -1;
  if (stderr_fd < 0)
    return FALSE;
  parallel_launch_take_fd (launch, stderr_fd, 2);

  return TRUE;
}

/* What posix_spawn() failed with, or 0 if that may be the helper's fault. GSubprocess says it in
 * words only; they are g_strerror()'s, in parentheses. */
static int
get_spawn_errno (const GError *error)
{
  static const int codes[] = { E2BIG, EMFILE, ENFILE, EAGAIN, ENOMEM };

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autofree char *words = g_strdup_printf ("(%s)", g_strerror (codes[i]));

      if (strstr (error->message, words) != NULL)
        return codes[i];
    }

  return 0;
}

/* It was the helper that could not be started; the program was there. */
static GError *
translate_spawn_error (const ParallelSpawnRequest *request,
                       const GError               *error)
{
  const char *helper = parallel_launch_get_helper ();
  g_autofree char *helper_name = g_filename_display_name (helper);
  int code = get_spawn_errno (error);
  int helper_code;

  if (code != 0)
    return parallel_spawn_error_for_errno (request, code);

  helper_code = parallel_spawn_check_program (helper, NULL);
  if (helper_code == 0)
    return parallel_spawn_error_new (error->code, request->argv[0], "cannot be started: %s",
                                     error->message);

  return parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, request->argv[0],
                                   "cannot be started: parallel-glib's helper “%s” %s; install "
                                   "parallel-glib completely, or correct the variable "
                                   "PARALLEL_GLIB_EXEC", helper_name,
                                   helper_code == ENOENT ? "does not exist"
                                                         : "is not an executable file");
}

/* So that no process of an earlier program with the same process id is taken for one of this one's. */
static guint32
get_secret (void)
{
  static gsize secret;

  if (g_once_init_enter (&secret))
    g_once_init_leave (&secret, (gsize) g_random_int () + 1);

  return (guint32) secret;
}

/* One more than the marks of all that runs now: what an outer run, of which this program is a step,
 * has to find stays in front. */
static char *
make_mark (guint32 number)
{
  static const char *prefix;

  if (g_once_init_enter (&prefix))
    {
      const char *outer = g_getenv (PARALLEL_EXEC_MARK_NAME);

      g_once_init_leave (&prefix, g_strconcat (PARALLEL_EXEC_MARK_NAME "=",
                                               outer != NULL ? outer : "",
                                               outer != NULL ? ":" : "", NULL));
    }

  return g_strdup_printf ("%s%x.%08x.%u", prefix, (guint) getpid (), get_secret (), number);
}

char *
parallel_spawner_make_mark (void)
{
  return make_mark (parallel_exec_reports_begin ());
}

/* The tree's helper must live to kill it. */
static gboolean
is_guarded (const ParallelSpawnRequest *request)
{
  return !request->tree && !request->unguarded;
}

static char *
make_mode (const ParallelSpawnRequest *request,
           const ParallelSpawned      *spawned)
{
  GString *mode = g_string_new (NULL);

  g_string_append_c (mode, PARALLEL_EXEC_VERSION);
  if (request->tree)
    g_string_append_c (mode, PARALLEL_EXEC_TREE);
  else if (spawned->supervised)
    g_string_append_c (mode, PARALLEL_EXEC_SUPERVISE);
  if (request->unguarded)
    g_string_append_c (mode, PARALLEL_EXEC_POLITE);

  return g_string_free (mode, FALSE);
}

static gboolean
start_helper (ParallelLaunch                      *launch,
              const ParallelSpawnRequest  *request,
              const char                  *program,
              ParallelSpawned             *spawned,
              GError                     **error)
{
  g_autofree char *mode = make_mode (request, spawned);
  const int inherited[2] = { parallel_exec_reports_get_fd (), parallel_guardian_get_fd () };
  guint32 number_of_start = parallel_exec_reports_begin ();
  g_autofree char *mark = make_mark (number_of_start);
  g_autofree const char **argv = NULL;
  g_autoptr (GError) local_error = NULL;
  char parent[16], number[16], report_fd[16], guardian_fd[16];
  guint n_args = g_strv_length ((char **) request->argv);

  g_snprintf (parent, sizeof parent, "%d", getpid ());
  g_snprintf (number, sizeof number, "%u", number_of_start);
  g_snprintf (report_fd, sizeof report_fd, "%d", parallel_exec_reports_get_fd ());
  g_snprintf (guardian_fd, sizeof guardian_fd, "%d", is_guarded (request) ? parallel_guardian_get_fd () : -1);

  argv = g_new (const char *, PARALLEL_EXEC_ARG_ARGV + n_args + 1);
  argv[0] = parallel_launch_get_helper ();
  argv[PARALLEL_EXEC_ARG_MODE] = mode;
  argv[PARALLEL_EXEC_ARG_PARENT] = parent;
  argv[PARALLEL_EXEC_ARG_NUMBER] = number;
  argv[PARALLEL_EXEC_ARG_REPORT_FD] = report_fd;
  argv[PARALLEL_EXEC_ARG_GUARDIAN_FD] = guardian_fd;
  argv[PARALLEL_EXEC_ARG_MARK] = mark;
  argv[PARALLEL_EXEC_ARG_CWD] = request->cwd != NULL ? request->cwd : "";
  argv[PARALLEL_EXEC_ARG_PROGRAM] = program;
  memcpy (argv + PARALLEL_EXEC_ARG_ARGV, request->argv, (n_args + 1) * sizeof argv[0]);

  if (!parallel_launch_spawn (launch, argv, inherited, &spawned->subprocess, &spawned->pid, &local_error))
    {
      g_propagate_error (error, translate_spawn_error (request, local_error));
      return FALSE;
    }

  spawned->mark = g_steal_pointer (&mark);
  return TRUE;
}

/* GLib's worker thread reaps the child as soon as it ends, and from then on GSubprocess has no
 * process id any more; that may be before this thread gets to ask. The child's process group may
 * live on, so the id is needed, and the helper has reported it. */
static int
get_pid (GSubprocess *subprocess)
{
  const char *identifier = g_subprocess_get_identifier (subprocess);

  return identifier != NULL ? atoi (identifier) : parallel_exec_reports_get_pid ();
}

static gboolean
start (ParallelLaunch                      *launch,
       const ParallelSpawnRequest  *request,
       const char                  *program,
       ParallelSpawned             *spawned,
       GError                     **error)
{
  if (!start_helper (launch, request, program, spawned, error))
    return FALSE;

  if (spawned->subprocess != NULL)
    spawned->pid = get_pid (spawned->subprocess);
  if (spawned->pid == 0)
    {
      g_propagate_error (error, parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, request->argv[0],
                                                          "was killed before it could start"));
      g_clear_object (&spawned->subprocess);
      g_clear_pointer (&spawned->mark, g_free);
      return FALSE;
    }

  if (is_guarded (request))
    parallel_guardian_add (spawned->pid);

  return TRUE;
}

/* FALSE with errno if there can be no stdin; what was given is taken in any case. */
static gboolean
take_stdin (ParallelLaunch *launch,
            int     fd)
{
  /* Without a descriptor GLib 2.74 would open /dev/null itself, and when there is none left for that,
   * an assertion of it ends the program. */
  if (fd < 0)
    fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return FALSE;

  if (!parallel_fd_lift (&fd))
    {
      int code = errno;

      close (fd);
      errno = code;
      return FALSE;
    }

  parallel_launch_take_fd (launch, fd, 0);
  return TRUE;
}

gboolean
parallel_spawner_spawn (const ParallelSpawnRequest  *request,
                        ParallelSpawned             *spawned,
                        GError                     **error)
{
  g_auto (ParallelLaunch) launch = { 0 };
  g_autofree char *program = NULL;
  int code;

  g_assert (request->argv != NULL && request->argv[0] != NULL);

  *spawned = (ParallelSpawned) { .stdout_fd = -1, .stderr_fd = -1 };
  spawned->supervised = request->supervise || request->tree || parallel_exit_knows_thief ()
                        || parallel_exit_has_child_handler ();
  parallel_launch_init (&launch, request->env);

  if (!take_stdin (&launch, request->stdin_fd))
    {
      g_propagate_error (error, parallel_spawn_error_for_errno (request, errno));
      return FALSE;
    }

  if (!parallel_exit_check_child_signal (error) || !parallel_spawn_check_cwd (request->cwd, error))
    return FALSE;

  program = parallel_spawn_find_program (request, &code);
  if (program == NULL)
    {
      g_propagate_error (error, parallel_spawn_error_for_errno (request, code));
      return FALSE;
    }

  if (!parallel_exec_reports_prepare () || !open_outputs (&launch, request, spawned))
    g_propagate_error (error, parallel_spawn_error_for_errno (request, errno));
  else if (start (&launch, request, program, spawned, error))
    return TRUE;

  parallel_fd_clear (&spawned->stdout_fd);
  parallel_fd_clear (&spawned->stderr_fd);

  return FALSE;
}

void
parallel_spawner_watch (const ParallelSpawned *spawned,
                        ParallelExitFunc       callback,
                        gpointer               user_data)
{
  parallel_exit_watch (spawned->subprocess, spawned->pid, callback, user_data);
}

GError *
parallel_spawner_take_failure (int                         pid,
                               const ParallelSpawnRequest *request)
{
  guint failure;
  int code;

  if (!parallel_exec_reports_take_failure (pid, &failure, &code))
    return NULL;

  if (failure == PARALLEL_EXEC_NO_CWD)
    return parallel_spawn_error_for_cwd (request->cwd != NULL ? request->cwd : "", code);

  if (failure == PARALLEL_EXEC_NO_PROTOCOL)
    return parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, request->argv[0],
                                     "cannot be started: parallel-glib's helper “%s” is of another "
                                     "version; if parallel-glib has just been updated, restart the "
                                     "program that runs the steps",
                                     parallel_launch_get_helper ());

  if (failure == PARALLEL_EXEC_NO_SHELL)
    return parallel_spawn_error_new (G_SPAWN_ERROR_NOEXEC, request->argv[0],
                                     "cannot be run: it is not a binary and names no interpreter, "
                                     "and /bin/sh cannot be executed: %s", g_strerror (code));

  return parallel_spawn_error_for_errno (request, code);
}
