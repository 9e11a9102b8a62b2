/* test-fork.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <sys/wait.h>
#include <unistd.h>

#include "fault-support.h"

/* A program that forks after it has used the library, and goes on in both processes. */

static gboolean
answer (ParallelStep  *step,
        GCancellable  *cancellable,
        gpointer       user_data,
        GError       **error)
{
  test_set_int (step, 42);
  return parallel_step_write_text (step, "from a function\n", error);
}

/* A run of all kinds in a process that is a fork; returns its exit status. */
static int
use_afresh (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) first = test_put_shell (runner, "echo from a command; exit 3");
  g_autoptr (ParallelStep) second = test_put_function (runner, answer, NULL);
  g_autoptr (ParallelStep) third = test_put_shell (runner, "cat; echo last");
  g_autoptr (ParallelStep) fourth = test_shell_step ("sleep 1000");
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = NULL;

  parallel_step_set_timeout (fourth, 0.3);
  test_put_step (runner, fourth);
  parallel_background_task_runner_close (runner);
  if (parallel_background_task_runner_wait (runner, NULL, &error) ||
      !g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE))
    return 10;

  printed = test_captured (sink);
  if (g_strcmp0 (printed, "from a command\nfrom a function\nlast\n") != 0)
    return 11;
  if (parallel_step_get_exit_status (first) != 3 || g_value_get_int (parallel_step_get_result (second)) != 42)
    return 12;
  if (parallel_step_get_exit_status (third) != 0 || parallel_step_get_term_signal (fourth) != SIGTERM)
    return 13;
  return 0;
}

/* What a child may do with what it has of its parent. */
static int
touch_the_parents (ParallelBackgroundTaskRunner *runner,
                   ParallelStep                 *running)
{
  g_autoptr (ParallelStep) step = test_shell_step ("true");
  g_autoptr (GError) put_error = NULL;
  g_autoptr (GError) wait_error = NULL;
  g_autofree char *dump = parallel_background_task_runner_dump (runner);
  g_autofree char *name = parallel_step_dup_name (running);

  if (parallel_background_task_runner_put_step (runner, step, &put_error) ||
      !g_error_matches (put_error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED))
    return 20;
  if (parallel_background_task_runner_wait (runner, NULL, &wait_error) ||
      !g_error_matches (wait_error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED))
    return 21;
  if (parallel_background_task_runner_get_n_running (runner) != 2)
    return 22;

  parallel_step_cancel (running);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (running);
  g_object_unref (runner);
  return 0;
}

static int
await_child (pid_t pid)
{
  int status;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
test_fork (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  ParallelStep *step;
  g_autoptr (ParallelStep) function = NULL;
  g_autofree char *printed = NULL;
  TestGate gate;
  pid_t pid;

  g_test_summary ("A fork uses the library afresh, and does nothing to the run of its parent");
  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  step = test_put_shell (runner, "echo begun; read line < '%s'; echo ended", fifo);
  function = test_put_function (runner, test_gate_function, &gate);
  test_gate_await (&gate, 1);
  test_iterate_until (NULL, parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT) > 0);

  pid = fork ();
  if (pid == 0)
    {
      int status = use_afresh ();

      _exit (status != 0 ? status : touch_the_parents (runner, step));
    }
  g_assert_cmpint (await_child (pid), ==, 0);

  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_RUNNING);
  test_release_fifo (fifo);
  test_gate_open (&gate);
  test_close_and_wait (runner);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "begun\nended\n");
  g_object_unref (step);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

/* With nothing of GLib but what the library calls, whose locks a child could not reset. */
static gboolean
write_line (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  return parallel_step_write_text (step, "a line\n", error);
}

/* The child is made while all the parent's threads are at work, and holds whatever locks they hold. */
static void
test_fork_at_any_moment (void)
{
  guint n = fault_count (8, 100);
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (
    parallel_function_task_new (write_line, NULL, NULL));
  g_autoptr (GPtrArray) commands = test_steps_new ();

  g_test_summary ("It may do so at any moment");
  test_capture (runner);
  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (guint i = 0; i < n; i++)
    {
      pid_t pid;

      for (int j = 0; j < 300; j++)
        test_put_int (runner, j);
      g_ptr_array_add (commands, test_put_shell (runner, "echo %u", i));
      pid = fork ();
      if (pid == 0)
        {
          g_clear_object (&runner);
          _exit (use_afresh ());
        }
      g_assert_cmpint (await_child (pid), ==, 0);
    }

  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, (guint64) n * 301);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *expected = g_strdup_printf ("%u\n", i);

      test_assert_output (g_ptr_array_index (commands, i), PARALLEL_OUTPUT_STREAM_STDOUT, expected);
    }
}

/* Not only once. */
static void
test_grandchild (void)
{
  pid_t pid;

  g_test_summary ("A fork of a fork does too");
  pid = fork ();
  if (pid == 0)
    {
      int status = use_afresh ();

      pid = fork ();
      if (pid == 0)
        _exit (use_afresh ());
      _exit (status != 0 ? status : await_child (pid));
    }
  g_assert_cmpint (await_child (pid), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/fork/once", test_fork);
  test_add ("/faults/fork/any-moment", test_fork_at_any_moment);
  test_add ("/faults/fork/grandchild", test_grandchild);
  return test_run ();
}
