/* test-remote.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "remote-support.h"

/* Commands behind a launcher are what they are here. */

static void
assert_same_output (ParallelStep         *here,
                    ParallelStep         *there,
                    ParallelOutputStream  stream)
{
  g_autoptr (GBytes) expected = parallel_step_dup_output (here, stream, NULL);
  g_autoptr (GBytes) actual = parallel_step_dup_output (there, stream, NULL);

  g_assert_cmpmem (g_bytes_get_data (actual, NULL), g_bytes_get_size (actual), g_bytes_get_data (expected, NULL),
                   g_bytes_get_size (expected));
}

static void
assert_same (ParallelStep *here,
             ParallelStep *there)
{
  g_autoptr (GError) expected = parallel_step_dup_error (here);
  g_autoptr (GError) actual = parallel_step_dup_error (there);

  if (expected == NULL)
    g_assert_no_error (actual);
  else
    {
      g_assert_nonnull (actual);
      g_assert_cmpstr (actual->message, ==, expected->message);
      g_assert_error (actual, expected->domain, expected->code);
    }
  g_assert_cmpint (parallel_step_get_state (there), ==, parallel_step_get_state (here));
  g_assert_cmpint (parallel_step_get_exit_status (there), ==, parallel_step_get_exit_status (here));
  g_assert_cmpint (parallel_step_get_term_signal (there), ==, parallel_step_get_term_signal (here));
  assert_same_output (here, there, PARALLEL_OUTPUT_STREAM_STDOUT);
  assert_same_output (here, there, PARALLEL_OUTPUT_STREAM_STDERR);
}

/* Runs it here and there. Takes @task; returns the step that was run there. */
static ParallelStep *
compare (ParallelTask *task,
         const char   *input)
{
  g_autoptr (ParallelStep) here = remote_run (g_object_ref (task), input);
  ParallelStep *there = remote_run (remote_set (task, remote_launcher ()), input);

  assert_same (here, there);
  return there;
}

static void
compare_shell (const char *line,
               const char *input)
{
  g_object_unref (compare (parallel_command_task_new_shell (line), input));
}

static void
compare_argv (const char *input,
              const char *argv,
              ...)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) all = NULL;
  va_list args;

  va_start (args, argv);
  for (; argv != NULL; argv = va_arg (args, const char *))
    g_strv_builder_add (builder, argv);
  va_end (args);
  all = g_strv_builder_end (builder);
  g_object_unref (compare (parallel_command_task_new ((const char * const *) all), input));
}

/* ---- how a program ends ---- */

static void
test_exit_status (void)
{
  g_test_summary ("Exit statuses are the same");
  compare_shell ("exit 0", NULL);
  compare_shell ("echo out; echo err >&2; exit 7", NULL);
  compare_shell ("exit 127", NULL);
  compare_shell ("exit 255", NULL);
}

static void
test_signals (void)
{
  static const int signals[] = { SIGSEGV, SIGABRT, SIGTERM, SIGKILL, SIGPIPE, SIGINT };

  g_test_summary ("Deaths by signals are the same");
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      g_autofree char *line = g_strdup_printf ("echo before; ulimit -c 0; kill -%d $$", signals[i]);

      compare_shell (line, NULL);
    }
}

static void
test_start (void)
{
  g_autofree char *data = test_path ("data");
  g_autofree char *script = test_path ("script");
  g_autofree char *folder = test_path ("folder");
  ParallelTask *task = parallel_command_task_new_shell ("true");

  g_test_summary ("What cannot be started is the same error");
  test_write_file (data, "no program\n");
  g_assert_no_errno (g_chmod (data, 0600));
  test_write_file (script, "#!/nonexistent/interpreter\n");
  g_assert_no_errno (g_chmod (script, 0700));
  g_assert_no_errno (g_mkdir (folder, 0700));
  compare_argv (NULL, "no-such-program-at-all", NULL);
  compare_argv (NULL, "/nonexistent/program", "argument", NULL);
  compare_argv (NULL, "/nonexistent/pro\xffgram", NULL);
  compare_argv (NULL, data, NULL);
  compare_argv (NULL, folder, NULL);
  compare_argv (NULL, script, NULL);
  parallel_command_task_set_cwd (PARALLEL_COMMAND_TASK (task), "/nonexistent/folder");
  g_object_unref (compare (task, NULL));
}

static void
test_too_big (void)
{
  g_autofree char *big = g_strnfill (300 * 1024, 'x');

  g_test_summary ("An argument that is too big is the same error");
  compare_argv (NULL, "echo", big, NULL);
}

/* ---- what a program gets ---- */

static void
test_input (void)
{
  g_test_summary ("Inputs are put into arguments once, here, and arrive as they are");
  compare_argv ("x y", "printf", "<%s>", "a{}b", "{}", "{}{}", "{", NULL);
  compare_argv ("{}", "printf", "<%s>", "a{}b", NULL);
  compare_argv ("$(exit)'\n\"*\\", "printf", "<%s>", "{}", NULL);
  compare_argv ("\xff\xfe{}", "printf", "<%s>", "a{}b", NULL);
  compare_argv ("one\ntwo\n", "printf", "<%s>", NULL);
  compare_argv ("", "printf", "<%s>", NULL);
  compare_shell ("printf '<%s>' {} \"$1\"", "a 'b' {} $c");
  compare_shell ("printf '<%s>' {}", NULL);
}

static void
test_environment (void)
{
  const char * const env[] = { "PATH=/usr/bin:/bin", "ONE=1", "TWO=2", "ODD=\xff\n=", NULL };
  ParallelTask *task = parallel_command_task_new_shell ("env | grep -v ^PARALLEL_GLIB_STEP= | sort");
  ParallelTask *changed = parallel_command_task_new_shell ("echo \"$INHERITED,${GONE-unset},$NEW\"");

  g_test_summary ("The environment is the same");
  parallel_command_task_set_environ (PARALLEL_COMMAND_TASK (task), env);
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (task), "TWO", "a = b");
  parallel_command_task_unsetenv (PARALLEL_COMMAND_TASK (task), "ONE");
  g_object_unref (compare (g_object_ref (task), NULL));
  g_object_unref (task);

  g_setenv ("INHERITED", "yes", TRUE);
  g_setenv ("GONE", "no", TRUE);
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (changed), "NEW", "new");
  parallel_command_task_unsetenv (PARALLEL_COMMAND_TASK (changed), "GONE");
  g_object_unref (compare (changed, NULL));
  g_unsetenv ("INHERITED");
  g_unsetenv ("GONE");
}

static void
test_environment_inherited (void)
{
  g_test_summary ("Without one of its own nothing is added to the environment");
  compare_shell ("env | grep -v ^PARALLEL_GLIB_STEP= | grep -v ^_= | sort", NULL);
}

static void
test_surroundings (void)
{
  g_test_summary ("Process group, signals and descriptors are the same");
  compare_shell ("ls /proc/self/fd | tr '\\n' ' '", NULL);
  compare_shell ("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL);
  compare_shell ("read pid comm state ppid pgrp rest < /proc/$$/stat; test $pid = $pgrp && echo leader", NULL);
  compare_shell ("pwd", NULL);
}

static void
test_folder (void)
{
  const char * const argv[] = { "./program", NULL };
  g_autofree char *folder = test_path ("folder");
  g_autofree char *program = test_path ("folder/program");
  ParallelTask *task = parallel_command_task_new (argv);

  g_test_summary ("The working directory is the same");
  g_assert_no_errno (g_mkdir (folder, 0700));
  test_write_file (program, "#!/bin/sh\npwd -P\n");
  g_assert_no_errno (g_chmod (program, 0700));
  parallel_command_task_set_cwd (PARALLEL_COMMAND_TASK (task), folder);
  g_object_unref (compare (task, NULL));
}

static void
test_stdin (void)
{
  const char * const argv[] = { "cat", NULL };
  g_autofree char *path = test_path ("input");
  ParallelTask *file = parallel_command_task_new (argv);
  ParallelTask *missing = parallel_command_task_new (argv);
  ParallelTask *unread = parallel_command_task_new_shell ("true");
  g_autoptr (GBytes) zeros = g_bytes_new_take (g_malloc0 (3000000), 3000000);

  g_test_summary ("Standard input is empty, or a file there, or bytes that need not be read");
  compare_argv (NULL, "cat", NULL);
  test_write_file (path, "from a file");
  parallel_command_task_set_stdin_path (PARALLEL_COMMAND_TASK (file), path);
  g_object_unref (compare (file, NULL));
  parallel_command_task_set_stdin_path (PARALLEL_COMMAND_TASK (missing), "/nonexistent/input");
  g_object_unref (compare (missing, NULL));
  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (unread), zeros);
  g_object_unref (compare (unread, NULL));
}

static GBytes *
random_bytes (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize at = 0; at < size; at += 256)
    g_assert_cmpint (getrandom (data + at, MIN (256, size - at), 0), >, 0);
  return g_bytes_new_take (data, size);
}

static void
assert_echoes (ParallelLauncher *launcher)
{
  const char * const argv[] = { "cat", NULL };
  g_autoptr (GBytes) bytes = random_bytes (10 * 1024 * 1024);
  ParallelTask *task = remote_set (parallel_command_task_new (argv), launcher);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GBytes) output = NULL;

  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (task), bytes);
  step = remote_run (task, NULL);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  output = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, NULL);
  g_assert_true (g_bytes_equal (output, bytes));
}

static ParallelLauncher *
back_launcher (void)
{
  ParallelLauncher *launcher = remote_launcher ();

  parallel_launcher_set_connect_back (launcher, TRUE);
  parallel_launcher_set_address (launcher, "127.0.0.1");
  return launcher;
}

static void
test_random (void)
{
  g_test_summary ("10 MiB of any bytes there and back");
  assert_echoes (remote_launcher ());
  assert_echoes (back_launcher ());
}

/* ---- what a program prints ---- */

static void
test_streams (void)
{
  ParallelTask *merged = parallel_command_task_new_shell ("echo 1; echo 2 >&2; echo 3");

  g_test_summary ("Both streams, apart or merged in the order of writing");
  compare_shell ("echo 1; echo 2 >&2; echo 3; printf 'no newline'; printf 'none here' >&2", NULL);
  compare_shell ("exec >&-; echo 2 >&2", NULL);
  compare_shell ("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", NULL);
  parallel_command_task_set_merge_stderr (PARALLEL_COMMAND_TASK (merged), TRUE);
  g_object_unref (compare (merged, NULL));
}

static void
test_usage (void)
{
  ParallelTask *task = remote_shell ("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 4");
  g_autoptr (ParallelStep) unmeasured = remote_run (remote_shell (":"), NULL);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("The processor time and the peak memory of the program there are known");
  parallel_command_task_set_measure_usage (PARALLEL_COMMAND_TASK (task), TRUE);
  step = remote_run (task, NULL);
  test_assert_step_error (step, G_SPAWN_EXIT_ERROR, 4);
  g_assert_cmpfloat (parallel_step_get_user_time (step), >, 0);
  g_assert_cmpint (parallel_step_get_max_rss (step), >, 100 * 1024);
  g_assert_cmpfloat (parallel_step_get_user_time (unmeasured), ==, -1);
}

static void
test_tree (void)
{
  g_autofree char *path = test_path ("pid");
  ParallelTask *task = remote_shell ("setsid sh -c 'echo $$ > \"%s\"; exec sleep 1000' & "
                                     "while ! [ -s '%s' ]; do sleep 0.01; done", path, path);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("With a tree nothing that the program there has started outlives it");
  parallel_command_task_set_containment (PARALLEL_COMMAND_TASK (task), PARALLEL_CONTAINMENT_TREE);
  step = remote_run (task, NULL);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_false (test_process_runs (test_await_number (path)));
}

/* A runner of @task, which is taken, that prints into the returned pipe. */
static ParallelBackgroundTaskRunner *
piped_runner (ParallelTask *task,
              int          *fds)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (task);

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  parallel_background_task_runner_set_sink_fds (runner, fds[1], fds[1]);
  parallel_background_task_runner_set_max_parallel (runner, 3);
  return runner;
}

static void
test_live (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autofree char *first = NULL;
  g_autofree char *rest = NULL;
  int fds[2];
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    piped_runner (remote_shell ("echo begin $1; if [ $1 = 0 ]; then read x < '%s'; fi; echo end $1", fifo), fds);

  g_test_summary ("The first step's output comes while it runs, that of the others in order, after it");
  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      g_assert_true (parallel_background_task_runner_put_string (runner, text, NULL));
    }
  parallel_background_task_runner_close (runner);
  first = test_read_until (fds[0], "begin 0\n");
  g_assert_cmpstr (first, ==, "begin 0\n");
  test_release_fifo (fifo);
  rest = test_read_until (fds[0], "end 3\n");
  g_assert_cmpstr (rest, ==, "end 0\nbegin 1\nend 1\nbegin 2\nend 2\nbegin 3\nend 3\n");
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  close (fds[0]);
  close (fds[1]);
}

static void
test_order (void)
{
  ParallelBackgroundTaskRunner *runner =
    parallel_background_task_runner_new (remote_shell ("echo $1; echo error $1 >&2; exit $(($1 %% 5 == 4))"));
  GOutputStream *sink = test_capture (runner);
  GOutputStream *errors = test_capture_errors (runner);
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autofree char *printed = NULL;
  g_autofree char *printed_errors = NULL;
  const guint n = 300;

  g_test_summary ("The output of many is in queue order");
  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (guint i = 0; i < n; i++)
    {
      test_put_int (runner, i);
      g_string_append_printf (expected, "%u\n", i);
    }
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, n / 5);
  printed = test_captured (sink);
  printed_errors = test_captured (errors);
  g_assert_cmpstr (printed, ==, expected->str);
  g_assert_cmpuint (strlen (printed_errors), ==, strlen (printed) + n * strlen ("error "));
  g_assert_finalize_object (runner);
}

static void
test_slow_reader (void)
{
  int fds[2];
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    piped_runner (remote_shell ("head -c 104857600 /dev/zero"), fds);
  g_autoptr (ParallelStep) step = parallel_step_new (g_object_ref (parallel_background_task_runner_get_task (runner)), NULL);
  g_autofree char *buffer = g_malloc (1024 * 1024);
  gsize total = 0;
  gssize n;

  g_test_summary ("100 MiB for somebody who reads late");
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  test_wait_until (parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT) > 0);
  while (total < 104857600 && (n = read (fds[0], buffer, 1024 * 1024)) > 0)
    total += n;
  g_assert_cmpuint (total, ==, 104857600);
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  close (fds[0]);
  close (fds[1]);
}

/* ---- trying again, and stopping ---- */

static void
test_retries (void)
{
  g_autofree char *path = test_path ("attempts");
  ParallelTask *task = remote_shell ("echo x >> '%s'; test $(wc -l < '%s') -ge 3", path, path);
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = parallel_step_new (task, NULL);

  g_test_summary ("What fails there is tried again");
  parallel_step_set_max_attempts (step, 3);
  test_put_step (runner, step);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_step_get_attempt (step), ==, 3);
}

/* One that leaves its number and runs on. @prologue: of the shell. */
static ParallelStep *
sleeper_new (const char *prologue,
             const char *pid_path,
             double      kill_grace)
{
  ParallelStep *step = parallel_step_new (remote_shell ("%s; echo $$ > '%s'; while :; do sleep 0.05; done",
                                                        prologue, pid_path), NULL);

  parallel_step_set_kill_grace (step, kill_grace * test_time_factor ());
  return step;
}

static void
test_cancel (void)
{
  g_autofree char *path = test_path ("pid");
  g_autofree char *other = test_path ("other");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = sleeper_new ("trap 'echo cleaned up; exit 3' TERM", path, 100);
  g_autoptr (ParallelStep) next = parallel_step_new (remote_shell ("echo > '%s'", other), NULL);

  g_test_summary ("A step that is cancelled can clean up there, and the others go on");
  test_put_step (runner, step);
  test_put_step (runner, next);
  parallel_background_task_runner_close (runner);
  test_await_number (path);
  parallel_step_cancel (step);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "cleaned up\n");
  g_assert_false (test_process_runs (test_await_number (path)));
  g_assert_cmpint (parallel_step_get_state (next), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

static void
test_cancel_deaf (void)
{
  g_autofree char *path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = sleeper_new ("trap '' TERM; setsid sleep 1000 & :", path, 0.3);
  int pid;

  g_test_summary ("One that ignores it is killed after its kill grace, with all that it has started");
  test_put_step (runner, step);
  pid = test_await_number (path);
  parallel_background_task_runner_close (runner);
  parallel_step_cancel (step);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_false (test_process_runs (pid));
}

static void
test_cancel_tree (void)
{
  g_autofree char *path = test_path ("pid");
  ParallelTask *task = remote_shell ("trap 'echo cleaned up; exit' TERM; echo $$ > '%s'; while :; do sleep 0.05; done", path);
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = parallel_step_new (task, NULL);

  g_test_summary ("So can one with a tree");
  parallel_command_task_set_containment (PARALLEL_COMMAND_TASK (task), PARALLEL_CONTAINMENT_TREE);
  parallel_step_set_kill_grace (step, 10);
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  test_await_number (path);
  parallel_step_cancel (step);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "cleaned up\n");
}

static void
ignore_child (int number)
{
}

/* Where exit statuses are not safe the relay is supervised, by a process that hears no signals. */
static void
test_cancel_supervised (void)
{
  struct sigaction before;
  struct sigaction action = { .sa_handler = ignore_child };

  g_test_summary ("So can one of a program that has a handler for its children");
  sigaction (SIGCHLD, &action, &before);
  test_cancel ();
  test_cancel_deaf ();
  sigaction (SIGCHLD, &before, NULL);
}

static void
test_halt (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  gint64 began;

  g_test_summary ("A run that is halted is over soon, and nothing is left there");
  parallel_background_task_runner_set_max_parallel (runner, 3);
  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *name = g_strdup_printf ("pid-%u", i);
      g_autofree char *path = test_path (name);

      g_ptr_array_add (steps, sleeper_new (":", path, 100));
      test_put_step (runner, g_ptr_array_index (steps, i));
    }
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strdup_printf ("pid-%u", i);
      g_autofree char *path = test_path (name);

      test_await_number (path);
    }
  began = g_get_monotonic_time ();
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpfloat ((g_get_monotonic_time () - began) / 1e6, <, test_time_factor ());
  g_assert_cmpuint (remote_count_agents ("commands"), ==, 0);
}

static void
test_timeout (void)
{
  g_autofree char *path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = sleeper_new ("echo out", path, 0.3);
  g_autoptr (ParallelStep) silent = parallel_step_new (remote_shell ("echo out; sleep 1000"), NULL);

  g_test_summary ("Time limits are kept there");
  parallel_step_set_timeout (step, 0.3 * test_time_factor ());
  parallel_step_set_silence_timeout (silent, 0.3 * test_time_factor ());
  test_put_step (runner, step);
  test_put_step (runner, silent);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  test_assert_step_error (silent, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
  test_assert_output (silent, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  remote_add ("/remote/exit-status", test_exit_status);
  remote_add ("/remote/signals", test_signals);
  remote_add ("/remote/start", test_start);
  /* Under valgrind an execve that fails late ends the process. */
  if (g_getenv ("PARALLEL_TEST_VALGRIND") == NULL)
    remote_add ("/remote/start/too-big", test_too_big);
  remote_add ("/remote/input", test_input);
  remote_add ("/remote/environment", test_environment);
  remote_add ("/remote/environment/inherited", test_environment_inherited);
  remote_add ("/remote/surroundings", test_surroundings);
  remote_add ("/remote/folder", test_folder);
  remote_add ("/remote/stdin", test_stdin);
  remote_add ("/remote/random", test_random);
  remote_add ("/remote/streams", test_streams);
  remote_add ("/remote/usage", test_usage);
  remote_add ("/remote/tree", test_tree);
  remote_add ("/remote/live", test_live);
  remote_add ("/remote/order", test_order);
  remote_add ("/remote/slow-reader", test_slow_reader);
  remote_add ("/remote/retries", test_retries);
  remote_add ("/remote/cancel", test_cancel);
  remote_add ("/remote/cancel/deaf", test_cancel_deaf);
  remote_add ("/remote/cancel/tree", test_cancel_tree);
  remote_add ("/remote/cancel/supervised", test_cancel_supervised);
  remote_add ("/remote/halt", test_halt);
  remote_add ("/remote/timeout", test_timeout);
  return test_run ();
}
