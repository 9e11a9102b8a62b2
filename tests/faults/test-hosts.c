/* test-hosts.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdlib.h>
#include <string.h>

#include "fault-support.h"

/* What the program around a run may do: let go of it in any state, have several, be busy in many threads. */

/* Letting go */

typedef void (*PutFunc) (ParallelBackgroundTaskRunner *runner,
                         GPtrArray                    *steps,
                         TestGate                     *gate);

static void
count_cb (gpointer data)
{
  g_atomic_int_inc ((gint *) data);
}

/* In a main context of its own that is gone right after the runner. */
static void
drop_in_state (PutFunc put)
{
  GMainContext *context = g_main_context_new ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  ParallelBackgroundTaskRunner *runner;
  TestGate gate;
  gint n_finished = 0;

  test_gate_init (&gate);
  g_main_context_push_thread_default (context);
  runner = test_silent_runner ();
  g_signal_connect_swapped (runner, "finished", G_CALLBACK (count_cb), &n_finished);
  parallel_background_task_runner_set_kill_grace (runner, 0.3);
  put (runner, steps, &gate);
  g_assert_finalize_object (runner);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  test_wait_until (fault_all_over (steps));
  g_assert_cmpuint (fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED), ==, 0);
  g_assert_cmpint (n_finished, ==, 0);
  test_wait_until (test_count_children () == 0);
  test_gate_open (&gate);
  test_wait_until (gate.n_waiting == 0);
  test_gate_clear (&gate);
}

static void
put_queued (ParallelBackgroundTaskRunner *runner,
            GPtrArray                    *steps,
            TestGate                     *gate)
{
  parallel_background_task_runner_pause (runner);
  g_ptr_array_add (steps, test_put_shell (runner, "true"));
  g_ptr_array_add (steps, test_put_function (runner, test_no_op, NULL));
}

static void
test_drop_queued (void)
{
  g_test_summary ("A runner is let go of while its steps wait in the queue");
  drop_in_state (put_queued);
}

static void
start_async_cb (ParallelStep *step,
                GCancellable *cancellable,
                gpointer      data)
{
  test_gate_open (data);
}

static void
put_running (ParallelBackgroundTaskRunner *runner,
             GPtrArray                    *steps,
             TestGate                     *gate)
{
  g_autofree char *pid_path = test_path ("running-pid");

  parallel_background_task_runner_set_max_parallel (runner, 2);
  g_ptr_array_add (steps, test_put_shell (runner, "echo out; echo $$ > '%s'; sleep 1000", pid_path));
  g_ptr_array_add (steps, test_put_function (runner, test_gate_function, gate));
  g_ptr_array_add (steps, test_put_shell (runner, "true"));
  test_await_number (pid_path);
  test_gate_await (gate, 1);
}

static void
test_drop_running (void)
{
  g_test_summary ("... while they run");
  drop_in_state (put_running);
}

static void
put_async (ParallelBackgroundTaskRunner *runner,
           GPtrArray                    *steps,
           TestGate                     *gate)
{
  ParallelStep *step = parallel_step_new (parallel_async_task_new (start_async_cb, gate, NULL), NULL);

  g_ptr_array_add (steps, step);
  test_put_step (runner, step);
  test_iterate_until (g_main_context_get_thread_default (), gate->open);
}

static void
test_drop_async (void)
{
  g_test_summary ("... while an asynchronous step is under way that never ends");
  drop_in_state (put_async);
}

static void
put_being_killed (ParallelBackgroundTaskRunner *runner,
                  GPtrArray                    *steps,
                  TestGate                     *gate)
{
  g_autofree char *pid_path = test_path ("killed-pid");
  g_autofree char *term_path = test_path ("term");

  g_ptr_array_add (steps, test_put_shell (runner, "trap 'echo 1 > \"%s\"' TERM; echo $$ > '%s'; "
                                          "while :; do sleep 0.01; done", term_path, pid_path));
  test_await_number (pid_path);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  test_await_number (term_path);
}

static void
test_drop_being_killed (void)
{
  g_test_summary ("... while a program is asked to go");
  drop_in_state (put_being_killed);
}

static void
put_delayed (ParallelBackgroundTaskRunner *runner,
             GPtrArray                    *steps,
             TestGate                     *gate)
{
  ParallelStep *step = test_shell_step ("exit 1");

  parallel_step_set_max_attempts (step, 3);
  parallel_step_set_retry_delay (step, 1000);
  g_ptr_array_add (steps, step);
  test_put_step (runner, step);
  test_wait_until (parallel_step_get_attempt (step) == 1 &&
                   parallel_step_get_state (step) == PARALLEL_STEP_STATE_PENDING);
}

static void
test_drop_delayed (void)
{
  g_test_summary ("... while a step waits for its next attempt");
  drop_in_state (put_delayed);
}

static void
put_at_random (ParallelBackgroundTaskRunner *runner,
               GPtrArray                    *steps,
               TestGate                     *gate)
{
  parallel_background_task_runner_set_max_parallel (runner, 3);
  for (guint i = 0; i < 20; i++)
    {
      ParallelStep *step = i % 3 == 0 ? test_function_step (test_gate_function, gate)
                                      : test_shell_step ("echo out; sleep 100");

      g_ptr_array_add (steps, step);
      test_put_step (runner, step);
    }
  g_usleep ((gulong) g_test_rand_int_range (0, 8000));
}

static void
test_drop_at_random (void)
{
  guint n = fault_count (40, 600);

  g_test_summary ("... at any moment");
  fault_allow_seconds (600);
  for (guint i = 0; i < n; i++)
    drop_in_state (put_at_random);
}

/* Functions that come back late */

typedef struct
{
  TestGate *gate;
  gboolean  wrote;
  gint      n_done;
} Late;

static gboolean
come_back_late (ParallelStep  *step,
                GCancellable  *cancellable,
                gpointer       user_data,
                GError       **error)
{
  Late *late = user_data;
  g_autoptr (GError) local_error = NULL;

  test_gate_enter (late->gate);
  late->wrote = parallel_step_write_text (step, "late\n", &local_error);
  parallel_step_set_progress (step, 0.5);
  parallel_step_set_status (step, "late");
  parallel_step_heartbeat (step);
  parallel_step_cancel (step);
  test_set_int (step, 7);
  g_atomic_int_inc (&late->n_done);
  return TRUE;
}

/* The gate opens while the runner is there (though over), or after it is gone with its context and the step. */
static void
assert_late_return (gboolean runner_is_gone)
{
  GMainContext *context = g_main_context_new ();
  guint n_threads = test_count_threads ();
  ParallelBackgroundTaskRunner *runner;
  GOutputStream *sink;
  g_autofree char *printed = NULL;
  ParallelStep *step;
  TestGate gate;
  Late late = { &gate };

  test_gate_init (&gate);
  g_main_context_push_thread_default (context);
  runner = parallel_background_task_runner_new (NULL);
  sink = test_capture (runner);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_kill_grace (runner, 0.1);
  step = test_put_function (runner, come_back_late, &late);
  g_object_unref (test_put_function (runner, test_no_op, NULL));
  test_gate_await (&gate, 1);
  parallel_step_cancel (step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 1);
  g_assert_cmpint (late.n_done, ==, 0);
  if (!runner_is_gone)
    {
      test_gate_open (&gate);
      test_wait_until (g_atomic_int_get (&late.n_done) == 1);
      g_assert_false (late.wrote);
      printed = test_captured (sink);
      g_assert_cmpstr (printed, ==, "");
      test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
    }
  g_object_unref (step);
  g_assert_finalize_object (runner);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  test_gate_open (&gate);
  test_wait_until (g_atomic_int_get (&late.n_done) == 1);
  /* There may have been one more at first, of what was before, on its way out. */
  test_wait_until (test_count_threads () <= n_threads);
  test_gate_clear (&gate);
}

static void
test_late_return (void)
{
  g_test_summary ("A function that ignores its cancellable does not hold up the end, and does no harm later");
  assert_late_return (FALSE);
}

static void
test_late_return_after_runner (void)
{
  g_test_summary ("Nor when runner, step and main context are gone by then");
  for (guint i = 0; i < fault_count (5, 50); i++)
    assert_late_return (TRUE);
}

/* Several runners */

typedef struct
{
  guint number;
  guint n;
  gint  n_finished;
} Host;

static void
started_cb (ParallelBackgroundTaskRunner *runner,
            ParallelStep                 *step,
            GThread                      *thread)
{
  g_assert_true (g_thread_self () == thread);
}

static gpointer
host_thread (gpointer data)
{
  Host *host = data;
  GMainContext *context = g_main_context_new ();
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autofree char *printed = NULL;
  GOutputStream *sink;

  g_main_context_push_thread_default (context);
  runner = parallel_background_task_runner_new (NULL);
  sink = test_capture (runner);
  g_signal_connect (runner, "step-started", G_CALLBACK (started_cb), g_thread_self ());
  g_signal_connect (runner, "step-finished", G_CALLBACK (started_cb), g_thread_self ());
  g_signal_connect_swapped (runner, "finished", G_CALLBACK (count_cb), &host->n_finished);
  for (guint i = 0; i < host->n; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u.%u", host->number, i);
      const char *argv[] = { "echo", name, NULL };
      ParallelStep *step = i % 2 == 0 ? test_function_step (fault_write_name, NULL)
                                      : parallel_step_new (parallel_command_task_new (argv), NULL);

      parallel_step_set_name (step, name);
      test_put_step (runner, step);
      g_object_unref (step);
      g_string_append_printf (expected, "%s\n", name);
    }
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, NULL, test_store_result_cb, &result);
  g_assert_true (parallel_background_task_runner_wait_finish (runner, test_await_result (context, &result), NULL));
  g_clear_object (&result);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, expected->str);
  test_iterate_until (context, host->n_finished == 1);
  g_assert_finalize_object (runner);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  return NULL;
}

static void
test_two_threads (void)
{
  guint n = fault_count (5, 20);

  g_test_summary ("Two runners in two threads with main contexts of their own do not mix anything up");
  fault_allow_seconds (600);
  for (guint i = 0; i < n; i++)
    {
      Host hosts[2] = { { 1, 100 }, { 2, 100 } };
      GThread *threads[2];

      for (guint j = 0; j < 2; j++)
        threads[j] = g_thread_new ("host", host_thread, &hosts[j]);
      for (guint j = 0; j < 2; j++)
        g_thread_join (threads[j]);
    }
}

static void
test_three_in_one (void)
{
  ParallelBackgroundTaskRunner *runners[3];
  GOutputStream *sinks[3];

  g_test_summary ("Three runners in one thread, waited for in the reverse order");
  for (guint i = 0; i < 3; i++)
    {
      runners[i] = parallel_background_task_runner_new (NULL);
      sinks[i] = test_capture (runners[i]);
    }
  for (guint n = 0; n < 30; n++)
    g_object_unref (test_put_shell (runners[n % 3], "echo %u of %u", n / 3, n % 3));
  for (guint i = 3; i-- > 0;)
    {
      g_autoptr (GString) expected = g_string_new (NULL);
      g_autofree char *printed = NULL;

      for (guint n = 0; n < 10; n++)
        g_string_append_printf (expected, "%u of %u\n", n, i);
      test_close_and_wait (runners[i]);
      printed = test_captured (sinks[i]);
      g_assert_cmpstr (printed, ==, expected->str);
    }
  for (guint i = 0; i < 3; i++)
    g_assert_finalize_object (runners[i]);
}

/* A busy program */

static GMutex busy_mutex;

static gpointer
busy_thread (gpointer data)
{
  gint *stop = data;

  while (!g_atomic_int_get (stop))
    {
      gpointer blocks[50];

      for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
        blocks[i] = malloc (1 + i * 100);
      g_mutex_lock (&busy_mutex);
      for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
        free (blocks[i]);
      g_mutex_unlock (&busy_mutex);
      g_usleep (100);
    }
  return NULL;
}

static void
test_busy_threads (void)
{
  GThread *threads[50];
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  guint n = fault_count (300, 1000);
  const char *argv[] = { "true", NULL };
  gint stop = FALSE;

  g_test_summary ("Programs start while fifty threads allocate and hold locks");
  fault_allow_seconds (600);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("busy", busy_thread, &stop);
  for (guint i = 0; i < n; i++)
    g_object_unref (fault_put_command (runner, argv));
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, n);
  g_atomic_int_set (&stop, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/drop/queued", test_drop_queued);
  test_add ("/faults/drop/running", test_drop_running);
  test_add ("/faults/drop/async", test_drop_async);
  test_add ("/faults/drop/being-killed", test_drop_being_killed);
  test_add ("/faults/drop/delayed", test_drop_delayed);
  test_add ("/faults/drop/at-random", test_drop_at_random);
  test_add ("/faults/late-return", test_late_return);
  test_add ("/faults/late-return/after-runner", test_late_return_after_runner);
  test_add ("/faults/runners/two-threads", test_two_threads);
  test_add ("/faults/runners/three-in-one", test_three_in_one);
  test_add ("/faults/busy-threads", test_busy_threads);
  return test_run ();
}
