/* test-failure.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <string.h>

#include "test-support.h"

static GError *
wait_for_failure (ParallelBackgroundTaskRunner *runner)
{
  GError *error = NULL;

  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_nonnull (error);
  return error;
}

/* The aggregated error */

static gboolean
double_or_fail (ParallelStep  *step,
                GCancellable  *cancellable,
                gpointer       user_data,
                GError       **error)
{
  int input = test_get_int (step);
  g_autofree char *text = g_strdup_printf ("output of %d\n", input);

  if (!parallel_step_write_text (step, text, error))
    return FALSE;
  if (input == 2 || input == 5 || input == 8)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "input %d is bad", input);
      return FALSE;
    }
  test_set_int (step, 2 * input);
  return TRUE;
}

static const char *
find_after (const char *text,
            const char *wanted)
{
  const char *place = strstr (text, wanted);

  if (place == NULL)
    g_error ("no \"%s\" in \"%s\"", wanted, text);
  return place + strlen (wanted);
}

static ParallelBackgroundTaskRunner *
run_ten (GError **error)
{
  ParallelBackgroundTaskRunner *runner;

  runner = parallel_background_task_runner_new (parallel_function_task_new (double_or_fail, NULL, NULL));
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  for (int i = 0; i < 10; i++)
    test_put_int (runner, i);
  *error = wait_for_failure (runner);
  return runner;
}

static void
test_three_of_ten (void)
{
  g_autoptr (GError) error = NULL;
  ParallelBackgroundTaskRunner *runner = run_ten (&error);
  g_autoptr (GPtrArray) failures = parallel_background_task_runner_dup_failures (runner);
  g_autoptr (GPtrArray) skipped = parallel_background_task_runner_dup_skipped (runner);
  g_autoptr (GPtrArray) steps = parallel_background_task_runner_dup_steps (runner);
  static const int bad[] = { 2, 5, 8 };
  const char *rest;

  g_test_summary ("Three failures of ten are one error that names them in queue order, with their "
                  "output");
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_true (g_str_has_prefix (error->message, "3 of 10 steps failed:"));
  rest = error->message;
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *message = g_strdup_printf ("input %d is bad", bad[i]);
      g_autofree char *output = g_strdup_printf ("output of %d", bad[i]);

      rest = find_after (rest, message);
      rest = find_after (rest, output);
    }
  g_assert_null (strstr (error->message, "output of 1"));
  test_assert_names (failures, "2 5 8");
  for (guint i = 0; i < 3; i++)
    test_assert_step_error (g_ptr_array_index (failures, i), G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_cmpuint (skipped->len, ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 7);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 3);
  for (int i = 0; i < 10; i++)
    {
      const GValue *result = parallel_step_get_result (g_ptr_array_index (steps, i));

      if (i == 2 || i == 5 || i == 8)
        g_assert_null (result);
      else
        g_assert_cmpint (g_value_get_int (result), ==, 2 * i);
    }
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_clear_pointer (&steps, g_ptr_array_unref);
  g_assert_finalize_object (runner);
}

static void
test_each_its_own (void)
{
  static const char * const missing[] = { "/nonexistent/program", NULL };
  g_autofree char *data_path = test_path ("data");
  const char * const data[] = { data_path, NULL };
  g_autoptr (GPtrArray) steps = test_steps_new ();
  ParallelTask *lost = parallel_command_task_new_shell ("true");
  g_autoptr (GError) error = NULL;

  g_test_summary ("Each kind of failure has its own precise error, and the others run");
  test_write_file (data_path, "text");
  parallel_command_task_set_cwd (PARALLEL_COMMAND_TASK (lost), "/nonexistent/folder");
  g_ptr_array_add (steps, test_shell_step ("exit 0"));
  g_ptr_array_add (steps, test_shell_step ("exit 7"));
  g_ptr_array_add (steps, test_shell_step ("ulimit -c 0; kill -SEGV $$"));
  g_ptr_array_add (steps, parallel_step_new (parallel_command_task_new (missing), NULL));
  g_ptr_array_add (steps, parallel_step_new (parallel_command_task_new (data), NULL));
  g_ptr_array_add (steps, parallel_step_new (lost, NULL));
  g_ptr_array_add (steps, test_shell_step ("exit 0"));
  g_assert_false (parallel_run_steps (steps, 2, FALSE, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_true (g_str_has_prefix (error->message, "5 of 7 steps failed:"));
  test_assert_step_error (g_ptr_array_index (steps, 1), G_SPAWN_EXIT_ERROR, 7);
  test_assert_step_error (g_ptr_array_index (steps, 2), G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
  g_assert_cmpint (parallel_step_get_term_signal (g_ptr_array_index (steps, 2)), ==, SIGSEGV);
  test_assert_step_error (g_ptr_array_index (steps, 3), G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT);
  test_assert_step_error (g_ptr_array_index (steps, 4), G_SPAWN_ERROR, G_SPAWN_ERROR_ACCES);
  test_assert_step_error (g_ptr_array_index (steps, 5), G_SPAWN_ERROR, G_SPAWN_ERROR_CHDIR);
  for (guint i = 0; i < 7; i += 6)
    g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, i)), ==,
                     PARALLEL_STEP_STATE_SUCCEEDED);
}

static gboolean
fail_always (ParallelStep  *step,
             GCancellable  *cancellable,
             gpointer       user_data,
             GError       **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "no luck");
  return FALSE;
}

static void
test_bounded (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) failures = NULL;

  g_test_summary ("The message is bounded, the list of failures is not");
  runner = parallel_background_task_runner_new (parallel_function_task_new (fail_always, NULL, NULL));
  for (int i = 0; i < 3000; i++)
    test_put_int (runner, i);
  error = wait_for_failure (runner);
  g_assert_true (g_str_has_prefix (error->message, "3000 of 3000 steps failed:"));
  g_assert_cmpuint (strlen (error->message), <, 64 * 1024);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, ==, 3000);
  for (int i = 0; i < 3000; i++)
    g_assert_cmpint (test_get_int (g_ptr_array_index (failures, i)), ==, i);
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
}

static void
test_without_steps_kept (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) failures = NULL;

  g_test_summary ("A runner that keeps no step still names the first failures in its error");
  runner = parallel_background_task_runner_new (parallel_function_task_new (fail_always, NULL, NULL));
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_NONE);
  for (int i = 0; i < 3; i++)
    test_put_int (runner, i);
  error = wait_for_failure (runner);
  g_assert_true (g_str_has_prefix (error->message, "3 of 3 steps failed:"));
  find_after (error->message, "no luck");
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, ==, 0);
  g_assert_finalize_object (runner);
}

/* Halting on an error */

typedef struct
{
  ParallelBackgroundTaskRunner *runner;
  GOutputStream                *sink;
  ParallelStep                 *steps[5];
  int                           pids[2];
} Halted;

/* The first prints, is to take a while and to end well; the second fails when it has seen the two others run; the
 * third would take minutes; no slot is left for the last two. */
static void
halted_init (Halted *halted)
{
  g_autofree char *first = test_path ("first");
  g_autofree char *third = test_path ("third");
  g_autofree char *ran = test_path ("ran");

  halted->runner = parallel_background_task_runner_new (NULL);
  halted->sink = test_capture (halted->runner);
  parallel_background_task_runner_set_max_parallel (halted->runner, 3);
  parallel_background_task_runner_set_halt_on_error (halted->runner, TRUE);
  halted->steps[0] = test_put_shell (halted->runner, "echo live; echo $$ > '%s'; sleep 600; echo not this",
                                     first);
  halted->steps[1] = test_put_shell (halted->runner, "echo the failure; until test -s '%s' -a -s '%s'; "
                                     "do sleep 0.01; done; exit 6", first, third);
  halted->steps[2] = test_put_shell (halted->runner, "echo nor this; echo $$ > '%s'; exec sleep 600", third);
  for (guint i = 3; i < 5; i++)
    halted->steps[i] = test_put_shell (halted->runner, "echo > '%s'", ran);
  for (guint i = 3; i < 5; i++)
    g_assert_cmpint (parallel_step_get_state (halted->steps[i]), ==, PARALLEL_STEP_STATE_PENDING);
}

static void
halted_clear (Halted *halted)
{
  for (guint i = 0; i < 5; i++)
    g_object_unref (halted->steps[i]);
  g_assert_finalize_object (halted->runner);
}

static void
test_halt_on_error (void)
{
  g_autofree char *first = test_path ("first");
  g_autofree char *third = test_path ("third");
  g_autofree char *ran = test_path ("ran");
  g_autofree char *printed = NULL;
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GPtrArray) skipped = NULL;
  g_autoptr (GError) error = NULL;
  Halted halted;

  g_test_summary ("At the first failure in time the rest is stopped, and what never ran is "
                  "skipped");
  halted_init (&halted);
  error = wait_for_failure (halted.runner);
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_true (g_str_has_prefix (error->message, "1 of 5 steps failed:"));
  test_assert_step_error (halted.steps[1], G_SPAWN_EXIT_ERROR, 6);
  g_assert_cmpint (parallel_step_get_state (halted.steps[0]), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_state (halted.steps[2]), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_false (test_process_runs (test_await_number (first)));
  g_assert_false (test_process_runs (test_await_number (third)));
  failures = parallel_background_task_runner_dup_failures (halted.runner);
  g_assert_cmpuint (failures->len, ==, 1);
  g_assert_true (g_ptr_array_index (failures, 0) == halted.steps[1]);
  skipped = parallel_background_task_runner_dup_skipped (halted.runner);
  g_assert_cmpuint (skipped->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (g_ptr_array_index (skipped, i) == halted.steps[i + 3]);
      g_assert_cmpint (parallel_step_get_state (halted.steps[i + 3]), ==, PARALLEL_STEP_STATE_SKIPPED);
    }
  g_assert_false (g_file_test (ran, G_FILE_TEST_EXISTS));
  printed = test_captured (halted.sink);
  g_assert_true (g_str_equal (printed, "live\nthe failure\n") || g_str_equal (printed, "the failure\n"));
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_clear_pointer (&skipped, g_ptr_array_unref);
  halted_clear (&halted);
}

static void
test_halt_on_error_functions (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) waiting = NULL;
  g_autoptr (ParallelStep) failing = NULL;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("Functions are told by their cancellable; that they fail then is not a failure");
  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  parallel_background_task_runner_set_halt_on_error (runner, TRUE);
  waiting = test_put_function (runner, test_gate_function, &gate);
  test_gate_await (&gate, 1);
  failing = test_put_function (runner, fail_always, NULL);
  error = wait_for_failure (runner);
  g_assert_true (g_str_has_prefix (error->message, "1 of 2 steps failed:"));
  g_assert_cmpint (parallel_step_get_state (waiting), ==, PARALLEL_STEP_STATE_HALTED);
  test_assert_step_error (failing, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 1);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_no_halt_without_error (void)
{
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("Without a failure halt-on-error changes nothing");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  parallel_background_task_runner_set_halt_on_error (runner, TRUE);
  for (int i = 0; i < 100; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 100);
  g_assert_finalize_object (runner);
}

/* Time limits */

static void
test_timeout (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) slow = NULL;
  g_autoptr (ParallelStep) quick = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step over its time limit is stopped; the others are not");
  slow = test_shell_step ("exec sleep 1000");
  parallel_step_set_timeout (slow, 0.3);
  test_put_step (runner, slow);
  quick = test_put_shell (runner, "sleep 0.6");
  error = wait_for_failure (runner);
  g_assert_true (g_str_has_prefix (error->message, "1 of 2 steps failed:"));
  test_assert_step_error (slow, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  g_assert_cmpint (parallel_step_get_term_signal (slow), ==, SIGTERM);
  g_assert_cmpfloat (parallel_step_get_elapsed (slow), >=, 0.3);
  g_assert_cmpfloat (parallel_step_get_elapsed (slow), <, 50 * test_time_factor ());
  g_assert_cmpint (parallel_step_get_state (quick), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

static void
test_timeout_of_own (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) free_step = test_shell_step ("sleep 0.6");
  g_autoptr (ParallelStep) limited = NULL;

  g_test_summary ("A step's own limit counts, 0 for none; each clock runs from the step's own "
                  "start");
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_timeout (runner, 0.4);
  parallel_step_set_timeout (free_step, 0);
  test_put_step (runner, free_step);
  limited = test_put_shell (runner, "true");
  test_close_and_wait (runner);
}

static void
test_silence (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) silent = NULL;
  g_autoptr (ParallelStep) chatty = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step that writes nothing for too long is stopped, one that writes is not");
  parallel_background_task_runner_set_max_parallel (runner, 2);
  parallel_background_task_runner_set_silence_timeout (runner, 1.5);
  silent = test_put_shell (runner, "echo the last word; exec sleep 1000");
  chatty = test_put_shell (runner, "for i in 1 2 3 4 5 6 7 8 9; do echo $i >&2; sleep 0.2; done");
  error = wait_for_failure (runner);
  find_after (error->message, "the last word");
  test_assert_step_error (silent, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
  g_assert_cmpfloat (parallel_step_get_elapsed (silent), >=, 1.5);
  g_assert_cmpint (parallel_step_get_state (chatty), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

static gboolean
give_signs (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  for (guint i = 0; i < 24; i++)
    {
      if (i % 3 == 0)
        parallel_step_heartbeat (step);
      else if (i % 3 == 1)
        parallel_step_set_progress (step, i / 24.0);
      else
        parallel_step_set_status (step, "busy");
      g_usleep (100 * 1000);
    }
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
test_heartbeat (void)
{
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("A heartbeat, progress and status are signs of life");
  runner = parallel_background_task_runner_new (parallel_function_task_new (give_signs, NULL, NULL));
  parallel_background_task_runner_set_silence_timeout (runner, 1.5);
  test_put_int (runner, 1);
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
}

/* Output limit */

static void
test_output_limit (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) endless = NULL;
  g_autoptr (ParallelStep) exact = NULL;

  g_test_summary ("A step that writes more than its limit is stopped, with what fitted kept");
  parallel_background_task_runner_set_output_limit (runner, 1000);
  parallel_background_task_runner_set_output_limit_policy (runner, PARALLEL_OUTPUT_LIMIT_STOP);
  endless = test_put_shell (runner, "yes 123456789");
  exact = test_put_shell (runner, "yes 123456789 | head -c 1000");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (endless, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_OUTPUT_LIMIT);
  g_assert_cmpuint (parallel_step_get_output_size (endless, PARALLEL_OUTPUT_STREAM_STDOUT), ==, 1000);
  g_assert_cmpint (parallel_step_get_state (exact), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpuint (parallel_step_get_output_size (exact, PARALLEL_OUTPUT_STREAM_STDOUT), ==, 1000);
}

/* Attempts */

static void
test_attempts (void)
{
  g_autofree char *count = test_path ("count");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) step = NULL;
  g_autofree char *printed = NULL;
  g_auto (GStrv) errors = NULL;

  g_test_summary ("A failing step is tried again; only the last attempt's output counts");
  parallel_background_task_runner_set_max_attempts (runner, 5);
  parallel_background_task_runner_set_retry_delay (runner, 0.05);
  step = test_put_shell (runner, "echo x >> '%s'; n=$(wc -l < '%s'); echo attempt $n; test $n -ge 3",
                         count, count);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_step_get_attempt (step), ==, 3);
  g_assert_cmpint (parallel_step_get_exit_status (step), ==, 0);
  errors = parallel_step_dup_attempt_errors (step);
  g_assert_cmpuint (g_strv_length (errors), ==, 2);
  find_after (errors[0], "attempt 1");
  find_after (errors[1], "attempt 2");
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "attempt 3\n");
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "attempt 3\n");
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 1);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  g_assert_finalize_object (runner);
}

static gboolean
fail_with_attempt (ParallelStep  *step,
                   GCancellable  *cancellable,
                   gpointer       user_data,
                   GError       **error)
{
  test_set_int (step, 1);
  g_set_error (error, G_IO_ERROR, (int) parallel_step_get_attempt (step), "attempt %u",
               parallel_step_get_attempt (step));
  return FALSE;
}

static void
test_attempts_used_up (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_function_step (fail_with_attempt, NULL);
  g_autoptr (ParallelStep) once = test_function_step (fail_with_attempt, NULL);
  g_auto (GStrv) errors = NULL;
  const char * const expected[] = { "attempt 1", "attempt 2", NULL };

  g_test_summary ("When all attempts failed, the step has the error of the last, and those before "
                  "it");
  parallel_background_task_runner_set_max_attempts (runner, 9);
  parallel_step_set_max_attempts (step, 3);
  parallel_step_set_max_attempts (once, 1);
  test_put_step (runner, step);
  test_put_step (runner, once);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, G_IO_ERROR, 3);
  test_assert_step_error (once, G_IO_ERROR, 1);
  g_assert_cmpuint (parallel_step_get_attempt (step), ==, 3);
  g_assert_cmpuint (parallel_step_get_attempt (once), ==, 1);
  errors = parallel_step_dup_attempt_errors (step);
  g_assert_cmpstrv (errors, expected);
  g_assert_null (parallel_step_get_result (step));
}

static void
test_halted_between_attempts (void)
{
  g_autofree char *count = test_path ("count");
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  ParallelStep *step;
  g_autofree char *text = NULL;

  g_test_summary ("A run that is halted while a step waits for its next attempt ends without it, "
                  "and lets it go");
  parallel_background_task_runner_set_max_attempts (runner, 5);
  parallel_background_task_runner_set_retry_delay (runner, 600);
  step = test_put_shell (runner, "echo x >> '%s'; exit 1", count);
  test_wait_until (parallel_step_get_attempt (step) == 1
                   && parallel_step_get_state (step) == PARALLEL_STEP_STATE_PENDING);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_SOON);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpint (parallel_step_get_state (step), !=, PARALLEL_STEP_STATE_PENDING);
  text = test_read_file (count);
  g_assert_cmpstr (text, ==, "x\n");
  g_assert_finalize_object (runner);
  g_object_add_weak_pointer (G_OBJECT (step), (gpointer *) &step);
  g_object_unref (step);
  test_iterate_until (NULL, step == NULL);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/failure/three-of-ten", test_three_of_ten);
  test_add ("/failure/each-its-own", test_each_its_own);
  test_add ("/failure/bounded", test_bounded);
  test_add ("/failure/without-steps-kept", test_without_steps_kept);
  test_add ("/failure/halt-on-error", test_halt_on_error);
  test_add ("/failure/halt-on-error/functions", test_halt_on_error_functions);
  test_add ("/failure/halt-on-error/no-error", test_no_halt_without_error);
  test_add ("/failure/timeout", test_timeout);
  test_add ("/failure/timeout/of-own", test_timeout_of_own);
  test_add ("/failure/silence", test_silence);
  test_add ("/failure/silence/heartbeat", test_heartbeat);
  test_add ("/failure/output-limit", test_output_limit);
  test_add ("/failure/attempts", test_attempts);
  test_add ("/failure/attempts/used-up", test_attempts_used_up);
  test_add ("/failure/attempts/halted", test_halted_between_attempts);
  return test_run ();
}
