/* test-remote-worker.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "pool-support.h"
#include "remote-support.h"

/* Workers behind a launcher. The test program is its own worker. */

static ParallelTask *
remote_worker_task (gboolean connect_back)
{
  ParallelLauncher *launcher = remote_launcher ();

  parallel_launcher_set_connect_back (launcher, connect_back);
  parallel_launcher_set_address (launcher, "127.0.0.1");
  return remote_set (worker_task_new (), launcher);
}

static void
check_values (gboolean connect_back)
{
  g_autoptr (ParallelTask) task = remote_worker_task (connect_back);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 4);
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GPtrArray) pids = test_steps_new ();

  for (guint i = 0; i < 1000; i++)
    g_ptr_array_add (steps, worker_put (runner, "echo", "number %u", i));
  for (guint i = 0; i < 10; i++)
    g_ptr_array_add (pids, worker_put (runner, "pid", "%s", ""));
  test_close_and_wait (runner);
  for (guint i = 0; i < steps->len; i++)
    {
      g_autofree char *expected = g_strdup_printf ("number %u", i);

      g_assert_cmpstr (worker_get_text (g_ptr_array_index (steps, i)), ==, expected);
    }
  g_assert_cmpuint (worker_count_texts (pids), <=, 4);
}

static void
test_values (void)
{
  g_test_summary ("Many steps, each with its own result");
  check_values (FALSE);
  check_values (TRUE);
}

static void
test_output (void)
{
  g_autoptr (ParallelTask) task = remote_worker_task (FALSE);
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (g_object_ref (task));
  GOutputStream *sink = test_capture (runner);
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autofree char *printed = NULL;

  g_test_summary ("Each step has its own output");
  parallel_background_task_runner_set_max_parallel (runner, 2);
  for (guint i = 0; i < 20; i++)
    {
      g_object_unref (worker_put (runner, "print", "%u", i));
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
  g_autoptr (ParallelTask) task = remote_worker_task (TRUE);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("A megabyte from each, between steps that print nothing");
  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (steps, worker_put (runner, i % 2 == 0 ? "print-much" : "echo", "%d", 100));
  test_close_and_wait (runner);
  for (guint i = 0; i < 20; i++)
    g_assert_cmpuint (parallel_step_get_output_size (g_ptr_array_index (steps, i), PARALLEL_OUTPUT_STREAM_STDOUT), ==,
                      i % 2 == 0 ? 1000000 : 0);
}

/* @size bytes there, and so many back. */
static void
check_frames (ParallelBackgroundTaskRunner *runner,
              gsize                         size)
{
  ParallelTask *task = parallel_background_task_runner_get_task (runner);
  g_autofree char *size_text = g_strdup_printf ("%" G_GSIZE_FORMAT, size);
  g_autoptr (ParallelStep) result = worker_step_new (task, "big", size_text);
  g_autoptr (ParallelStep) step = NULL;
  g_auto (GValue) input = G_VALUE_INIT;
  guint8 *data = g_malloc (size);

  memset (data, 7, size);
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data));
  step = parallel_step_new (g_object_ref (task), &input);
  test_put_step (runner, step);
  test_put_step (runner, result);
  test_wait_until (parallel_step_get_state (result) > PARALLEL_STEP_STATE_RUNNING &&
                   parallel_step_get_state (step) > PARALLEL_STEP_STATE_RUNNING);
  g_assert_cmpuint (g_variant_get_uint64 (g_value_get_variant (parallel_step_get_result (step))), ==, size);
  g_assert_cmpuint (g_variant_get_size (g_value_get_variant (parallel_step_get_result (result))), ==, size);
}

static void
test_frames (void)
{
  static const gsize sizes[] = { 1, 1000, 1024, 1025, 4096, 65535, 65536, 65537, 1 << 20, 64 << 20 };

  g_test_summary ("From one byte to 64 MiB, there and back");
  for (guint back = 0; back < 2; back++)
    {
      g_autoptr (ParallelTask) task = remote_worker_task (back);
      g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);

      for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
        check_frames (runner, sizes[i]);
      test_close_and_wait (runner);
    }
}

static void
test_setup (void)
{
  g_autoptr (ParallelTask) task = remote_worker_task (FALSE);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelTask) bad = remote_worker_task (FALSE);
  g_autoptr (ParallelBackgroundTaskRunner) bad_runner = worker_runner_new (bad, 1);
  g_autoptr (ParallelStep) bad_step = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("Workers are set up there, or say why not");
  parallel_worker_task_set_setup_variant (PARALLEL_WORKER_TASK (task), g_variant_new_string ("ready"));
  step = worker_put (runner, "setup", "%s", "");
  test_close_and_wait (runner);
  g_assert_cmpstr (worker_get_text (step), ==, "ready");

  parallel_worker_task_set_setup_variant (PARALLEL_WORKER_TASK (bad), g_variant_new_string ("fail"));
  bad_step = worker_put (bad_runner, "setup", "%s", "");
  error = worker_wait_for_failure (bad_runner);
  test_assert_step_error (bad_step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
  remote_assert_matches (bad_step, "*the setup went wrong*");
}

static void
test_onexit (void)
{
  static const char * const what[] = { "fine", "fail", "exit" };

  g_test_summary ("The onexit of workers runs there");
  for (guint i = 0; i < G_N_ELEMENTS (what); i++)
    {
      g_autofree char *variable = g_strdup_printf ("WORKER_ONEXIT=%s", what[i]);
      g_autofree char *argument = g_file_read_link ("/proc/self/exe", NULL);
      const char *argv[] = { argument, NULL };
      ParallelTask *task = remote_set (parallel_worker_task_new (argv), remote_launcher_new ("env", variable, NULL));
      g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
      g_autoptr (ParallelStep) step = NULL;

      parallel_worker_task_set_has_onexit (PARALLEL_WORKER_TASK (task), TRUE);
      g_object_unref (task);
      step = worker_put (runner, "echo", "%s", "x");
      parallel_background_task_runner_close (runner);
      g_assert_cmpint (parallel_background_task_runner_wait (runner, NULL, NULL), ==, i == 0);
      g_assert_cmpstr (worker_get_text (step), ==, "x");
    }
}

static void
test_failure (void)
{
  g_autoptr (ParallelTask) task = remote_worker_task (FALSE);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) failing = worker_put (runner, "fail", "%s", "bread");
  g_autoptr (ParallelStep) killed = worker_put (runner, "kill", "%s", "last words");
  g_autoptr (ParallelStep) exited = worker_put (runner, "exit", "%d", 3);
  g_autoptr (ParallelStep) after = worker_put (runner, "echo", "%s", "after");
  g_autoptr (GError) error = worker_wait_for_failure (runner);

  g_test_summary ("Failures and deaths are those of one step, and told as they are here");
  test_assert_step_error (failing, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  test_assert_step_error (killed, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  g_assert_cmpint (parallel_step_get_term_signal (killed), ==, SIGKILL);
  test_assert_output (killed, PARALLEL_OUTPUT_STREAM_STDOUT, "last words");
  test_assert_step_error (exited, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  g_assert_cmpint (parallel_step_get_exit_status (exited), ==, 3);
  g_assert_cmpstr (worker_get_text (after), ==, "after");
}

/* What a worker that dies in a step has started there. */
static void
test_orphan (void)
{
  g_autofree char *path = test_path ("orphan");
  g_autoptr (ParallelTask) task = remote_worker_task (FALSE);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) step = worker_put (runner, "orphan", "%s", path);
  g_autoptr (GError) error = worker_wait_for_failure (runner);

  g_test_summary ("What a worker has started goes with it");
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  test_wait_until (!test_process_runs (test_await_number (path)));
}

static void
test_no_program (void)
{
  const char *argv[] = { "/nonexistent/worker", NULL };
  gint64 began = g_get_monotonic_time ();

  g_test_summary ("A worker that does not exist there is named, whichever is heard first");
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (ParallelStep) step = remote_run (remote_set (parallel_worker_task_new (argv), remote_launcher ()), NULL);

      test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
      remote_assert_matches (step, "*cannot be started on env: *“/nonexistent/worker”*");
    }
  g_assert_cmpfloat ((g_get_monotonic_time () - began) / 1e6, <, 30 * test_time_factor ());
}

static void
test_max_steps (void)
{
  g_autoptr (ParallelTask) task = remote_worker_task (FALSE);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_test_summary ("A worker does so many steps, and another one goes on");
  parallel_worker_task_set_max_steps_per_worker (PARALLEL_WORKER_TASK (task), 2);
  for (guint i = 0; i < 10; i++)
    g_ptr_array_add (steps, worker_put (runner, "pid", "%s", ""));
  test_close_and_wait (runner);
  g_assert_cmpuint (worker_count_texts (steps), >=, 5);
}

static void
test_stop (void)
{
  g_autoptr (ParallelTask) task = remote_worker_task (TRUE);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) hang = worker_step_new (task, "hang", "");
  g_autoptr (ParallelStep) deaf = worker_step_new (task, "hang-deaf", "");
  g_autoptr (GError) error = NULL;

  g_test_summary ("Workers that hang are stopped at the time limit");
  parallel_step_set_timeout (hang, 0.3 * test_time_factor ());
  parallel_step_set_timeout (deaf, 0.3 * test_time_factor ());
  parallel_step_set_kill_grace (deaf, 0.3 * test_time_factor ());
  test_put_step (runner, hang);
  test_put_step (runner, deaf);
  error = worker_wait_for_failure (runner);
  test_assert_step_error (hang, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  test_assert_step_error (deaf, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
}

/* A worker that does not read: a stopped one, and an input that is more than what is in between takes. */
static void
check_deaf (gboolean connect_back,
            gboolean kills_relay)
{
  const gsize size = 64 * 1024 * 1024;
  g_autoptr (ParallelTask) task = remote_worker_task (connect_back);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) who = worker_put (runner, "pid", "%s", "");
  g_autoptr (ParallelStep) step = NULL;
  g_auto (GValue) input = G_VALUE_INIT;
  guint8 *data = g_malloc0 (size);
  int agent;
  int relay;
  int pid;

  test_wait_until (parallel_step_get_state (who) == PARALLEL_STEP_STATE_SUCCEEDED);
  pid = atoi (worker_get_text (who));
  agent = remote_await_agent ("serve");
  relay = remote_await_agent ("relay");
  g_assert_no_errno (kill (pid, SIGSTOP));
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data));
  step = parallel_step_new (g_object_ref (task), &input);
  parallel_step_set_timeout (step, kills_relay ? 0 : 0.5 * test_time_factor ());
  parallel_step_set_kill_grace (step, 0.3 * test_time_factor ());
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  test_wait_until (parallel_step_get_state (step) == PARALLEL_STEP_STATE_RUNNING);
  g_usleep ((gulong) (0.3 * test_time_factor () * G_USEC_PER_SEC));
  if (!test_has_sanitizer ())
    {
      g_assert_cmpuint (remote_get_memory (agent), <, 24 * 1024 * 1024);
      g_assert_cmpuint (remote_get_memory (relay), <, 24 * 1024 * 1024);
    }
  if (kills_relay)
    g_assert_no_errno (kill (relay, SIGKILL));
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR,
                          kills_relay ? PARALLEL_RUN_ERROR_UNEXPECTED_EXIT : PARALLEL_RUN_ERROR_TIMED_OUT);
  test_wait_until (!test_process_runs (pid) && !test_process_runs (agent));
}

static void
test_deaf (void)
{
  g_test_summary ("A worker that does not read is stopped all the same, and what is kept for it is bounded");
  for (guint back = 0; back < 2; back++)
    {
      check_deaf (back, FALSE);
      check_deaf (back, TRUE);
    }
}

int
main (int    argc,
      char **argv)
{
  worker_init (argc, argv);
  test_init (&argc, &argv);
  remote_add ("/remote-worker/values", test_values);
  remote_add ("/remote-worker/output", test_output);
  remote_add ("/remote-worker/output/much", test_much_output);
  remote_add ("/remote-worker/frames", test_frames);
  remote_add ("/remote-worker/setup", test_setup);
  remote_add ("/remote-worker/onexit", test_onexit);
  remote_add ("/remote-worker/failure", test_failure);
  remote_add ("/remote-worker/orphan", test_orphan);
  remote_add ("/remote-worker/no-program", test_no_program);
  remote_add ("/remote-worker/max-steps", test_max_steps);
  remote_add ("/remote-worker/stop", test_stop);
  remote_add ("/remote-worker/deaf", test_deaf);
  return test_run ();
}
