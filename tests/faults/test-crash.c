/* test-crash.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <string.h>

#include "fault-support.h"

/* Programs that crash, that will not go, and that do odd things with what they were given. */

static void
assert_crash (const char *name,
              int         signum)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = NULL;
  g_autofree char *words = g_strdup_printf ("was ended by signal %d", signum);
  ParallelStep *crashed;

  g_ptr_array_add (steps, test_put_shell (runner, "echo first"));
  crashed = test_put_shell (runner, "ulimit -c 0; printf abc; kill -%s $$", name);
  g_ptr_array_add (steps, crashed);
  g_ptr_array_add (steps, test_put_shell (runner, "echo last"));
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, 1, 3);
  g_assert_nonnull (strstr (error->message, words));
  test_assert_step_error (crashed, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
  g_assert_cmpint (parallel_step_get_term_signal (crashed), ==, signum);
  g_assert_cmpint (parallel_step_get_exit_status (crashed), ==, -1);
  test_assert_output (crashed, PARALLEL_OUTPUT_STREAM_STDOUT, "abc");
  fault_assert_adds_up (runner, steps);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 2);
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, ==, 1);
  g_assert_true (g_ptr_array_index (failures, 0) == crashed);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "first\nabclast\n");
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
}

static void
test_segv (void)
{
  g_test_summary ("A program that dies by SIGSEGV fails alone, and what it wrote is in its place");
  assert_crash ("SEGV", SIGSEGV);
}

static void
test_abrt (void)
{
  g_test_summary ("SIGABRT likewise");
  assert_crash ("ABRT", SIGABRT);
}

static void
test_kill (void)
{
  g_test_summary ("SIGKILL likewise");
  assert_crash ("KILL", SIGKILL);
}

static void
test_many_crashes (void)
{
  static const int signals[] = { SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGHUP, SIGBUS, SIGUSR1, SIGPIPE };
  guint n = fault_count (200, 5000);
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  g_test_summary ("Many crashes at a time, each with its own signal");
  fault_allow_seconds (600);
  parallel_background_task_runner_set_max_parallel (runner, 8);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (steps, test_put_shell (runner, "ulimit -c 0; kill -%d $$",
                                            signals[i % G_N_ELEMENTS (signals)]));
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, n, n);
  for (guint i = 0; i < n; i++)
    {
      test_assert_step_error (g_ptr_array_index (steps, i), G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
      g_assert_cmpint (parallel_step_get_term_signal (g_ptr_array_index (steps, i)), ==,
                       signals[i % G_N_ELEMENTS (signals)]);
    }
  g_assert_finalize_object (runner);
}

/* Stopping */

static void
test_ignores_term (void)
{
  g_autofree char *pid_path = test_path ("pid");
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) other = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) step_error = NULL;
  int pid;

  g_test_summary ("A program that ignores SIGTERM is killed after the grace of its step");
  step = test_shell_step ("trap '' TERM; echo $$ > '%s'; while :; do sleep 100; done", pid_path);
  parallel_step_set_kill_grace (step, 0.2);
  test_put_step (runner, step);
  pid = test_await_number (pid_path);
  other = test_put_shell (runner, "true");
  parallel_step_cancel (step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, 1, 2);
  step_error = parallel_step_dup_error (step);
  g_assert_error (step_error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpstr (step_error->message, ==, "The step was cancelled; it was sent SIGTERM, SIGKILL");
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
  g_assert_cmpint (parallel_step_get_state (other), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_false (test_process_runs (pid));
  g_assert_finalize_object (runner);
}

static void
test_cancelled_group (void)
{
  g_autofree char *child_path = test_path ("child");
  g_autofree char *pid_path = test_path ("pid");
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  int child;
  int pid;

  g_test_summary ("The cancellation of a step takes its background children too, and waits for no pipe");
  step = test_put_shell (runner, "sleep 1000 & echo $! > '%s'; echo $$ > '%s'; exec sleep 1000",
                         child_path, pid_path);
  child = test_await_number (child_path);
  pid = test_await_number (pid_path);
  parallel_step_cancel (step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGTERM);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), <, 100);
  g_assert_false (test_process_runs (pid));
  test_wait_until (!test_process_runs (child));
  g_assert_finalize_object (runner);
}

/* Descriptors */

static void
test_later_output (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autofree char *status_path = test_path ("status");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) after = NULL;
  g_autofree char *printed = NULL;

  g_test_summary ("What a daemon writes when its step has ended goes nowhere, and the daemon learns of it");
  step = test_put_shell (runner, "(trap '' HUP PIPE TERM; read x < '%s'; echo late; echo $((100 + $?)) > '%s') & "
                         "echo out", fifo, status_path);
  test_wait_until (fault_step_is_over (step));
  test_release_fifo (fifo);
  g_assert_cmpint (test_await_number (status_path), !=, 100);
  after = test_put_shell (runner, "echo after");
  test_close_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_state (after), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "out\nafter\n");
  g_assert_finalize_object (runner);
}

static void
test_closed_streams (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autofree char *pid_path = test_path ("pid");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = NULL;

  g_test_summary ("A program that closes its output and goes on has not ended, and its status is its own");
  step = test_put_shell (runner, "echo out; exec >&- 2>&-; echo $$ > '%s'; read x < '%s'; exit 3",
                         pid_path, fifo);
  test_await_number (pid_path);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_RUNNING);
  test_release_fifo (fifo);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  fault_assert_aggregate (error, 1, 1);
  test_assert_step_error (step, G_SPAWN_EXIT_ERROR, 3);
  g_assert_cmpint (parallel_step_get_exit_status (step), ==, 3);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, 0);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "out\n");
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/crash/segv", test_segv);
  test_add ("/faults/crash/abrt", test_abrt);
  test_add ("/faults/crash/kill", test_kill);
  test_add ("/faults/crash/many", test_many_crashes);
  test_add ("/faults/stop/ignores-term", test_ignores_term);
  test_add ("/faults/stop/group", test_cancelled_group);
  test_add ("/faults/daemon/later-output", test_later_output);
  test_add ("/faults/streams-closed", test_closed_streams);
  return test_run ();
}
