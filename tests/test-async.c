/* test-async.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

/* A subclass: timers */

#define TEST_TYPE_TIMER_TASK (test_timer_task_get_type ())
G_DECLARE_FINAL_TYPE (TestTimerTask, test_timer_task, TEST, TIMER_TASK, ParallelAsyncTask)

struct _TestTimerTask
{
  ParallelAsyncTask parent_instance;

  GThread *thread;        /* the owner's */
  guint    milliseconds;
  guint    n_started;
  guint    n_ended;
  guint    n_in_flight;
  guint    n_most;
  gboolean fail_odd;
};

G_DEFINE_FINAL_TYPE (TestTimerTask, test_timer_task, PARALLEL_TYPE_ASYNC_TASK)

typedef struct
{
  GSource *timer;
  GSource *cancel;
} Timer;

static void
timer_free (gpointer data)
{
  Timer *timer = data;

  g_source_destroy (timer->timer);
  g_source_unref (timer->timer);
  g_source_destroy (timer->cancel);
  g_source_unref (timer->cancel);
  g_free (timer);
}

static void
end_timer (GTask *task)
{
  TestTimerTask *self = g_task_get_source_object (task);

  self->n_in_flight--;
  self->n_ended++;
}

static gboolean
timer_cb (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  end_timer (task);
  g_task_return_int (task, 7);
  g_task_set_task_data (task, NULL, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
timer_cancelled_cb (GCancellable *cancellable,
                    gpointer      user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  end_timer (task);
  g_task_return_error_if_cancelled (task);
  g_task_set_task_data (task, NULL, NULL);
  return G_SOURCE_REMOVE;
}

static void
test_timer_task_run_async (ParallelAsyncTask   *task,
                           ParallelStep        *step,
                           GCancellable        *cancellable,
                           GAsyncReadyCallback  callback,
                           gpointer             user_data)
{
  TestTimerTask *self = TEST_TIMER_TASK (task);
  g_autoptr (GTask) operation = g_task_new (self, cancellable, callback, user_data);
  Timer *timer = g_new0 (Timer, 1);
  GMainContext *context = g_main_context_get_thread_default ();

  g_assert_true (g_thread_self () == self->thread);
  self->n_started++;
  self->n_in_flight++;
  self->n_most = MAX (self->n_most, self->n_in_flight);
  timer->timer = g_timeout_source_new (self->milliseconds);
  g_source_set_callback (timer->timer, timer_cb, g_object_ref (operation), g_object_unref);
  g_source_attach (timer->timer, context);
  timer->cancel = g_cancellable_source_new (cancellable);
  g_source_set_callback (timer->cancel, G_SOURCE_FUNC (timer_cancelled_cb),
                         g_object_ref (operation), g_object_unref);
  g_source_attach (timer->cancel, context);
  g_task_set_task_data (operation, timer, timer_free);
  g_object_set_data_full (G_OBJECT (operation), "step", g_object_ref (step), g_object_unref);
}

static gboolean
test_timer_task_run_finish (ParallelAsyncTask  *task,
                            GAsyncResult       *result,
                            GError            **error)
{
  TestTimerTask *self = TEST_TIMER_TASK (task);
  ParallelStep *step = g_object_get_data (G_OBJECT (result), "step");
  int value;

  g_assert_true (g_thread_self () == self->thread);
  g_assert_true (g_task_is_valid (result, task));
  value = (int) g_task_propagate_int (G_TASK (result), error);
  if (value < 0)
    return FALSE;
  if (self->fail_odd && test_get_int (step) % 2 == 1)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "The input is odd");
      return FALSE;
    }
  test_set_int (step, value * test_get_int (step));
  return TRUE;
}

static void
test_timer_task_class_init (TestTimerTaskClass *klass)
{
  ParallelAsyncTaskClass *async_class = PARALLEL_ASYNC_TASK_CLASS (klass);

  async_class->run_async = test_timer_task_run_async;
  async_class->run_finish = test_timer_task_run_finish;
}

static void
test_timer_task_init (TestTimerTask *self)
{
  self->thread = g_thread_self ();
  self->milliseconds = 2;
}

static TestTimerTask *
timer_task_new (guint milliseconds)
{
  TestTimerTask *self = g_object_new (TEST_TYPE_TIMER_TASK, NULL);

  self->milliseconds = milliseconds;
  return self;
}

static ParallelBackgroundTaskRunner *
timer_runner (TestTimerTask *task,
              int            n_steps)
{
  ParallelBackgroundTaskRunner *runner;

  runner = parallel_background_task_runner_new (PARALLEL_TASK (g_object_ref (task)));
  parallel_background_task_runner_set_max_parallel (runner, 4);
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  for (int i = 0; i < n_steps; i++)
    test_put_int (runner, i);
  return runner;
}

static gboolean
wait_for (ParallelBackgroundTaskRunner  *runner,
          GError                       **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, NULL, test_store_result_cb, &result);
  test_await_result (NULL, &result);
  return parallel_background_task_runner_wait_finish (runner, result, error);
}

static void
test_limited (void)
{
  TestTimerTask *task = timer_task_new (2);
  ParallelBackgroundTaskRunner *runner = timer_runner (task, 100);
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("Of 100 timers exactly four are in flight at a time; each has its own result");
  g_assert_true (wait_for (runner, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (task->n_started, ==, 100);
  g_assert_cmpuint (task->n_ended, ==, 100);
  g_assert_cmpuint (task->n_in_flight, ==, 0);
  g_assert_cmpuint (task->n_most, ==, 4);
  steps = parallel_background_task_runner_dup_steps (runner);
  for (int i = 0; i < 100; i++)
    g_assert_cmpint (g_value_get_int (parallel_step_get_result (g_ptr_array_index (steps, i))), ==,
                     7 * i);
  g_clear_pointer (&steps, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  g_assert_finalize_object (task);
}

static void
test_cancelled_half_way (void)
{
  TestTimerTask *task = timer_task_new (2);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  ParallelBackgroundTaskRunner *runner = timer_runner (task, 0);
  g_autoptr (GPtrArray) skipped = NULL;
  g_autoptr (GError) error = NULL;
  guint n_started;

  g_test_summary ("Cancelled half way, 100 timers end with G_IO_ERROR_CANCELLED, and nothing "
                  "leaks");
  parallel_background_task_runner_set_cancellable (runner, cancellable);
  for (int i = 0; i < 100; i++)
    test_put_int (runner, i);
  test_iterate_until (NULL, task->n_ended >= 50);
  g_cancellable_cancel (cancellable);
  n_started = task->n_started;
  g_assert_false (wait_for (runner, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (task->n_started, ==, n_started);
  g_assert_cmpuint (task->n_started, <, 100);
  g_assert_cmpuint (task->n_ended, ==, n_started);
  g_assert_cmpuint (task->n_in_flight, ==, 0);
  g_assert_cmpuint (task->n_most, ==, 4);
  skipped = parallel_background_task_runner_dup_skipped (runner);
  /* Up to max-parallel steps had their slot but had not been started. */
  g_assert_cmpuint (skipped->len, <=, 100 - n_started);
  g_assert_cmpuint (skipped->len, >=, 100 - n_started - 4);
  g_clear_pointer (&skipped, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  g_assert_finalize_object (task);
}

static void
test_failures (void)
{
  TestTimerTask *task = timer_task_new (1);
  ParallelBackgroundTaskRunner *runner = timer_runner (task, 10);
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("The error of run_finish () is the step's");
  task->fail_odd = TRUE;
  g_assert_false (wait_for (runner, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  failures = parallel_background_task_runner_dup_failures (runner);
  test_assert_names (failures, "1 3 5 7 9");
  for (guint i = 0; i < failures->len; i++)
    test_assert_step_error (g_ptr_array_index (failures, i), G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  g_assert_finalize_object (task);
}

static void
test_timeout (void)
{
  TestTimerTask *task = timer_task_new (600 * 1000);
  ParallelBackgroundTaskRunner *runner = timer_runner (task, 0);
  g_autoptr (GPtrArray) failures = NULL;

  g_test_summary ("An operation over its time limit is cancelled, and the step has timed out");
  parallel_background_task_runner_set_timeout (runner, 0.1);
  test_put_int (runner, 0);
  g_assert_false (wait_for (runner, NULL));
  g_assert_cmpuint (task->n_ended, ==, 1);
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, ==, 1);
  test_assert_step_error (g_ptr_array_index (failures, 0), PARALLEL_RUN_ERROR,
                          PARALLEL_RUN_ERROR_TIMED_OUT);
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  /* The clock may still be looking at the step. */
  g_object_add_weak_pointer (G_OBJECT (task), (gpointer *) &task);
  g_object_unref (task);
  test_iterate_until (NULL, task == NULL);
}

/* The function form */

static gboolean
complete_cb (gpointer step)
{
  parallel_step_write_text (step, "done\n", NULL);
  test_set_int (step, 5);
  parallel_step_complete (step);
  return G_SOURCE_REMOVE;
}

static gboolean
fail_cb (gpointer step)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "Too busy");

  parallel_step_fail (step, error);
  return G_SOURCE_REMOVE;
}

static void
start_idle (ParallelStep *step,
            GCancellable *cancellable,
            gpointer      callback)
{
  g_assert_true (G_IS_CANCELLABLE (cancellable));
  g_idle_add_full (G_PRIORITY_DEFAULT, (GSourceFunc) callback, g_object_ref (step), g_object_unref);
}

static ParallelStep *
put_async_function (ParallelBackgroundTaskRunner *runner,
                    ParallelAsyncFunction         function,
                    gpointer                      user_data)
{
  ParallelStep *step = parallel_step_new (parallel_async_task_new (function, user_data, NULL), NULL);

  test_put_step (runner, step);
  return step;
}

static void
test_function (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) good = put_async_function (runner, start_idle, (gpointer) complete_cb);
  g_autoptr (ParallelStep) bad = put_async_function (runner, start_idle, (gpointer) fail_cb);
  g_autofree char *printed = NULL;

  g_test_summary ("A step of a plain function ends with complete () or fail ()");
  g_assert_false (wait_for (runner, NULL));
  g_assert_cmpint (parallel_step_get_state (good), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (g_value_get_int (parallel_step_get_result (good)), ==, 5);
  test_assert_step_error (bad, G_IO_ERROR, G_IO_ERROR_BUSY);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "done\n");
  g_assert_finalize_object (runner);
}

static void
start_at_once (ParallelStep *step,
               GCancellable *cancellable,
               gpointer      user_data)
{
  parallel_step_complete (step);
}

static void
test_complete_at_once (void)
{
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("A step may be complete before its function has returned");
  runner = parallel_background_task_runner_new (parallel_async_task_new (start_at_once, NULL, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 1);
  for (int i = 0; i < 1000; i++)
    test_put_int (runner, i);
  g_assert_true (wait_for (runner, NULL));
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 1000);
  g_assert_finalize_object (runner);
}

static void
keep_step (ParallelStep *step,
           GCancellable *cancellable,
           gpointer      location)
{
  *(ParallelStep **) location = g_object_ref (step);
}

static void
test_ended_twice (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "late");
  g_autoptr (ParallelStep) kept = NULL;
  g_autoptr (ParallelStep) step = put_async_function (runner, keep_step, &kept);

  g_test_summary ("Only the first end of a step counts");
  test_iterate_until (NULL, kept != NULL);
  g_assert_true (kept == step);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_RUNNING);
  parallel_step_complete (step);
  parallel_step_fail (step, error);
  g_assert_true (wait_for (runner, NULL));
  parallel_step_fail (step, error);
  parallel_step_complete (step);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_finalize_object (runner);
}

static void
test_abandoned (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) kept = NULL;
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("An operation that ignores its cancellable is abandoned after the kill grace");
  parallel_background_task_runner_set_timeout (runner, 0.1);
  parallel_background_task_runner_set_kill_grace (runner, 0.1);
  step = put_async_function (runner, keep_step, &kept);
  g_assert_false (wait_for (runner, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  g_assert_finalize_object (runner);
  parallel_step_complete (step);
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
}

/* Neither virtual function is implemented. */
#define TEST_TYPE_EMPTY_TASK (test_empty_task_get_type ())
G_DECLARE_FINAL_TYPE (TestEmptyTask, test_empty_task, TEST, EMPTY_TASK, ParallelAsyncTask)

struct _TestEmptyTask
{
  ParallelAsyncTask parent_instance;
};

G_DEFINE_FINAL_TYPE (TestEmptyTask, test_empty_task, PARALLEL_TYPE_ASYNC_TASK)

static void
test_empty_task_class_init (TestEmptyTaskClass *klass)
{
}

static void
test_empty_task_init (TestEmptyTask *self)
{
}

static void
test_not_implemented (void)
{
  ParallelTask *task = g_object_new (TEST_TYPE_EMPTY_TASK, NULL);
  g_autoptr (ParallelStep) step = parallel_step_new (task, NULL);
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();

  g_test_summary ("A subclass without the virtual functions fails its steps, and does not crash");
  test_put_step (runner, step);
  g_assert_false (wait_for (runner, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED);
  g_assert_finalize_object (runner);
}

/* A task that is of none of the library's kinds. */
#define TEST_TYPE_OTHER_TASK (test_other_task_get_type ())
G_DECLARE_FINAL_TYPE (TestOtherTask, test_other_task, TEST, OTHER_TASK, ParallelTask)

struct _TestOtherTask
{
  ParallelTask parent_instance;
};

G_DEFINE_FINAL_TYPE (TestOtherTask, test_other_task, PARALLEL_TYPE_TASK)

static void
test_other_task_class_init (TestOtherTaskClass *klass)
{
}

static void
test_other_task_init (TestOtherTask *self)
{
}

static void
test_other_kind (void)
{
  ParallelStep *step = parallel_step_new (g_object_new (TEST_TYPE_OTHER_TASK, NULL), NULL);
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GError) error = NULL;

  g_test_summary ("A subclass of ParallelTask itself is refused, with what can be derived from");
  g_assert_false (parallel_background_task_runner_put_step (runner, step, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==,
                   "TestOtherTask cannot be run: only subclasses of ParallelAsyncTask can be made "
                   "outside of the library");
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 0);
  test_close_and_wait (runner);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_PENDING);
  g_assert_finalize_object (step);
  g_assert_finalize_object (runner);
}

static void
test_wrong_use (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) kept = NULL;
  g_autoptr (ParallelStep) step = put_async_function (runner, keep_step, &kept);

  g_test_summary ("A task needs a function, and a failure an error");
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*function != NULL*");
  g_assert_null (parallel_async_task_new (NULL, NULL, NULL));
  g_test_assert_expected_messages ();
  test_iterate_until (NULL, kept != NULL);
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*error != NULL*");
  parallel_step_fail (step, NULL);
  g_test_assert_expected_messages ();
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_RUNNING);
  parallel_step_complete (step);
  g_assert_true (wait_for (runner, NULL));
  g_assert_finalize_object (runner);
}

static void
test_sync_timers (void)
{
  TestTimerTask *task = timer_task_new (1);
  ParallelBackgroundTaskRunner *runner = timer_runner (task, 20);

  g_test_summary ("A wait in the owner's thread gives operations a thread-default context that "
                  "runs");
  test_close_and_wait (runner);
  g_assert_cmpuint (task->n_ended, ==, 20);
  g_assert_cmpuint (task->n_most, ==, 4);
  g_assert_finalize_object (runner);
  g_assert_finalize_object (task);
}

static void
mark_cb (gpointer flag)
{
  *(gboolean *) flag = TRUE;
}

static void
test_sync_wait (void)
{
  gboolean freed = FALSE;
  ParallelBackgroundTaskRunner *runner;

  g_test_summary ("A wait in the owner's thread starts the functions itself");
  runner = parallel_background_task_runner_new (
    parallel_async_task_new (start_at_once, &freed, mark_cb));
  for (int i = 0; i < 10; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 10);
  g_assert_false (freed);
  g_assert_finalize_object (runner);
  g_assert_true (freed);
}

static void
test_wait_in_flight (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) kept = NULL;
  g_autoptr (ParallelStep) step = put_async_function (runner, keep_step, &kept);
  g_autoptr (GError) error = NULL;

  g_test_summary ("A wait that would stand in the way of operations under way is refused at once");
  test_iterate_until (NULL, kept != NULL);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_RUNNING);
  parallel_step_complete (step);
  g_assert_true (wait_for (runner, NULL));
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/async/subclass/limited", test_limited);
  test_add ("/async/subclass/cancelled-half-way", test_cancelled_half_way);
  test_add ("/async/subclass/failures", test_failures);
  test_add ("/async/subclass/timeout", test_timeout);
  test_add ("/async/subclass/not-implemented", test_not_implemented);
  test_add ("/async/subclass/sync-wait", test_sync_timers);
  test_add ("/async/other-kind", test_other_kind);
  test_add ("/async/function", test_function);
  test_add ("/async/function/complete-at-once", test_complete_at_once);
  test_add ("/async/function/ended-twice", test_ended_twice);
  test_add ("/async/function/abandoned", test_abandoned);
  test_add ("/async/function/wait-in-flight", test_wait_in_flight);
  test_add ("/async/wrong-use", test_wrong_use);
  test_add ("/async/function/sync-wait", test_sync_wait);
  return test_run ();
}
