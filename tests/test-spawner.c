/* test-spawner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spawner.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-spawner-support.h"

#define MANY 200

static void
test_streams (void)
{
  const char *script = "echo out; echo err >&2; readlink /proc/$$/fd/0; exit 3";
  const char *argv[] = { "/bin/sh", "-c", script, NULL };
  ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1 };
  g_auto (Result) apart = { 0 };
  g_auto (Result) merged = { 0 };

  run (&request, &apart);
  g_assert_no_error (apart.failure);
  g_assert_cmpstr (apart.out, ==, "out\n/dev/null\n");
  g_assert_cmpstr (apart.err, ==, "err\n");
  g_assert_cmpint (WEXITSTATUS (apart.status), ==, 3);
  g_assert_false (apart.has_usage);

  request.merge_stderr = TRUE;
  run (&request, &merged);
  g_assert_cmpstr (merged.out, ==, "out\nerr\n/dev/null\n");
}

static void
test_group (void)
{
  for (gboolean measure = FALSE; measure <= TRUE; measure++)
    {
      g_auto (Result) result = { 0 };
      g_autofree char *expected = NULL;
      int pid;
      int group;

      run_shell ("read pid name state parent group rest </proc/self/stat; echo $$ $group",
                 measure, &result);
      g_assert_cmpint (sscanf (result.out, "%d %d", &pid, &group), ==, 2);
      g_assert_cmpint (group, ==, result.pid);
      if (!measure)
        g_assert_cmpint (pid, ==, result.pid);
    }
}

static void
test_signals (void)
{
  sigset_t all;
  sigset_t before;
  void (*pipe_handler) (int) = signal (SIGPIPE, SIG_IGN);
  void (*rt_handler) (int) = signal (SIGRTMAX, SIG_IGN);

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  for (gboolean measure = FALSE; measure <= TRUE; measure++)
    {
      g_auto (Result) result = { 0 };

      run_shell ("grep -E '^Sig(Blk|Ign)' /proc/self/status", measure, &result);
      g_assert_cmpstr (result.out, ==, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    }
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  signal (SIGPIPE, pipe_handler);
  signal (SIGRTMAX, rt_handler);
}

static void
test_descriptors (void)
{
  g_assert_cmpint (dup2 (2, 50), ==, 50);
  g_assert_cmpint (dup2 (2, 700), ==, 700);

  for (gboolean measure = FALSE; measure <= TRUE; measure++)
    {
      g_auto (Result) result = { 0 };

      run_shell ("ls /proc/$$/fd; :", measure, &result);
      g_assert_cmpstr (result.out, ==, "0\n1\n2\n");
    }

  close (50);
  close (700);
}

static void
test_closed_standard (void)
{
  int status;
  g_autofree char *out = run_role ("closed", NULL, &status);

  g_assert_cmpint (status, ==, 0);
}

static void
test_old_kernel (void)
{
  int status;
  g_autofree char *out = run_role ("old-kernel", NULL, &status);

  if (WEXITSTATUS (status) == 77)
    {
      g_test_skip ("no seccomp");
      return;
    }
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpstr (out, ==, "0\n1\n2\n0\n1\n2\n");
}

static void
test_folder_and_environment (void)
{
  g_autofree char *path = make_file ("tool", "#!/bin/sh\npwd\necho \"$0 $NAME $1 $#\"\n", -1, 0755);
  g_autofree char *hidden = g_strdup_printf ("PATH=/nonexistent:%s", folder);
  g_autofree char *expected = NULL;
  const char *names[] = { path, "./tool", "tool", "tool", "tool" };
  const char *paths[] = { "PATH=/bin", "PATH=/bin", hidden, "PATH=.:/bin", "PATH=" };
  g_autofree char *absolute = g_build_filename (folder, "tool", NULL);
  const char *zero[] = { absolute, "./tool", absolute, "./tool", "./tool" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *argv[] = { names[i], "a b", "", NULL };
      const char *env[] = { "NAME=value", paths[i], NULL };
      ParallelSpawnRequest request = { .argv = argv, .env = env, .cwd = folder, .stdin_fd = -1 };
      g_auto (Result) result = { 0 };
      g_autofree char *text = g_strdup_printf ("%s\n%s value a b 2\n", folder, zero[i]);

      run (&request, &result);
      g_assert_no_error (result.error);
      g_assert_no_error (result.failure);
      g_assert_cmpstr (result.out, ==, text);
    }
}

/* @program is named by the message; the error comes before the start or from the helper. */
static void
check_error (const char *program,
             const char *cwd,
             int         code,
             const char *named,
             const char *text)
{
  for (gboolean measure = FALSE; measure <= TRUE; measure++)
    {
      const char *argv[] = { program, "argument", NULL };
      ParallelSpawnRequest request = {
        .argv = argv, .cwd = cwd, .stdin_fd = -1, .supervise = measure
      };
      g_auto (Result) result = { 0 };
      GError *error;

      run (&request, &result);
      error = result.error != NULL ? result.error : result.failure;
      g_assert_error (error, G_SPAWN_ERROR, code);
      g_assert_nonnull (strstr (error->message, named));
      g_assert_nonnull (strstr (error->message, text));
      g_test_message ("%s", error->message);

      if (result.error == NULL)
        {
          g_assert_cmpint (WEXITSTATUS (result.status), ==, 127);
          g_assert_cmpstr (result.out, ==, "");
          g_assert_cmpstr (result.err, ==, "");
        }
    }
}

static void
test_errors (void)
{
  g_autofree char *plain = make_file ("plain", "#!/bin/sh\n", -1, 0644);
  g_autofree char *lost = make_file ("lost", "#! /no/such/interpreter -x\n", -1, 0755);
  g_autofree char *crlf = make_file ("crlf", "#!/bin/sh\r\nexit 0\r\n", -1, 0755);
  g_autofree char *below = g_build_filename (plain, "below", NULL);
  g_autofree char *loop = g_build_filename (folder, "loop", NULL);
  g_autofree char *none = g_build_filename (folder, "none", NULL);

  g_assert_cmpint (symlink (loop, loop), ==, 0);

  check_error ("frob-none", NULL, G_SPAWN_ERROR_NOENT, "“frob-none”", "not found in PATH");
  check_error ("", NULL, G_SPAWN_ERROR_NOENT, "“”", "not found in PATH");
  check_error (none, NULL, G_SPAWN_ERROR_NOENT, none, "does not exist");
  check_error ("./none", folder, G_SPAWN_ERROR_NOENT, "./none", "does not exist");
  check_error (plain, NULL, G_SPAWN_ERROR_ACCES, plain, "chmod +x");
  check_error (folder, NULL, G_SPAWN_ERROR_ISDIR, folder, "is a folder");
  check_error (below, NULL, G_SPAWN_ERROR_NOTDIR, below, "not a folder");
  check_error (loop, NULL, G_SPAWN_ERROR_LOOP, loop, "symbolic links");
  check_error ("/dev/null", NULL, G_SPAWN_ERROR_ACCES, "/dev/null", "executed");
  check_error ("/bin/true", none, G_SPAWN_ERROR_CHDIR, none, "does not exist");
  check_error ("/bin/true", "", G_SPAWN_ERROR_CHDIR, "“”", "does not exist");
  check_error ("/bin/true", plain, G_SPAWN_ERROR_CHDIR, plain, "is not a folder");
  check_error (lost, NULL, G_SPAWN_ERROR_NOENT, lost, "“/no/such/interpreter”");
  check_error ("./lost", folder, G_SPAWN_ERROR_NOENT, "./lost", "“/no/such/interpreter”");
  check_error (crlf, NULL, G_SPAWN_ERROR_NOENT, crlf, "carriage return");
}

static void
test_binaries (void)
{
  g_autofree char *contents = NULL;
  g_autofree char *busy = NULL;
  g_autofree char *alien = NULL;
  g_autofree char *loader = NULL;
  g_autofree char *cut = NULL;
  gsize length;
  int fd;

  g_assert_true (g_file_get_contents ("/bin/true", &contents, &length, NULL));

  busy = make_file ("busy", contents, length, 0755);
  fd = open (busy, O_WRONLY | O_CLOEXEC);
  check_error (busy, NULL, G_SPAWN_ERROR_TXTBUSY, busy, "open for writing");
  close (fd);

  cut = make_file ("cut", contents, 80, 0755);
  check_error (cut, NULL, G_SPAWN_ERROR_NOEXEC, cut, "damaged");

  /* e_machine */
  contents[18] ^= 0x55;
  alien = make_file ("alien", contents, length, 0755);
  check_error (alien, NULL, G_SPAWN_ERROR_NOEXEC, alien, "another kind of processor");
  contents[18] ^= 0x55;

  for (gsize i = 0; i + 8 < length; i++)
    {
      if (memcmp (contents + i, "/lib", 4) == 0 && strstr (contents + i, "ld-") != NULL)
        {
          contents[i + 1] = 'X';
          break;
        }
    }
  loader = make_file ("loader", contents, length, 0755);
  check_error (loader, NULL, G_SPAWN_ERROR_NOENT, loader, "loader");
}

static void
test_script_without_interpreter (void)
{
  g_autofree char *path = make_file ("bare script", "echo \"$0|$1|$#\"\n", -1, 0755);
  g_autofree char *expected = g_strdup_printf ("%s|x y|2\n", path);
  const char *argv[] = { path, "x y", "z", NULL };

  for (gboolean measure = FALSE; measure <= TRUE; measure++)
    {
      ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1, .supervise = measure };
      g_auto (Result) result = { 0 };

      run (&request, &result);
      g_assert_no_error (result.failure);
      g_assert_cmpstr (result.out, ==, expected);
      g_assert_cmpint (result.status, ==, 0);
    }
}

static void
test_too_big (void)
{
  g_autofree char *huge = g_strnfill (200 * 1024, 'x');
  g_autofree char *big = g_strnfill (100 * 1024, 'x');
  const char *one[] = { "/bin/true", huge, NULL };
  const char *many[102] = { "/bin/true" };
  ParallelSpawnRequest request = { .argv = one, .stdin_fd = -1 };
  g_auto (Result) first = { 0 };
  g_auto (Result) second = { 0 };

  run (&request, &first);
  g_assert_error (first.error, G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG);
  g_assert_nonnull (strstr (first.error->message, "131072"));
  g_test_message ("%s", first.error->message);

  for (guint i = 1; i <= 100; i++)
    many[i] = big;
  request.argv = many;
  run (&request, &second);
  g_assert_error (second.error, G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG);
  g_assert_nonnull (strstr (second.error->message, "ulimit -s"));
  g_test_message ("%s", second.error->message);
}

static void
test_child_signal_ignored (void)
{
  const char *argv[] = { "/bin/true", NULL };
  ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1 };
  struct sigaction no_wait = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
  struct sigaction before;
  g_auto (Result) ignored = { 0 };
  g_auto (Result) not_kept = { 0 };
  int fds[2];

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  request.stdin_fd = fds[0];

  sigaction (SIGCHLD, NULL, &before);
  signal (SIGCHLD, SIG_IGN);
  run (&request, &ignored);
  sigaction (SIGCHLD, &no_wait, NULL);
  request.stdin_fd = -1;
  run (&request, &not_kept);
  sigaction (SIGCHLD, &before, NULL);

  g_assert_error (ignored.error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
  g_assert_nonnull (strstr (ignored.error->message, "SIGCHLD"));
  g_assert_error (not_kept.error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);

  /* The failed start closed stdin as well. */
  g_assert_cmpint (fcntl (fds[0], F_GETFD), ==, -1);
  close (fds[1]);
}

static void
test_helper (void)
{
  int status;
  g_autofree char *missing = run_role ("error", "/nonexistent/helper", &status);
  g_autofree char *plain_path = NULL;
  g_autofree char *plain = NULL;
  const char *wrong_parent[] = {
    parallel_launch_get_helper (), "1", "1", "0", "9", "-1", "A=b", "", "/bin/true", "true", NULL
  };

  g_assert_cmpint (status, ==, 0);
  g_assert_nonnull (strstr (missing, "“/nonexistent/helper” does not exist"));
  g_assert_nonnull (strstr (missing, "PARALLEL_GLIB_EXEC"));

  plain_path = make_file ("no-helper", "", 0, 0644);
  plain = run_role ("error", plain_path, &status);
  g_assert_cmpint (status, ==, 0);
  g_assert_nonnull (strstr (plain, plain_path));

  g_assert_true (g_spawn_sync (NULL, (char **) wrong_parent, NULL, 0, NULL, NULL, NULL, NULL,
                               &status, NULL));
  g_assert_cmpint (WEXITSTATUS (status), ==, 127);
}

static void
test_dies_with_parent (void)
{
  int status;
  int pids[3];
  g_autofree char *out = run_role ("die", NULL, &status);

  g_assert_true (WIFSIGNALED (status));
  g_assert_cmpint (sscanf (out, "%d %d %d", &pids[0], &pids[1], &pids[2]), ==, 3);
  for (guint i = 0; i < 3; i++)
    await_end (pids[i]);
}

static void
test_limit (void)
{
  int status;
  g_autofree char *out = run_role ("limit", NULL, &status);

  g_assert_cmpint (status, ==, 0);
  g_assert_cmpint (atoi (out), >, 3);
  g_assert_cmpint (atoi (out), <, 16);
}

static void
test_usage (void)
{
  const char *argv[] = { self, "--role", "burn", "0.3", NULL };
  ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1, .supervise = TRUE };
  g_auto (Result) burnt = { 0 };
  g_auto (Result) crashed = { 0 };
  g_auto (Result) small = { 0 };

  run (&request, &burnt);
  g_assert_no_error (burnt.failure);
  g_assert_cmpint (WEXITSTATUS (burnt.status), ==, 7);
  g_assert_true (burnt.has_usage);
  g_assert_cmpfloat (burnt.usage.user_time, >, 0.29);
  g_assert_cmpfloat (burnt.usage.user_time, <, 3);
  g_assert_cmpfloat (burnt.usage.system_time, <, 3);
  g_assert_cmpint (burnt.usage.max_rss, >, 40 * 1024 * 1024);
  g_assert_cmpint (burnt.usage.max_rss, <, 400 * 1024 * 1024);

  run_shell ("ulimit -c 0; kill -SEGV $$", TRUE, &crashed);
  g_assert_true (WIFSIGNALED (crashed.status));
  g_assert_cmpint (WTERMSIG (crashed.status), ==, SIGSEGV);
  g_assert_true (crashed.has_usage);

  run_shell ("exit 0", TRUE, &small);
  g_assert_cmpint (small.status, ==, 0);
  g_assert_true (small.has_usage);
  g_assert_cmpint (small.usage.max_rss, >, 0);
  g_assert_cmpint (small.usage.max_rss, <, 20 * 1024 * 1024);
}

static void
test_usage_after_signal (void)
{
  static const struct
  {
    const char *script;
    int         signal_number;
    int         status;         /* of the shell's kind */
    gboolean    has_usage;
  } cases[] = {
    { "echo; exec sleep 1000", SIGTERM, 128 + SIGTERM, TRUE },
    { "echo; exec sleep 1000", SIGHUP, 128 + SIGHUP, TRUE },
    { "echo; exec sleep 1000", 50, 128 + 50, TRUE },    /* a real-time signal */
    { "trap 'exit 5' TERM; echo; while :; do sleep 0.01; done", SIGTERM, 5, TRUE },
    { "echo; exec sleep 1000", SIGKILL, 128 + SIGKILL, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ParallelSpawnRequest request;
      ParallelSpawned spawned;
      g_auto (Result) result = { 0 };

      start_shell (cases[i].script, TRUE, &request, &spawned);
      g_assert_cmpint (kill (-spawned.pid, cases[i].signal_number), ==, 0);
      finish (&request, &spawned, &result);
      g_assert_no_error (result.failure);
      g_assert_cmpint (result.has_usage, ==, cases[i].has_usage);
      if (WIFSIGNALED (result.status))
        g_assert_cmpint (128 + WTERMSIG (result.status), ==, cases[i].status);
      else
        g_assert_cmpint (WEXITSTATUS (result.status), ==, cases[i].status);
    }
}

/* It must hold no pipe open, or the end of the program's output is not seen; and it takes the
 * program with it. */
static void
test_supervisor (void)
{
  ParallelSpawnRequest request;
  ParallelSpawned spawned;
  Result result = { 0 };
  char text[16] = "";

  start_shell ("echo $$; exec sleep 1000 >&- 2>&-", TRUE, &request, &spawned);
  g_assert_cmpint (read (spawned.stdout_fd, text, sizeof text - 1), >, 0);
  result.out = read_to_end (spawned.stdout_fd);
  result.err = read_to_end (spawned.stderr_fd);
  g_assert_true (runs (atoi (text)));

  g_subprocess_force_exit (spawned.subprocess);
  g_assert_true (g_subprocess_wait (spawned.subprocess, NULL, NULL));
  await_end (atoi (text));
  forget (spawned.pid);
  g_object_unref (spawned.subprocess);
  g_free (spawned.mark);
  result_clear (&result);
}

static void
test_many (void)
{
  g_autofree char *lost = make_file ("many", "#!/no/such/interpreter\n", -1, 0755);
  const char *programs[] = { "/bin/true", lost };
  g_auto (Result) first = { 0 };
  guint before;

  run_shell ("exit 0", FALSE, &first);
  before = count_fds ();

  for (guint i = 0; i < MANY; i += 20)
    {
      const char *argv[2][2] = { { programs[0], NULL }, { programs[1], NULL } };
      ParallelSpawnRequest requests[20];
      ParallelSpawned spawned[20];

      for (guint j = 0; j < 20; j++)
        {
          g_autoptr (GError) error = NULL;

          requests[j] = (ParallelSpawnRequest) {
            .argv = argv[j % 2], .stdin_fd = -1, .supervise = j % 3 == 0
          };
          spawn (&requests[j], &spawned[j], &error);
          g_assert_no_error (error);
        }

      for (guint j = 0; j < 20; j++)
        {
          g_auto (Result) result = { 0 };

          finish (&requests[j], &spawned[j], &result);
          g_assert_cmpint (result.has_usage, ==, j % 3 == 0);
          g_assert_cmpint (result.failure != NULL, ==, j % 2);
        }
    }

  g_assert_cmpuint (count_fds (), ==, before);
}

static void
remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

int
main (int    argc,
      char **argv)
{
  int status;

  self = g_file_read_link ("/proc/self/exe", NULL);
  if (argc == 4 && g_str_equal (argv[1], "--role"))
    {
      folder = argv[3];
      return run_as (argv[2], argv[3]);
    }

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("test-spawner-XXXXXX", NULL);

  g_test_add_func ("/spawner/streams", test_streams);
  g_test_add_func ("/spawner/group", test_group);
  g_test_add_func ("/spawner/signals", test_signals);
  g_test_add_func ("/spawner/descriptors", test_descriptors);
  g_test_add_func ("/spawner/descriptors/closed-standard", test_closed_standard);
  g_test_add_func ("/spawner/descriptors/old-kernel", test_old_kernel);
  g_test_add_func ("/spawner/descriptors/limit", test_limit);
  g_test_add_func ("/spawner/descriptors/many", test_many);
  g_test_add_func ("/spawner/folder-and-environment", test_folder_and_environment);
  g_test_add_func ("/spawner/errors", test_errors);
  g_test_add_func ("/spawner/errors/binaries", test_binaries);
  g_test_add_func ("/spawner/errors/too-big", test_too_big);
  g_test_add_func ("/spawner/errors/child-signal-ignored", test_child_signal_ignored);
  g_test_add_func ("/spawner/errors/helper", test_helper);
  g_test_add_func ("/spawner/script-without-interpreter", test_script_without_interpreter);
  g_test_add_func ("/spawner/dies-with-parent", test_dies_with_parent);
  g_test_add_func ("/spawner/measure/usage", test_usage);
  g_test_add_func ("/spawner/measure/signal", test_usage_after_signal);
  g_test_add_func ("/spawner/measure/supervisor", test_supervisor);

  status = g_test_run ();
  remove_folder ();
  g_free (folder);
  g_free (self);

  return status;
}
