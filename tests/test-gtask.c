/* test-gtask.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "test-support.h"

/* Function steps made of a plain GTaskThreadFunc, which gets a GTask and returns its result with g_task_return_*. */

static GThread *owner;

static const char task_data[] = "task data";

static void
check_gtask (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  g_assert_true (PARALLEL_IS_STEP (source));
  g_assert_true (g_task_get_source_object (task) == source);
  g_assert_true (data == task_data);
  g_assert_true (g_task_get_task_data (task) == task_data);
  g_assert_true (G_IS_CANCELLABLE (cancellable));
  g_assert_true (g_task_get_cancellable (task) == cancellable);
  g_assert_true (g_thread_self () != owner);
}

static void
gtask_int (GTask        *task,
           gpointer      source,
           gpointer      data,
           GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_int (task, 42);
}

static void
gtask_boolean (GTask        *task,
               gpointer      source,
               gpointer      data,
               GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_boolean (task, TRUE);
}

static void
gtask_false (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_boolean (task, FALSE);
}

static void
gtask_nothing (GTask        *task,
               gpointer      source,
               gpointer      data,
               GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
}

static gpointer
return_later_thread (gpointer task)
{
  g_task_return_int (task, 43);
  g_object_unref (task);
  return NULL;
}

static void
gtask_later (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  g_thread_unref (g_thread_new ("later", return_later_thread, g_object_ref (task)));
}

static void
gtask_string (GTask        *task,
              gpointer      source,
              gpointer      data,
              GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_pointer (task, g_strdup ("a string"), g_free);
}

static void
gtask_object (GTask        *task,
              gpointer      source,
              gpointer      data,
              GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_pointer (task, g_cancellable_new (), g_object_unref);
}

static void
gtask_boxed (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_pointer (task, g_bytes_new ("bytes", 5), (GDestroyNotify) g_bytes_unref);
}

static void
gtask_value (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  GValue value = G_VALUE_INIT;

  check_gtask (task, source, data, cancellable);
  g_value_init (&value, G_TYPE_DOUBLE);
  g_value_set_double (&value, 0.5);
  g_task_return_value (task, &value);
}

static void
gtask_error (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  check_gtask (task, source, data, cancellable);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_EMPTY, "It is full");
}

static void
gtask_waits (GTask        *task,
             gpointer      source,
             gpointer      gate,
             GCancellable *cancellable)
{
  test_gate_enter_or_cancel (gate, cancellable, NULL);
  if (!g_task_return_error_if_cancelled (task))
    g_task_return_boolean (task, TRUE);
}

static ParallelStep *
put_gtask (ParallelBackgroundTaskRunner *runner,
           GTaskThreadFunc               function,
           GType                         type)
{
  ParallelStep *step;

  step = parallel_step_new (parallel_function_task_new_for_gtask (function, type,
                                                                  (gpointer) task_data, NULL),
                            NULL);
  test_put_step (runner, step);
  return step;
}

static void
test_plain (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) boolean = put_gtask (runner, gtask_boolean, G_TYPE_BOOLEAN);
  g_autoptr (ParallelStep) number = put_gtask (runner, gtask_int, G_TYPE_INT64);
  g_autoptr (ParallelStep) no = put_gtask (runner, gtask_false, G_TYPE_BOOLEAN);
  g_autoptr (ParallelStep) none = put_gtask (runner, gtask_boolean, G_TYPE_NONE);

  g_test_summary ("g_task_return_boolean () and g_task_return_int () give the step's result");
  test_close_and_wait (runner);
  g_assert_true (g_value_get_boolean (parallel_step_get_result (boolean)));
  g_assert_false (g_value_get_boolean (parallel_step_get_result (no)));
  g_assert_cmpint (g_value_get_int64 (parallel_step_get_result (number)), ==, 42);
  g_assert_null (parallel_step_get_result (none));
}

static void
test_pointer (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) string = put_gtask (runner, gtask_string, G_TYPE_STRING);
  g_autoptr (ParallelStep) object = put_gtask (runner, gtask_object, G_TYPE_CANCELLABLE);
  g_autoptr (ParallelStep) boxed = put_gtask (runner, gtask_boxed, G_TYPE_BYTES);
  GObject *cancellable;
  gconstpointer bytes;

  g_test_summary ("g_task_return_pointer () gives a string, an object, a boxed, and nothing leaks");
  test_close_and_wait (runner);
  g_assert_cmpstr (g_value_get_string (parallel_step_get_result (string)), ==, "a string");
  cancellable = g_value_get_object (parallel_step_get_result (object));
  g_assert_true (G_IS_CANCELLABLE (cancellable));
  g_assert_cmpuint (cancellable->ref_count, ==, 1);
  bytes = g_value_get_boxed (parallel_step_get_result (boxed));
  g_assert_cmpmem (g_bytes_get_data ((GBytes *) bytes, NULL), g_bytes_get_size ((GBytes *) bytes),
                   "bytes", 5);
}

static void
test_value (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = put_gtask (runner, gtask_value, G_TYPE_VALUE);

  g_test_summary ("g_task_return_value () gives the value itself");
  test_close_and_wait (runner);
  g_assert_cmpfloat (g_value_get_double (parallel_step_get_result (step)), ==, 0.5);
}

static void
test_error (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = put_gtask (runner, gtask_error, G_TYPE_STRING);
  g_autoptr (GError) error = NULL;

  g_test_summary ("g_task_return_error () fails the step");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, G_IO_ERROR, G_IO_ERROR_NOT_EMPTY);
  error = parallel_step_dup_error (step);
  g_assert_cmpstr (error->message, ==, "It is full");
  g_assert_null (parallel_step_get_result (step));
}

static void
note_thread_cb (gpointer thread)
{
  *(GThread **) thread = g_thread_self ();
}

static void
test_cancelled (void)
{
  ParallelBackgroundTaskRunner *runner;
  GThread *thread = NULL;
  TestGate gate;

  g_test_summary ("Halting cancels the GTask's cancellable; the task data is freed with the task");
  test_gate_init (&gate);
  runner = parallel_background_task_runner_new (
    parallel_function_task_new_for_gtask (gtask_waits, G_TYPE_NONE, &gate, NULL));
  test_put_int (runner, 1);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);

  runner = parallel_background_task_runner_new (
    parallel_function_task_new_for_gtask (gtask_int, G_TYPE_INT64, &thread, note_thread_cb));
  g_assert_finalize_object (runner);
  g_assert_true (thread == g_thread_self ());
}

static void
test_returned_later (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = put_gtask (runner, gtask_later, G_TYPE_INT64);

  g_test_summary ("The function may hand its GTask on, to be returned later from another thread");
  test_close_and_wait (runner);
  g_assert_cmpint (g_value_get_int64 (parallel_step_get_result (step)), ==, 43);
}

static void
test_not_returned (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = put_gtask (runner, gtask_nothing, G_TYPE_INT64);

  g_test_summary ("A GTask that is never returned fails its step, and the run ends");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED);
}

static void
test_wrong_use (void)
{
  g_test_summary ("A task needs a function");
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*function != NULL*");
  g_assert_null (parallel_function_task_new_for_gtask (NULL, G_TYPE_NONE, NULL, NULL));
  g_test_assert_expected_messages ();
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  owner = g_thread_self ();
  test_add ("/gtask/plain", test_plain);
  test_add ("/gtask/pointer", test_pointer);
  test_add ("/gtask/value", test_value);
  test_add ("/gtask/error", test_error);
  test_add ("/gtask/returned-later", test_returned_later);
  test_add ("/gtask/not-returned", test_not_returned);
  test_add ("/gtask/cancelled", test_cancelled);
  test_add ("/gtask/wrong-use", test_wrong_use);
  return test_run ();
}
