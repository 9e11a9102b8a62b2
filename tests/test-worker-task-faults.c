/* test-worker-task-faults.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <string.h>

#include "pool-support.h"

/* Workers that die, hang, do not start, or speak nonsense; and how they leave. */

static void
assert_message (ParallelStep *step,
                const char   *text)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  g_assert_nonnull (error);
  if (strstr (error->message, text) == NULL)
    g_error ("“%s” is not in “%s”", text, error->message);
}

/* ---- death ---- */

static void
test_killed (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (g_object_ref (task));
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) first = NULL;
  g_autoptr (ParallelStep) killed = NULL;
  g_autoptr (ParallelStep) exited = NULL;
  g_autoptr (ParallelStep) last = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = NULL;

  g_test_summary ("A death fails the step, with how it died, and what it had printed is in its place");
  parallel_background_task_runner_set_max_parallel (runner, 2);
  first = worker_put (runner, "print", "%s", "1");
  killed = worker_put (runner, "kill", "%s", "abc");
  exited = worker_put (runner, "exit", "%d", 3);
  last = worker_put (runner, "print", "%s", "4");
  error = worker_wait_for_failure (runner);

  test_assert_step_error (killed, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  g_assert_cmpint (parallel_step_get_term_signal (killed), ==, SIGKILL);
  assert_message (killed, "was ended by signal 9 (Killed) while it was doing the step");
  test_assert_step_error (exited, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  g_assert_cmpint (parallel_step_get_exit_status (exited), ==, 3);
  assert_message (exited, "exited with status 3");
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "1-out\n1-err\n1-direct\n1-program\n1-error\n1-endabc"
                   "4-out\n4-err\n4-direct\n4-program\n4-error\n4-end");
  g_assert_finalize_object (runner);
}

static void
test_one_dies (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autofree char *path = test_path ("counter");
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("20 steps, one of which kills its worker: the others are done once each");
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (ParallelStep) step = worker_put (runner, i == 3 ? "kill" : "write-name", "%s", i == 3 ? "" : path);
    }
  error = worker_wait_for_failure (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 19);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 1);
  text = test_read_file (path);
  g_assert_cmpuint (strlen (text), ==, 19);
}

static void
test_many_die (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 3);
  g_autofree char *path = test_path ("counter");
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_test_summary ("Quick steps wait in front of workers that die: none is lost, none is done twice, none is blamed");
  for (guint i = 0; i < 600; i++)
    g_ptr_array_add (steps, worker_put (runner, i % 20 == 19 ? "kill" : "write-name", "%s", i % 20 == 19 ? "" : path));
  error = worker_wait_for_failure (runner);
  for (guint i = 0; i < steps->len; i++)
    g_assert_cmpint (parallel_step_get_state (g_ptr_array_index (steps, i)), ==,
                     i % 20 == 19 ? PARALLEL_STEP_STATE_FAILED : PARALLEL_STEP_STATE_SUCCEEDED);
  text = test_read_file (path);
  g_assert_cmpuint (strlen (text), ==, 570);
}

static void
test_attempts (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autofree char *path = test_path ("died");
  g_autoptr (ParallelStep) once = worker_put (runner, "kill-once", "%s", path);
  g_autoptr (ParallelStep) always = worker_put (runner, "kill", "%s", "said ");
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step is tried again with another worker");
  parallel_background_task_runner_set_max_attempts (runner, 3);
  error = worker_wait_for_failure (runner);
  g_assert_cmpstr (worker_get_text (once), ==, path);
  g_assert_cmpuint (parallel_step_get_attempt (once), ==, 2);
  g_assert_cmpuint (parallel_step_get_attempt (always), ==, 3);
  test_assert_output (always, PARALLEL_OUTPUT_STREAM_STDOUT, "said ");
}

static void
test_what_it_has_started (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autofree char *path = test_path ("child");
  g_autoptr (ParallelStep) step = worker_put (runner, "orphan", "%s", path);
  g_autoptr (GError) error = NULL;
  g_autofree char *pid = NULL;

  g_test_summary ("What a step has started does not outlive the worker that dies in it");
  error = worker_wait_for_failure (runner);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
  assert_message (step, "was ended by signal 9 (Killed) while it was doing the step");
  pid = test_read_file (path);
  g_assert_cmpint (atoi (pid), >, 0);
  g_assert_false (test_process_runs (atoi (pid)));
}

static void
test_death_in_big_input (void)
{
  const gsize size = 64 * 1024 * 1024;
  const char *argv[] = {
    "/bin/sh", "-c", "printf '\\014\\000\\000\\000\\101\\001\\000\\000\\000\\001\\000\\000\\000\\000hi'; "
    "head -c 1000 >/dev/null; kill -KILL $$", NULL
  };
  g_autoptr (ParallelTask) task = parallel_worker_task_new (argv);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_auto (GValue) input = G_VALUE_INIT;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;

  g_test_summary ("A worker that dies while it is sent 64 MiB");
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, g_malloc0 (size), size, TRUE, NULL,
                                                        NULL));
  step = parallel_step_new (g_object_ref (task), &input);
  test_put_step (runner, step);
  error = worker_wait_for_failure (runner);
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
  name = parallel_step_dup_name (step);
  g_assert_cmpstr (name, ==, "ay of 67108864 bytes");
  g_free ((gpointer) g_variant_get_data (g_value_get_variant (&input)));
}

/* ---- workers that are none ---- */

static void
assert_pool_broken (ParallelTask *task,
                    guint         max_parallel,
                    const char   *text)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, max_parallel);
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 5; i++)
    g_ptr_array_add (steps, worker_put (runner, "echo", "%u", i));
  error = worker_wait_for_failure (runner);
  for (guint i = 0; i < steps->len; i++)
    {
      test_assert_step_error (g_ptr_array_index (steps, i), PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
      assert_message (g_ptr_array_index (steps, i), text);
    }
}

static void
assert_program_is_no_worker (const char *script,
                             guint       max_parallel,
                             const char *text)
{
  const char *argv[] = { "/bin/sh", "-c", script, NULL };
  g_autoptr (ParallelTask) task = parallel_worker_task_new (argv);

  assert_pool_broken (task, max_parallel, text);
}

static void
test_no_worker (void)
{
  const char *argv[] = { "/nonexistent/worker", NULL };
  g_autoptr (ParallelTask) missing = parallel_worker_task_new (argv);
  g_autoptr (ParallelTask) failing = worker_task_new ();

  g_test_summary ("Workers that cannot start are given up, with what they said");
  assert_pool_broken (missing, 2, "“/nonexistent/worker” does not exist");
  assert_program_is_no_worker ("echo no such module >&2; exit 4", 2,
                               "exited with status 4 before it was ready: no such module");
  assert_program_is_no_worker ("echo Welcome to the machine; exec sleep 1000", 2, "“Welcome to the machine”");
  parallel_worker_task_set_setup_variant (PARALLEL_WORKER_TASK (failing), g_variant_new_string ("fail"));
  assert_pool_broken (failing, 2, "the setup went wrong");
  parallel_worker_task_set_frame_limit (PARALLEL_WORKER_TASK (failing), 65536);
  parallel_worker_task_set_setup_variant (PARALLEL_WORKER_TASK (failing), g_variant_new_take_string (g_strnfill (65536, 'x')));
  assert_pool_broken (failing, 2, "The setup has 65539 bytes, and a worker takes no more than");
}

static void
test_slow_no_worker (void)
{
  g_test_summary ("Workers that take long to fail to start are given up too");
  if (g_getenv ("PARALLEL_TEST_LONG") == NULL)
    g_test_skip ("It takes ten seconds; the setup stress has it, or PARALLEL_TEST_LONG=1");
  else
    assert_program_is_no_worker ("sleep 3; exit 4", 1, "exited with status 4 before it was ready");
}

static ParallelTask *
never_ready_task_new (void)
{
  const char *argv[] = { "/bin/sleep", "1000", NULL };

  return parallel_worker_task_new (argv);
}

static void
test_never_ready (void)
{
  g_autoptr (ParallelTask) task = never_ready_task_new ();

  g_test_summary ("A program that is never ready to work is given up when its time is over");
  g_assert_cmpfloat (parallel_worker_task_get_start_timeout (PARALLEL_WORKER_TASK (task)), ==, 300);
  parallel_worker_task_set_start_timeout (PARALLEL_WORKER_TASK (task), 0.2);
  assert_pool_broken (task, 1, "No worker can be started (tried 1 time): It was not ready, with its setup done, after 0.2 s, "
                      "the task’s start timeout (the worker, pid ");
}

static void
test_never_ready_halt (void)
{
  g_autoptr (ParallelTask) task = never_ready_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) step = worker_put (runner, "echo", "%s", "x");

  g_test_summary ("One that is not ready does not keep a run that was halted");
  test_wait_until (test_count_children () == 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SKIPPED);
}

/* After READY, in the same way. */
static void
assert_nonsense (const char *bytes,
                 const char *text)
{
  g_autofree char *script = g_strdup_printf (
    "printf '\\014\\000\\000\\000\\101\\001\\000\\000\\000\\001\\000\\000\\000\\000hi%s'; exec sleep 1000", bytes);
  const char *argv[] = { "/bin/sh", "-c", script, NULL };
  g_autoptr (ParallelTask) task = parallel_worker_task_new (argv);
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) step = worker_put (runner, "echo", "%s", "x");
  g_autoptr (GError) error = worker_wait_for_failure (runner);

  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
  assert_message (step, text);
}

static void
test_nonsense (void)
{
  g_test_summary ("A worker that does not keep to the protocol is killed, and its step fails with what was wrong");
  assert_nonsense ("\\000\\000\\000\\000", "worker protocol");
  assert_nonsense ("\\377\\377\\377\\377x", "worker protocol");
  assert_nonsense ("\\001\\000\\000\\000\\001", "kind 1");
  assert_nonsense ("\\012\\000\\000\\000\\103\\011\\000\\000\\000\\000\\000\\000\\000\\000", "what it was not asked");
}

/* ---- limits and stopping ---- */

static void
test_hung (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) hung = worker_step_new (task, "hang", "");
  g_autoptr (ParallelStep) deaf = worker_step_new (task, "hang-deaf", "");
  g_autoptr (ParallelStep) after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *diagnosis = NULL;

  g_test_summary ("A step that hangs is stopped with its worker, if need be by SIGKILL");
  parallel_step_set_timeout (hung, 0.2);
  parallel_step_set_timeout (deaf, 0.2);
  parallel_step_set_kill_grace (deaf, 0.1);
  test_put_step (runner, hung);
  test_put_step (runner, deaf);
  after = worker_put (runner, "echo", "%s", "after");
  error = worker_wait_for_failure (runner);
  test_assert_step_error (hung, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  test_assert_step_error (deaf, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  assert_message (deaf, "SIGKILL");
  g_assert_cmpstr (worker_get_text (after), ==, "after");
  diagnosis = parallel_step_dup_diagnosis (hung);
  g_assert_nonnull (strstr (diagnosis, "test-worker-task-faults"));
}

static void
test_silent (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) beating = worker_put (runner, "beat", "%s", "alive");
  g_autoptr (ParallelStep) silent = worker_put (runner, "hang", "%s", "");
  g_autoptr (GError) error = NULL;
  g_autofree char *status = NULL;

  g_test_summary ("Signs of life keep a step from its silence timeout");
  parallel_background_task_runner_set_silence_timeout (runner, 0.7 * test_time_factor ());
  error = worker_wait_for_failure (runner);
  test_assert_step_error (silent, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
  g_assert_cmpstr (worker_get_text (beating), ==, "alive");
  g_assert_cmpfloat (parallel_step_get_progress (beating), ==, 0.5);
  status = parallel_step_dup_status (beating);
  g_assert_cmpstr (status, ==, "half");
}

static void
test_cancel (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (ParallelStep) running = worker_put (runner, "hang", "%s", "");
  g_autoptr (ParallelStep) waiting = worker_put (runner, "echo", "%s", "never");
  g_autoptr (ParallelStep) after = worker_put (runner, "echo", "%s", "after");
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step that runs and one that waits are cancelled, and the next one is not");
  test_iterate_until (NULL, parallel_step_get_state (running) == PARALLEL_STEP_STATE_RUNNING);
  parallel_step_cancel (waiting);
  parallel_step_cancel (running);
  error = worker_wait_for_failure (runner);
  test_assert_step_error (running, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  test_assert_step_error (waiting, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpstr (worker_get_text (after), ==, "after");
}

/* What is handed over last keeps the engine busy while the worker goes from the first step to the second. */
static void
test_cancel_late (void)
{
  const gsize size = 16 * 1024 * 1024;
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_autoptr (GPtrArray) quick = test_steps_new ();
  g_auto (GValue) input = G_VALUE_INIT;
  g_autoptr (ParallelStep) late = worker_step_new (task, "nap", "3000");
  g_autoptr (ParallelStep) innocent = worker_step_new (task, "nap", "1000000");
  g_autoptr (ParallelStep) big = NULL;
  g_autoptr (GError) error = NULL;
  guint8 *data = g_malloc0 (size);

  g_test_summary ("A worker that has come to the next step is not stopped for the one before");
  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data));
  big = parallel_step_new (g_object_ref (task), &input);
  for (guint i = 0; i < 200; i++)
    g_ptr_array_add (quick, worker_put (runner, "echo", "%u", i));
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) == 200);

  test_put_step (runner, late);
  test_put_step (runner, innocent);
  test_put_step (runner, big);
  while (parallel_step_get_state (late) == PARALLEL_STEP_STATE_PENDING)
    g_usleep (100);
  parallel_step_cancel (late);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, NULL);
  error = parallel_step_dup_error (innocent);
  g_assert_no_error (error);
}

/* Quick steps first, so that some wait in front of the workers. */
static void
assert_halted (ParallelHaltMode mode)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autofree char *path = test_path (mode == PARALLEL_HALT_NOW ? "now" : "soon");
  g_autoptr (GPtrArray) steps = test_steps_new ();
  guint n_succeeded;
  guint n_written;
  g_autofree char *text = NULL;

  for (guint i = 0; i < 20000; i++)
    g_ptr_array_add (steps, worker_put (runner, "write-name", "%s", path));
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) > 200);
  parallel_background_task_runner_halt (runner, mode);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));

  n_succeeded = parallel_background_task_runner_get_n_succeeded (runner);
  text = test_read_file (path);
  n_written = strlen (text);
  g_assert_cmpuint (n_succeeded, <, 20000);
  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStepState state = parallel_step_get_state (g_ptr_array_index (steps, i));

      n_written -= state == PARALLEL_STEP_STATE_SUCCEEDED;
      if (state == PARALLEL_STEP_STATE_HALTED)
        g_assert_cmpint (mode, ==, PARALLEL_HALT_NOW);
      else
        g_assert_true (state == PARALLEL_STEP_STATE_SUCCEEDED || state == PARALLEL_STEP_STATE_SKIPPED);
    }
  /* What was written without success was being done when it was stopped, or waited in front of its worker. */
  g_assert_cmpuint (n_written, <=, mode == PARALLEL_HALT_NOW ? 2 * (1 + 32) : 0);
}

static void
test_halt (void)
{
  g_test_summary ("What has not begun is skipped, and nothing but the running steps is stopped");
  assert_halted (PARALLEL_HALT_SOON);
  assert_halted (PARALLEL_HALT_NOW);
}

static void
test_pause (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);

  g_test_summary ("Nothing begins in a pause, and all goes on after it");
  for (guint i = 0; i < 5000; i++)
    {
      g_autoptr (ParallelStep) step = worker_put (runner, "echo", "%u", i);
    }
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) > 100);
  parallel_background_task_runner_pause (runner);
  /* One that its worker has taken already begins when the one before has ended, so that once there may be none running
   * in between. */
  test_iterate_until (NULL, parallel_background_task_runner_get_n_running (runner) == 0 &&
                      parallel_background_task_runner_get_n_succeeded (runner) +
                      parallel_background_task_runner_get_n_pending (runner) == 5000);
  parallel_background_task_runner_resume (runner);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 5000);
}

static void
test_dropped (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  ParallelBackgroundTaskRunner *runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) step = worker_put (runner, "hang", "%s", "");

  g_test_summary ("A runner that nobody has any more stops its workers");
  test_iterate_until (NULL, parallel_step_get_state (step) == PARALLEL_STEP_STATE_RUNNING);
  g_object_unref (runner);
  test_iterate_until (NULL, parallel_step_get_state (step) == PARALLEL_STEP_STATE_HALTED);
}

static void
test_never_started (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 2);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("A run that is halted before anything was handed over ends");
  parallel_background_task_runner_pause (runner);
  step = worker_put (runner, "echo", "%s", "x");
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SKIPPED);
}

/* ---- the end ---- */

/* Two steps at the same time, so that there are two workers, and then their end as @onexit says. */
static ParallelBackgroundTaskRunner *
run_with_onexit (const char     *onexit,
                 double          exit_timeout,
                 GOutputStream **sink)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (g_object_ref (task));
  g_auto (GStrv) env = g_environ_setenv (g_get_environ (), "WORKER_ONEXIT", onexit, TRUE);
  g_autofree char *fifo = test_fifo (onexit);
  g_autoptr (ParallelStep) first = NULL;
  g_autoptr (ParallelStep) second = NULL;

  *sink = test_capture (runner);
  parallel_background_task_runner_set_exit_timeout (runner, exit_timeout);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  parallel_worker_task_set_environ (PARALLEL_WORKER_TASK (task), (const char * const *) env);
  parallel_worker_task_set_has_onexit (PARALLEL_WORKER_TASK (task), TRUE);
  first = worker_put (runner, "fifo", "%s", fifo);
  second = worker_put (runner, "echo", "%s", "x");
  test_iterate_until (NULL, parallel_step_get_state (second) == PARALLEL_STEP_STATE_SUCCEEDED);
  test_release_fifo (fifo);
  parallel_background_task_runner_close (runner);

  return runner;
}

static void
test_onexit (void)
{
  GOutputStream *sink;
  g_autoptr (ParallelBackgroundTaskRunner) runner = run_with_onexit ("well", 0, &sink);
  g_autofree char *printed = NULL;

  g_test_summary ("The onexit runs once in each worker that has done something, and its output is printed");
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "leaving\nleaving\n");
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 2);
}

static void
test_onexit_halted (void)
{
  g_autoptr (ParallelTask) task = worker_task_new ();
  g_autoptr (ParallelBackgroundTaskRunner) runner = worker_runner_new (task, 1);
  g_auto (GStrv) env = g_environ_setenv (g_get_environ (), "WORKER_ONEXIT", "hang", TRUE);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("A run that was halted has no onexit, which nothing would end");
  parallel_worker_task_set_environ (PARALLEL_WORKER_TASK (task), (const char * const *) env);
  parallel_worker_task_set_has_onexit (PARALLEL_WORKER_TASK (task), TRUE);
  step = worker_put (runner, "echo", "%s", "x");
  test_iterate_until (NULL, parallel_step_get_state (step) == PARALLEL_STEP_STATE_SUCCEEDED);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 1);
}

static void
assert_onexit_fails (const char *onexit,
                     double      exit_timeout,
                     GQuark      domain,
                     int         code,
                     const char *text)
{
  GOutputStream *sink;
  g_autoptr (ParallelBackgroundTaskRunner) runner = run_with_onexit (onexit, exit_timeout, &sink);
  g_autoptr (GPtrArray) failures = NULL;

  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, ==, 2);
  for (guint i = 0; i < failures->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (failures, i);
      g_autofree char *name = parallel_step_dup_name (step);

      g_assert_cmpstr (name, ==, "onexit");
      test_assert_step_error (step, domain, code);
      assert_message (step, text);
      test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "leaving\n");
    }
}

static void
test_onexit_fails (void)
{
  g_test_summary ("An onexit that fails, dies or hangs is a failure of the run");
  assert_onexit_fails ("fail", 0, G_IO_ERROR, G_IO_ERROR_BUSY, "no way out");
  assert_onexit_fails ("exit", 0, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT, "exited with status 5");
  assert_onexit_fails ("hang", test_time_factor (), PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_EXIT_TIMED_OUT, "exit timeout");
}

int
main (int    argc,
      char **argv)
{
  worker_init (argc, argv);
  test_init (&argc, &argv);
  test_add ("/worker-task-faults/death", test_killed);
  test_add ("/worker-task-faults/death/of-one", test_one_dies);
  test_add ("/worker-task-faults/death/of-many", test_many_die);
  test_add ("/worker-task-faults/death/attempts", test_attempts);
  test_add ("/worker-task-faults/death/in-big-input", test_death_in_big_input);
  test_add ("/worker-task-faults/death/what-it-has-started", test_what_it_has_started);
  test_add ("/worker-task-faults/no-worker", test_no_worker);
  test_add ("/worker-task-faults/no-worker/never-ready", test_never_ready);
  test_add ("/worker-task-faults/no-worker/never-ready/halt", test_never_ready_halt);
  test_add ("/worker-task-faults/no-worker/slow", test_slow_no_worker);
  test_add ("/worker-task-faults/nonsense", test_nonsense);
  test_add ("/worker-task-faults/hung", test_hung);
  test_add ("/worker-task-faults/silent", test_silent);
  test_add ("/worker-task-faults/cancel", test_cancel);
  test_add ("/worker-task-faults/cancel/late", test_cancel_late);
  test_add ("/worker-task-faults/halt", test_halt);
  test_add ("/worker-task-faults/pause", test_pause);
  test_add ("/worker-task-faults/dropped", test_dropped);
  test_add ("/worker-task-faults/never-started", test_never_started);
  test_add ("/worker-task-faults/onexit", test_onexit);
  test_add ("/worker-task-faults/onexit/fails", test_onexit_fails);
  test_add ("/worker-task-faults/onexit/halted", test_onexit_halted);

  return test_run ();
}
