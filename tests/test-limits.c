/* test-limits.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "test-support.h"

/* Steps over their time limits: each one's own clock, what is seen of them, and how they are stopped. */

static ParallelStep *
put_limited (ParallelBackgroundTaskRunner *runner,
             double                        silence_timeout,
             const char                   *script)
{
  ParallelStep *step = test_shell_step ("%s", script);

  parallel_step_set_silence_timeout (step, silence_timeout);
  test_put_step (runner, step);
  return step;
}

static void
close_and_wait_for_failure (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
}

static void
assert_contains (const char *text,
                 const char *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("\"%s\" is not in \"%s\"", part, text);
}

static void
assert_diagnosis (ParallelStep *step,
                  const char   *part)
{
  g_autofree char *diagnosis = parallel_step_dup_diagnosis (step);

  assert_contains (diagnosis, part);
}

/* Clocks */

static void
test_own_clocks (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) chatty = NULL;
  g_autoptr (ParallelStep) first = NULL;
  g_autoptr (ParallelStep) second = NULL;
  double limit = 1 * test_time_factor ();

  g_test_summary ("Two silent steps beside a chatty one are each stopped one limit after their own last byte");
  parallel_background_task_runner_set_max_parallel (runner, 3);
  chatty = put_limited (runner, limit, "while :; do echo dot; sleep 0.1; done");
  first = put_limited (runner, limit, "echo a; sleep 1000");
  second = put_limited (runner, limit, "sleep 0.4; echo b; sleep 1000");
  parallel_background_task_runner_close (runner);
  test_iterate_until (NULL, parallel_background_task_runner_get_n_failed (runner) == 2);
  g_assert_cmpint (parallel_step_get_state (chatty), ==, PARALLEL_STEP_STATE_RUNNING);
  parallel_step_cancel (chatty);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (first, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
  test_assert_step_error (second, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
  g_assert_cmpfloat (parallel_step_get_elapsed (first), >=, limit);
  g_assert_cmpfloat (parallel_step_get_elapsed (second), >=, limit + 0.4);
  /* Not one after the other. */
  g_assert_cmpfloat (parallel_step_get_elapsed (first), <, limit + 20 * test_time_factor ());
}

static gboolean
report_for_a_while (ParallelStep  *step,
                    GCancellable  *cancellable,
                    gpointer       user_data,
                    GError       **error)
{
  gint64 end = g_get_monotonic_time () + (gint64) (2.5 * test_time_factor () * G_USEC_PER_SEC);

  for (guint i = 0; g_get_monotonic_time () < end; i++)
    {
      if (GPOINTER_TO_INT (user_data) == 0)
        parallel_step_heartbeat (step);
      else if (GPOINTER_TO_INT (user_data) == 1)
        parallel_step_set_progress (step, i % 2 == 0 ? 0.5 : 0.25);
      else
        parallel_step_set_status (step, "the same");
      g_usleep (20 * 1000);
    }
  return TRUE;
}

static void
test_signs_of_life (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  ParallelStep *steps[3];

  g_test_summary ("A heartbeat, progress and a status are signs of life");
  parallel_background_task_runner_set_max_parallel (runner, 3);
  parallel_background_task_runner_set_silence_timeout (runner, 1 * test_time_factor ());
  for (int i = 0; i < 3; i++)
    steps[i] = test_put_function (runner, report_for_a_while, GINT_TO_POINTER (i));
  test_close_and_wait (runner);
  for (int i = 0; i < 3; i++)
    {
      g_autofree char *diagnosis = parallel_step_dup_diagnosis (steps[i]);

      g_assert_null (diagnosis);
      g_object_unref (steps[i]);
    }
}

/* The exit timeout */

static void
test_exit_timeout (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) stays = NULL;
  g_autoptr (ParallelStep) half = NULL;
  g_autoptr (ParallelStep) goes = NULL;

  g_test_summary ("A program that has closed its outputs has the exit timeout to end in");
  parallel_background_task_runner_set_max_parallel (runner, 3);
  parallel_background_task_runner_set_exit_timeout (runner, 0.3);
  stays = test_put_shell (runner, "echo out; exec >&- 2>&-; sleep 1000");
  half = test_put_shell (runner, "exec 2>&-; sleep 1; exit 5");
  goes = test_shell_step ("exec >&- 2>&-; sleep 1; exit 6");
  parallel_step_set_exit_timeout (goes, 0);
  test_put_step (runner, goes);
  close_and_wait_for_failure (runner);
  test_assert_step_error (stays, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_EXIT_TIMED_OUT);
  assert_diagnosis (stays, "sleep 1000");
  test_assert_output (stays, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
  test_assert_step_error (half, G_SPAWN_EXIT_ERROR, 5);
  test_assert_step_error (goes, G_SPAWN_EXIT_ERROR, 6);
}

static void
test_onexit_timeout (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (
    parallel_function_task_new (test_no_op, NULL, NULL));
  g_autoptr (GPtrArray) failures = NULL;
  TestGate gate;

  g_test_summary ("The onexit of a worker has it too");
  test_gate_init (&gate);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_exit_timeout (runner, 0.3);
  parallel_background_task_runner_set_onexit (runner, test_gate_function, &gate, NULL);
  test_put_int (runner, 1);
  close_and_wait_for_failure (runner);
  failures = parallel_background_task_runner_dup_failures (runner);
  test_assert_names (failures, "onexit");
  test_assert_step_error (g_ptr_array_index (failures, 0), PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_EXIT_TIMED_OUT);
  test_gate_clear (&gate);
}

/* Diagnoses */

static void
test_processes (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  GOutputStream *error_sink = test_capture_errors (runner);
  g_autoptr (ParallelStep) before = NULL;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) after = NULL;
  g_autofree char *printed = NULL;
  g_autofree char *noted = NULL;
  g_autofree char *diagnosis = NULL;
  g_autofree char *heading = NULL;

  g_test_summary ("The processes of a hung step are seen before the first signal, and printed in its place");
  before = test_put_shell (runner, "echo before; echo before >&2");
  step = test_shell_step ("echo out; printf err >&2; trap '' TERM; (setsid sleep 1003 &); sleep 1001; exit 1");
  parallel_step_set_name (step, "hung");
  parallel_step_set_timeout (step, 1);
  parallel_step_set_kill_grace (step, 0.2);
  test_put_step (runner, step);
  after = test_put_shell (runner, "echo after; echo after >&2");
  close_and_wait_for_failure (runner);

  diagnosis = parallel_step_dup_diagnosis (step);
  assert_contains (diagnosis, "/bin/sh -c echo out;");
  assert_contains (diagnosis, "sleep 1001: waits in ");
  assert_contains (diagnosis, "sleep 1003: waits in ");
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "before\nout\nafter\n");
  heading = g_strdup_printf ("before\nerr\nparallel-glib: step “hung”: The step was stopped because it took "
                             "longer than its timeout of 1 s\n%s\nafter\n", diagnosis);
  noted = test_captured (error_sink);
  g_assert_cmpstr (noted, ==, heading);
  /* It is no output of the step. */
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDERR, "err");
}

static void
test_stopped (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("A step that has stopped itself is silent, is seen to be stopped, and ends");
  step = put_limited (runner, 0.5, "kill -STOP $$");
  close_and_wait_for_failure (runner);
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
  assert_diagnosis (step, " T for ");
  assert_diagnosis (step, ": is stopped");
}

static gboolean
hang (ParallelStep  *step,
      GCancellable  *cancellable,
      gpointer       gate,
      GError       **error)
{
  prctl (PR_SET_NAME, "my-worker");
  return test_gate_enter_or_cancel (gate, cancellable, error);
}

static void
never_call_back (ParallelStep *step,
                 GCancellable *cancellable,
                 gpointer      user_data)
{
  g_signal_connect_swapped (cancellable, "cancelled", G_CALLBACK (parallel_step_complete), step);
}

static void
test_threads (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) function = NULL;
  g_autoptr (ParallelStep) operation = NULL;
  TestGate gate;

  g_test_summary ("Of a function its thread is seen, of an asynchronous operation how long it has not called back");
  test_gate_init (&gate);
  parallel_background_task_runner_set_timeout (runner, 0.5);
  function = test_put_function (runner, hang, &gate);
  operation = parallel_step_new (parallel_async_task_new (never_call_back, NULL, NULL), NULL);
  test_put_step (runner, operation);
  close_and_wait_for_failure (runner);
  assert_diagnosis (function, "“my-worker” ");
  assert_diagnosis (function, ": in the function for 0.");
  assert_diagnosis (operation, "has not called back for ");
  test_gate_clear (&gate);
}

static void
test_attempts (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (NULL);
  GOutputStream *error_sink = test_capture_errors (runner);
  g_autoptr (ParallelStep) step = NULL;
  g_auto (GStrv) errors = NULL;
  g_autofree char *diagnosis = NULL;
  g_autofree char *noted = NULL;
  g_autofree char *path = test_path ("again");

  g_test_summary ("Each attempt has a diagnosis of its own, which is kept with its error");
  test_capture (runner);
  step = test_shell_step ("[ -e '%s' ] && exit 0; : > '%s'; sleep 1000", path, path);
  parallel_step_set_timeout (step, 0.5);
  parallel_step_set_max_attempts (step, 2);
  test_put_step (runner, step);
  test_close_and_wait (runner);
  errors = parallel_step_dup_attempt_errors (step);
  g_assert_cmpuint (g_strv_length (errors), ==, 1);
  assert_contains (errors[0], "sleep 1000: waits in ");
  diagnosis = parallel_step_dup_diagnosis (step);
  g_assert_null (diagnosis);
  noted = test_captured (error_sink);
  g_assert_cmpstr (noted, ==, "");
}

static void
test_backtraces (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autofree char *gdb = g_find_program_in_path ("gdb");
  g_autofree char *eu_stack = g_find_program_in_path ("eu-stack");

  g_test_summary ("With backtraces, what a debugger shows is there too, or why it is not");
  parallel_background_task_runner_set_backtraces (runner, TRUE);
  parallel_background_task_runner_set_timeout (runner, 0.5);
  step = test_put_shell (runner, "exec sleep 1000");
  close_and_wait_for_failure (runner);
  assert_diagnosis (step, "sleep 1000: waits in ");
  if (gdb == NULL && eu_stack == NULL)
    assert_diagnosis (step, "no debugger is installed");
  else
    assert_diagnosis (step, "  backtrace of ");
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGTERM);
}

/* What is seen is worth waiting for, but not for somebody who wants to end the run. */
static void
test_halt_while_diagnosing (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step that is being looked at when the run is halted is stopped at once");
  parallel_background_task_runner_set_backtraces (runner, TRUE);
  step = put_limited (runner, 0.3, "sleep 1000");
  test_iterate_until (NULL, parallel_step_get_elapsed (step) >= 0.3);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGTERM);
  g_assert_true (parallel_step_get_state (step) == PARALLEL_STEP_STATE_FAILED ||
                 parallel_step_get_state (step) == PARALLEL_STEP_STATE_HALTED);
}

/* The stop sequence */

static void
assert_sequence (const char *sequence,
                 const char *expected,
                 double      at_least)
{
  g_autofree char *log = test_path (expected[0] != '\0' ? expected : "none");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_true (parallel_background_task_runner_set_stop_sequence (runner, sequence, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (parallel_background_task_runner_get_stop_sequence (runner), ==, sequence);
  parallel_background_task_runner_set_kill_grace (runner, 1);
  step = test_put_shell (runner, "for s in HUP INT QUIT TERM USR1; do trap \"printf $s- >> '%s'\" $s; done; "
                                 ": > '%s'; echo ready; while :; do sleep 0.01; done 2> /dev/null", log, log);
  test_iterate_until (NULL, parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT) == 6);
  parallel_step_cancel (step);
  close_and_wait_for_failure (runner);
  text = test_read_file (log);
  g_assert_cmpstr (text, ==, expected);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), >=, at_least);
}

static void
test_stop_sequence (void)
{
  g_test_summary ("The signals and their delays can be chosen, and SIGKILL is always the last");
  /* A shell needs its time to say what it has caught, which is longer where all is slow. */
  assert_sequence (NULL, "TERM-", 1);
  assert_sequence ("HUP,1000,INT,1000,SIGQUIT,1000,KILL", "HUP-INT-QUIT-", 3);
  assert_sequence ("10,1000", "USR1-", 1);
  assert_sequence ("term, 1000 ,usr1", "TERM-USR1-", 2);
  assert_sequence ("KILL", "", 0);
}

static void
test_bad_sequence (void)
{
  static const char * const bad[] = {
    "", "TERM,", "TERM,,KILL", "FOO", "TERM,-1,KILL", "TERM,1.5", "0", "65", "TERM,99999999999,KILL", "100,TERM",
  };
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_shell_step ("true");
  g_autoptr (GString) many = g_string_new ("HUP");

  g_test_summary ("What is no stop sequence is refused, and nothing changes");
  for (int i = 0; i < 40; i++)
    g_string_append (many, ",1,HUP");
  for (guint i = 0; i <= G_N_ELEMENTS (bad); i++)
    {
      const char *sequence = i < G_N_ELEMENTS (bad) ? bad[i] : many->str;
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) step_error = NULL;

      g_assert_false (parallel_background_task_runner_set_stop_sequence (runner, sequence, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      g_assert_false (parallel_step_set_stop_sequence (step, sequence, &step_error));
      g_assert_error (step_error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
  g_assert_null (parallel_background_task_runner_get_stop_sequence (runner));
  g_assert_null (parallel_step_get_stop_sequence (step));
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/limits/own-clocks", test_own_clocks);
  test_add ("/limits/signs-of-life", test_signs_of_life);
  test_add ("/limits/exit-timeout", test_exit_timeout);
  test_add ("/limits/exit-timeout/onexit", test_onexit_timeout);
  test_add ("/limits/diagnosis/processes", test_processes);
  test_add ("/limits/diagnosis/stopped", test_stopped);
  test_add ("/limits/diagnosis/threads", test_threads);
  test_add ("/limits/diagnosis/attempts", test_attempts);
  test_add ("/limits/diagnosis/backtraces", test_backtraces);
  test_add ("/limits/diagnosis/halted", test_halt_while_diagnosing);
  test_add ("/limits/stop-sequence", test_stop_sequence);
  test_add ("/limits/stop-sequence/bad", test_bad_sequence);
  return test_run ();
}
