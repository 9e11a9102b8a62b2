/* test-process.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test-support.h"

/* How the processes of command steps are stopped, and what they leave. */

static void
kill_and_await (int pid)
{
  kill (pid, SIGKILL);
  test_wait_until (!test_process_runs (pid));
}

/* What a step leaves behind */

static void
assert_ends_with_daemon (const char *how)
{
  g_autofree char *pid_path = test_path (how);
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) step = NULL;
  g_autofree char *printed = NULL;

  step = test_put_shell (runner, "%s sleep 1000 & echo $! > '%s'; echo out", how, pid_path);
  test_close_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), <, 100);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "out\n");
  g_assert_finalize_object (runner);
  kill_and_await (test_await_number (pid_path));
}

static void
test_daemon (void)
{
  g_test_summary ("A step ends when its program ends, whoever still holds its output");
  assert_ends_with_daemon ("nohup");
  assert_ends_with_daemon ("setsid");
}

static void
test_daemon_of_failure (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("And its status is its own");
  step = test_put_shell (runner, "setsid sleep 1000 & echo $! > '%s'; exit 9", pid_path);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, G_SPAWN_EXIT_ERROR, 9);
  kill_and_await (test_await_number (pid_path));
}

static void
test_all_output_before_end (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("All that a program wrote before its end is there, also when a daemon holds the "
                  "pipe");
  step = test_put_shell (runner, "setsid sleep 2 & head -c 300000 /dev/zero; echo err >&2");
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT), ==, 300000);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDERR, "err\n");
}

/* Stopping */

static void
halt_and_wait (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
}

static void
test_whole_group (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autofree char *child_path = test_path ("child");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  int pid;
  int child;

  g_test_summary ("A step is stopped with all the processes of its group");
  step = test_put_shell (runner, "sleep 1000 & echo $! > '%s'; echo $$ > '%s'; exec sleep 1000",
                         child_path, pid_path);
  pid = test_await_number (pid_path);
  child = test_await_number (child_path);
  halt_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGTERM);
  test_wait_until (!test_process_runs (pid));
  test_wait_until (!test_process_runs (child));
}

static void
test_time_to_clean_up (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autofree char *clean_path = test_path ("clean");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("SIGTERM comes first, and the kill grace is time to clean up");
  parallel_background_task_runner_set_kill_grace (runner, 50);
  step = test_put_shell (runner, "trap 'sleep 0.2; echo 1 > \"%s\"; exit 3' TERM; echo $$ > '%s'; "
                         "while :; do sleep 0.01; done", clean_path, pid_path);
  test_await_number (pid_path);
  halt_and_wait (runner);
  g_assert_true (g_file_test (clean_path, G_FILE_TEST_EXISTS));
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_exit_status (step), ==, 3);
}

static void
test_ignores_term (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  int pid;

  g_test_summary ("A step that ignores SIGTERM gets SIGKILL after the kill grace");
  parallel_background_task_runner_set_kill_grace (runner, 0.2);
  parallel_background_task_runner_set_timeout (runner, 0.5);
  step = test_put_shell (runner, "trap '' TERM; echo $$ > '%s'; while :; do sleep 100; done", pid_path);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), >=, 0.7);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), <, 50 * test_time_factor ());
  pid = test_await_number (pid_path);
  test_wait_until (!test_process_runs (pid));
}

static void
test_child_ignores_term (void)
{
  g_autofree char *child_path = test_path ("child");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  int child;

  g_test_summary ("So does a child in its group that outlives the program");
  parallel_background_task_runner_set_kill_grace (runner, 0.2);
  step = test_put_shell (runner, "sh -c 'trap \"\" TERM; echo $$ > \"%s\"; while :; do sleep 100; done' & "
                         "wait", child_path);
  child = test_await_number (child_path);
  halt_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_HALTED);
  test_wait_until (!test_process_runs (child));
}

static void
test_stopped (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("SIGCONT comes with SIGTERM, so a stopped process ends by it");
  parallel_background_task_runner_set_kill_grace (runner, 50);
  step = test_put_shell (runner, "echo $$ > '%s'; kill -STOP $$; sleep 1000", pid_path);
  test_await_number (pid_path);
  halt_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGTERM);
}

static void
test_measured (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autofree char *command_line = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  ParallelTask *task;
  g_autoptr (ParallelStep) step = NULL;
  int pid;

  g_test_summary ("A measured command is stopped as any other");
  command_line = g_strdup_printf ("trap '' TERM; echo $$ > '%s'; while :; do sleep 100; done", pid_path);
  task = parallel_command_task_new_shell (command_line);
  parallel_command_task_set_measure_usage (PARALLEL_COMMAND_TASK (task), TRUE);
  parallel_background_task_runner_set_kill_grace (runner, 0.2);
  step = parallel_step_new (task, NULL);
  test_put_step (runner, step);
  pid = test_await_number (pid_path);
  halt_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_HALTED);
  test_wait_until (!test_process_runs (pid));
}

static void
test_runner_dropped (void)
{
  g_autofree char *pid_path = test_path ("pid");
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) running = NULL;
  g_autoptr (ParallelStep) pending = NULL;
  int pid;

  g_test_summary ("A runner that is let go of stops its steps");
  parallel_background_task_runner_set_max_parallel (runner, 1);
  running = test_put_shell (runner, "echo $$ > '%s'; exec sleep 1000", pid_path);
  pending = test_put_function (runner, test_no_op, NULL);
  pid = test_await_number (pid_path);
  g_assert_finalize_object (runner);
  test_wait_until (!test_process_runs (pid));
  test_wait_until (parallel_step_get_state (running) != PARALLEL_STEP_STATE_RUNNING);
  g_assert_cmpint (parallel_step_get_state (pending), !=, PARALLEL_STEP_STATE_SUCCEEDED);
}

/* The end of the program */

static void
test_parent_killed_subprocess (void)
{
  const char *path = g_getenv ("TEST_PID_PATH");
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;
  g_autoptr (ParallelStep) step = NULL;

  if (path == NULL)
    return;
  runner = test_silent_runner ();
  step = test_put_shell (runner, "trap '' HUP TERM; echo $$ > '%s'; while :; do sleep 0.1; done", path);
  test_await_number (path);
  kill (getpid (), SIGKILL);
}

static void
test_parent_killed (void)
{
  g_autofree char *pid_path = test_path ("pid");
  int pid;

  g_test_summary ("When the program is killed, its steps die");
  g_setenv ("TEST_PID_PATH", pid_path, TRUE);
  g_test_trap_subprocess ("/process/parent-killed/subprocess/child", 0, 0);
  g_test_trap_assert_failed ();
  g_unsetenv ("TEST_PID_PATH");
  pid = test_await_number (pid_path);
  test_wait_until (!test_process_runs (pid));
}

static void
test_exits_subprocess (void)
{
  const char *path = g_getenv ("TEST_PID_PATH");
  ParallelBackgroundTaskRunner *runner;

  if (path == NULL)
    return;
  runner = test_silent_runner ();
  g_object_unref (test_put_shell (runner, "trap '' HUP TERM; echo $$ > '%s'; "
                                  "while :; do sleep 0.1; done", path));
  test_await_number (path);
  exit (0);
}

static void
test_parent_exits (void)
{
  g_autofree char *pid_path = test_path ("pid");
  int pid;

  g_test_summary ("So they do when it exits with steps running");
  g_setenv ("TEST_PID_PATH", pid_path, TRUE);
  g_test_trap_subprocess ("/process/parent-exits/subprocess/child", 0, 0);
  g_test_trap_assert_passed ();
  g_unsetenv ("TEST_PID_PATH");
  pid = test_await_number (pid_path);
  test_wait_until (!test_process_runs (pid));
}

static void
test_child_signal_ignored_subprocess (void)
{
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;

  sigaction (SIGCHLD, &ignore, NULL);
  step = test_put_shell (runner, "exit 3");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
}

static void
test_child_signal_ignored (void)
{
  g_test_summary ("Where SIGCHLD is ignored no exit status can be had, and no failure passes for "
                  "success");
  test_in_subprocess ("/process/child-signal-ignored/subprocess/child");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/process/daemon", test_daemon);
  test_add ("/process/daemon/of-failure", test_daemon_of_failure);
  test_add ("/process/all-output", test_all_output_before_end);
  test_add ("/process/stop/whole-group", test_whole_group);
  test_add ("/process/stop/time-to-clean-up", test_time_to_clean_up);
  test_add ("/process/stop/ignores-term", test_ignores_term);
  test_add ("/process/stop/child-ignores-term", test_child_ignores_term);
  test_add ("/process/stop/stopped", test_stopped);
  test_add ("/process/stop/measured", test_measured);
  test_add ("/process/runner-dropped", test_runner_dropped);
  test_add ("/process/parent-killed", test_parent_killed);
  test_add ("/process/parent-killed/subprocess/child", test_parent_killed_subprocess);
  test_add ("/process/parent-exits", test_parent_exits);
  test_add ("/process/parent-exits/subprocess/child", test_exits_subprocess);
  test_add ("/process/child-signal-ignored", test_child_signal_ignored);
  test_add ("/process/child-signal-ignored/subprocess/child", test_child_signal_ignored_subprocess);
  return test_run ();
}
