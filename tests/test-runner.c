/* test-runner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

static ParallelBackgroundTaskRunner *
function_runner (ParallelFunction function,
                 gpointer         user_data)
{
  return parallel_background_task_runner_new (parallel_function_task_new (function, user_data, NULL));
}

static gboolean
put_one (ParallelBackgroundTaskRunner  *runner,
         GError                       **error)
{
  return parallel_background_task_runner_put_string (runner, "input", error);
}

/* What a new runner is */

static void
test_defaults (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);

  g_test_summary ("The settings of a new runner");
  g_assert_null (parallel_background_task_runner_get_task (runner));
  g_assert_cmpuint (parallel_background_task_runner_get_max_parallel (runner), >=, 1);
  g_assert_cmpuint (parallel_background_task_runner_get_max_parallel (runner), <=, g_get_num_processors ());
  g_assert_cmpuint (parallel_background_task_runner_get_max_pending (runner), ==, 0);
  g_assert_false (parallel_background_task_runner_get_halt_on_error (runner));
  g_assert_false (parallel_background_task_runner_get_hold_output (runner));
  g_assert_cmpint (parallel_background_task_runner_get_output_mode (runner), ==,
                   PARALLEL_OUTPUT_MODE_ORDERED);
  g_assert_cmpint (parallel_background_task_runner_get_keep_steps (runner), ==,
                   PARALLEL_KEEP_STEPS_FAILED);
  g_assert_null (parallel_background_task_runner_get_cancellable (runner));
  g_assert_cmpfloat (parallel_background_task_runner_get_timeout (runner), ==, 0);
  g_assert_cmpfloat (parallel_background_task_runner_get_silence_timeout (runner), ==, 0);
  g_assert_cmpfloat (parallel_background_task_runner_get_kill_grace (runner), ==, 5);
  g_assert_cmpuint (parallel_background_task_runner_get_max_attempts (runner), ==, 1);
  g_assert_cmpfloat (parallel_background_task_runner_get_retry_delay (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_output_limit (runner), ==, 0);
  g_assert_cmpint (parallel_background_task_runner_get_output_limit_policy (runner), ==,
                   PARALLEL_OUTPUT_LIMIT_KEEP_ENDS);
  g_assert_cmpfloat (parallel_background_task_runner_get_keep_alive_interval (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_running (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (runner)), ==, 0);
  g_assert_finalize_object (runner);
}

static void
count_notify_cb (GObject    *object,
                 GParamSpec *pspec,
                 gpointer    n)
{
  (*(guint *) n)++;
}

/* Sets the property to something else, once and once more, and expects one notification. */
static void
check_writable (GObject    *runner,
                GParamSpec *pspec)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_auto (GValue) read = G_VALUE_INIT;
  g_autofree char *signal_name = g_strconcat ("notify::", pspec->name, NULL);
  guint n = 0;
  gulong handler;

  g_object_get_property (runner, pspec->name, &value);
  if (G_VALUE_HOLDS_BOOLEAN (&value))
    g_value_set_boolean (&value, !g_value_get_boolean (&value));
  else if (G_VALUE_HOLDS_UINT (&value))
    g_value_set_uint (&value, 77);
  else if (G_VALUE_HOLDS_UINT64 (&value))
    g_value_set_uint64 (&value, 77);
  else if (G_VALUE_HOLDS_DOUBLE (&value))
    g_value_set_double (&value, 0.75);
  else if (G_VALUE_HOLDS_ENUM (&value))
    g_value_set_enum (&value, 1 - g_value_get_enum (&value));
  else if (G_VALUE_HOLDS (&value, G_TYPE_OUTPUT_STREAM))
    g_value_take_object (&value, g_memory_output_stream_new_resizable ());
  else if (G_VALUE_HOLDS_STRING (&value))
    g_value_set_static_string (&value, "INT,100,KILL");
  else
    g_value_take_object (&value, g_cancellable_new ());
  handler = g_signal_connect (runner, signal_name, G_CALLBACK (count_notify_cb), &n);
  g_object_set_property (runner, pspec->name, &value);
  g_object_set_property (runner, pspec->name, &value);
  g_assert_cmpuint (n, ==, 1);
  g_object_get_property (runner, pspec->name, &read);
  g_assert_cmpint (g_param_values_cmp (pspec, &value, &read), ==, 0);
  g_signal_handler_disconnect (runner, handler);
}

static void
test_properties (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  g_autofree GParamSpec **pspecs = NULL;
  guint n_written = 0;
  guint n;

  g_test_summary ("Every property that can be set is notified once a change");
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_NONE);
  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (runner), &n);
  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      if (pspecs[i]->flags & G_PARAM_CONSTRUCT_ONLY)
        continue;
      g_object_get_property (G_OBJECT (runner), pspecs[i]->name, &value);
      if (!(pspecs[i]->flags & G_PARAM_WRITABLE))
        continue;
      check_writable (G_OBJECT (runner), pspecs[i]);
      n_written++;
    }
  g_assert_cmpuint (n_written, ==, 20);
  g_assert_finalize_object (runner);
}

static void
test_starts_nothing_subprocess (void)
{
  guint n_threads = test_count_threads ();
  guint n_fds;
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  /* GLib's own default main context has a descriptor. */
  g_main_context_default ();
  n_fds = test_count_fds ();
  runner = parallel_background_task_runner_new (parallel_command_task_new_shell ("true"));
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  test_capture (runner);
  parallel_background_task_runner_set_timeout (runner, 5);
  parallel_background_task_runner_pause (runner);
  g_assert_cmpuint (test_count_threads (), ==, n_threads);
  g_assert_cmpuint (test_count_fds (), ==, n_fds);
  parallel_background_task_runner_resume (runner);
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  g_ptr_array_set_size (steps, 0);
  g_assert_true (parallel_run_steps (steps, 0, FALSE, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (test_count_threads (), ==, n_threads);
  g_assert_cmpuint (test_count_fds (), ==, n_fds);
  g_assert_cmpuint (test_count_children (), ==, 0);
}

static void
test_starts_nothing (void)
{
  g_test_summary ("No thread, process or descriptor before the first step: not by constructors, "
                  "not by no steps");
  test_in_subprocess ("/runner/starts-nothing/subprocess/child");
}

static void
test_no_steps (void)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("No steps are a run that ends well at once");
  g_assert_true (parallel_run_steps (steps, 4, TRUE, NULL, &error));
  g_assert_no_error (error);
  parallel_run_steps_async (steps, 4, TRUE, NULL, test_store_result_cb, &result);
  g_assert_null (result);
  g_assert_true (parallel_run_steps_finish (test_await_result (NULL, &result), &error));
  g_assert_no_error (error);
}

/* The queue */

static gboolean
count_input (ParallelStep  *step,
             GCancellable  *cancellable,
             gpointer       counts,
             GError       **error)
{
  g_atomic_int_inc ((gint *) counts + test_get_int (step));
  return TRUE;
}

#define N_PUTTERS 8
#define N_PER_PUTTER 2000

typedef struct
{
  ParallelBackgroundTaskRunner *runner;
  int                           first;
} Putter;

static gpointer
put_thread (gpointer data)
{
  Putter *putter = data;

  for (int i = 0; i < N_PER_PUTTER; i++)
    test_put_int (putter->runner, putter->first + i);
  return NULL;
}

static gpointer
close_thread (gpointer runner)
{
  parallel_background_task_runner_close (runner);
  return NULL;
}

static void
test_put_from_threads (void)
{
  g_autofree gint *counts = g_new0 (gint, N_PUTTERS * N_PER_PUTTER);
  ParallelBackgroundTaskRunner *runner = function_runner (count_input, counts);
  Putter putters[N_PUTTERS];
  GThread *threads[N_PUTTERS];
  GThread *closer;
  g_autoptr (GError) error = NULL;

  g_test_summary ("Put from eight threads while it runs, closed from another: each input runs "
                  "once");
  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (int i = 0; i < N_PUTTERS; i++)
    {
      putters[i] = (Putter) { runner, i * N_PER_PUTTER };
      threads[i] = g_thread_new ("putter", put_thread, &putters[i]);
    }
  for (int i = 0; i < N_PUTTERS; i++)
    g_thread_join (threads[i]);
  closer = g_thread_new ("closer", close_thread, runner);
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_no_error (error);
  g_thread_join (closer);
  for (int i = 0; i < N_PUTTERS * N_PER_PUTTER; i++)
    g_assert_cmpint (counts[i], ==, 1);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==,
                    N_PUTTERS * N_PER_PUTTER);
  g_assert_finalize_object (runner);
}

static void
test_put_after_close (void)
{
  gint counts[2] = { 0, 0 };
  ParallelBackgroundTaskRunner *runner = function_runner (count_input, counts);
  g_autoptr (ParallelStep) step = test_function_step (test_no_op, NULL);
  g_autoptr (GError) error = NULL;

  g_test_summary ("A closed queue takes nothing more, and loses nothing");
  test_put_int (runner, 0);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_close (runner);
  g_assert_false (put_one (runner, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_false (parallel_background_task_runner_put_step (runner, step, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED);
  test_close_and_wait (runner);
  g_assert_cmpint (counts[0], ==, 1);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_PENDING);
  g_assert_finalize_object (runner);
}

static void
test_put_twice (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, test_no_op, NULL);
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step runs once: it cannot be put again, here or elsewhere, before its end or "
                  "after");
  g_assert_false (parallel_background_task_runner_put_step (runner, step, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  runner = test_silent_runner ();
  g_assert_false (parallel_background_task_runner_put_step (runner, step, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 0);
  g_assert_finalize_object (runner);
}

static void
test_max_pending (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("A full queue would block; it takes more when there is room");
  test_gate_init (&gate);
  runner = function_runner (test_gate_function, &gate);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_max_pending (runner, 2);
  test_put_int (runner, 0);
  test_gate_await (&gate, 1);
  test_put_int (runner, 1);
  test_put_int (runner, 2);
  g_assert_false (put_one (runner, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 2);
  test_gate_open (&gate);
  test_wait_until (parallel_background_task_runner_get_n_succeeded (runner) == 3);
  test_put_int (runner, 3);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 4);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
put_async (ParallelBackgroundTaskRunner  *runner,
           int                            input,
           GCancellable                  *cancellable,
           GAsyncResult                 **result)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, input);
  parallel_background_task_runner_put_async (runner, &value, cancellable, test_store_result_cb, result);
}

static void
test_put_async (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("put_async () waits for room, and can be cancelled, which queues nothing");
  test_gate_init (&gate);
  runner = function_runner (test_gate_function, &gate);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_max_pending (runner, 1);
  test_put_int (runner, 0);
  test_gate_await (&gate, 1);
  test_put_int (runner, 1);
  put_async (runner, 2, cancellable, &cancelled);
  put_async (runner, 3, NULL, &waiting);
  g_cancellable_cancel (cancellable);
  g_assert_false (parallel_background_task_runner_put_finish (
    runner, test_await_result (NULL, &cancelled), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (waiting);
  test_gate_open (&gate);
  g_assert_true (parallel_background_task_runner_put_finish (
    runner, test_await_result (NULL, &waiting), &error));
  g_assert_no_error (error);
  test_close_and_wait (runner);
  g_assert_cmpuint (gate.n_entered, ==, 3);
  g_clear_object (&waiting);
  g_clear_object (&cancelled);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_put_async_closed (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GAsyncResult) late = NULL;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("A put_async () that is too late, or still waits when the run is halted, has its "
                  "error");
  test_gate_init (&gate);
  runner = function_runner (test_gate_function, &gate);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_max_pending (runner, 1);
  test_put_int (runner, 0);
  test_gate_await (&gate, 1);
  test_put_int (runner, 1);
  put_async (runner, 2, NULL, &waiting);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_put_finish (
    runner, test_await_result (NULL, &waiting), &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED);
  g_clear_error (&error);
  put_async (runner, 3, NULL, &late);
  g_assert_false (parallel_background_task_runner_put_finish (
    runner, test_await_result (NULL, &late), &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (gate.n_entered, ==, 1);
  g_clear_object (&waiting);
  g_clear_object (&late);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

/* Wrong use */

static void
expect_critical (const char *pattern)
{
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, pattern);
}

static void
test_wrong_use (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (GError) error = NULL;

  g_test_summary ("Wrong use is a critical or an error, and nothing is half done");
  expect_critical ("*PARALLEL_IS_STEP*");
  g_assert_false (parallel_background_task_runner_put_step (runner, NULL, NULL));
  g_test_assert_expected_messages ();
  expect_critical ("*IS_BACKGROUND_TASK_RUNNER*");
  parallel_background_task_runner_close (NULL);
  g_test_assert_expected_messages ();
  expect_critical ("*max_parallel*");
  parallel_background_task_runner_set_max_parallel (runner, 0);
  g_test_assert_expected_messages ();
  expect_critical ("*steps != NULL*");
  g_assert_false (parallel_run_steps (NULL, 1, FALSE, NULL, NULL));
  g_test_assert_expected_messages ();
  g_value_init (&value, G_TYPE_INT);
  g_assert_false (parallel_background_task_runner_put (runner, &value, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 0);
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
}

static void
test_absurd_limit (void)
{
  gint counts[10] = { 0 };
  ParallelBackgroundTaskRunner *runner = function_runner (count_input, counts);

  g_test_summary ("An absurd max-parallel is refused; a very large one runs what there is to run");
  expect_critical ("*max_parallel*");
  parallel_background_task_runner_set_max_parallel (runner, G_MAXUINT);
  g_test_assert_expected_messages ();
  parallel_background_task_runner_set_max_parallel (runner, 100000);
  for (int i = 0; i < 10; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  for (int i = 0; i < 10; i++)
    g_assert_cmpint (counts[i], ==, 1);
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/runner/defaults", test_defaults);
  test_add ("/runner/properties", test_properties);
  test_add ("/runner/starts-nothing", test_starts_nothing);
  test_add ("/runner/starts-nothing/subprocess/child", test_starts_nothing_subprocess);
  test_add ("/runner/no-steps", test_no_steps);
  test_add ("/runner/put/from-threads", test_put_from_threads);
  test_add ("/runner/put/after-close", test_put_after_close);
  test_add ("/runner/put/twice", test_put_twice);
  test_add ("/runner/put/max-pending", test_max_pending);
  test_add ("/runner/put/async", test_put_async);
  test_add ("/runner/put/async-closed", test_put_async_closed);
  test_add ("/runner/wrong-use", test_wrong_use);
  test_add ("/runner/absurd-limit", test_absurd_limit);
  return test_run ();
}
