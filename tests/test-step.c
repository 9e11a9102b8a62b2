/* test-step.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

static void
count_notify_cb (GObject    *object,
                 GParamSpec *pspec,
                 gpointer    n)
{
  (*(guint *) n)++;
}

/* What a property of a new step is */

static void
test_defaults (void)
{
  ParallelTask *task = parallel_function_task_new (test_no_op, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) attempt_errors = NULL;
  ParallelStep *step;

  g_test_summary ("A new step is pending, belongs to no queue, and has neither result nor error");
  step = parallel_step_new (task, NULL);
  g_assert_true (parallel_step_get_task (step) == task);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_PENDING);
  g_assert_cmpint (parallel_step_get_index (step), ==, -1);
  g_assert_cmpuint (parallel_step_get_attempt (step), ==, 0);
  g_assert_cmpint (parallel_step_get_priority (step), ==, 0);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), ==, 0);
  g_assert_null (parallel_step_get_input (step));
  g_assert_null (parallel_step_get_result (step));
  error = parallel_step_dup_error (step);
  g_assert_no_error (error);
  g_assert_null (parallel_step_dup_subprocess (step));
  g_assert_null (parallel_step_dup_last_line (step));
  g_assert_null (parallel_step_dup_output_tail (step));
  g_assert_null (parallel_step_dup_status (step));
  g_assert_cmpint (parallel_step_get_exit_status (step), ==, -1);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, 0);
  g_assert_cmpfloat (parallel_step_get_progress (step), ==, -1);
  g_assert_cmpfloat (parallel_step_get_user_time (step), ==, -1);
  g_assert_cmpfloat (parallel_step_get_system_time (step), ==, -1);
  g_assert_cmpint (parallel_step_get_max_rss (step), ==, -1);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "");
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDERR, "");
  attempt_errors = parallel_step_dup_attempt_errors (step);
  g_assert_cmpuint (g_strv_length (attempt_errors), ==, 0);
  g_assert_finalize_object (step);
}

static void
test_inherited (void)
{
  ParallelStep *step = test_function_step (test_no_op, NULL);

  g_test_summary ("What a step does not set itself is -1: the runner's setting holds");
  g_assert_cmpfloat (parallel_step_get_timeout (step), ==, -1);
  g_assert_cmpfloat (parallel_step_get_silence_timeout (step), ==, -1);
  g_assert_cmpfloat (parallel_step_get_kill_grace (step), ==, -1);
  g_assert_cmpint (parallel_step_get_max_attempts (step), ==, -1);
  g_assert_cmpfloat (parallel_step_get_retry_delay (step), ==, -1);
  g_assert_cmpint (parallel_step_get_output_limit (step), ==, -1);
  g_assert_finalize_object (step);
}

static void
test_shared_task (void)
{
  ParallelTask *task = parallel_function_task_new (test_no_op, NULL, NULL);
  ParallelStep *first;
  ParallelStep *second;

  g_test_summary ("A step owns a reference of its task");
  g_object_add_weak_pointer (G_OBJECT (task), (gpointer *) &task);
  first = parallel_step_new (g_object_ref (task), NULL);
  second = parallel_step_new (task, NULL);
  g_assert_finalize_object (first);
  g_assert_nonnull (task);
  g_assert_finalize_object (second);
  g_assert_null (task);
}

/* Input */

static void
test_input (void)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_autofree char *text = NULL;
  ParallelStep *step;

  g_test_summary ("A step has a copy of its input");
  g_value_init (&value, G_TYPE_INT64);
  g_value_set_int64 (&value, G_MAXINT64);
  step = parallel_step_new (parallel_function_task_new (test_no_op, NULL, NULL), &value);
  g_value_set_int64 (&value, 0);
  g_assert_true (G_VALUE_HOLDS_INT64 (parallel_step_get_input (step)));
  g_assert_cmpint (g_value_get_int64 (parallel_step_get_input (step)), ==, G_MAXINT64);
  text = parallel_step_dup_input_text (step);
  g_assert_cmpstr (text, ==, "9223372036854775807");
  g_assert_finalize_object (step);
}

static void
test_set_input (void)
{
  g_autoptr (ParallelTask) task = parallel_function_task_new (test_no_op, NULL, NULL);
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (ParallelStep) step = g_object_new (PARALLEL_TYPE_STEP, NULL);

  g_test_summary ("The task and the input are set until the step is put, and then no more");
  g_assert_null (parallel_step_get_task (step));
  g_assert_null (parallel_step_get_input (step));
  parallel_step_set_task (step, task);
  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, 1);
  parallel_step_set_input (step, &value);
  g_value_set_int (&value, 2);
  g_object_set (step, "input", &value, NULL);
  g_assert_true (parallel_step_get_task (step) == task);
  g_assert_cmpint (g_value_get_int (parallel_step_get_input (step)), ==, 2);
  {
    g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();

    g_assert_true (parallel_background_task_runner_put_step (runner, step, NULL));
    g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*in_run*");
    parallel_step_set_input (step, NULL);
    g_test_assert_expected_messages ();
    g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*in_run*");
    parallel_step_set_task (step, task);
    g_test_assert_expected_messages ();
    test_close_and_wait (runner);
  }
  g_assert_cmpint (g_value_get_int (parallel_step_get_input (step)), ==, 2);
}

static void
test_string_input (void)
{
  g_autofree char *input = g_strdup ("a name with\nnew line, \xc3\xa9");
  g_autofree char *text = NULL;
  ParallelStep *step;

  g_test_summary ("A string is the input and the input's text");
  step = parallel_step_new_string (parallel_function_task_new (test_no_op, NULL, NULL), input);
  input[0] = 'b';
  g_assert_true (G_VALUE_HOLDS_STRING (parallel_step_get_input (step)));
  g_assert_cmpstr (g_value_get_string (parallel_step_get_input (step)), ==,
                   "a name with\nnew line, \xc3\xa9");
  text = parallel_step_dup_input_text (step);
  g_assert_cmpstr (text, ==, "a name with\nnew line, \xc3\xa9");
  g_assert_finalize_object (step);
}

static void
test_object_input (void)
{
  g_auto (GValue) value = G_VALUE_INIT;
  GObject *object = g_object_new (G_TYPE_OBJECT, NULL);
  ParallelStep *step;

  g_test_summary ("An object as the input is referenced as long as the step lives");
  g_object_add_weak_pointer (object, (gpointer *) &object);
  g_value_init (&value, G_TYPE_OBJECT);
  g_value_take_object (&value, object);
  step = parallel_step_new (parallel_function_task_new (test_no_op, NULL, NULL), &value);
  g_value_reset (&value);
  g_assert_nonnull (object);
  g_assert_true (g_value_get_object (parallel_step_get_input (step)) == object);
  g_assert_finalize_object (step);
  g_assert_null (object);
}

/* Properties */

static void
test_name (void)
{
  ParallelStep *step = test_function_step (test_no_op, NULL);
  g_autofree char *name = NULL;
  g_autofree char *property = NULL;
  guint n = 0;

  g_test_summary ("A name can be set, and is notified once a change");
  g_signal_connect (step, "notify::name", G_CALLBACK (count_notify_cb), &n);
  parallel_step_set_name (step, "compile");
  g_assert_cmpuint (n, ==, 1);
  parallel_step_set_name (step, "compile");
  g_assert_cmpuint (n, ==, 1);
  name = parallel_step_dup_name (step);
  g_assert_cmpstr (name, ==, "compile");
  g_object_set (step, "name", "link", NULL);
  g_assert_cmpuint (n, ==, 2);
  g_object_get (step, "name", &property, NULL);
  g_assert_cmpstr (property, ==, "link");
  g_assert_finalize_object (step);
}

#define ASSERT_DOUBLE_PROPERTY(step, property, function)                                           \
  G_STMT_START {                                                                                   \
    guint n_ = 0;                                                                                  \
    double value_ = 0;                                                                             \
    gulong id_ = g_signal_connect ((step), "notify::" property, G_CALLBACK (count_notify_cb), &n_); \
    parallel_step_set_##function ((step), 2.5);                                                    \
    g_assert_cmpfloat (parallel_step_get_##function (step), ==, 2.5);                              \
    g_assert_cmpuint (n_, ==, 1);                                                                  \
    parallel_step_set_##function ((step), 2.5);                                                    \
    g_assert_cmpuint (n_, ==, 1);                                                                  \
    g_object_set ((step), property, 0.5, NULL);                                                    \
    g_assert_cmpuint (n_, ==, 2);                                                                  \
    g_object_get ((step), property, &value_, NULL);                                                \
    g_assert_cmpfloat (value_, ==, 0.5);                                                           \
    g_assert_cmpfloat (parallel_step_get_##function (step), ==, 0.5);                              \
    g_signal_handler_disconnect ((step), id_);                                                     \
  } G_STMT_END

static void
test_time_properties (void)
{
  ParallelStep *step = test_function_step (test_no_op, NULL);

  g_test_summary ("The times are set and got by function and by property, notified once a change");
  ASSERT_DOUBLE_PROPERTY (step, "timeout", timeout);
  ASSERT_DOUBLE_PROPERTY (step, "silence-timeout", silence_timeout);
  ASSERT_DOUBLE_PROPERTY (step, "kill-grace", kill_grace);
  ASSERT_DOUBLE_PROPERTY (step, "retry-delay", retry_delay);
  g_assert_finalize_object (step);
}

static void
test_number_properties (void)
{
  ParallelStep *step = test_function_step (test_no_op, NULL);
  gint64 limit = 0;
  int attempts = 0;
  int priority = 0;

  g_test_summary ("So are attempts, output limit and priority");
  parallel_step_set_max_attempts (step, 3);
  parallel_step_set_output_limit (step, G_GINT64_CONSTANT (1) << 40);
  parallel_step_set_priority (step, G_PRIORITY_LOW);
  g_assert_cmpint (parallel_step_get_max_attempts (step), ==, 3);
  g_assert_cmpint (parallel_step_get_output_limit (step), ==, G_GINT64_CONSTANT (1) << 40);
  g_assert_cmpint (parallel_step_get_priority (step), ==, G_PRIORITY_LOW);
  g_object_set (step, "max-attempts", 4, "output-limit", G_GINT64_CONSTANT (77),
                "priority", G_PRIORITY_HIGH, NULL);
  g_object_get (step, "max-attempts", &attempts, "output-limit", &limit, "priority", &priority, NULL);
  g_assert_cmpint (attempts, ==, 4);
  g_assert_cmpint (limit, ==, 77);
  g_assert_cmpint (priority, ==, G_PRIORITY_HIGH);
  g_assert_finalize_object (step);
}

static void
assert_all_properties_readable (ParallelStep *step)
{
  g_autofree GParamSpec **pspecs = NULL;
  guint n;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (step), &n);
  g_assert_cmpuint (n, >, 15);
  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_assert_true (pspecs[i]->flags & G_PARAM_READABLE);
      g_object_get_property (G_OBJECT (step), pspecs[i]->name, &value);
      g_assert_true (G_VALUE_HOLDS (&value, pspecs[i]->value_type));
    }
}

static void
test_all_readable (void)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  ParallelStep *step = test_shell_step ("exit 3");

  g_test_summary ("Every property can be read, before the step has run and after");
  assert_all_properties_readable (step);
  g_ptr_array_add (steps, step);
  g_assert_false (parallel_run_steps (steps, 1, FALSE, NULL, NULL));
  assert_all_properties_readable (step);
}

/* During and after a run */

static gboolean
square (ParallelStep  *step,
        GCancellable  *cancellable,
        gpointer       user_data,
        GError       **error)
{
  test_set_int (step, test_get_int (step) * test_get_int (step));
  return TRUE;
}

static void
test_after_run (void)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (ParallelTask) task = parallel_function_task_new (square, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_test_summary ("After a run each step has its own index, state, attempt and result");
  for (int i = 0; i < 20; i++)
    {
      g_auto (GValue) input = G_VALUE_INIT;

      g_value_init (&input, G_TYPE_INT);
      g_value_set_int (&input, i);
      g_ptr_array_add (steps, parallel_step_new (g_object_ref (task), &input));
    }
  g_assert_true (parallel_run_steps (steps, 3, FALSE, NULL, &error));
  g_assert_no_error (error);
  for (int i = 0; i < 20; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);
      g_autoptr (GError) step_error = parallel_step_dup_error (step);

      g_assert_cmpint (parallel_step_get_index (step), ==, i);
      g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
      g_assert_cmpuint (parallel_step_get_attempt (step), ==, 1);
      g_assert_cmpfloat (parallel_step_get_elapsed (step), >=, 0);
      g_assert_no_error (step_error);
      g_assert_cmpint (g_value_get_int (parallel_step_get_result (step)), ==, i * i);
    }
}

static gboolean
report_progress (ParallelStep  *step,
                 GCancellable  *cancellable,
                 gpointer       user_data,
                 GError       **error)
{
  parallel_step_set_progress (step, 0.25);
  parallel_step_set_status (step, "a quarter is done");
  return TRUE;
}

static void
assert_owner_cb (GObject    *object,
                 GParamSpec *pspec,
                 gpointer    owner)
{
  g_assert_true (g_thread_self () == owner);
}

static void
test_progress_and_status (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_function_step (report_progress, NULL);
  g_autofree char *status = NULL;
  guint n_progress = 0;
  guint n_status = 0;

  g_test_summary ("Progress and status set in a worker are notified in the owner's thread");
  g_signal_connect (step, "notify", G_CALLBACK (assert_owner_cb), g_thread_self ());
  g_signal_connect (step, "notify::progress", G_CALLBACK (count_notify_cb), &n_progress);
  g_signal_connect (step, "notify::status", G_CALLBACK (count_notify_cb), &n_status);
  test_put_step (runner, step);
  test_close_and_wait (runner);
  g_assert_cmpuint (n_progress, >=, 1);
  g_assert_cmpuint (n_status, >=, 1);
  status = parallel_step_dup_status (step);
  g_assert_cmpstr (status, ==, "a quarter is done");
}

static void
test_default_name (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  ParallelStep *step = parallel_step_new_string (parallel_function_task_new (test_no_op, NULL, NULL),
                                                 "caf\xe9");
  g_autoptr (ParallelStep) nameless = NULL;
  g_autofree char *text_name = parallel_step_dup_name (step);
  g_autofree char *index_name = NULL;

  g_test_summary ("Without a name, a step is called by its input, as valid UTF-8, or by its place");
  g_assert_cmpstr (text_name, ==, "caf\xef\xbf\xbd");
  test_put_step (runner, step);
  nameless = test_put_function (runner, test_no_op, NULL);
  index_name = parallel_step_dup_name (nameless);
  g_assert_cmpstr (index_name, ==, "step 2");
  test_close_and_wait (runner);
  g_assert_finalize_object (step);
}

static void
count_state_cb (GObject    *object,
                GParamSpec *pspec,
                gpointer    states)
{
  g_string_append_printf (states, "%d", parallel_step_get_state (PARALLEL_STEP (object)));
}

static void
test_state_notifies (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_shell_step ("sleep 0.2; exit 1");
  g_autoptr (GString) states = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_test_summary ("The state is notified as the step goes from pending to running to failed");
  g_signal_connect (step, "notify::state", G_CALLBACK (count_state_cb), states);
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_cmpstr (states->str, ==, "13");
}

/* Output */

static void
test_output_read_back (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *last_line = NULL;
  g_autofree char *tail = NULL;
  char buffer[64];
  gsize n_read;

  g_test_summary ("Both streams of a step can be read back as bytes, stream, last line and tail");
  step = test_put_shell (runner, "printf 'one\\ntwo\\n'; printf 'three\\n' >&2");
  test_close_and_wait (runner);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "one\ntwo\n");
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDERR, "three\n");
  stream = parallel_step_open_output (step, PARALLEL_OUTPUT_STREAM_STDOUT);
  g_assert_true (g_input_stream_read_all (stream, buffer, sizeof buffer, &n_read, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, n_read, "one\ntwo\n", 8);
  tail = parallel_step_dup_output_tail (step);
  g_assert_cmpstr (tail, ==, "three");
  last_line = parallel_step_dup_last_line (step);
  g_assert_true (g_str_equal (last_line, "two") || g_str_equal (last_line, "three"));
}

static void
test_output_while_running (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  char buffer[64];
  gsize n_read;

  g_test_summary ("What a step has written so far can be read while it runs, and the rest later");
  step = test_put_shell (runner, "printf 'first,'; read x < '%s'; printf second", fifo);
  test_wait_until (parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT) == 6);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "first,");
  stream = parallel_step_open_output (step, PARALLEL_OUTPUT_STREAM_STDOUT);
  g_assert_true (g_input_stream_read_all (stream, buffer, sizeof buffer, &n_read, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, n_read, "first,", 6);
  test_release_fifo (fifo);
  test_close_and_wait (runner);
  g_assert_true (g_input_stream_read_all (stream, buffer, sizeof buffer, &n_read, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, n_read, "second", 6);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "first,second");
}

static void
test_last_line (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_shell_step ("echo one; echo two; read x < '%s'", fifo);
  g_autofree char *last_line = NULL;
  guint n = 0;

  g_test_summary ("The last line that a running step has written is a property of it");
  g_signal_connect (step, "notify::last-line", G_CALLBACK (count_notify_cb), &n);
  test_put_step (runner, step);
  test_iterate_until (NULL, (g_free (last_line), last_line = parallel_step_dup_last_line (step),
                             g_strcmp0 (last_line, "two") == 0));
  test_iterate_until (NULL, n > 0);
  test_release_fifo (fifo);
  test_close_and_wait (runner);
}

static void
test_tail_is_valid_text (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_shell (runner, "printf 'a\\377b\\n'");
  g_autofree char *tail = NULL;
  g_autofree char *last_line = NULL;

  g_test_summary ("Tail and last line are valid UTF-8, whatever was written");
  test_close_and_wait (runner);
  tail = parallel_step_dup_output_tail (step);
  last_line = parallel_step_dup_last_line (step);
  g_assert_cmpstr (tail, ==, "a\xef\xbf\xbd" "b");
  g_assert_cmpstr (last_line, ==, "a\xef\xbf\xbd" "b");
}

/* Cancelling one step */

static void
test_cancel_running (void)
{
  g_autofree char *pid_path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) other = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A running step that is cancelled ends, alone");
  step = test_put_shell (runner, "echo $$ > '%s'; exec sleep 1000", pid_path);
  test_await_number (pid_path);
  parallel_step_cancel (step);
  other = test_put_shell (runner, "true");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_state (other), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

static void
test_cancel_pending (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autofree char *path = test_path ("ran");

  g_test_summary ("A pending step that is cancelled never runs");
  parallel_background_task_runner_pause (runner);
  step = test_put_shell (runner, "echo > '%s'", path);
  parallel_step_cancel (step);
  parallel_background_task_runner_resume (runner);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
}

static void
test_cancel_finished (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, test_no_op, NULL);

  g_test_summary ("Cancelling a step that has ended, or that was never queued, does nothing bad");
  test_close_and_wait (runner);
  parallel_step_cancel (step);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

/* Wrong use */

static void
test_wrong_use (void)
{
  ParallelStep *step = test_function_step (test_no_op, NULL);

  g_test_summary ("Wrong use is a critical and changes nothing");
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*PARALLEL_IS_TASK*");
  g_assert_null (parallel_step_new (NULL, NULL));
  g_test_assert_expected_messages ();
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*PARALLEL_IS_TASK*");
  g_assert_null (parallel_step_new_string (NULL, "input"));
  g_test_assert_expected_messages ();
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*PARALLEL_IS_STEP*");
  g_assert_null (parallel_step_dup_name (NULL));
  g_test_assert_expected_messages ();
  g_assert_finalize_object (step);
}

static void
test_set_too_late (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_function (runner, test_no_op, NULL);

  g_test_summary ("The settings of a step that was put cannot be changed any more");
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*in_run*");
  parallel_step_set_timeout (step, 1);
  g_test_assert_expected_messages ();
  g_assert_cmpfloat (parallel_step_get_timeout (step), ==, -1);
  test_close_and_wait (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/step/defaults", test_defaults);
  test_add ("/step/inherited", test_inherited);
  test_add ("/step/shared-task", test_shared_task);
  test_add ("/step/input", test_input);
  test_add ("/step/input/set", test_set_input);
  test_add ("/step/input/string", test_string_input);
  test_add ("/step/input/object", test_object_input);
  test_add ("/step/name", test_name);
  test_add ("/step/name/default", test_default_name);
  test_add ("/step/properties/times", test_time_properties);
  test_add ("/step/properties/numbers", test_number_properties);
  test_add ("/step/properties/readable", test_all_readable);
  test_add ("/step/after-run", test_after_run);
  test_add ("/step/progress-and-status", test_progress_and_status);
  test_add ("/step/state-notifies", test_state_notifies);
  test_add ("/step/output/read-back", test_output_read_back);
  test_add ("/step/output/while-running", test_output_while_running);
  test_add ("/step/output/last-line", test_last_line);
  test_add ("/step/output/valid-text", test_tail_is_valid_text);
  test_add ("/step/cancel/running", test_cancel_running);
  test_add ("/step/cancel/pending", test_cancel_pending);
  test_add ("/step/cancel/finished", test_cancel_finished);
  test_add ("/step/wrong-use/too-late", test_set_too_late);
  test_add ("/step/wrong-use", test_wrong_use);
  return test_run ();
}
