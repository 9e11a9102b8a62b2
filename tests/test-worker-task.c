/* test-worker-task.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "pool-support.h"

/* Worker tasks: what goes in and comes out, and how many workers there are. */

static void
test_values (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("Each step gets its input and gives its own result");
  for (guint i = 0; i < 100; i++)
    g_ptr_array_add (steps, worker_put (runner, "echo", "number %u", i));
  test_close_and_wait (runner);

  for (guint i = 0; i < steps->len; i++)
    {
      g_autofree char *expected = g_strdup_printf ("number %u", i);

      g_assert_cmpstr (worker_get_text (g_ptr_array_index (steps, i)), ==, expected);
    }
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 100);
}

static void
test_types (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) none = parallel_step_new (g_object_ref (task), NULL);
  g_auto (GValue) input = G_VALUE_INIT;
  g_autoptr (ParallelStep) dictionary = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GValue) wrong = G_VALUE_INIT;

  g_test_summary ("Any GVariant is an input, and none is the unit");
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new_parsed ("{'a': <1>}"));
  dictionary = parallel_step_new (g_object_ref (task), &input);
  test_put_step (runner, none);
  test_put_step (runner, dictionary);

  g_value_init (&wrong, G_TYPE_STRING);
  g_value_set_static_string (&wrong, "text");
  g_assert_false (parallel_background_task_runner_put (runner, &wrong, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "GVariant"));
  g_assert_nonnull (strstr (error->message, "gchararray"));

  test_close_and_wait (runner);
  g_assert_cmpstr (worker_get_text (none), ==, "()");
  g_assert_cmpstr (worker_get_text (dictionary), ==, "a{sv}");
}

static void
test_error (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) before = worker_put (runner, "pid", "%s", "");
  g_autoptr (ParallelStep) failing = worker_put (runner, "fail", "%s", "bread");
  g_autoptr (ParallelStep) after = worker_put (runner, "echo", "%s", "after");
  g_autoptr (GError) error = worker_wait_for_failure (runner);
  g_autoptr (GError) step_error = parallel_step_dup_error (failing);

  g_test_summary ("An error arrives with its domain, its code and its message");
  g_assert_error (step_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (step_error->message, ==, "no bread");
  g_assert_cmpint (parallel_step_get_state (before), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpstr (worker_get_text (after), ==, "after");
}

static void
test_bytes (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (g_variant_new ("(ss)", "fail", "luck")));
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (boxed);
  g_auto (GValue) input = G_VALUE_INIT;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;

  g_autoptr (GBytes) details = NULL;
  g_autoptr (GVariant) boxed_details = NULL;
  g_autofree char *text = NULL;

  g_test_summary ("Bytes go through as they are, and so do the details of a failure");
  parallel_worker_task_set_encoding (PARALLEL_WORKER_TASK (task), PARALLEL_ENCODING_BYTES);
  g_value_init (&input, G_TYPE_BYTES);
  g_value_set_boxed (&input, bytes);
  step = parallel_step_new (g_object_ref (task), &input);
  test_put_step (runner, step);
  error = worker_wait_for_failure (runner);
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED);
  g_assert_null (parallel_step_get_result (step));
  details = parallel_step_dup_failure_details (step);
  boxed_details = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, details, FALSE));
  text = g_variant_print (boxed_details, FALSE);
  g_assert_nonnull (strstr (text, "'no luck'"));
}

static void
test_big (void)
{
  const gsize size = 64 * 1024 * 1024;
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) result = worker_put (runner, "big", "%" G_GSIZE_FORMAT, size);
  g_autoptr (ParallelStep) input_step = NULL;
  g_auto (GValue) input = G_VALUE_INIT;
  guint8 *data = g_malloc0 (size);
  GVariant *value;

  g_test_summary ("64 MiB there, and 64 MiB back");
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data));
  input_step = parallel_step_new (g_object_ref (task), &input);
  test_put_step (runner, input_step);
  test_close_and_wait (runner);

  value = g_value_get_variant (parallel_step_get_result (input_step));
  g_assert_cmpuint (g_variant_get_uint64 (value), ==, size);
  value = g_value_get_variant (parallel_step_get_result (result));
  g_assert_cmpuint (g_variant_get_size (value), ==, size);
  g_assert_cmpint (((const char *) g_variant_get_data (value))[size - 1], ==, 'x');
}

/* A tuple of @n_bytes and of a hundred numbers, whose type alone is a hundred bytes long. */
static GVariant *
long_type_new (gsize n_bytes)
{
  g_autofree char *bytes = g_malloc0 (n_bytes);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_TUPLE);
  g_variant_builder_add_value (&builder, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, n_bytes, 1));
  for (guint i = 0; i < 100; i++)
    g_variant_builder_add (&builder, "i", 0);

  return g_variant_builder_end (&builder);
}

static void
test_long_type (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  guint n_accepted = 0;

  g_test_summary ("An input that is accepted fits into a frame, together with its type");
  parallel_worker_task_set_frame_limit (PARALLEL_WORKER_TASK (task), 65536);
  for (gsize n_bytes = 64900; n_bytes < 65200; n_bytes += 4)
    {
      g_auto (GValue) input = G_VALUE_INIT;

      g_value_init (&input, G_TYPE_VARIANT);
      g_value_set_variant (&input, long_type_new (n_bytes));
      n_accepted += parallel_background_task_runner_put (runner, &input, NULL);
    }
  test_close_and_wait (runner);
  g_assert_cmpuint (n_accepted, >, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, n_accepted);
}

static void
test_frame_limit (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) big = NULL;
  g_autoptr (ParallelStep) after = NULL;
  g_autofree char *long_text = g_strnfill (100000, 'x');
  g_auto (GValue) input = G_VALUE_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) run_error = NULL;

  g_test_summary ("What is over the limit is an error of its step, or of the put, and nothing else");
  parallel_worker_task_set_frame_limit (PARALLEL_WORKER_TASK (task), 65536);
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new ("(ss)", "echo", long_text));
  g_assert_false (parallel_background_task_runner_put (runner, &input, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);

  big = worker_put (runner, "big", "%d", 100000);
  after = worker_put (runner, "echo", "%s", "after");
  run_error = worker_wait_for_failure (runner);
  g_assert_cmpint (parallel_step_get_state (big), ==, PARALLEL_STEP_STATE_FAILED);
  g_assert_cmpstr (worker_get_text (after), ==, "after");
}

static void
test_frames_of_many (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autofree char *text = g_strnfill (30000, 'x');
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("Those that wait in front of a worker are not more than fit into its frames");
  parallel_worker_task_set_frame_limit (PARALLEL_WORKER_TASK (task), 65536);
  for (guint i = 0; i < 300; i++)
    g_ptr_array_add (steps, worker_put (runner, "echo", "%s", text));
  test_close_and_wait (runner);
  for (guint i = 0; i < steps->len; i++)
    g_assert_cmpstr (worker_get_text (g_ptr_array_index (steps, i)), ==, text);
}

static void
test_output (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (g_object_ref (task));
  GOutputStream *sink = test_capture (runner);
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autofree char *printed = NULL;

  g_test_summary ("Each step has its own output, also of programs, in the order in which it was written");
  parallel_background_task_runner_set_max_parallel (runner, 2);
  for (guint i = 0; i < 20; i++)
    {
      g_ptr_array_add (steps, worker_put (runner, "print", "%u", i));
      g_string_append_printf (expected, "%u-out\n%u-err\n%u-direct\n%u-program\n%u-error\n%u-end", i, i, i, i, i, i);
    }
  test_close_and_wait (runner);
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, expected->str);
  g_assert_finalize_object (runner);
}

static void
test_much_output (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("A megabyte from each, between steps that print nothing");
  for (guint i = 0; i < 40; i++)
    g_ptr_array_add (steps, worker_put (runner, i % 2 == 0 ? "print-much" : "echo", "%d", 100));
  test_close_and_wait (runner);

  for (guint i = 0; i < steps->len; i++)
    {
      g_autoptr (GBytes) bytes = parallel_step_dup_output (g_ptr_array_index (steps, i), PARALLEL_OUTPUT_STREAM_STDOUT,
                                                           NULL);
      gsize size = bytes != NULL ? g_bytes_get_size (bytes) : 0;

      g_assert_cmpuint (size, ==, i % 2 == 0 ? 1000000 : 0);
      for (gsize j = 0; j < size; j += 10000)
        g_assert_cmpint (((const char *) g_bytes_get_data (bytes, NULL))[j], ==, 'a' + (char) (j / 10000 % 26));
    }
}

static void
test_setup (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) first = NULL;
  g_autoptr (ParallelStep) second = NULL;

  g_test_summary ("The setup comes before the first step, and what it prints is that step's");
  parallel_worker_task_set_setup_variant (PARALLEL_WORKER_TASK (task), g_variant_new_string ("ready"));
  first = worker_put (runner, "setup", "%s", "");
  second = worker_put (runner, "setup", "%s", "");
  test_close_and_wait (runner);
  g_assert_cmpstr (worker_get_text (first), ==, "ready");
  g_assert_cmpstr (worker_get_text (second), ==, "ready");
  test_assert_output (first, PARALLEL_OUTPUT_STREAM_STDOUT, "set up\n");
  g_assert_cmpuint (parallel_step_get_output_size (second, PARALLEL_OUTPUT_STREAM_STDOUT), ==, 0);
}

static void
test_environment (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_auto (GStrv) env = g_environ_setenv (g_get_environ (), "WORKER_TEST", "yes", TRUE);
  g_autoptr (ParallelStep) set = NULL;
  g_autoptr (ParallelStep) hidden = NULL;

  g_test_summary ("The environment is the one that was set, without what makes a program a worker");
  parallel_worker_task_set_environ (PARALLEL_WORKER_TASK (task), (const char * const *) env);
  set = worker_put (runner, "environment", "%s", "WORKER_TEST");
  hidden = worker_put (runner, "environment", "%s", "PARALLEL_GLIB_WORKER");
  test_close_and_wait (runner);
  g_assert_cmpstr (worker_get_text (set), ==, "yes");
  g_assert_cmpstr (worker_get_text (hidden), ==, "not set");
}

static guint
count_workers (guint n_steps,
               guint max_parallel,
               guint max_steps_per_worker)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, max_parallel);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  parallel_worker_task_set_max_steps_per_worker (PARALLEL_WORKER_TASK (task), max_steps_per_worker);
  for (guint i = 0; i < n_steps; i++)
    g_ptr_array_add (steps, worker_put (runner, "pid", "%s", ""));
  test_close_and_wait (runner);

  return worker_count_texts (steps);
}

static void
test_number (void)
{
  g_test_summary ("One worker does all, and where it may do but some, there are as many as it takes");
  g_assert_cmpuint (count_workers (50, 1, 0), ==, 1);
  g_assert_cmpuint (count_workers (50, 1, 7), ==, 8);
  g_assert_cmpuint (count_workers (50, 1, 1), ==, 50);
  g_assert_cmpuint (count_workers (100, 3, 10), >=, 10);
}

static void
test_waiting_is_taken_back (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autofree char *fifo = test_fifo ("go");
  g_autofree char *path = test_path ("done");
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autofree char *text = NULL;

  g_test_summary ("A step that waits until all others are done does not keep one of them from being done");
  for (guint i = 0; i < 1000; i++)
    g_ptr_array_add (steps, i == 500 ? worker_put (runner, "fifo", "%s", fifo)
                                     : worker_put (runner, "write-name", "%s", path));
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) == 999);
  test_release_fifo (fifo);
  test_close_and_wait (runner);
  text = test_read_file (path);
  g_assert_cmpuint (strlen (text), ==, 999);
}

static gboolean
count_running (ParallelStep  *step,
               GCancellable  *cancellable,
               gpointer       user_data,
               GError       **error)
{
  return TRUE;
}

static void
test_mixed (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 3);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("Workers, threads and programs in one queue");
  for (guint i = 0; i < 60; i++)
    {
      if (i % 3 == 0)
        g_ptr_array_add (steps, worker_put (runner, "echo", "%s", "x"));
      else if (i % 3 == 1)
        g_ptr_array_add (steps, test_put_function (runner, count_running, NULL));
      else
        g_ptr_array_add (steps, test_put_shell (runner, "exit 0"));
    }
  test_close_and_wait (runner);
  for (guint i = 0; i < steps->len; i++)
    g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, i)), ==, PARALLEL_STEP_STATE_SUCCEEDED);
}

static void
test_shared (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) first = worker_runner_new (task, 1);
  g_autoptr (ParallelBackgroundTaskRunner) second = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) one = worker_put (first, "pid", "%s", "");
  g_autoptr (ParallelStep) two = worker_put (second, "pid", "%s", "");

  g_test_summary ("Each runner has workers of its own");
  test_close_and_wait (second);
  test_close_and_wait (first);
  g_assert_cmpstr (worker_get_text (one), !=, worker_get_text (two));
}

int
main (int    argc,
      char **argv)
{
  worker_init (argc, argv);
  test_init (&argc, &argv);
  test_add ("/worker-task/values", test_values);
  test_add ("/worker-task/values/types", test_types);
  test_add ("/worker-task/values/error", test_error);
  test_add ("/worker-task/values/bytes", test_bytes);
  test_add ("/worker-task/values/big", test_big);
  test_add ("/worker-task/frame-limit/long-type", test_long_type);
  test_add ("/worker-task/values/frame-limit", test_frame_limit);
  test_add ("/worker-task/values/frames-of-many", test_frames_of_many);
  test_add ("/worker-task/output", test_output);
  test_add ("/worker-task/output/much", test_much_output);
  test_add ("/worker-task/setup", test_setup);
  test_add ("/worker-task/environment", test_environment);
  test_add ("/worker-task/number", test_number);
  test_add ("/worker-task/waiting-is-taken-back", test_waiting_is_taken_back);
  test_add ("/worker-task/mixed", test_mixed);
  test_add ("/worker-task/shared", test_shared);

  return test_run ();
}
