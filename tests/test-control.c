/* test-control.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

/* What can be done to a run while it runs, and what can be learnt of it. */

/* Keeps the order in which functions started. */
typedef struct
{
  GMutex  mutex;
  GString *order;
} Order;

static void
order_init (Order *order)
{
  g_mutex_init (&order->mutex);
  order->order = g_string_new (NULL);
}

static void
order_clear (Order *order)
{
  g_string_free (order->order, TRUE);
  g_mutex_clear (&order->mutex);
}

static gboolean
note_order (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  Order *order = user_data;
  g_autofree char *name = parallel_step_dup_name (step);

  g_mutex_lock (&order->mutex);
  g_string_append (order->order, name);
  g_mutex_unlock (&order->mutex);
  return TRUE;
}

static void
put_named (ParallelBackgroundTaskRunner *runner,
           Order                        *order,
           const char                   *name,
           int                           priority)
{
  g_autoptr (ParallelStep) step = test_function_step (note_order, order);

  parallel_step_set_name (step, name);
  parallel_step_set_priority (step, priority);
  test_put_step (runner, step);
}

/* Pausing, limits, priorities */

static void
test_pause (void)
{
  ParallelBackgroundTaskRunner *runner;
  TestGate gate;

  g_test_summary ("Paused, what runs ends and nothing starts; resumed, the rest runs");
  test_gate_init (&gate);
  runner = parallel_background_task_runner_new (
    parallel_function_task_new (test_gate_function, &gate, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 2);
  for (int i = 0; i < 6; i++)
    test_put_int (runner, i);
  test_gate_await (&gate, 2);
  parallel_background_task_runner_pause (runner);
  parallel_background_task_runner_pause (runner);
  test_gate_open (&gate);
  test_wait_until (parallel_background_task_runner_get_n_succeeded (runner) == 2);
  test_wait_until (parallel_background_task_runner_get_n_running (runner) == 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 4);
  g_assert_cmpuint (test_gate_get_entered (&gate), ==, 2);
  parallel_background_task_runner_resume (runner);
  test_close_and_wait (runner);
  g_assert_cmpuint (gate.n_entered, ==, 6);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_paused_and_halted (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A paused run can be halted");
  parallel_background_task_runner_pause (runner);
  step = test_put_function (runner, test_no_op, NULL);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_SOON);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SKIPPED);
  g_assert_finalize_object (runner);
}

static void
test_raised_limit (void)
{
  ParallelBackgroundTaskRunner *runner;
  TestGate gate;

  g_test_summary ("A raised max-parallel starts more at once");
  test_gate_init (&gate);
  runner = parallel_background_task_runner_new (
    parallel_function_task_new (test_gate_function, &gate, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 1);
  for (int i = 0; i < 10; i++)
    test_put_int (runner, i);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_set_max_parallel (runner, 5);
  test_gate_await (&gate, 5);
  test_gate_open (&gate);
  test_close_and_wait (runner);
  g_assert_cmpuint (gate.n_most, ==, 5);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static gboolean
count_at_once (ParallelStep  *step,
               GCancellable  *cancellable,
               gpointer       user_data,
               GError       **error)
{
  gint *counts = user_data;
  gint n = g_atomic_int_add (&counts[0], 1) + 1;

  if (n > g_atomic_int_get (&counts[1]))
    g_atomic_int_set (&counts[1], n);
  g_usleep (200);
  g_atomic_int_add (&counts[0], -1);
  return TRUE;
}

static void
test_lowered_limit (void)
{
  ParallelBackgroundTaskRunner *runner;
  gint counts[2] = { 0, 0 };

  g_test_summary ("A lowered max-parallel holds once what runs has ended");
  runner = parallel_background_task_runner_new (
    parallel_function_task_new (count_at_once, counts, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 8);
  for (int i = 0; i < 400; i++)
    test_put_int (runner, i);
  test_wait_until (parallel_background_task_runner_get_n_succeeded (runner) > 50);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  test_wait_until (parallel_background_task_runner_get_n_running (runner) <= 2);
  test_wait_until (g_atomic_int_get (&counts[0]) <= 2);
  g_atomic_int_set (&counts[1], 0);
  test_close_and_wait (runner);
  g_assert_cmpint (counts[1], <=, 2);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 400);
  g_assert_finalize_object (runner);
}

static void
test_priorities (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  Order order;

  g_test_summary ("The lower number starts first, as in GLib; equal ones start in queue order");
  order_init (&order);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_pause (runner);
  put_named (runner, &order, "a", 0);
  put_named (runner, &order, "b", 200);
  put_named (runner, &order, "c", -100);
  put_named (runner, &order, "d", 0);
  put_named (runner, &order, "e", G_MININT);
  put_named (runner, &order, "f", 200);
  put_named (runner, &order, "g", G_MAXINT);
  put_named (runner, &order, "h", -100);
  parallel_background_task_runner_resume (runner);
  test_close_and_wait (runner);
  g_assert_cmpstr (order.order->str, ==, "echadbfg");
  g_assert_finalize_object (runner);
  order_clear (&order);
}

static gboolean
print_name (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  g_autofree char *name = parallel_step_dup_name (step);

  return parallel_step_write_text (step, name, error);
}

static void
test_priority_and_output (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autofree char *printed = NULL;

  g_test_summary ("Whatever the priorities, output comes in queue order");
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_pause (runner);
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (ParallelStep) step = test_function_step (print_name, NULL);
      char name[2] = { (char) ('a' + i), 0 };

      parallel_step_set_name (step, name);
      parallel_step_set_priority (step, -i);
      test_put_step (runner, step);
    }
  parallel_background_task_runner_resume (runner);
  test_close_and_wait (runner);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "abcdefghij");
  g_assert_finalize_object (runner);
}

/* Halting */

static void
test_halt_now (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) done = NULL;
  g_autoptr (ParallelStep) running = NULL;
  g_autoptr (ParallelStep) pending = NULL;
  g_autoptr (ParallelStep) late = test_function_step (test_no_op, NULL);
  g_autoptr (GPtrArray) skipped = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) put_error = NULL;
  TestGate gate;

  g_test_summary ("Halted now: what runs is stopped, what waits is skipped, nothing more is taken");
  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  done = test_put_function (runner, test_no_op, NULL);
  running = test_put_function (runner, test_gate_function, &gate);
  pending = test_put_function (runner, test_no_op, NULL);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_put_step (runner, late, &put_error));
  g_assert_error (put_error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_state (done), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_state (running), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_state (pending), ==, PARALLEL_STEP_STATE_SKIPPED);
  skipped = parallel_background_task_runner_dup_skipped (runner);
  g_assert_cmpuint (skipped->len, ==, 1);
  g_assert_true (g_ptr_array_index (skipped, 0) == pending);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  g_clear_pointer (&skipped, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_halt_soon (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) running = NULL;
  g_autoptr (ParallelStep) pending = NULL;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("Halted soon: what runs ends by itself, what waits is skipped");
  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  running = test_put_function (runner, test_gate_function, &gate);
  pending = test_put_function (runner, test_no_op, NULL);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_SOON);
  g_assert_cmpint (parallel_step_get_state (running), ==, PARALLEL_STEP_STATE_RUNNING);
  test_gate_open (&gate);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_state (running), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_state (pending), ==, PARALLEL_STEP_STATE_SKIPPED);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_halt_soon_then_now (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) running = NULL;
  TestGate gate;

  g_test_summary ("Who has halted softly may still halt at once");
  test_gate_init (&gate);
  running = test_put_function (runner, test_gate_function, &gate);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_SOON);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpint (parallel_step_get_state (running), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_halt_when_done (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GError) error = NULL;

  g_test_summary ("Halting a run that is over changes nothing");
  g_object_unref (test_put_function (runner, test_no_op, NULL));
  test_close_and_wait (runner);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_no_error (error);
  g_assert_finalize_object (runner);
}

/* Cancelling */

static void
test_cancellable (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (ParallelStep) running = NULL;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("The runner's cancellable halts the run, which ends with G_IO_ERROR_CANCELLED");
  test_gate_init (&gate);
  parallel_background_task_runner_set_cancellable (runner, cancellable);
  running = test_put_function (runner, test_gate_function, &gate);
  test_gate_await (&gate, 1);
  g_cancellable_cancel (cancellable);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (parallel_step_get_state (running), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_finalize_object (runner);
  g_assert_cmpuint (G_OBJECT (cancellable)->ref_count, ==, 1);
  test_gate_clear (&gate);
}

static void
test_run_steps_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  g_test_summary ("Steps that are run with a cancelled cancellable are skipped");
  g_cancellable_cancel (cancellable);
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_assert_false (parallel_run_steps (steps, 1, FALSE, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, 0)), !=,
                   PARALLEL_STEP_STATE_SUCCEEDED);
}

static void
test_run_steps_async (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("Asynchronously as well, half way");
  test_gate_init (&gate);
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_ptr_array_add (steps, test_function_step (test_gate_function, &gate));
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  parallel_run_steps_async (steps, 1, FALSE, cancellable, test_store_result_cb, &result);
  test_gate_await (&gate, 1);
  g_cancellable_cancel (cancellable);
  g_assert_false (parallel_run_steps_finish (test_await_result (NULL, &result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, 0)), ==,
                   PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, 1)), ==,
                   PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, 2)), ==,
                   PARALLEL_STEP_STATE_SKIPPED);
  test_gate_clear (&gate);
}

static void
test_run_steps_halt_on_error (void)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("run_steps () halts on an error when told to");
  g_ptr_array_add (steps, test_shell_step ("exit 3"));
  g_ptr_array_add (steps, test_shell_step ("true"));
  parallel_run_steps_async (steps, 1, TRUE, NULL, test_store_result_cb, &result);
  g_assert_false (parallel_run_steps_finish (test_await_result (NULL, &result), &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_true (g_str_has_prefix (error->message, "1 of 2 steps failed:"));
  test_assert_step_error (g_ptr_array_index (steps, 0), G_SPAWN_EXIT_ERROR, 3);
  g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, 1)), ==,
                   PARALLEL_STEP_STATE_SKIPPED);
}

/* Waiting */

static gpointer
wait_thread (gpointer runner)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_no_error (error);
  return NULL;
}

static gpointer
cancel_thread (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_cancelled_wait (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GCancellable) second = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;
  GThread *thread;
  TestGate gate;

  g_test_summary ("Who cancels a wait cancels only the waiting");
  test_gate_init (&gate);
  step = test_put_function (runner, test_gate_function, &gate);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, cancellable, test_store_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (parallel_background_task_runner_wait_finish (
    runner, test_await_result (NULL, &result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  thread = g_thread_new ("canceller", cancel_thread, second);
  g_assert_false (parallel_background_task_runner_wait (runner, second, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  test_gate_open (&gate);
  test_close_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_clear_object (&result);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_many_waits (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  GThread *threads[4];
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  TestGate gate;

  g_test_summary ("Several waits at a time, from several threads, all see the end, and so do later "
                  "ones");
  test_gate_init (&gate);
  g_object_unref (test_put_function (runner, test_gate_function, &gate));
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("waiter", wait_thread, runner);
  parallel_background_task_runner_wait_async (runner, NULL, test_store_result_cb, &first);
  parallel_background_task_runner_wait_async (runner, NULL, test_store_result_cb, &second);
  test_gate_await (&gate, 1);
  test_gate_open (&gate);
  parallel_background_task_runner_close (runner);
  g_assert_true (parallel_background_task_runner_wait_finish (
    runner, test_await_result (NULL, &first), NULL));
  g_assert_true (parallel_background_task_runner_wait_finish (
    runner, test_await_result (NULL, &second), NULL));
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  test_close_and_wait (runner);
  g_clear_object (&first);
  g_clear_object (&second);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

/* What can be learnt */

static void
test_counters (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  TestGate gate;

  g_test_summary ("The counters and the progress say what is so");
  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  for (guint i = 0; i < 2; i++)
    g_object_unref (test_put_function (runner, test_no_op, NULL));
  test_wait_until (parallel_background_task_runner_get_n_succeeded (runner) == 2);
  for (guint i = 0; i < 6; i++)
    g_object_unref (test_put_function (runner, test_gate_function, &gate));
  test_gate_await (&gate, 2);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 4);
  g_assert_cmpuint (parallel_background_task_runner_get_n_running (runner), ==, 2);
  g_assert_cmpfloat_with_epsilon (parallel_background_task_runner_get_progress (runner), 0.25, 0.0001);
  test_gate_open (&gate);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_running (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 8);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  g_assert_cmpfloat (parallel_background_task_runner_get_progress (runner), ==, 1);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_dump (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) first = test_shell_step ("read x < '%s'", fifo);
  g_autoptr (ParallelStep) second = test_function_step (test_no_op, NULL);
  g_autofree char *before = NULL;
  g_autofree char *during = NULL;
  g_autofree char *after = NULL;

  g_test_summary ("dump () says who waits for what, at any time");
  before = parallel_background_task_runner_dump (runner);
  g_assert_cmpuint (strlen (before), >, 0);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_step_set_name (first, "reads the pipe");
  parallel_step_set_name (second, "comes later");
  test_put_step (runner, first);
  test_put_step (runner, second);
  test_wait_until (parallel_step_get_state (first) == PARALLEL_STEP_STATE_RUNNING);
  during = parallel_background_task_runner_dump (runner);
  g_assert_nonnull (strstr (during, "reads the pipe"));
  g_assert_true (g_utf8_validate (during, -1, NULL));
  test_release_fifo (fifo);
  test_close_and_wait (runner);
  after = parallel_background_task_runner_dump (runner);
  g_assert_null (strstr (after, "reads the pipe"));
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/control/pause", test_pause);
  test_add ("/control/pause/halted", test_paused_and_halted);
  test_add ("/control/limit/raised", test_raised_limit);
  test_add ("/control/limit/lowered", test_lowered_limit);
  test_add ("/control/priorities", test_priorities);
  test_add ("/control/priorities/output", test_priority_and_output);
  test_add ("/control/halt/now", test_halt_now);
  test_add ("/control/halt/soon", test_halt_soon);
  test_add ("/control/halt/soon-then-now", test_halt_soon_then_now);
  test_add ("/control/halt/when-done", test_halt_when_done);
  test_add ("/control/cancel", test_cancellable);
  test_add ("/control/run-steps/cancelled", test_run_steps_cancelled);
  test_add ("/control/run-steps/async", test_run_steps_async);
  test_add ("/control/run-steps/halt-on-error", test_run_steps_halt_on_error);
  test_add ("/control/wait/cancelled", test_cancelled_wait);
  test_add ("/control/wait/many", test_many_waits);
  test_add ("/control/counters", test_counters);
  test_add ("/control/dump", test_dump);
  return test_run ();
}
