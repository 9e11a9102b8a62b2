/* parallel-spawner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"

/* Room for 16384 reports that nobody has read yet; 1 MiB is what anybody may ask for. The kernel allocates it
 * only as it fills. */
#define REPORT_PIPE_SIZE (1024 * 1024)

/* The kernel's limit for one argument or one variable: MAX_ARG_STRLEN, which no header has. */
#define MAX_ARGUMENT_SIZE (128 * 1024)

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
  int         owner;        /* the process that made it: a fork of it must not read this one's reports */
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

static const char *
display_name (const char *name)
{
  static char *last;

  /* Lives until the next call: messages only, of one name each. */
  g_free (last);
  last = g_filename_display_name (name);

  return last;
}

/* Errors */

static gboolean
get_interpreter (const char  *path,
                 char       **interpreter)
{
  char line[256];
  gssize length;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0)
    return FALSE;

  length = read (fd, line, sizeof line - 1);
  close (fd);
  if (length < 3 || line[0] != '#' || line[1] != '!')
    return FALSE;

  line[length] = '\0';
  line[strcspn (line, "\n")] = '\0';
  g_strchug (line + 2);
  line[2 + strcspn (line + 2, " \t")] = '\0';
  *interpreter = g_strdup (line + 2);

  return TRUE;
}

/* The program is there, and yet the kernel says that it, or what is needed to run it, is not. */
static GError *
error_for_interpreter (const char *name,
                       const char *path)
{
  g_autofree char *interpreter = NULL;

  if (!get_interpreter (path, &interpreter))
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT,
                        "The program “%s” cannot be run: the loader that it was linked for does not exist "
                        "here; it may be made for another system",
                        display_name (name));

  if (g_str_has_suffix (interpreter, "\r"))
    {
      interpreter[strlen (interpreter) - 1] = '\0';
      return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT,
                          "The program “%s” cannot be run: its first line ends with a carriage return, so that its "
                          "interpreter “%s” is not found; convert the file to Unix line ends",
                          display_name (name), interpreter);
    }

  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT,
                      "The program “%s” cannot be run: its interpreter “%s” does not exist",
                      display_name (name), interpreter);
}

static gsize
get_argument_limit (void)
{
  struct rlimit limit;

  /* As the kernel reckons: a quarter of the stack, within bounds. */
  if (getrlimit (RLIMIT_STACK, &limit) != 0)
    return 128 * 1024;

  return CLAMP (limit.rlim_cur / 4, 128 * 1024, 6 * 1024 * 1024);
}

static void
add_strings (const char * const *strings,
             gsize              *total,
             gsize              *longest)
{
  for (gsize i = 0; strings != NULL && strings[i] != NULL; i++)
    {
      gsize size = strlen (strings[i]) + 1;

      *total += size + sizeof (char *);
      *longest = MAX (*longest, size);
    }
}

static GError *
error_for_size (const ParallelSpawnRequest *request)
{
  g_auto (GStrv) inherited = request->env == NULL ? g_get_environ () : NULL;
  gsize total = 0;
  gsize longest = 0;

  add_strings (request->argv, &total, &longest);
  add_strings (request->env != NULL ? request->env : (const char * const *) inherited, &total, &longest);

  if (longest > MAX_ARGUMENT_SIZE)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG,
                        "An argument or a variable for the program “%s” is too long: %" G_GSIZE_FORMAT " bytes, "
                        "and the system allows %d; hand it over in a file or on standard input",
                        display_name (request->argv[0]), longest, MAX_ARGUMENT_SIZE);

  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG,
                      "The arguments and the environment for the program “%s” are too long: %" G_GSIZE_FORMAT
                      " bytes, and the system allows %" G_GSIZE_FORMAT " (a quarter of the stack limit, ulimit -s); "
                      "hand them over in a file or on standard input",
                      display_name (request->argv[0]), total, get_argument_limit ());
}

static GError *
error_for_descriptors (const char *name,
                       int         code)
{
  struct rlimit limit = { 0 };

  if (code == ENFILE)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                        "The program “%s” cannot be started: the system's limit of open files is reached; "
                        "run fewer steps at once, or raise fs.file-max",
                        display_name (name));

  getrlimit (RLIMIT_NOFILE, &limit);
  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                      "The program “%s” cannot be started: this program's limit of %" G_GUINT64_FORMAT " open "
                      "file descriptors is reached; run fewer steps at once, or raise the limit (ulimit -n)",
                      display_name (name), (guint64) limit.rlim_cur);
}

static const struct
{
  int         code;
  GSpawnError error;
  const char *text;         /* what happened, and what can be done */
} spawn_errors[] = {
  { EACCES, G_SPAWN_ERROR_ACCES, "permission denied; it or its interpreter is not executable (chmod +x), or lies on "
                                 "a file system that does not allow it" },
  { EPERM, G_SPAWN_ERROR_PERM, "the system does not permit it" },
  { EAGAIN, G_SPAWN_ERROR_FORK, "the limit of processes is reached; run fewer steps at once, or raise the limit "
                                "(ulimit -u)" },
  { ENOMEM, G_SPAWN_ERROR_NOMEM, "there is not enough memory" },
  { ENOEXEC, G_SPAWN_ERROR_NOEXEC, "it is damaged, or made for another kind of processor" },
  { ENAMETOOLONG, G_SPAWN_ERROR_NAMETOOLONG, "its name is too long" },
  { ENOTDIR, G_SPAWN_ERROR_NOTDIR, "a part of its path is not a folder" },
  { ELOOP, G_SPAWN_ERROR_LOOP, "its path has too many symbolic links" },
  { ETXTBSY, G_SPAWN_ERROR_TXTBUSY, "it is open for writing by some process" },
  { EIO, G_SPAWN_ERROR_IO, "it cannot be read" },
  { EINVAL, G_SPAWN_ERROR_INVAL, "it asks for more than one interpreter" },
  { EISDIR, G_SPAWN_ERROR_ISDIR, "it is a folder, not a program" },
  { ELIBBAD, G_SPAWN_ERROR_LIBBAD, "its loader is damaged, or made for another kind of processor" },
};

/* @path is where the program of @request was found. */
static GError *
error_for_errno (const ParallelSpawnRequest *request,
                 const char                 *path,
                 int                         code)
{
  const char *name = request->argv[0];

  if (code == E2BIG)
    return error_for_size (request);
  if (code == EMFILE || code == ENFILE)
    return error_for_descriptors (name, code);
  if (code == ENOENT && path != NULL)
    return error_for_interpreter (name, path);

  for (gsize i = 0; i < G_N_ELEMENTS (spawn_errors); i++)
    {
      if (spawn_errors[i].code == code)
        return g_error_new (G_SPAWN_ERROR, spawn_errors[i].error, "The program “%s” cannot be run: %s",
                            display_name (name), spawn_errors[i].text);
    }

  return g_error_new (G_SPAWN_ERROR, code == ENOENT ? G_SPAWN_ERROR_NOENT : G_SPAWN_ERROR_FAILED,
                      "The program “%s” cannot be run: %s", display_name (name), g_strerror (code));
}

static GError *
error_for_cwd (const char *cwd,
               int         code)
{
  const char *text;

  if (code == ENOENT)
    text = "does not exist";
  else if (code == ENOTDIR)
    text = "is not a folder";
  else if (code == EACCES)
    text = "may not be entered: permission denied";
  else
    text = NULL;

  if (text != NULL)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_CHDIR, "The working directory “%s” %s",
                        display_name (cwd), text);

  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_CHDIR, "The working directory “%s” cannot be entered: %s",
                      display_name (cwd), g_strerror (code));
}

/* What can be known beforehand */

static gboolean
check_child_signal (GError **error)
{
  struct sigaction action;

  if (sigaction (SIGCHLD, NULL, &action) != 0)
    return TRUE;

  if ((action.sa_flags & SA_NOCLDWAIT) == 0
      && ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_IGN))
    return TRUE;

  g_set_error_literal (error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                       "No program can be started while this one ignores SIGCHLD (or inherited that), because the "
                       "exit status of every program would be lost and failures would look like successes; "
                       "restore the default first: signal (SIGCHLD, SIG_DFL)");
  return FALSE;
}

static gboolean
check_cwd (const char  *cwd,
           GError     **error)
{
  struct stat info;
  int code = 0;

  if (cwd == NULL)
    return TRUE;

  if (stat (cwd, &info) != 0)
    code = errno;
  else if (!S_ISDIR (info.st_mode))
    code = ENOTDIR;
  else if (faccessat (AT_FDCWD, cwd, X_OK, AT_EACCESS) != 0)
    code = errno;

  if (code != 0)
    g_propagate_error (error, error_for_cwd (cwd, code));

  return code == 0;
}

/* 0, or why @path, relative to @cwd, would not be executed. */
static int
check_program (const char *path,
               const char *cwd)
{
  g_autofree char *joined = NULL;
  struct stat info;

  if (cwd != NULL && !g_path_is_absolute (path))
    path = joined = g_build_filename (cwd, path, NULL);

  if (stat (path, &info) != 0)
    return errno;
  if (S_ISDIR (info.st_mode))
    return EISDIR;
  if (!S_ISREG (info.st_mode))
    return EACCES;

  return faccessat (AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* Looks for @name in @search as execvp() does: what may not be executed is passed over, but remembered. */
static char *
search_path (const char *name,
             const char *search,
             const char *cwd,
             int        *code)
{
  g_auto (GStrv) folders = g_strsplit (search[0] != '\0' ? search : ".", ":", -1);

  *code = ENOENT;
  for (gsize i = 0; folders[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (folders[i][0] != '\0' ? folders[i] : ".", name, NULL);
      int found = check_program (path, cwd);

      if (found == 0)
        {
          *code = 0;
          return g_steal_pointer (&path);
        }
      if (found == EACCES || (found == EISDIR && *code == ENOENT))
        *code = found;
    }

  return NULL;
}

/* The path to execute from within the working directory, or NULL and an errno. */
static char *
find_program (const ParallelSpawnRequest *request,
              int                        *code)
{
  const char *name = request->argv[0];
  const char *search;

  if (strchr (name, '/') != NULL)
    {
      *code = check_program (name, request->cwd);
      return *code == 0 ? g_strdup (name) : NULL;
    }

  *code = ENOENT;
  if (name[0] == '\0')
    return NULL;

  search = request->env != NULL ? g_environ_getenv ((char **) request->env, "PATH") : g_getenv ("PATH");

  return search_path (name, search != NULL ? search : "/bin:/usr/bin", request->cwd, code);
}

static char *
require_program (const ParallelSpawnRequest  *request,
                 GError                     **error)
{
  int code;
  char *path = find_program (request, &code);

  if (path != NULL)
    return path;

  if (code != ENOENT)
    g_propagate_error (error, error_for_errno (request, NULL, code));
  else if (strchr (request->argv[0], '/') != NULL)
    g_set_error (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT, "The program “%s” does not exist",
                 display_name (request->argv[0]));
  else
    g_set_error (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT, "The program “%s” was not found in PATH",
                 display_name (request->argv[0]));

  return NULL;
}

/* Descriptors */

/* GLib moves the child's descriptors to 0, 1, 2 and 3 one after the other, and must not step on one that is still
 * to be moved. That happens when this program has closed one of its own. */
static gboolean
lift_fd (int *fd)
{
  int old = *fd;

  if (old > PARALLEL_EXEC_REPORT_FD)
    return TRUE;

  *fd = fcntl (old, F_DUPFD_CLOEXEC, PARALLEL_EXEC_REPORT_FD + 1);
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

  return spawner.reports != NULL ? g_hash_table_lookup (spawner.reports, GINT_TO_POINTER (pid)) : NULL;
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
  int write_fd;

  if (!open_pipe (&spawned->stdout_fd, &write_fd, 0))
    return FALSE;
  g_subprocess_launcher_take_stdout_fd (launcher, write_fd);

  if (!request->merge_stderr)
    {
      if (!open_pipe (&spawned->stderr_fd, &write_fd, 0))
        return FALSE;
      g_subprocess_launcher_take_stderr_fd (launcher, write_fd);
    }

  write_fd = fcntl (spawner.write_fd, F_DUPFD_CLOEXEC, PARALLEL_EXEC_REPORT_FD + 1);
  if (write_fd < 0)
    return FALSE;
  g_subprocess_launcher_take_fd (launcher, write_fd, PARALLEL_EXEC_REPORT_FD);

  return TRUE;
}

/* GSubprocess says why posix_spawn() failed in words only; they are g_strerror()'s, in parentheses. */
static int
get_spawn_errno (const GError *error)
{
  static const int codes[] = { E2BIG, EMFILE, ENFILE, EAGAIN, ENOMEM, ENOENT, EACCES, ENOTDIR, ENOEXEC, EPERM };

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
  int code = get_spawn_errno (error);
  int helper_code = check_program (parallel_spawner_get_helper (), NULL);

  if (code == E2BIG || code == EMFILE || code == ENFILE || code == EAGAIN || code == ENOMEM)
    return error_for_errno (request, NULL, code);

  if (helper_code != 0)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                        "The program “%s” cannot be started: parallel-glib's helper “%s” %s; install "
                        "parallel-glib completely, or correct the environment variable PARALLEL_GLIB_EXEC",
                        request->argv[0], display_name (parallel_spawner_get_helper ()),
                        helper_code == ENOENT ? "does not exist" : "is not an executable file");

  return g_error_new (error->domain, error->code, "The program “%s” cannot be started: %s",
                      display_name (request->argv[0]), error->message);
}

static GSubprocess *
start_helper (GSubprocessLauncher         *launcher,
              const ParallelSpawnRequest  *request,
              const char                  *program,
              GError                     **error)
{
  const char mode[] = { PARALLEL_EXEC_VERSION, request->measure ? PARALLEL_EXEC_MEASURE : '\0', '\0' };
  g_autofree const char **argv = NULL;
  g_autoptr (GError) local_error = NULL;
  GSubprocess *subprocess;
  char parent[16];
  char number[16];
  guint n_args = g_strv_length ((char **) request->argv);

  g_snprintf (parent, sizeof parent, "%d", spawner.owner);
  g_snprintf (number, sizeof number, "%u", spawner.number);

  argv = g_new (const char *, PARALLEL_EXEC_ARG_ARGV + n_args + 1);
  argv[0] = parallel_spawner_get_helper ();
  argv[PARALLEL_EXEC_ARG_MODE] = mode;
  argv[PARALLEL_EXEC_ARG_PARENT] = parent;
  argv[PARALLEL_EXEC_ARG_NUMBER] = number;
  argv[PARALLEL_EXEC_ARG_CWD] = request->cwd != NULL ? request->cwd : "";
  argv[PARALLEL_EXEC_ARG_PROGRAM] = program;
  memcpy (argv + PARALLEL_EXEC_ARG_ARGV, request->argv, (n_args + 1) * sizeof argv[0]);

  subprocess = g_subprocess_launcher_spawnv (launcher, argv, &local_error);
  if (subprocess == NULL)
    g_propagate_error (error, translate_spawn_error (request, local_error));

  return subprocess;
}

/* GLib's worker thread reaps the child as soon as it ends, and from then on GSubprocess has no process id any
 * more; that may be before this thread gets to ask. The child's process group may live on, so the id is needed, and
 * the helper has reported it. */
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

  /* Whatever is known before this start under its process id is about a process that had the id before. */
  drain_reports ();
  spawner.number++;
  spawner.number_pid = 0;

  subprocess = start_helper (launcher, request, program, error);
  if (subprocess == NULL)
    return FALSE;

  spawned->pid = get_pid (subprocess);
  if (spawned->pid == 0)
    {
      g_set_error (error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED, "The program “%s” was killed before it could start",
                   display_name (request->argv[0]));
      return FALSE;
    }

  spawned->subprocess = g_steal_pointer (&subprocess);

  return TRUE;
}

/* Stdin comes to the launcher first: that closes it whatever happens then. */
static GSubprocessLauncher *
create_launcher (const ParallelSpawnRequest *request)
{
  GSubprocessFlags flags = G_SUBPROCESS_FLAGS_INHERIT_FDS;
  GSubprocessLauncher *launcher;
  int stdin_fd = request->stdin_fd;

  if (request->merge_stderr)
    flags |= G_SUBPROCESS_FLAGS_STDERR_MERGE;

  /* Without a descriptor, GSubprocess itself opens /dev/null. */
  launcher = g_subprocess_launcher_new (flags);
  if (stdin_fd >= 0)
    {
      lift_fd (&stdin_fd);
      g_subprocess_launcher_take_stdin_fd (launcher, stdin_fd);
    }
  if (request->env != NULL)
    g_subprocess_launcher_set_environ (launcher, (char **) request->env);

  return launcher;
}

gboolean
parallel_spawner_spawn (const ParallelSpawnRequest  *request,
                        ParallelSpawned             *spawned,
                        GError                     **error)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autofree char *program = NULL;

  g_assert (request->argv != NULL && request->argv[0] != NULL);

  *spawned = (ParallelSpawned) { .stdout_fd = -1, .stderr_fd = -1 };
  launcher = create_launcher (request);

  if (!check_child_signal (error) || !check_cwd (request->cwd, error))
    return FALSE;

  program = require_program (request, error);
  if (program == NULL)
    return FALSE;

  if (!prepare_reports () || !open_outputs (launcher, request, spawned))
    g_propagate_error (error, error_for_errno (request, NULL, errno));
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
  g_autofree char *path = NULL;
  guint failure;
  int code;
  int ignored;

  if (report == NULL || report->failure == 0)
    return NULL;

  failure = report->failure;
  code = report->failure_errno;
  report->failure = 0;
  drop_report (pid, report);

  if (failure == PARALLEL_EXEC_NO_CWD)
    return error_for_cwd (request->cwd != NULL ? request->cwd : "", code);

  if (failure == PARALLEL_EXEC_NO_PROTOCOL)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                        "The program “%s” cannot be started: parallel-glib's helper “%s” is of another version; "
                        "if parallel-glib has just been updated, start this program again",
                        request->argv[0], display_name (parallel_spawner_get_helper ()));

  if (failure == PARALLEL_EXEC_NO_SHELL)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_NOEXEC,
                        "The program “%s” cannot be run: it is not a binary and names no interpreter, and /bin/sh "
                        "cannot run it either: %s", display_name (request->argv[0]), g_strerror (code));

  path = find_program (request, &ignored);
  return error_for_errno (request, path, code);
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

  /* Once, and kept: another thread may change the environment. A set-user-ID program must not obey it. */
  if (g_once_init_enter (&helper))
    {
      const char *value = secure_getenv ("PARALLEL_GLIB_EXEC");

      g_once_init_leave (&helper, value != NULL && value[0] != '\0' ? g_strdup (value) : PARALLEL_EXEC_PATH);
    }

  return helper;
}
