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
#include "parallel-fork.h"
#include "parallel-guardian.h"
#include "parallel-spawn-error.h"

/* How a child is started: what GSubprocessLauncher is, and what is needed without it. */
typedef struct
{
  GSubprocessLauncher *launcher;    /* NULL in a forked child */
  char               **env;         /* without a launcher: borrowed, NULL for this program's */
  int                  fds[3];      /* without a launcher; -1 for none */
} Launch;

static void
launch_clear (Launch *launch)
{
  g_clear_object (&launch->launcher);
  for (guint i = 0; i < G_N_ELEMENTS (launch->fds); i++)
    parallel_fd_clear (&launch->fds[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Launch, launch_clear)

static void
launch_init (Launch             *launch,
             const char * const *env)
{
  *launch = (Launch) { .fds = { -1, -1, -1 }, .env = (char **) env };

  if (parallel_fork_get_generation () > 0)
    return;

  launch->launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS);
  if (env != NULL)
    g_subprocess_launcher_set_environ (launch->launcher, (char **) env);
}

/* Takes @source, which becomes the child's descriptor @target; 0, 1 or 2. */
static void
launch_take_fd (Launch *launch,
                int     source,
                int     target)
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
spawn_without_launcher (Launch              *launch,
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

/* Either @subprocess or @pid is set. */
static gboolean
launch_spawn (Launch              *launch,
              const char * const  *argv,
              GSubprocess        **subprocess,
              int                 *pid,
              GError             **error)
{
  int inherited[2] = { parallel_exec_reports_get_fd (), parallel_guardian_get_fd () };
  gboolean success;

  *subprocess = NULL;
  *pid = 0;
  for (guint i = 0; i < G_N_ELEMENTS (inherited); i++)
    set_inherited (inherited[i], TRUE);

  if (launch->launcher == NULL)
    success = spawn_without_launcher (launch, argv, pid, error);
  else
    success = (*subprocess = g_subprocess_launcher_spawnv (launch->launcher, argv, error)) != NULL;

  for (guint i = 0; i < G_N_ELEMENTS (inherited); i++)
    set_inherited (inherited[i], FALSE);

  return success;
}

/* The write ends go to the child; the read ends to @spawned. */
static gboolean
open_outputs (Launch                     *launch,
              const ParallelSpawnRequest *request,
              ParallelSpawned            *spawned)
{
  int stdout_fd;
  int stderr_fd;

  if (!parallel_fd_open_pipe (&spawned->stdout_fd, &stdout_fd, 0))
    return FALSE;
  launch_take_fd (launch, stdout_fd, 1);

  /* Not G_SUBPROCESS_FLAGS_STDERR_MERGE: with that and posix_spawn, GLib 2.74 closes the child's
   * stdout. */
  if (request->merge_stderr)
    stderr_fd = parallel_fd_duplicate (stdout_fd);
  else if (!parallel_fd_open_pipe (&spawned->stderr_fd, &stderr_fd, 0))
    stderr_fd = -1;
  if (stderr_fd < 0)
    return FALSE;
  launch_take_fd (launch, stderr_fd, 2);

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
  const char *helper = parallel_spawner_get_helper ();
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

static gboolean
start_helper (Launch                      *launch,
              const ParallelSpawnRequest  *request,
              const char                  *program,
              ParallelSpawned             *spawned,
              GError                     **error)
{
  const char mode[] = {
    PARALLEL_EXEC_VERSION,
    request->tree ? PARALLEL_EXEC_TREE : spawned->supervised ? PARALLEL_EXEC_SUPERVISE : '\0', '\0'
  };
  guint32 number_of_start = parallel_exec_reports_begin ();
  g_autofree char *mark = make_mark (number_of_start);
  g_autofree const char **argv = NULL;
  g_autoptr (GError) local_error = NULL;
  char parent[16], number[16], report_fd[16], guardian_fd[16];
  guint n_args = g_strv_length ((char **) request->argv);

  g_snprintf (parent, sizeof parent, "%d", getpid ());
  g_snprintf (number, sizeof number, "%u", number_of_start);
  g_snprintf (report_fd, sizeof report_fd, "%d", parallel_exec_reports_get_fd ());
  /* The tree's helper must live to kill it. */
  g_snprintf (guardian_fd, sizeof guardian_fd, "%d", request->tree ? -1 : parallel_guardian_get_fd ());

  argv = g_new (const char *, PARALLEL_EXEC_ARG_ARGV + n_args + 1);
  argv[0] = parallel_spawner_get_helper ();
  argv[PARALLEL_EXEC_ARG_MODE] = mode;
  argv[PARALLEL_EXEC_ARG_PARENT] = parent;
  argv[PARALLEL_EXEC_ARG_NUMBER] = number;
  argv[PARALLEL_EXEC_ARG_REPORT_FD] = report_fd;
  argv[PARALLEL_EXEC_ARG_GUARDIAN_FD] = guardian_fd;
  argv[PARALLEL_EXEC_ARG_MARK] = mark;
  argv[PARALLEL_EXEC_ARG_CWD] = request->cwd != NULL ? request->cwd : "";
  argv[PARALLEL_EXEC_ARG_PROGRAM] = program;
  memcpy (argv + PARALLEL_EXEC_ARG_ARGV, request->argv, (n_args + 1) * sizeof argv[0]);

  if (!launch_spawn (launch, argv, &spawned->subprocess, &spawned->pid, &local_error))
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
start (Launch                      *launch,
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

  if (!request->tree)
    parallel_guardian_add (spawned->pid);

  return TRUE;
}

/* FALSE with errno if there can be no stdin; what was given is taken in any case. */
static gboolean
take_stdin (Launch *launch,
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

  launch_take_fd (launch, fd, 0);
  return TRUE;
}

gboolean
parallel_spawner_spawn (const ParallelSpawnRequest  *request,
                        ParallelSpawned             *spawned,
                        GError                     **error)
{
  g_auto (Launch) launch = { 0 };
  g_autofree char *program = NULL;
  int code;

  g_assert (request->argv != NULL && request->argv[0] != NULL);

  *spawned = (ParallelSpawned) { .stdout_fd = -1, .stderr_fd = -1 };
  spawned->supervised = request->supervise || request->tree || parallel_guardian_knows_thief ()
                        || parallel_spawn_has_child_handler ();
  launch_init (&launch, request->env);

  if (!take_stdin (&launch, request->stdin_fd))
    {
      g_propagate_error (error, parallel_spawn_error_for_errno (request, errno));
      return FALSE;
    }

  if (!parallel_spawn_check_child_signal (error) || !parallel_spawn_check_cwd (request->cwd, error))
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

gboolean
parallel_spawner_spawn_guardian (int              stdin_fd,
                                 ParallelExitFunc callback,
                                 gpointer         user_data)
{
  static const char mode[] = { PARALLEL_EXEC_VERSION, PARALLEL_EXEC_GUARD, '\0' };
  char parent[16];
  const char *argv[] = { parallel_spawner_get_helper (), mode, parent, NULL };
  g_auto (Launch) launch = { 0 };
  ParallelSpawned spawned = { NULL };
  gboolean success;

  g_snprintf (parent, sizeof parent, "%d", getpid ());
  launch_init (&launch, NULL);
  launch_take_fd (&launch, stdin_fd, 0);
  success = parallel_spawn_check_child_signal (NULL)
            && launch_spawn (&launch, argv, &spawned.subprocess, &spawned.pid, NULL);
  if (success)
    {
      const char *identifier = spawned.subprocess != NULL
                               ? g_subprocess_get_identifier (spawned.subprocess) : NULL;

      if (identifier != NULL)
        spawned.pid = atoi (identifier);
      parallel_spawner_watch (&spawned, callback, user_data);
    }
  g_clear_object (&spawned.subprocess);

  return success;
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
                                     parallel_spawner_get_helper ());

  if (failure == PARALLEL_EXEC_NO_SHELL)
    return parallel_spawn_error_new (G_SPAWN_ERROR_NOEXEC, request->argv[0],
                                     "cannot be run: it is not a binary and names no interpreter, "
                                     "and /bin/sh cannot be executed: %s", g_strerror (code));

  return parallel_spawn_error_for_errno (request, code);
}

const char *
parallel_spawner_get_helper (void)
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
