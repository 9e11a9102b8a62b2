/* parallel-spawner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"
#include "parallel-spawn-error.h"

/* Room for 16384 reports that nobody has read yet; 1 MiB is what anybody may ask for. The kernel
 * allocates it only as it fills. */
#define REPORT_PIPE_SIZE (1024 * 1024)

/* What the helpers reported of one process and nobody has asked for yet. */
typedef struct
{
  guint         failure;    /* a ParallelExecKind, or 0 */
  int           failure_errno;
  gboolean      has_usage;
  ParallelUsage usage;
} Report;

/* Engine thread only. */
static struct
{
  int         owner;        /* the process that made it; a fork must not read its reports */
  int         read_fd;
  int         write_fd;
  guint32     number;       /* of the last start */
  int         number_pid;   /* the process of that start, once it has been reported */
  GHashTable *reports;      /* of process id to Report */
} spawner = { .owner = -1, .read_fd = -1, .write_fd = -1 };

static void
clear_fd (int *fd)
{
  int old = *fd;

  *fd = -1;
  if (old >= 0)
    close (old);
}

/* Descriptors */

static int
duplicate_fd (int fd)
{
  return fcntl (fd, F_DUPFD_CLOEXEC, PARALLEL_EXEC_REPORT_FD + 1);
}

/* GLib moves the child's descriptors to 0, 1 and 2 one after the other, and the helper the report
 * pipe to 3; neither must step on one that is still to be moved. That would happen when this
 * program has closed some of its own standard descriptors. */
static gboolean
lift_fd (int *fd)
{
  int old = *fd;

  if (old > PARALLEL_EXEC_REPORT_FD)
    return TRUE;

  *fd = duplicate_fd (old);
  if (*fd < 0)
    {
      *fd = old;
      return FALSE;
    }

  close (old);
  return TRUE;
}

static gboolean
open_pipe (int *read_fd,
           int *write_fd,
           int  flags)
{
  int fds[2];
  int code;

  if (pipe2 (fds, O_CLOEXEC | flags) != 0)
    return FALSE;

  if (lift_fd (&fds[0]) && lift_fd (&fds[1]) && fcntl (fds[0], F_SETFL, O_NONBLOCK) == 0)
    {
      *read_fd = fds[0];
      *write_fd = fds[1];
      return TRUE;
    }

  code = errno;
  close (fds[0]);
  close (fds[1]);
  errno = code;

  return FALSE;
}

/* The reports */

static gboolean
prepare_reports (void)
{
  int owner = getpid ();

  if (spawner.owner == owner)
    return TRUE;

  clear_fd (&spawner.read_fd);
  clear_fd (&spawner.write_fd);
  if (!open_pipe (&spawner.read_fd, &spawner.write_fd, O_NONBLOCK))
    return FALSE;

  fcntl (spawner.write_fd, F_SETPIPE_SZ, REPORT_PIPE_SIZE);
  if (spawner.reports == NULL)
    spawner.reports = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_hash_table_remove_all (spawner.reports);
  spawner.owner = owner;

  return TRUE;
}

static void
take_record (const ParallelExecRecord *record)
{
  Report *report;

  if (record->kind == PARALLEL_EXEC_STARTED)
    {
      /* What has been reported under this process id so far was of an earlier process, and
       * nobody asked. */
      g_hash_table_remove (spawner.reports, GINT_TO_POINTER (record->pid));
      if (record->number == spawner.number)
        spawner.number_pid = record->pid;
      return;
    }

  report = g_hash_table_lookup (spawner.reports, GINT_TO_POINTER (record->pid));
  if (report == NULL)
    {
      report = g_new0 (Report, 1);
      g_hash_table_insert (spawner.reports, GINT_TO_POINTER (record->pid), report);
    }

  if (record->kind == PARALLEL_EXEC_USAGE)
    {
      report->has_usage = TRUE;
      report->usage.user_time = (double) record->user_time / G_USEC_PER_SEC;
      report->usage.system_time = (double) record->system_time / G_USEC_PER_SEC;
      report->usage.max_rss = record->max_rss * 1024;
    }
  else
    {
      report->failure = record->kind;
      report->failure_errno = (int) record->number;
    }
}

static void
drain_reports (void)
{
  ParallelExecRecord records[32];
  gssize length;

  if (spawner.owner != getpid ())
    return;

  do
    {
      length = read (spawner.read_fd, records, sizeof records);
      for (gssize i = 0; (i + 1) * (gssize) sizeof records[0] <= length; i++)
        take_record (&records[i]);
    }
  while (length == sizeof records || (length < 0 && errno == EINTR));
}

static Report *
find_report (int pid)
{
  drain_reports ();

  if (spawner.reports == NULL)
    return NULL;

  return g_hash_table_lookup (spawner.reports, GINT_TO_POINTER (pid));
}

static void
drop_report (int     pid,
             Report *report)
{
  if (report->failure == 0 && !report->has_usage)
    g_hash_table_remove (spawner.reports, GINT_TO_POINTER (pid));
}

/* Starting */

/* The write ends go to the launcher, which closes them in any case; the read ends to @spawned. */
static gboolean
open_outputs (GSubprocessLauncher        *launcher,
              const ParallelSpawnRequest *request,
              ParallelSpawned            *spawned)
{
  int stdout_fd;
  int stderr_fd;

  if (!open_pipe (&spawned->stdout_fd, &stdout_fd, 0))
    return FALSE;
  g_subprocess_launcher_take_stdout_fd (launcher, stdout_fd);

  /* Not G_SUBPROCESS_FLAGS_STDERR_MERGE: with that and posix_spawn, GLib 2.74 closes the child's
   * stdout. */
  if (request->merge_stderr)
    stderr_fd = duplicate_fd (stdout_fd);
  else if (!open_pipe (&spawned->stderr_fd, &stderr_fd, 0))
    stderr_fd = -1;
  if (stderr_fd < 0)
    return FALSE;
  g_subprocess_launcher_take_stderr_fd (launcher, stderr_fd);

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

static GSubprocess *
start_helper (GSubprocessLauncher         *launcher,
              const ParallelSpawnRequest  *request,
              const char                  *program,
              GError                     **error)
{
  const char mode[] = {
    PARALLEL_EXEC_VERSION, request->measure ? PARALLEL_EXEC_MEASURE : '\0', '\0'
  };
  g_autofree const char **argv = NULL;
  g_autoptr (GError) local_error = NULL;
  GSubprocess *subprocess;
  char parent[16];
  char number[16];
  char report_fd[16];
  guint n_args = g_strv_length ((char **) request->argv);

  g_snprintf (parent, sizeof parent, "%d", spawner.owner);
  g_snprintf (number, sizeof number, "%u", spawner.number);
  g_snprintf (report_fd, sizeof report_fd, "%d", spawner.write_fd);

  argv = g_new (const char *, PARALLEL_EXEC_ARG_ARGV + n_args + 1);
  argv[0] = parallel_spawner_get_helper ();
  argv[PARALLEL_EXEC_ARG_MODE] = mode;
  argv[PARALLEL_EXEC_ARG_PARENT] = parent;
  argv[PARALLEL_EXEC_ARG_NUMBER] = number;
  argv[PARALLEL_EXEC_ARG_REPORT_FD] = report_fd;
  argv[PARALLEL_EXEC_ARG_CWD] = request->cwd != NULL ? request->cwd : "";
  argv[PARALLEL_EXEC_ARG_PROGRAM] = program;
  memcpy (argv + PARALLEL_EXEC_ARG_ARGV, request->argv, (n_args + 1) * sizeof argv[0]);

  /* Inherited for the moment, and not g_subprocess_launcher_take_fd(): GLib 2.74 duplicates such
   * a descriptor, and when there is none left for that, an assertion of GSubprocess ends the
   * program. Should another thread start something meanwhile, that has a descriptor too many,
   * and no harm is done: nobody waits for the pipe's end. */
  fcntl (spawner.write_fd, F_SETFD, 0);
  subprocess = g_subprocess_launcher_spawnv (launcher, argv, &local_error);
  fcntl (spawner.write_fd, F_SETFD, FD_CLOEXEC);

  if (subprocess == NULL)
    g_propagate_error (error, translate_spawn_error (request, local_error));

  return subprocess;
}

/* GLib's worker thread reaps the child as soon as it ends, and from then on GSubprocess has no
 * process id any more; that may be before this thread gets to ask. The child's process group may
 * live on, so the id is needed, and the helper has reported it. */
static int
get_pid (GSubprocess *subprocess)
{
  const char *identifier = g_subprocess_get_identifier (subprocess);

  if (identifier != NULL)
    return atoi (identifier);

  drain_reports ();
  return spawner.number_pid;
}

static gboolean
start (GSubprocessLauncher         *launcher,
       const ParallelSpawnRequest  *request,
       const char                  *program,
       ParallelSpawned             *spawned,
       GError                     **error)
{
  g_autoptr (GSubprocess) subprocess = NULL;

  /* Here, so that the pipe never fills up with the reports of starts. */
  drain_reports ();
  spawner.number++;
  spawner.number_pid = 0;

  subprocess = start_helper (launcher, request, program, error);
  if (subprocess == NULL)
    return FALSE;

  spawned->pid = get_pid (subprocess);
  if (spawned->pid == 0)
    {
      g_propagate_error (error, parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, request->argv[0],
                                                          "was killed before it could start"));
      return FALSE;
    }

  spawned->subprocess = g_steal_pointer (&subprocess);

  return TRUE;
}

/* NULL with errno set if there can be no stdin; what was given is closed in any case. */
static GSubprocessLauncher *
create_launcher (const ParallelSpawnRequest *request)
{
  GSubprocessLauncher *launcher;
  int stdin_fd = request->stdin_fd;

  /* Without a descriptor GLib 2.74 would open /dev/null itself, and when there is none left for that, an
   * assertion of it ends the program. */
  if (stdin_fd < 0)
    stdin_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  if (stdin_fd < 0)
    return NULL;

  if (!lift_fd (&stdin_fd))
    {
      int code = errno;

      close (stdin_fd);
      errno = code;
      return NULL;
    }

  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS);
  g_subprocess_launcher_take_stdin_fd (launcher, stdin_fd);
  if (request->env != NULL)
    g_subprocess_launcher_set_environ (launcher, (char **) request->env);

  return launcher;
}

gboolean
parallel_spawner_spawn (const ParallelSpawnRequest  *request,
                        ParallelSpawned             *spawned,
                        GError                     **error)
{
  /* First of all, because from here on stdin has an owner. */
  g_autoptr (GSubprocessLauncher) launcher = create_launcher (request);
  g_autofree char *program = NULL;
  int code = errno;

  g_assert (request->argv != NULL && request->argv[0] != NULL);

  *spawned = (ParallelSpawned) { .stdout_fd = -1, .stderr_fd = -1 };

  if (launcher == NULL)
    {
      g_propagate_error (error, parallel_spawn_error_for_errno (request, code));
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

  if (!prepare_reports () || !open_outputs (launcher, request, spawned))
    g_propagate_error (error, parallel_spawn_error_for_errno (request, errno));
  else if (start (launcher, request, program, spawned, error))
    return TRUE;

  clear_fd (&spawned->stdout_fd);
  clear_fd (&spawned->stderr_fd);

  return FALSE;
}

GError *
parallel_spawner_take_failure (int                         pid,
                               const ParallelSpawnRequest *request)
{
  Report *report = find_report (pid);
  guint failure;
  int code;

  if (report == NULL || report->failure == 0)
    return NULL;

  failure = report->failure;
  code = report->failure_errno;
  report->failure = 0;
  drop_report (pid, report);

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

gboolean
parallel_spawner_take_usage (int            pid,
                             ParallelUsage *usage)
{
  Report *report = find_report (pid);

  if (report == NULL || !report->has_usage)
    return FALSE;

  *usage = report->usage;
  report->has_usage = FALSE;
  drop_report (pid, report);

  return TRUE;
}

void
parallel_spawner_forget (int pid)
{
  drain_reports ();
  if (spawner.reports != NULL)
    g_hash_table_remove (spawner.reports, GINT_TO_POINTER (pid));
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
