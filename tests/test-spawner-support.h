/* test-spawner-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-engine.h"
#include "parallel-exec-reports.h"
#include "parallel-launch.h"
#include "parallel-spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* For test-spawner.c alone: how its tests start programs, and the roles.
 *
 * The spawner is called in the engine thread only, as by the library. What would spoil it for the other tests (being
 * killed, closing the standard descriptors, limits) is done by a role: this program, started
 * again with --role NAME. */

typedef struct
{
  int            pid;
  GError        *error;      /* from the spawn */
  GError        *failure;    /* from the helper */
  int            status;     /* as of waitpid() */
  char          *out;
  char          *err;
  gboolean       has_usage;
  ParallelExecEnd usage;
} Result;

static char *folder;
static char *self;

static void
result_clear (Result *result)
{
  g_clear_error (&result->error);
  g_clear_error (&result->failure);
  g_free (result->out);
  g_free (result->err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* One call of the spawner in the engine thread, while this one waits for it. */
typedef struct _Call Call;

struct _Call
{
  ParallelMail                mail;
  void                      (*func) (Call *call);
  const ParallelSpawnRequest *request;
  ParallelSpawned            *spawned;
  int                         pid;
  ParallelExecEnd            *usage;
  gboolean                    done;      /* what the call returned */
  GError                     *error;
  GMutex                      mutex;
  GCond                       cond;
  gboolean                    over;
};

static void
call_cb (ParallelMail *mail,
         gboolean      closed)
{
  Call *call = (Call *) mail;

  g_assert_false (closed);
  call->func (call);

  g_mutex_lock (&call->mutex);
  call->over = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->mutex);
}

static gboolean
run_call (Call *call)
{
  g_autoptr (GError) error = NULL;

  parallel_engine_start (&error);
  g_assert_no_error (error);

  g_mutex_init (&call->mutex);
  g_cond_init (&call->cond);
  parallel_engine_post (&call->mail, call_cb);
  g_mutex_lock (&call->mutex);
  while (!call->over)
    g_cond_wait (&call->cond, &call->mutex);
  g_mutex_unlock (&call->mutex);
  g_mutex_clear (&call->mutex);
  g_cond_clear (&call->cond);

  return call->done;
}

static void
spawn_func (Call *call)
{
  call->done = parallel_spawner_spawn (call->request, call->spawned, &call->error);
}

static gboolean
spawn (const ParallelSpawnRequest  *request,
       ParallelSpawned             *spawned,
       GError                     **error)
{
  Call call = { .func = spawn_func, .request = request, .spawned = spawned };

  run_call (&call);
  if (call.error != NULL)
    g_propagate_error (error, call.error);
  return call.done;
}

static void
take_failure_func (Call *call)
{
  call->error = parallel_spawner_take_failure (call->pid, call->request);
}

static GError *
take_failure (int                         pid,
              const ParallelSpawnRequest *request)
{
  Call call = { .func = take_failure_func, .request = request, .pid = pid };

  run_call (&call);
  return call.error;
}

static void
take_end_func (Call *call)
{
  call->done = parallel_exec_reports_take_end (call->pid, call->usage);
}

static gboolean
take_end (int              pid,
          ParallelExecEnd *usage)
{
  Call call = { .func = take_end_func, .pid = pid, .usage = usage };

  return run_call (&call);
}

static void
forget_func (Call *call)
{
  parallel_exec_reports_forget (call->pid);
}

static void
forget (int pid)
{
  Call call = { .func = forget_func, .pid = pid };

  run_call (&call);
}

/* Without a descriptor for a process, GLib waits for SIGCHLD, which interrupts. */
static void
await_input (int fd)
{
  struct pollfd item = { fd, POLLIN, 0 };
  int n;

  do
    n = poll (&item, 1, 30000);
  while (n < 0 && errno == EINTR);
  g_assert_cmpint (n, ==, 1);
}

static char *
read_to_end (int fd)
{
  GString *text = g_string_new (NULL);

  for (;;)
    {
      char buffer[4096];
      gssize length;

      await_input (fd);
      length = read (fd, buffer, sizeof buffer);
      g_assert_cmpint (length, >=, 0);
      if (length == 0)
        break;
      g_string_append_len (text, buffer, length);
    }

  close (fd);
  return g_string_free (text, FALSE);
}

static void
finish (const ParallelSpawnRequest *request,
        ParallelSpawned            *spawned,
        Result                     *result)
{
  result->pid = spawned->pid;
  result->out = read_to_end (spawned->stdout_fd);
  if (request->merge_stderr)
    g_assert_cmpint (spawned->stderr_fd, ==, -1);
  else
    result->err = read_to_end (spawned->stderr_fd);

  g_assert_true (g_subprocess_wait (spawned->subprocess, NULL, NULL));
  result->status = g_subprocess_get_status (spawned->subprocess);
  result->failure = take_failure (spawned->pid, request);
  result->has_usage = take_end (spawned->pid, &result->usage);
  g_object_unref (spawned->subprocess);
  g_free (spawned->mark);

  g_assert_null (take_failure (spawned->pid, request));
  g_assert_false (take_end (spawned->pid, &result->usage));
}

static void
run (const ParallelSpawnRequest *request,
     Result                     *result)
{
  ParallelSpawned spawned;

  *result = (Result) { 0 };

  if (spawn (request, &spawned, &result->error))
    {
      g_assert_no_error (result->error);
      finish (request, &spawned, result);
      return;
    }

  g_assert_nonnull (result->error);
  g_assert_null (spawned.subprocess);
  g_assert_cmpint (spawned.stdout_fd, ==, -1);
  g_assert_cmpint (spawned.stderr_fd, ==, -1);
}

static void
run_shell (const char *script,
           gboolean    measure,
           Result     *result)
{
  const char *argv[] = { "/bin/sh", "-c", script, "sh", NULL };
  ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1, .supervise = measure };

  run (&request, result);
  g_assert_no_error (result->error);
  g_assert_no_error (result->failure);
}

/* Starts it and returns after its first line of output. */
static void
start_shell (const char           *script,
             gboolean              measure,
             ParallelSpawnRequest *request,
             ParallelSpawned      *spawned)
{
  static const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
  g_autoptr (GError) error = NULL;

  argv[2] = script;
  *request = (ParallelSpawnRequest) { .argv = argv, .stdin_fd = -1, .supervise = measure };
  spawn (request, spawned, &error);
  g_assert_no_error (error);

  await_input (spawned->stdout_fd);
}

static char *
make_file (const char *name,
           const char *contents,
           gssize      length,
           int         mode)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, contents, length, NULL));
  g_assert_cmpint (g_chmod (path, mode), ==, 0);

  return path;
}

/* Without GLib's own, which its worker closes when it likes. */
static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/fd", name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      n += target != NULL && !g_str_has_prefix (target, "anon_inode:");
    }

  return n;
}

/* A zombie does not run. */
static gboolean
runs (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree char *text = NULL;
  const char *end;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;

  end = strrchr (text, ')');
  return end != NULL && end[2] != 'Z' && end[2] != 'X';
}

static void
await_end (int pid)
{
  for (guint i = 0; runs (pid); i++)
    {
      g_assert_cmpuint (i, <, 3000);
      g_usleep (10000);
    }
}

static char *
run_role (const char *role,
          const char *helper,
          int        *status)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GError) error = NULL;
  char *out = NULL;

  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  if (helper != NULL)
    g_subprocess_launcher_setenv (launcher, "PARALLEL_GLIB_EXEC", helper, TRUE);
  subprocess = g_subprocess_launcher_spawn (launcher, &error, self, "--role", role, folder, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (subprocess, NULL, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  *status = g_subprocess_get_status (subprocess);

  return out;
}

/* Roles */

static int
role_burn (double seconds)
{
  gsize size = 40 * 1024 * 1024;
  volatile char *memory = g_malloc (size);
  struct rusage usage;

  for (gsize i = 0; i < size; i += 1024)
    memory[i] = 1;
  do
    {
      for (volatile guint i = 0; i < 1000000; i++)
        ;
      getrusage (RUSAGE_SELF, &usage);
    }
  while (usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 < seconds);

  g_free ((gpointer) memory);

  return 7;
}

static int
role_die (void)
{
  ParallelSpawnRequest request;
  ParallelSpawned plain;
  ParallelSpawned measured;
  char text[16] = "";

  start_shell ("echo $$; exec sleep 1000", FALSE, &request, &plain);
  start_shell ("echo $$; exec sleep 1000", TRUE, &request, &measured);
  g_assert_cmpint (read (measured.stdout_fd, text, sizeof text - 1), >, 0);
  g_assert_cmpint (atoi (text), !=, measured.pid);
  g_print ("%d %d %s", plain.pid, measured.pid, text);
  fflush (stdout);
  kill (getpid (), SIGKILL);

  return 1;
}

static int
role_error (void)
{
  static const char *argv[] = { "/bin/true", NULL };
  ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1 };
  g_auto (Result) result = { 0 };

  run (&request, &result);
  fputs (result.error != NULL ? result.error->message : "no error", stdout);

  return result.error != NULL && result.error->code == G_SPAWN_ERROR_FAILED ? 0 : 1;
}

/* Descriptors 0 to 3 are free when the spawner opens its own; GLib has already opened its own. */
static int
role_closed (void)
{
  static const char *argv[] = {
    "/bin/sh", "-c", "cat; echo err >&2; ls /proc/$$/fd; :", NULL
  };
  ParallelSpawnRequest request = { .argv = argv };
  g_auto (Result) first = { 0 };
  g_auto (Result) result = { 0 };
  int fds[2];

  dup2 (2, 3);
  run_shell ("exit 0", FALSE, &first);
  for (int fd = 0; fd <= 3; fd++)
    close (fd);

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  g_assert_cmpint (write (fds[1], "input ", 6), ==, 6);
  close (fds[1]);
  request.stdin_fd = fds[0];
  run (&request, &result);

  return g_strcmp0 (result.out, "input 0\n1\n2\n") != 0 || g_strcmp0 (result.err, "err\n") != 0;
}

/* At each number of descriptors that are left it works, or says why not, and leaves nothing
 * open. */
static int
role_limit (void)
{
  g_auto (Result) first = { 0 };
  struct rlimit limit;
  guint n_failed = 0;

  run_shell ("exit 0", FALSE, &first);
  getrlimit (RLIMIT_NOFILE, &limit);

  for (guint free_fds = 0; free_fds < 16; free_fds++)
    {
      static const char *argv[] = { "/bin/true", NULL };
      ParallelSpawnRequest request = { .argv = argv };
      struct rlimit low = limit;
      ParallelSpawned spawned;
      Result result = { 0 };
      gboolean started;
      guint before = count_fds ();

      /* Which closes it in any case. */
      request.stdin_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
      low.rlim_cur = request.stdin_fd + 1 + free_fds;
      setrlimit (RLIMIT_NOFILE, &low);
      started = spawn (&request, &spawned, &result.error);
      setrlimit (RLIMIT_NOFILE, &limit);

      if (started)
        finish (&request, &spawned, &result);
      else if (!g_error_matches (result.error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED)
               || strstr (result.error->message, "ulimit -n") == NULL
               || strstr (result.error->message, "/bin/true") == NULL)
        return 1;
      n_failed += !started;
      result_clear (&result);

      if (count_fds () != before)
        return 2;
    }

  g_print ("%u", n_failed);
  return 0;
}

/* A kernel without close_range(). */
static int
role_old_kernel (void)
{
  struct sock_filter filter[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, 436, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { G_N_ELEMENTS (filter), filter };
  g_auto (Result) plain = { 0 };
  g_auto (Result) measured = { 0 };

  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
      || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    return 77;

  dup2 (2, 7);
  dup2 (2, 200);
  run_shell ("ls /proc/$$/fd; :", FALSE, &plain);
  g_print ("%s", plain.out);
  run_shell ("ls /proc/$$/fd; :", TRUE, &measured);
  g_print ("%s", measured.out);

  return 0;
}

static int
run_as (const char *role,
        const char *argument)
{
  if (g_str_equal (role, "burn"))
    return role_burn (g_ascii_strtod (argument, NULL));
  if (g_str_equal (role, "die"))
    return role_die ();
  if (g_str_equal (role, "error"))
    return role_error ();
  if (g_str_equal (role, "closed"))
    return role_closed ();
  if (g_str_equal (role, "limit"))
    return role_limit ();
  if (g_str_equal (role, "old-kernel"))
    return role_old_kernel ();

  return 99;
}
