/* test-function.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

static GThread *owner;

/* Results */

static gboolean
square (ParallelStep  *step,
        GCancellable  *cancellable,
        gpointer       user_data,
        GError       **error)
{
  g_assert_true (g_thread_self () != owner);
  g_assert_true (G_IS_CANCELLABLE (cancellable));
  test_set_int (step, test_get_int (step) * test_get_int (step));
  return TRUE;
}

static void
test_results (void)
{
  ParallelTask *task = parallel_function_task_new (square, NULL, NULL);
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (task);
  g_autoptr (GPtrArray) steps = NULL;

  g_test_summary ("Each of 200 inputs has its own result, in queue order");
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  for (int i = 0; i < 200; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  steps = parallel_background_task_runner_dup_steps (runner);
  g_assert_cmpuint (steps->len, ==, 200);
  for (int i = 0; i < 200; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);

      g_assert_cmpint (test_get_int (step), ==, i);
      g_assert_cmpint (g_value_get_int (parallel_step_get_result (step)), ==, i * i);
    }
  g_clear_pointer (&steps, g_ptr_array_unref);
  g_assert_finalize_object (runner);
}

static gboolean
return_object (ParallelStep  *step,
               GCancellable  *cancellable,
               gpointer       object,
               GError       **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_OBJECT);
  g_value_set_object (&value, object);
  parallel_step_set_result (step, &value);
  return TRUE;
}

static void
test_object_result (void)
{
  GObject *object = g_object_new (G_TYPE_OBJECT, NULL);
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  ParallelStep *step = test_put_function (runner, return_object, object);

  g_test_summary ("A result that is an object lives as long as its step");
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  g_assert_true (g_value_get_object (parallel_step_get_result (step)) == object);
  g_assert_finalize_object (step);
  g_assert_finalize_object (object);
}

static gboolean
return_twice (ParallelStep  *step,
              GCancellable  *cancellable,
              gpointer       user_data,
              GError       **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  test_set_int (step, 1);
  g_value_init (&value, G_TYPE_STRING);
  g_value_set_string (&value, "the second");
  parallel_step_set_result (step, &value);
  return TRUE;
}

static void
test_replaced_result (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) replaced = test_put_function (runner, return_twice, NULL);
  g_autoptr (ParallelStep) none = test_put_function (runner, test_no_op, NULL);

  g_test_summary ("The last result holds, of whatever type; without one it is NULL");
  test_close_and_wait (runner);
  g_assert_cmpstr (g_value_get_string (parallel_step_get_result (replaced)), ==, "the second");
  g_assert_null (parallel_step_get_result (none));
}

/* Failures */

static gboolean
fail_with_error (ParallelStep  *step,
                 GCancellable  *cancellable,
                 gpointer       user_data,
                 GError       **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "There is no spoon");
  return FALSE;
}

static void
test_failure (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, fail_with_error, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) step_error = NULL;

  g_test_summary ("A function's error is its step's, as it was");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_nonnull (strstr (error->message, "There is no spoon"));
  test_assert_step_error (step, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  step_error = parallel_step_dup_error (step);
  g_assert_cmpstr (step_error->message, ==, "There is no spoon");
}

static gboolean
fail_silently (ParallelStep  *step,
               GCancellable  *cancellable,
               gpointer       user_data,
               GError       **error)
{
  return FALSE;
}

static void
test_failure_without_error (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, fail_silently, NULL);

  g_test_summary ("A function that returns FALSE without an error gets one");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED);
}

static gboolean
succeed_with_error (ParallelStep  *step,
                    GCancellable  *cancellable,
                    gpointer       user_data,
                    GError       **error)
{
  fail_with_error (step, cancellable, user_data, error);
  return TRUE;
}

static void
test_success_with_error (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, succeed_with_error, NULL);

  g_test_summary ("What is returned decides: TRUE with an error set is a success, and nothing "
                  "leaks");
  test_close_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

/* Threads */

static void
test_at_once (void)
{
  ParallelBackgroundTaskRunner *runner;
  TestGate gate;

  g_test_summary ("max-parallel functions run at once, and never more");
  test_gate_init (&gate);
  runner = parallel_background_task_runner_new (
    parallel_function_task_new (test_gate_function, &gate, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 7);
  for (int i = 0; i < 40; i++)
    test_put_int (runner, i);
  test_gate_await (&gate, 7);
  g_assert_cmpuint (parallel_background_task_runner_get_n_running (runner), ==, 7);
  g_assert_cmpuint (test_gate_get_entered (&gate), ==, 7);
  test_gate_open (&gate);
  test_close_and_wait (runner);
  g_assert_cmpuint (gate.n_entered, ==, 40);
  g_assert_cmpuint (gate.n_most, ==, 7);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static gboolean
not_in_pool (ParallelStep  *step,
             GCancellable  *cancellable,
             gpointer       user_data,
             GError       **error)
{
  g_autofree char *comm = NULL;

  g_file_get_contents ("/proc/thread-self/comm", &comm, NULL, NULL);
  g_assert_nonnull (comm);
  g_assert_false (g_str_has_prefix (comm, "pool-"));
  return TRUE;
}

static void
test_own_threads (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, not_in_pool, NULL);

  g_test_summary ("Functions do not run in GLib's shared pool");
  test_close_and_wait (runner);
}

static void
note_thread_cb (gpointer thread)
{
  *(GThread **) thread = g_thread_self ();
}

static void
test_notify (void)
{
  GThread *thread = NULL;
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("The function's data is freed in the owner's thread, after its last step");
  runner = parallel_background_task_runner_new (
    parallel_function_task_new (test_no_op, &thread, note_thread_cb));
  for (int i = 0; i < 50; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_null (thread);
  g_assert_finalize_object (runner);
  g_assert_true (thread == g_thread_self ());
}

/* Stopping */

static void
test_cancelled (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;
  TestGate gate;

  g_test_summary ("A halted function sees its cancellable, and its step is halted, not failed");
  test_gate_init (&gate);
  step = test_put_function (runner, test_gate_function, &gate);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static gboolean
ignore_cancellable (ParallelStep  *step,
                    GCancellable  *cancellable,
                    gpointer       gate,
                    GError       **error)
{
  test_gate_enter (gate);
  test_set_int (step, 1);
  parallel_step_write_text (step, "too late\n", NULL);
  return TRUE;
}

static void
test_abandoned (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  guint n_threads = test_count_threads ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) next = NULL;
  g_autofree char *printed = NULL;
  TestGate gate;

  g_test_summary ("A function that ignores its cancellable is abandoned, and its late return harms "
                  "nothing");
  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_timeout (runner, 0.1);
  parallel_background_task_runner_set_kill_grace (runner, 0.1);
  step = test_put_function (runner, ignore_cancellable, &gate);
  next = test_put_function (runner, test_no_op, NULL);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  g_assert_cmpint (parallel_step_get_state (next), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "");
  g_assert_finalize_object (runner);
  test_gate_open (&gate);
  test_wait_until (test_count_threads () == n_threads);
  g_assert_null (parallel_step_get_result (step));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);

  /* The thread has given up the step to this context. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  test_gate_clear (&gate);
}

/* Output */

static gboolean
write_all (ParallelStep  *step,
           GCancellable  *cancellable,
           gpointer       user_data,
           GError       **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("e\0e", 3);

  return parallel_step_write_text (step, "text ", error)
         && parallel_step_write (step, PARALLEL_OUTPUT_STREAM_STDOUT, bytes, error)
         && parallel_step_write (step, PARALLEL_OUTPUT_STREAM_STDERR, bytes, error);
}

static void
test_write (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, write_all, NULL);
  g_autoptr (GBytes) out = NULL;
  g_autoptr (GBytes) err = NULL;

  g_test_summary ("A function's own output is bytes, on either stream");
  test_close_and_wait (runner);
  out = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, NULL);
  err = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDERR, NULL);
  g_assert_cmpmem (g_bytes_get_data (out, NULL), g_bytes_get_size (out), "text e\0e", 8);
  g_assert_cmpmem (g_bytes_get_data (err, NULL), g_bytes_get_size (err), "e\0e", 3);
}

static void
test_write_unrun (void)
{
  ParallelStep *step = test_function_step (test_no_op, NULL);
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step that does not run takes no output");
  g_assert_false (parallel_step_write_text (step, "text", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "");
  g_assert_finalize_object (step);
}

/* Onexit */

typedef struct
{
  GMutex      mutex;
  GHashTable *workers;    /* threads that ran steps, without an onexit yet */
  GHashTable *exited;     /* threads that had theirs */
  guint       n_steps;
  guint       n_onexits;
  gboolean    fail;
} Onexit;

static void
onexit_init (Onexit *data)
{
  memset (data, 0, sizeof *data);
  g_mutex_init (&data->mutex);
  data->workers = g_hash_table_new (NULL, NULL);
  data->exited = g_hash_table_new (NULL, NULL);
}

static void
onexit_clear (Onexit *data)
{
  g_hash_table_unref (data->workers);
  g_hash_table_unref (data->exited);
  g_mutex_clear (&data->mutex);
}

static gboolean
count_step (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  Onexit *data = user_data;

  g_mutex_lock (&data->mutex);
  g_assert_false (g_hash_table_contains (data->exited, g_thread_self ()));
  g_hash_table_add (data->workers, g_thread_self ());
  data->n_steps++;
  g_mutex_unlock (&data->mutex);
  return TRUE;
}

static gboolean
count_onexit (ParallelStep  *step,
              GCancellable  *cancellable,
              gpointer       user_data,
              GError       **error)
{
  Onexit *data = user_data;
  g_autofree char *name = parallel_step_dup_name (step);

  g_assert_cmpstr (name, ==, "onexit");
  g_mutex_lock (&data->mutex);
  g_assert_true (g_hash_table_remove (data->workers, g_thread_self ()));
  g_hash_table_add (data->exited, g_thread_self ());
  data->n_onexits++;
  g_mutex_unlock (&data->mutex);
  if (data->fail)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "The database is locked");
  return !data->fail;
}

static ParallelBackgroundTaskRunner *
onexit_runner (Onexit *data)
{
  ParallelBackgroundTaskRunner *runner;

  runner = parallel_background_task_runner_new (parallel_function_task_new (count_step, data, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 4);
  parallel_background_task_runner_set_onexit (runner, count_onexit, data, NULL);
  for (int i = 0; i < 500; i++)
    test_put_int (runner, i);
  return runner;
}

static void
test_onexit (void)
{
  ParallelBackgroundTaskRunner *runner;
  Onexit data;

  g_test_summary ("Onexit is called once in each worker thread, after its last step");
  onexit_init (&data);
  runner = onexit_runner (&data);
  test_close_and_wait (runner);
  g_assert_cmpuint (data.n_steps, ==, 500);
  g_assert_cmpuint (data.n_onexits, >=, 1);
  g_assert_cmpuint (data.n_onexits, <=, 4);
  g_assert_cmpuint (g_hash_table_size (data.workers), ==, 0);
  g_assert_finalize_object (runner);
  onexit_clear (&data);
}

static void
test_onexit_fails (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GError) error = NULL;
  Onexit data;

  g_test_summary ("An onexit that fails is a failure of the run, named onexit");
  onexit_init (&data);
  data.fail = TRUE;
  runner = onexit_runner (&data);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_nonnull (strstr (error->message, "onexit"));
  g_assert_nonnull (strstr (error->message, "The database is locked"));
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, ==, data.n_onexits);
  for (guint i = 0; i < failures->len; i++)
    test_assert_step_error (g_ptr_array_index (failures, i), G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  onexit_clear (&data);
}

static void
test_onexit_notify (void)
{
  GThread *thread = NULL;
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("Without a step there is no worker and no onexit; its data is freed in the "
                  "owner's thread");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  parallel_background_task_runner_set_onexit (runner, fail_silently, &thread, note_thread_cb);
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  g_assert_true (thread == g_thread_self ());
}

/* A run inside a run */

static gboolean
run_inner (ParallelStep  *step,
           GCancellable  *cancellable,
           gpointer       user_data,
           GError       **error)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();

  for (guint i = 0; i < 5; i++)
    g_ptr_array_add (steps, test_function_step (i == 3 && user_data != NULL ? fail_with_error
                                                                            : test_no_op, NULL));
  return parallel_run_steps (steps, 2, FALSE, cancellable, error);
}

static void
test_nested (void)
{
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("A function step may run steps itself");
  runner = parallel_background_task_runner_new (parallel_function_task_new (run_inner, NULL, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 3);
  for (int i = 0; i < 20; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 20);
  g_assert_finalize_object (runner);
}

static void
test_nested_failure (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, run_inner, (gpointer) "fail");
  g_autoptr (GError) error = NULL;

  g_test_summary ("The failure of an inner step is named by the outer run");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_nonnull (strstr (error->message, "There is no spoon"));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_finalize_object (runner);
}

static void
test_wrong_use (void)
{
  g_test_summary ("A task needs a function");
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*function != NULL*");
  g_assert_null (parallel_function_task_new (NULL, NULL, NULL));
  g_test_assert_expected_messages ();
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  owner = g_thread_self ();
  test_add ("/function/results", test_results);
  test_add ("/function/results/object", test_object_result);
  test_add ("/function/results/replaced", test_replaced_result);
  test_add ("/function/failure", test_failure);
  test_add ("/function/failure/without-error", test_failure_without_error);
  test_add ("/function/failure/success-with-error", test_success_with_error);
  test_add ("/function/threads/at-once", test_at_once);
  test_add ("/function/threads/own", test_own_threads);
  test_add ("/function/threads/notify", test_notify);
  test_add ("/function/stop/cancelled", test_cancelled);
  test_add ("/function/stop/abandoned", test_abandoned);
  test_add ("/function/output/write", test_write);
  test_add ("/function/output/write-unrun", test_write_unrun);
  test_add ("/function/onexit", test_onexit);
  test_add ("/function/onexit/fails", test_onexit_fails);
  test_add ("/function/onexit/notify", test_onexit_notify);
  test_add ("/function/nested", test_nested);
  test_add ("/function/nested/failure", test_nested_failure);
  test_add ("/function/wrong-use", test_wrong_use);
  return test_run ();
}
