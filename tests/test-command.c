/* test-command.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test-support.h"

/* Runs one command and gives its step, ended well or not. */
static ParallelStep *
run_task (ParallelTask *task,
          const char   *input)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  ParallelStep *step = input != NULL ? parallel_step_new_string (task, input)
                                     : parallel_step_new (task, NULL);

  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, NULL);
  return step;
}

static void
assert_prints (ParallelTask *task,
               const char   *input,
               const char   *expected)
{
  g_autoptr (ParallelStep) step = run_task (task, input);
  g_autoptr (GError) error = parallel_step_dup_error (step);

  g_assert_no_error (error);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, expected);
}

/* How a program ends */

static void
test_exit_status (void)
{
  g_autoptr (ParallelStep) good = run_task (parallel_command_task_new_shell ("exit 0"), NULL);
  g_autoptr (ParallelStep) seven = run_task (parallel_command_task_new_shell ("exit 7"), NULL);
  g_autoptr (ParallelStep) most = run_task (parallel_command_task_new_shell ("exit 255"), NULL);

  g_test_summary ("An exit status other than 0 is G_SPAWN_EXIT_ERROR with that code");
  g_assert_cmpint (parallel_step_get_state (good), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_exit_status (good), ==, 0);
  g_assert_cmpint (parallel_step_get_term_signal (good), ==, 0);
  test_assert_step_error (seven, G_SPAWN_EXIT_ERROR, 7);
  g_assert_cmpint (parallel_step_get_exit_status (seven), ==, 7);
  g_assert_cmpint (parallel_step_get_term_signal (seven), ==, 0);
  test_assert_step_error (most, G_SPAWN_EXIT_ERROR, 255);
}

static void
test_signal (void)
{
  static const int signals[] = { SIGSEGV, SIGABRT, SIGTERM, SIGKILL, SIGPIPE };

  g_test_summary ("Death by a signal is G_SPAWN_ERROR_FAILED, with the signal on the step");
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      g_autofree char *command_line = g_strdup_printf ("ulimit -c 0; kill -%d $$", signals[i]);
      g_autoptr (ParallelStep) step = run_task (parallel_command_task_new_shell (command_line), NULL);

      test_assert_step_error (step, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
      g_assert_cmpint (parallel_step_get_term_signal (step), ==, signals[i]);
      g_assert_cmpint (parallel_step_get_exit_status (step), ==, -1);
    }
}

static void
assert_start_fails (ParallelTask *task,
                    int           code,
                    const char   *named)
{
  g_autoptr (ParallelStep) step = run_task (task, NULL);
  g_autoptr (GError) error = parallel_step_dup_error (step);

  test_assert_step_error (step, G_SPAWN_ERROR, code);
  g_assert_nonnull (strstr (error->message, named));
  g_assert_cmpint (parallel_step_get_exit_status (step), ==, -1);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, 0);
}

static void
test_not_found (void)
{
  const char * const bare[] = { "no-such-program-at-all", NULL };
  const char * const absolute[] = { "/nonexistent/program", "argument", NULL };

  g_test_summary ("A program that does not exist is G_SPAWN_ERROR_NOENT, and named");
  assert_start_fails (parallel_command_task_new (bare), G_SPAWN_ERROR_NOENT, "no-such-program-at-all");
  assert_start_fails (parallel_command_task_new (absolute), G_SPAWN_ERROR_NOENT,
                      "/nonexistent/program");
}

static void
test_not_executable (void)
{
  g_autofree char *path = test_path ("data");
  g_autofree char *folder = test_path ("folder");
  const char * const argv[] = { path, NULL };
  const char * const folder_argv[] = { folder, NULL };

  g_test_summary ("A file that is not executable is G_SPAWN_ERROR_ACCES, a folder "
                  "G_SPAWN_ERROR_ISDIR");
  test_write_file (path, "no program\n");
  g_assert_no_errno (g_chmod (path, 0600));
  g_assert_no_errno (g_mkdir (folder, 0700));
  assert_start_fails (parallel_command_task_new (argv), G_SPAWN_ERROR_ACCES, path);
  assert_start_fails (parallel_command_task_new (folder_argv), G_SPAWN_ERROR_ISDIR, folder);
}

static void
test_bad_interpreter (void)
{
  g_autofree char *path = test_path ("script");
  const char * const argv[] = { path, NULL };

  g_test_summary ("A script whose interpreter does not exist is G_SPAWN_ERROR_NOENT");
  test_write_file (path, "#!/nonexistent/interpreter\n");
  g_assert_no_errno (g_chmod (path, 0700));
  assert_start_fails (parallel_command_task_new (argv), G_SPAWN_ERROR_NOENT, path);
}

static void
test_plain_script (void)
{
  g_autofree char *path = test_path ("script");
  const char * const argv[] = { path, "an argument", NULL };

  g_test_summary ("A script without an interpreter line is run by sh, as execvp () does");
  test_write_file (path, "echo \"$1\"\n");
  g_assert_no_errno (g_chmod (path, 0700));
  assert_prints (parallel_command_task_new (argv), NULL, "an argument\n");
}

static void
test_no_folder (void)
{
  ParallelTask *task = parallel_command_task_new_shell ("true");

  g_test_summary ("A working directory that does not exist is G_SPAWN_ERROR_CHDIR, and named");
  parallel_command_task_set_cwd (PARALLEL_COMMAND_TASK (task), "/nonexistent/folder");
  assert_start_fails (task, G_SPAWN_ERROR_CHDIR, "/nonexistent/folder");
}

static void
test_too_big (void)
{
  g_autofree char *big = g_strnfill (300 * 1024, 'x');
  const char * const argv[] = { "echo", big, NULL };
  g_autoptr (ParallelStep) step = run_task (parallel_command_task_new (argv), NULL);

  g_test_summary ("An argument list that is too big is a failure of its step");
  test_assert_step_error (step, G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG);
}

/* What a program gets */

static void
test_placeholder (void)
{
  const char * const argv[] = { "printf", "<%s>", "a{}b", "{}", "{}{}", "{", NULL };

  g_test_summary ("Every {} in the arguments stands for the input, of any bytes, without a shell");
  assert_prints (parallel_command_task_new (argv), "x y", "<ax yb><x y><x yx y><{>");
  assert_prints (parallel_command_task_new (argv), "$(exit)'\n\"*", "<a$(exit)'\n\"*b><$(exit)'\n\"*>"
                 "<$(exit)'\n\"*$(exit)'\n\"*><{>");
  assert_prints (parallel_command_task_new (argv), "\xff{}", "<a\xff{}b><\xff{}><\xff{}\xff{}><{>");
}

static void
test_appended (void)
{
  const char * const argv[] = { "printf", "<%s>", "a", NULL };

  g_test_summary ("Where no {} is, the input is the last argument; without an input nothing is");
  assert_prints (parallel_command_task_new (argv), "the input", "<a><the input>");
  assert_prints (parallel_command_task_new (argv), "", "<a><>");
  assert_prints (parallel_command_task_new (argv), NULL, "<a>");
}

static void
test_shell_input (void)
{
  g_test_summary ("In a command line for a shell {} means nothing, and the input is $1");
  assert_prints (parallel_command_task_new_shell ("printf '<%s>' {} \"$1\""), "a 'b' $c", "<{}><a 'b' $c>");
  assert_prints (parallel_command_task_new_shell ("printf '<%s>' {}"), NULL, "<{}>");
}

static void
test_number_input (void)
{
  const char * const argv[] = { "echo", "n={}", NULL };
  g_auto (GValue) input = G_VALUE_INIT;
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (
    parallel_command_task_new (argv));
  GOutputStream *sink = test_capture (runner);
  g_autofree char *printed = NULL;

  g_test_summary ("A number is an input as well");
  g_value_init (&input, G_TYPE_INT64);
  g_value_set_int64 (&input, G_MININT64);
  test_put_int (runner, -7);
  g_assert_true (parallel_background_task_runner_put (runner, &input, NULL));
  test_close_and_wait (runner);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "n=-7\nn=-9223372036854775808\n");
  g_assert_finalize_object (runner);
}

static void
test_bad_input (void)
{
  const char * const argv[] = { "echo", "{}", NULL };
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = parallel_step_new (parallel_command_task_new (argv), NULL);
  g_auto (GValue) input = G_VALUE_INIT;
  g_autoptr (ParallelStep) odd = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A {} without an input, or an input that is no text, is refused when it is put");
  g_assert_false (parallel_background_task_runner_put_step (runner, step, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_value_init (&input, G_TYPE_OBJECT);
  odd = parallel_step_new (parallel_command_task_new (argv), &input);
  g_assert_false (parallel_background_task_runner_put_step (runner, odd, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 0);
  test_close_and_wait (runner);
}

static void
test_get_argv (void)
{
  const char * const argv[] = { "echo", "{}", NULL };
  g_autoptr (ParallelTask) task = parallel_command_task_new (argv);
  g_autoptr (ParallelTask) shell = parallel_command_task_new_shell ("echo a; echo b");

  g_test_summary ("The argument list can be read back; a shell's is sh -c");
  g_assert_cmpstrv (parallel_command_task_get_argv (PARALLEL_COMMAND_TASK (task)), argv);
  g_assert_cmpstr (parallel_command_task_get_argv (PARALLEL_COMMAND_TASK (shell))[2], ==,
                   "echo a; echo b");
}

static void
test_environment (void)
{
  const char * const env[] = { "PATH=/usr/bin:/bin", "ONE=1", "TWO=2", NULL };
  const char * const argv[] = { "sh", "-c", "echo \"$ONE,$TWO,${THREE-unset},${HOME-unset}\"", NULL };
  ParallelTask *task = parallel_command_task_new (argv);

  g_test_summary ("The environment is the given one, with what is set and without what is unset");
  parallel_command_task_set_environ (PARALLEL_COMMAND_TASK (task), env);
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (task), "TWO", "a = b");
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (task), "THREE", "");
  parallel_command_task_unsetenv (PARALLEL_COMMAND_TASK (task), "ONE");
  assert_prints (task, NULL, ",a = b,,unset\n");
}

static void
test_environment_inherited (void)
{
  ParallelTask *task = parallel_command_task_new_shell ("echo \"$INHERITED,${GONE-unset},$NEW\"");

  g_test_summary ("Else it is the program's own");
  g_setenv ("INHERITED", "yes", TRUE);
  g_setenv ("GONE", "no", TRUE);
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (task), "NEW", "new");
  parallel_command_task_unsetenv (PARALLEL_COMMAND_TASK (task), "GONE");
  assert_prints (task, NULL, "yes,unset,new\n");
  g_unsetenv ("INHERITED");
  g_unsetenv ("GONE");
}

static void
test_path_of_environment (void)
{
  const char * const argv[] = { "only-here", NULL };
  g_autofree char *folder = test_path ("bin");
  g_autofree char *program = test_path ("bin/only-here");
  ParallelTask *task = parallel_command_task_new (argv);

  g_test_summary ("The program is looked for in the PATH of the step's environment");
  g_assert_no_errno (g_mkdir (folder, 0700));
  test_write_file (program, "#!/bin/sh\necho found\n");
  g_assert_no_errno (g_chmod (program, 0700));
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (task), "PATH", folder);
  assert_prints (task, NULL, "found\n");
}

static void
test_folder (void)
{
  const char * const argv[] = { "./program", NULL };
  g_autofree char *folder = test_path ("folder");
  g_autofree char *program = test_path ("folder/program");
  g_autofree char *expected = g_strdup_printf ("%s\n", folder);
  ParallelTask *task = parallel_command_task_new (argv);

  g_test_summary ("A program runs in its working directory, which a relative path starts from");
  g_assert_no_errno (g_mkdir (folder, 0700));
  test_write_file (program, "#!/bin/sh\npwd -P\n");
  g_assert_no_errno (g_chmod (program, 0700));
  parallel_command_task_set_cwd (PARALLEL_COMMAND_TASK (task), folder);
  g_assert_cmpstr (parallel_command_task_get_cwd (PARALLEL_COMMAND_TASK (task)), ==, folder);
  assert_prints (task, NULL, expected);
}

static void
test_launcher_prefix (void)
{
  const char * const prefix[] = { "env", "LAUNCHED=yes {}", NULL };
  const char * const argv[] = { "sh", "-c", "echo \"$LAUNCHED $1\"", "sh", "{}", NULL };
  ParallelTask *task = parallel_command_task_new (argv);

  g_test_summary ("A launcher prefix stands before the command, as it is");
  parallel_command_task_set_launcher_prefix (PARALLEL_COMMAND_TASK (task), prefix);
  g_assert_cmpstrv (parallel_command_task_get_launcher_prefix (PARALLEL_COMMAND_TASK (task)), prefix);
  assert_prints (task, "input", "yes {} input\n");
}

/* Standard input */

static void
test_stdin_empty (void)
{
  const char * const argv[] = { "cat", NULL };

  g_test_summary ("Standard input is empty unless given");
  assert_prints (parallel_command_task_new (argv), NULL, "");
}

static void
test_stdin_bytes (void)
{
  const char * const argv[] = { "cat", NULL };
  ParallelTask *task = parallel_command_task_new (argv);
  g_autofree char *data = g_malloc (3000000);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) output = NULL;

  g_test_summary ("Bytes as standard input, more than a pipe takes, any of them, come through");
  for (guint i = 0; i < 3000000; i++)
    data[i] = (char) (i * 7 + i / 256);
  bytes = g_bytes_new (data, 3000000);
  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (task), bytes);
  step = run_task (task, NULL);
  output = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, NULL);
  g_assert_true (g_bytes_equal (output, bytes));
}

static void
test_stdin_not_read (void)
{
  const char * const argv[] = { "true", NULL };
  ParallelTask *task = parallel_command_task_new (argv);
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (3000000), 3000000);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("A program that does not read its standard input harms nobody");
  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (task), bytes);
  step = run_task (task, NULL);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

static void
test_stdin_shared (void)
{
  const char * const argv[] = { "cat", NULL };
  ParallelTask *task = parallel_command_task_new (argv);
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (task);
  g_autoptr (GBytes) bytes = g_bytes_new_static ("to all", 6);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("Each step of a task reads all of its standard input");
  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (task), bytes);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  for (guint i = 0; i < 20; i++)
    {
      g_ptr_array_add (steps, parallel_step_new (g_object_ref (task), NULL));
      test_put_step (runner, g_ptr_array_index (steps, i));
    }
  test_close_and_wait (runner);
  for (guint i = 0; i < 20; i++)
    test_assert_output (g_ptr_array_index (steps, i), PARALLEL_OUTPUT_STREAM_STDOUT, "to all");
  g_assert_finalize_object (runner);
}

static void
test_stdin_path (void)
{
  const char * const argv[] = { "cat", NULL };
  g_autofree char *path = test_path ("input");
  ParallelTask *task = parallel_command_task_new (argv);
  ParallelTask *missing = parallel_command_task_new (argv);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A file as standard input; one that does not exist is named");
  test_write_file (path, "from a file");
  parallel_command_task_set_stdin_path (PARALLEL_COMMAND_TASK (task), path);
  g_assert_cmpstr (parallel_command_task_get_stdin_path (PARALLEL_COMMAND_TASK (task)), ==, path);
  assert_prints (task, NULL, "from a file");
  parallel_command_task_set_stdin_path (PARALLEL_COMMAND_TASK (missing), "/nonexistent/input");
  step = run_task (missing, NULL);
  error = parallel_step_dup_error (step);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "/nonexistent/input"));
}

/* Standard output and error */

static void
test_merged (void)
{
  ParallelTask *task = parallel_command_task_new_shell ("echo 1; echo 2 >&2; echo 3");
  ParallelTask *apart = parallel_command_task_new_shell ("echo 1; echo 2 >&2; echo 3");
  g_autoptr (ParallelStep) merged_step = NULL;
  g_autoptr (ParallelStep) apart_step = NULL;

  g_test_summary ("Standard error is apart, or merged with the output in the order of writing");
  parallel_command_task_set_merge_stderr (PARALLEL_COMMAND_TASK (task), TRUE);
  g_assert_true (parallel_command_task_get_merge_stderr (PARALLEL_COMMAND_TASK (task)));
  g_assert_false (parallel_command_task_get_merge_stderr (PARALLEL_COMMAND_TASK (apart)));
  merged_step = run_task (task, NULL);
  test_assert_output (merged_step, PARALLEL_OUTPUT_STREAM_STDOUT, "1\n2\n3\n");
  test_assert_output (merged_step, PARALLEL_OUTPUT_STREAM_STDERR, "");
  apart_step = run_task (apart, NULL);
  test_assert_output (apart_step, PARALLEL_OUTPUT_STREAM_STDOUT, "1\n3\n");
  test_assert_output (apart_step, PARALLEL_OUTPUT_STREAM_STDERR, "2\n");
}

/* The process */

static void
test_subprocess (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autofree char *pid_path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autofree char *identifier = NULL;

  g_test_summary ("A running command step shows its GSubprocess");
  step = test_put_shell (runner, "echo $$ > '%s'; read x < '%s'", pid_path, fifo);
  identifier = g_strdup_printf ("%d", test_await_number (pid_path));
  subprocess = parallel_step_dup_subprocess (step);
  g_assert_true (G_IS_SUBPROCESS (subprocess));
  g_assert_cmpstr (g_subprocess_get_identifier (subprocess), ==, identifier);
  test_release_fifo (fifo);
  test_close_and_wait (runner);
}

static void
test_surroundings (void)
{
  int fd = open ("/dev/null", O_RDONLY);
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  struct sigaction before;

  g_test_summary ("A program has its own process group, default signals, and no stray descriptor");
  g_assert_cmpint (fd, >=, 0);
  sigaction (SIGPIPE, &ignore, &before);
  assert_prints (parallel_command_task_new_shell ("ls /proc/self/fd | tr '\\n' ' '"), NULL, "0 1 2 3 ");
  assert_prints (parallel_command_task_new_shell ("exec grep -E '^Sig(Blk|Ign)' /proc/self/status"),
                 NULL, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  assert_prints (parallel_command_task_new_shell ("read pid comm state ppid pgrp rest < /proc/$$/stat; "
                                                  "test $pid = $pgrp && echo leader"),
                 NULL, "leader\n");
  sigaction (SIGPIPE, &before, NULL);
  close (fd);
}

static void
test_usage (void)
{
  ParallelTask *task = parallel_command_task_new_shell ("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); "
                                                        "done; exit 4");
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) unmeasured = run_task (parallel_command_task_new_shell (":"), NULL);

  g_test_summary ("The processor time and the peak memory of a measured command are known");
  parallel_command_task_set_measure_usage (PARALLEL_COMMAND_TASK (task), TRUE);
  g_assert_true (parallel_command_task_get_measure_usage (PARALLEL_COMMAND_TASK (task)));
  step = run_task (task, NULL);
  test_assert_step_error (step, G_SPAWN_EXIT_ERROR, 4);
  g_assert_cmpfloat (parallel_step_get_user_time (step), >, 0);
  g_assert_cmpfloat (parallel_step_get_user_time (step), <, 60 * test_time_factor ());
  g_assert_cmpfloat (parallel_step_get_system_time (step), >=, 0);
  g_assert_cmpint (parallel_step_get_max_rss (step), >, 100 * 1024);
  g_assert_cmpint (parallel_step_get_max_rss (step), <, 100 * 1024 * 1024);
  g_assert_cmpfloat (parallel_step_get_user_time (unmeasured), ==, -1);
}

static void
test_usage_of_failures (void)
{
  ParallelTask *killed = parallel_command_task_new_shell ("kill -9 $$");
  const char * const argv[] = { "/nonexistent/program", NULL };
  ParallelTask *missing = parallel_command_task_new (argv);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("Measuring changes nothing in how a command fails");
  parallel_command_task_set_measure_usage (PARALLEL_COMMAND_TASK (killed), TRUE);
  parallel_command_task_set_measure_usage (PARALLEL_COMMAND_TASK (missing), TRUE);
  step = run_task (killed, NULL);
  test_assert_step_error (step, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
  assert_start_fails (missing, G_SPAWN_ERROR_NOENT, "/nonexistent/program");
}

static void
test_many (void)
{
  const char * const argv[] = { "true", NULL };
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("A thousand programs leave no descriptor and no process behind");
  runner = parallel_background_task_runner_new (parallel_command_task_new (argv));
  parallel_background_task_runner_set_max_parallel (runner, 8);
  for (int i = 0; i < 1000; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 1000);
  g_assert_finalize_object (runner);
}

static void
test_wrong_use (void)
{
  const char * const empty[] = { NULL };

  g_test_summary ("A command needs a program");
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*argv != NULL*");
  g_assert_null (parallel_command_task_new (NULL));
  g_test_assert_expected_messages ();
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*argv*");
  g_assert_null (parallel_command_task_new (empty));
  g_test_assert_expected_messages ();
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*command_line != NULL*");
  g_assert_null (parallel_command_task_new_shell (NULL));
  g_test_assert_expected_messages ();
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/command/exit-status", test_exit_status);
  test_add ("/command/signal", test_signal);
  test_add ("/command/start/not-found", test_not_found);
  test_add ("/command/start/not-executable", test_not_executable);
  test_add ("/command/start/bad-interpreter", test_bad_interpreter);
  test_add ("/command/start/plain-script", test_plain_script);
  test_add ("/command/start/no-folder", test_no_folder);
  /* Under valgrind an execve that fails late ends the process. */
  if (g_getenv ("PARALLEL_TEST_VALGRIND") == NULL)
    test_add ("/command/start/too-big", test_too_big);
  test_add ("/command/input/placeholder", test_placeholder);
  test_add ("/command/input/appended", test_appended);
  test_add ("/command/input/shell", test_shell_input);
  test_add ("/command/input/number", test_number_input);
  test_add ("/command/input/bad", test_bad_input);
  test_add ("/command/argv", test_get_argv);
  test_add ("/command/environment", test_environment);
  test_add ("/command/environment/inherited", test_environment_inherited);
  test_add ("/command/environment/path", test_path_of_environment);
  test_add ("/command/folder", test_folder);
  test_add ("/command/launcher-prefix", test_launcher_prefix);
  test_add ("/command/stdin/empty", test_stdin_empty);
  test_add ("/command/stdin/bytes", test_stdin_bytes);
  test_add ("/command/stdin/not-read", test_stdin_not_read);
  test_add ("/command/stdin/shared", test_stdin_shared);
  test_add ("/command/stdin/path", test_stdin_path);
  test_add ("/command/stderr", test_merged);
  test_add ("/command/subprocess", test_subprocess);
  test_add ("/command/surroundings", test_surroundings);
  test_add ("/command/usage", test_usage);
  test_add ("/command/usage/failures", test_usage_of_failures);
  test_add ("/command/many", test_many);
  test_add ("/command/wrong-use", test_wrong_use);
  return test_run ();
}
