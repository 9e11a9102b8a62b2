/* test-wrong-values.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "fault-support.h"

/* Numbers that make no sense: each is refused with a critical, and nothing has changed. */

typedef void   (*SetRunnerDouble) (ParallelBackgroundTaskRunner *runner,
                                   double                        seconds);
typedef double (*GetRunnerDouble) (ParallelBackgroundTaskRunner *runner);
typedef void   (*SetStepDouble)   (ParallelStep                 *step,
                                   double                        seconds);
typedef double (*GetStepDouble)   (ParallelStep                 *step);

/* No end at all is said with 0. */
static const double wrong_seconds[] = { -2, -0.001, -INFINITY, INFINITY, NAN };

static void
expect_refusal (const char *pattern)
{
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, pattern);
}

static void
test_runner_seconds (void)
{
  static const struct
  {
    SetRunnerDouble set;
    GetRunnerDouble get;
  } properties[] = {
    { parallel_background_task_runner_set_timeout, parallel_background_task_runner_get_timeout },
    { parallel_background_task_runner_set_silence_timeout, parallel_background_task_runner_get_silence_timeout },
    { parallel_background_task_runner_set_kill_grace, parallel_background_task_runner_get_kill_grace },
    { parallel_background_task_runner_set_retry_delay, parallel_background_task_runner_get_retry_delay },
    { parallel_background_task_runner_set_keep_alive_interval,
      parallel_background_task_runner_get_keep_alive_interval },
  };
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();

  g_test_summary ("A runner refuses times that are negative, infinite or no number");
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++)
    {
      properties[i].set (runner, 7);
      for (guint j = 0; j < G_N_ELEMENTS (wrong_seconds); j++)
        {
          expect_refusal ("*seconds*");
          properties[i].set (runner, wrong_seconds[j]);
          g_test_assert_expected_messages ();
          g_assert_cmpfloat (properties[i].get (runner), ==, 7);
        }
      properties[i].set (runner, 0);
      g_assert_cmpfloat (properties[i].get (runner), ==, 0);
    }
  g_assert_finalize_object (runner);
}

static void
test_step_seconds (void)
{
  static const struct
  {
    SetStepDouble set;
    GetStepDouble get;
  } properties[] = {
    { parallel_step_set_timeout, parallel_step_get_timeout },
    { parallel_step_set_silence_timeout, parallel_step_get_silence_timeout },
    { parallel_step_set_kill_grace, parallel_step_get_kill_grace },
    { parallel_step_set_retry_delay, parallel_step_get_retry_delay },
  };
  ParallelStep *step = test_function_step (test_no_op, NULL);

  g_test_summary ("So does a step, for which -1 is the runner's");
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++)
    {
      properties[i].set (step, 7);
      for (guint j = 0; j < G_N_ELEMENTS (wrong_seconds); j++)
        {
          expect_refusal ("*seconds*");
          properties[i].set (step, wrong_seconds[j]);
          g_test_assert_expected_messages ();
          g_assert_cmpfloat (properties[i].get (step), ==, 7);
        }
      properties[i].set (step, -1);
      g_assert_cmpfloat (properties[i].get (step), ==, -1);
    }
  g_assert_finalize_object (step);
}

static void
test_numbers (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  ParallelStep *step = test_function_step (test_no_op, NULL);

  g_test_summary ("Numbers of steps, attempts and bytes");
  parallel_background_task_runner_set_max_parallel (runner, 3);
  expect_refusal ("*max_parallel*");
  parallel_background_task_runner_set_max_parallel (runner, 0);
  expect_refusal ("*max_parallel*");
  parallel_background_task_runner_set_max_parallel (runner, G_MAXUINT);
  g_assert_cmpuint (parallel_background_task_runner_get_max_parallel (runner), ==, 3);
  parallel_background_task_runner_set_max_attempts (runner, 3);
  expect_refusal ("*max_attempts*");
  parallel_background_task_runner_set_max_attempts (runner, 0);
  expect_refusal ("*max_attempts*");
  parallel_background_task_runner_set_max_attempts (runner, G_MAXUINT);
  g_assert_cmpuint (parallel_background_task_runner_get_max_attempts (runner), ==, 3);
  parallel_background_task_runner_set_output_limit (runner, 3);
  expect_refusal ("*n_bytes*");
  parallel_background_task_runner_set_output_limit (runner, G_MAXUINT64);
  g_assert_cmpuint (parallel_background_task_runner_get_output_limit (runner), ==, 3);
  parallel_step_set_max_attempts (step, 3);
  expect_refusal ("*max_attempts*");
  parallel_step_set_max_attempts (step, 0);
  expect_refusal ("*max_attempts*");
  parallel_step_set_max_attempts (step, -2);
  g_assert_cmpint (parallel_step_get_max_attempts (step), ==, 3);
  parallel_step_set_output_limit (step, 3);
  expect_refusal ("*n_bytes*");
  parallel_step_set_output_limit (step, -2);
  expect_refusal ("*n_bytes*");
  parallel_step_set_output_limit (step, G_MININT64);
  g_assert_cmpint (parallel_step_get_output_limit (step), ==, 3);
  g_test_assert_expected_messages ();
  g_assert_finalize_object (step);
  g_assert_finalize_object (runner);
}

static void
test_huge (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autofree char *pid_path = test_path ("pid");
  ParallelStep *stopped;

  g_test_summary ("The largest numbers are no wrong ones: nothing overflows, and all works");
  parallel_background_task_runner_set_timeout (runner, G_MAXDOUBLE);
  parallel_background_task_runner_set_silence_timeout (runner, G_MAXDOUBLE);
  parallel_background_task_runner_set_kill_grace (runner, G_MAXDOUBLE);
  parallel_background_task_runner_set_retry_delay (runner, 1e300);
  parallel_background_task_runner_set_output_limit (runner, G_MAXINT64);
  parallel_background_task_runner_set_max_attempts (runner, G_MAXINT);
  parallel_background_task_runner_set_max_pending (runner, G_MAXUINT);
  g_ptr_array_add (steps, test_put_shell (runner, "echo out"));
  g_ptr_array_add (steps, test_put_function (runner, fault_write_name, NULL));
  stopped = test_put_shell (runner, "trap 'sleep 0.3; exit 4' TERM; echo $$ > '%s'; while :; do sleep 0.01; done",
                            pid_path);
  g_ptr_array_add (steps, stopped);
  test_await_number (pid_path);
  test_wait_until (fault_step_is_over (g_ptr_array_index (steps, 0)));
  test_wait_until (fault_step_is_over (g_ptr_array_index (steps, 1)));
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED), ==, 2);
  g_assert_cmpint (parallel_step_get_state (stopped), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_exit_status (stopped), ==, 4);
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/wrong-values/runner-seconds", test_runner_seconds);
  test_add ("/faults/wrong-values/step-seconds", test_step_seconds);
  test_add ("/faults/wrong-values/numbers", test_numbers);
  test_add ("/faults/wrong-values/huge", test_huge);
  return test_run ();
}
