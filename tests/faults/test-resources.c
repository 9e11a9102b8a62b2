/* test-resources.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault-support.h"

/* What is used up: descriptors, processes, threads, the disk. A step waits, succeeds or fails with what was missing; and
 * when there is enough again, all works. Each in a process of its own, whose limits are its own. */

/* The child tells by its exit status that it could not do its work here. */
#define EXIT_SKIPPED 77

static void
run_child (const char *name)
{
  g_autofree char *path = g_strdup_printf ("/faults/resources/%s/subprocess/child", name);

  g_test_trap_subprocess (path, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  if (!g_test_trap_has_passed ())
    {
      g_autofree char *text = NULL;
      g_autofree char *reason_path = test_path ("../skipped");

      if (g_file_get_contents (reason_path, &text, NULL, NULL))
        {
          g_unlink (reason_path);
          g_test_skip (text);
          return;
        }
    }
  g_test_trap_assert_passed ();
}

static void
skip_child (const char *reason)
{
  g_autofree char *path = test_path ("../skipped");

  test_write_file (path, reason);
  _exit (EXIT_SKIPPED);
}

static void
set_limit (int    resource,
           rlim_t value)
{
  struct rlimit limit;

  g_assert_no_errno (getrlimit (resource, &limit));
  limit.rlim_cur = MIN (value, limit.rlim_max);
  g_assert_no_errno (setrlimit (resource, &limit));
}

/* Each step has succeeded with its output, or failed with an error that says why. Returns how many failed. */
static guint
assert_done_or_failed (GPtrArray  *steps,
                       const char *words,
                       const char *other_words,
                       gboolean    halted)
{
  guint n_failed = 0;

  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);
      g_autoptr (GError) error = parallel_step_dup_error (step);

      if (parallel_step_get_state (step) == PARALLEL_STEP_STATE_SUCCEEDED)
        {
          test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
          continue;
        }
      if (halted && parallel_step_get_state (step) != PARALLEL_STEP_STATE_FAILED)
        {
          g_assert_true (fault_step_is_over (step));
          continue;
        }
      g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_FAILED);
      if (strstr (error->message, words) == NULL && strstr (error->message, other_words) == NULL)
        g_error ("an error that does not say “%s”: %s", words, error->message);
      n_failed++;
    }
  return n_failed;
}

static GPtrArray *
run_many (guint       n_commands,
          guint       n_functions,
          guint       max_parallel,
          const char *words,
          const char *other_words,
          guint      *n_failed)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  GPtrArray *steps = test_steps_new ();
  g_autoptr (GError) error = NULL;
  const char *argv[] = { "echo", "out", NULL };
  gboolean halted;

  parallel_background_task_runner_set_max_parallel (runner, max_parallel);
  for (guint i = 0; i < n_commands; i++)
    g_ptr_array_add (steps, fault_put_command (runner, argv));
  for (guint i = 0; i < n_functions; i++)
    {
      ParallelStep *step = test_function_step (fault_write_name, NULL);

      parallel_step_set_name (step, "out");
      test_put_step (runner, step);
      g_ptr_array_add (steps, step);
    }
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, &error);
  /* If there is no room for the thread that prints, the run itself ends. */
  halted = error != NULL && !g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  if (halted)
    g_assert_nonnull (strstr (error->message, other_words));
  fault_assert_adds_up (runner, steps);
  *n_failed = assert_done_or_failed (steps, words, other_words, halted);
  g_assert_true (*n_failed == 0 || error != NULL);
  g_assert_finalize_object (runner);
  return steps;
}

static void
assert_all_works (void)
{
  g_autoptr (GPtrArray) steps = NULL;
  guint n_failed;

  steps = run_many (10, 10, 4, "none", "none", &n_failed);
  g_assert_cmpuint (n_failed, ==, 0);
}

/* Descriptors */

static void
test_few_descriptors_subprocess (void)
{
  g_autoptr (GPtrArray) steps = NULL;
  struct rlimit before;
  guint n_failed;

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &before));
  set_limit (RLIMIT_NOFILE, 64);
  steps = run_many (200, 20, 50, "open file descriptors", g_strerror (EMFILE), &n_failed);
  g_test_message ("%u of 220 steps failed", n_failed);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &before));
  assert_all_works ();
}

static void
test_few_descriptors (void)
{
  g_test_summary ("With 64 descriptors, 200 steps run or fail for that reason");
  run_child ("few-descriptors");
}

/* A limit is the number of the first descriptor that cannot be had, so this takes them away one by one. */
static void
test_any_number_subprocess (void)
{
  const char *text = g_getenv ("TEST_N_FDS");
  g_autoptr (GPtrArray) steps = NULL;
  struct rlimit before;
  guint n_failed;
  int fd;

  if (text == NULL)
    return;
  /* What the program itself needs. */
  g_main_context_wakeup (NULL);
  test_memory_now ();
  fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  close (fd);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &before));
  set_limit (RLIMIT_NOFILE, (rlim_t) fd + (rlim_t) g_ascii_strtoull (text, NULL, 10));
  steps = run_many (4, 3, 2, "open file descriptors", g_strerror (EMFILE), &n_failed);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &before));
  assert_all_works ();
}

static void
test_any_number (void)
{
  g_test_summary ("However few descriptors there are when the first step comes, none is lost, and the program goes on");
  fault_allow_seconds (600);
  for (guint n = 0; n <= (fault_is_long () ? 40 : 24); n++)
    {
      g_autofree char *text = g_strdup_printf ("%u", n);

      g_setenv ("TEST_N_FDS", text, TRUE);
      run_child ("any-number");
    }
  g_unsetenv ("TEST_N_FDS");
}

/* Processes and threads */

static void
give_folders_to (uid_t uid)
{
  const char *base = g_getenv ("PARALLEL_TEST_FOLDER");
  g_autofree char *current = test_path (".");

  g_assert_no_errno (chown (base, uid, (gid_t) -1));
  g_assert_no_errno (chown (g_getenv ("TMPDIR"), uid, (gid_t) -1));
  g_assert_no_errno (chown (current, uid, (gid_t) -1));
}

/* The limit counts what the user has, and root has no limit. */
static void
become_nobody (void)
{
  uid_t uid = (uid_t) (61000 + getpid () % 3000);
  g_autofree char *outer = g_path_get_dirname (g_getenv ("PARALLEL_TEST_FOLDER"));

  if (geteuid () != 0)
    skip_child ("only root can become a user that has no process yet");
  /* The folder of the parent is root's; this process only passes through it. */
  if (g_str_has_prefix (strrchr (outer, '/'), "/parallel-test-"))
    chmod (outer, 0711);
  give_folders_to (uid);
  if (setgroups (0, NULL) != 0 || setresgid (uid, uid, uid) != 0 || setresuid (uid, uid, uid) != 0)
    skip_child ("this process cannot become another user");
  if (g_getenv ("PARALLEL_GLIB_EXEC") != NULL && access (g_getenv ("PARALLEL_GLIB_EXEC"), X_OK) != 0)
    skip_child ("the helper is not accessible for other users");
}

static void
test_few_processes_subprocess (void)
{
  const char *text = g_getenv ("TEST_N_PROCESSES");
  g_autoptr (GPtrArray) steps = NULL;
  struct rlimit before;
  guint n_failed;

  if (text == NULL)
    return;
  become_nobody ();
  g_assert_no_errno (getrlimit (RLIMIT_NPROC, &before));
  set_limit (RLIMIT_NPROC, 1 + (rlim_t) g_ascii_strtoull (text, NULL, 10));
  steps = run_many (20, 10, 8, "limit of processes", g_strerror (EAGAIN), &n_failed);
  if (g_str_equal (text, "0"))
    g_assert_cmpuint (n_failed, ==, steps->len);
  g_assert_no_errno (setrlimit (RLIMIT_NPROC, &before));
  assert_all_works ();
}

static void
test_few_processes (void)
{
  g_test_summary ("However few processes and threads may be made, the run ends, and says what was missing");
  for (guint n = 0; n <= 10; n++)
    {
      g_autofree char *text = g_strdup_printf ("%u", n);

      g_setenv ("TEST_N_PROCESSES", text, TRUE);
      run_child ("few-processes");
    }
  g_unsetenv ("TEST_N_PROCESSES");
}

/* The folder for temporary files */

static void
mount_small_folder (const char *options)
{
  if (unshare (CLONE_NEWNS) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
    skip_child ("no mount namespace can be had here");
  if (mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount ("tmpfs", g_getenv ("TMPDIR"), "tmpfs", 0, options) != 0)
    skip_child ("no tmpfs can be mounted here");
}

static void
assert_step_names_folder (ParallelStep *step,
                          int           code)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  test_assert_step_error (step, G_IO_ERROR, code);
  g_assert_nonnull (strstr (error->message, g_getenv ("TMPDIR")));
}

static void
test_disk_full_subprocess (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autofree char *go_path = test_path ("go");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink;
  g_autoptr (ParallelStep) head = NULL;
  g_autoptr (ParallelStep) quiet = NULL;
  g_autoptr (ParallelStep) large = NULL;
  g_autoptr (ParallelStep) again = NULL;
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = NULL;

  mount_small_folder ("size=1m");
  sink = test_capture (runner);
  parallel_background_task_runner_set_max_parallel (runner, 3);
  head = test_put_shell (runner, "read x < '%s'", fifo);
  large = test_put_shell (runner, "head -c 8000000 /dev/zero");
  quiet = test_put_shell (runner, "while [ ! -e '%s' ]; do sleep 0.01; done", go_path);
  test_wait_until (fault_step_is_over (large));
  test_release_fifo (fifo);
  test_write_file (go_path, "");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, 1, 3);
  assert_step_names_folder (large, G_IO_ERROR_NO_SPACE);
  g_assert_cmpint (parallel_step_get_state (head), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_state (quiet), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  printed = test_captured (sink);
  g_assert_cmpuint (strlen (printed), ==, 0);
  g_clear_object (&large);
  g_assert_finalize_object (runner);

  runner = test_silent_runner ();
  again = test_put_shell (runner, "head -c 600000 /dev/zero");
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_step_get_output_size (again, PARALLEL_OUTPUT_STREAM_STDOUT), ==, 600000);
  g_assert_finalize_object (runner);
}

static void
test_disk_full (void)
{
  g_test_summary ("On a full disk the step that writes fails and names the folder, the others do not care, and the next "
                  "run has the room again");
  run_child ("disk-full");
}

/* Runs one command and one function that write and one that does not. */
static void
assert_cannot_write (int code)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) command = test_put_shell (runner, "echo out");
  g_autoptr (ParallelStep) function = test_put_function (runner, fault_write_name, NULL);
  g_autoptr (ParallelStep) quiet = test_put_shell (runner, "true");
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, 2, 3);
  assert_step_names_folder (command, code);
  assert_step_names_folder (function, code);
  g_assert_cmpint (parallel_step_get_state (quiet), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_finalize_object (runner);
}

static void
test_read_only_subprocess (void)
{
  mount_small_folder ("size=1m,ro");
  assert_cannot_write (G_IO_ERROR_READ_ONLY);
}

static void
test_read_only (void)
{
  g_test_summary ("A read-only folder for temporary files is a failure of who writes");
  run_child ("read-only");
}

static void
test_no_folder_subprocess (void)
{
  g_autofree char *path = test_path ("missing");

  g_setenv ("TMPDIR", path, TRUE);
  assert_cannot_write (G_IO_ERROR_NOT_FOUND);
}

static void
test_no_folder (void)
{
  g_test_summary ("So is one that does not exist");
  run_child ("no-folder");
}

static void
test_unwritable_subprocess (void)
{
  g_autofree char *path = test_path ("unwritable");

  g_assert_no_errno (g_mkdir (path, 0500));
  if (geteuid () == 0)
    become_nobody ();
  g_setenv ("TMPDIR", path, TRUE);
  assert_cannot_write (G_IO_ERROR_PERMISSION_DENIED);
}

static void
test_unwritable (void)
{
  g_test_summary ("So is one of somebody else's");
  run_child ("unwritable");
}

static void
test_long_folder_subprocess (void)
{
  g_autofree char *name = g_strnfill (200, 'x');
  g_autofree char *part = test_path (name);
  g_autofree char *path = g_build_filename (part, name, NULL);

  g_assert_no_errno (g_mkdir_with_parents (path, 0700));
  g_setenv ("TMPDIR", path, TRUE);
  assert_all_works ();
}

static void
test_long_folder (void)
{
  g_test_summary ("One of more than 400 characters is as good as any");
  run_child ("long-folder");
}

static gboolean
write_much (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  g_autofree char *text = g_strnfill (100000, 'x');

  for (guint i = 0; i < 10; i++)
    if (!parallel_step_write_text (step, text, error))
      return FALSE;
  return TRUE;
}

static void
test_file_size_subprocess (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) command = NULL;
  g_autoptr (ParallelStep) function = NULL;
  g_autoptr (ParallelStep) quiet = NULL;
  g_autoptr (GError) error = NULL;

  set_limit (RLIMIT_FSIZE, 300000);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  function = test_put_function (runner, write_much, NULL);
  command = test_put_shell (runner, "head -c 1000000 /dev/zero");
  quiet = test_put_shell (runner, "true");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, 2, 3);
  assert_step_names_folder (command, G_IO_ERROR_NO_SPACE);
  assert_step_names_folder (function, G_IO_ERROR_NO_SPACE);
  g_assert_cmpint (parallel_step_get_state (quiet), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_finalize_object (runner);
}

static void
test_file_size (void)
{
  g_test_summary ("A limit for the size of files ends a step and not the program");
  run_child ("file-size");
}

/* The program's own output */

static void
assert_default_sink_fails (int         fd,
                           int         code,
                           const char *words)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;
  int saved = dup (STDOUT_FILENO);

  if (fd >= 0)
    dup2 (fd, STDOUT_FILENO);
  else
    close (STDOUT_FILENO);
  for (guint i = 0; i < 10; i++)
    g_ptr_array_add (steps, test_put_shell (runner, "echo out"));
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  dup2 (saved, STDOUT_FILENO);
  close (saved);
  g_assert_error (error, G_IO_ERROR, code);
  g_assert_nonnull (strstr (error->message, words));
  g_assert_cmpuint (fault_count_state (steps, PARALLEL_STEP_STATE_FAILED), ==, 0);
  fault_assert_adds_up (runner, steps);
  g_assert_finalize_object (runner);
}

static void
test_stdout_subprocess (void)
{
  int full = open ("/dev/full", O_WRONLY | O_CLOEXEC);
  int fds[2];

  signal (SIGPIPE, SIG_DFL);
  assert_default_sink_fails (full, G_IO_ERROR_NO_SPACE, g_strerror (ENOSPC));
  close (full);
  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  close (fds[0]);
  assert_default_sink_fails (fds[1], G_IO_ERROR_BROKEN_PIPE, g_strerror (EPIPE));
  close (fds[1]);
}

static void
test_stdout (void)
{
  g_test_summary ("A standard output that is full, or that nobody reads, is the error of the run and of no step");
  run_child ("stdout");
}

static void
test_child_signal_subprocess (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) steps = test_steps_new ();

  signal (SIGCHLD, SIG_IGN);
  g_ptr_array_add (steps, test_shell_step ("exit 3"));
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_assert_false (parallel_run_steps (steps, 2, FALSE, NULL, &error));
  fault_assert_aggregate (error, 1, 2);
  g_assert_nonnull (strstr (error->message, "SIGCHLD"));
  signal (SIGCHLD, SIG_DFL);
  assert_all_works ();
}

static void
test_child_signal (void)
{
  g_test_summary ("An ignored SIGCHLD is named in the error, and forgotten when it is over");
  run_child ("child-signal");
}

static void
add (const char *name,
     GTestFunc   test,
     GTestFunc   child)
{
  g_autofree char *path = g_strdup_printf ("/faults/resources/%s", name);
  g_autofree char *child_path = g_strdup_printf ("/faults/resources/%s/subprocess/child", name);

  test_add (path, test);
  test_add (child_path, child);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  add ("few-descriptors", test_few_descriptors, test_few_descriptors_subprocess);
  add ("any-number", test_any_number, test_any_number_subprocess);
  add ("few-processes", test_few_processes, test_few_processes_subprocess);
  add ("disk-full", test_disk_full, test_disk_full_subprocess);
  add ("read-only", test_read_only, test_read_only_subprocess);
  add ("no-folder", test_no_folder, test_no_folder_subprocess);
  add ("unwritable", test_unwritable, test_unwritable_subprocess);
  add ("long-folder", test_long_folder, test_long_folder_subprocess);
  add ("file-size", test_file_size, test_file_size_subprocess);
  add ("stdout", test_stdout, test_stdout_subprocess);
  add ("child-signal", test_child_signal, test_child_signal_subprocess);
  return test_run ();
}
