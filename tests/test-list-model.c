/* test-list-model.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

/* The steps of a runner as a list, which of them it keeps, and taking them with next(). */

static ParallelBackgroundTaskRunner *
runner_keeping (ParallelKeepSteps keep,
                ParallelFunction  function,
                gpointer          user_data)
{
  ParallelBackgroundTaskRunner *runner;

  runner = parallel_background_task_runner_new (parallel_function_task_new (function, user_data, NULL));
  parallel_background_task_runner_set_keep_steps (runner, keep);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  return runner;
}

static gboolean
fail_odd (ParallelStep  *step,
          GCancellable  *cancellable,
          gpointer       user_data,
          GError       **error)
{
  if (test_get_int (step) % 2 == 0)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "odd");
  return FALSE;
}

/* "0 1 2": the inputs of the list's steps. */
static char *
dup_inputs (GListModel *model)
{
  g_autoptr (GString) inputs = g_string_new (NULL);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (ParallelStep) step = g_list_model_get_item (model, i);

      g_assert_true (PARALLEL_IS_STEP (step));
      g_string_append_printf (inputs, "%s%d", i > 0 ? " " : "", test_get_int (step));
    }
  g_assert_null (g_list_model_get_item (model, g_list_model_get_n_items (model)));
  return g_string_free (g_steal_pointer (&inputs), FALSE);
}

static void
assert_inputs (ParallelBackgroundTaskRunner *runner,
               const char                   *expected)
{
  g_autofree char *inputs = dup_inputs (G_LIST_MODEL (runner));

  g_assert_cmpstr (inputs, ==, expected);
}

static void
run_to_end (ParallelBackgroundTaskRunner *runner)
{
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, NULL);
}

/* The list */

static void
test_contents (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) again = NULL;
  TestGate gate;

  g_test_summary ("The list has what waits and what runs, in queue order, the same object each "
                  "time");
  test_gate_init (&gate);
  runner = runner_keeping (PARALLEL_KEEP_STEPS_NONE, test_gate_function, &gate);
  g_assert_true (g_list_model_get_item_type (G_LIST_MODEL (runner)) == PARALLEL_TYPE_STEP);
  assert_inputs (runner, "");
  for (int i = 0; i < 4; i++)
    test_put_int (runner, i);
  test_gate_await (&gate, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  assert_inputs (runner, "0 1 2 3");
  step = g_list_model_get_item (G_LIST_MODEL (runner), 2);
  again = g_list_model_get_item (G_LIST_MODEL (runner), 2);
  g_assert_true (step == again);
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_PENDING);
  test_gate_open (&gate);
  run_to_end (runner);
  assert_inputs (runner, "");
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

typedef struct
{
  GPtrArray *steps;
  guint      n_changes;
} Mirror;

static void
mirror_cb (GListModel *model,
           guint       position,
           guint       n_removed,
           guint       n_added,
           gpointer    user_data)
{
  Mirror *mirror = user_data;

  mirror->n_changes++;
  g_assert_cmpuint (position + n_removed, <=, mirror->steps->len);
  if (n_removed > 0)
    g_ptr_array_remove_range (mirror->steps, position, n_removed);
  for (guint i = 0; i < n_added; i++)
    g_ptr_array_insert (mirror->steps, (gint) (position + i), g_list_model_get_item (model, position + i));
  g_assert_cmpuint (g_list_model_get_n_items (model), ==, mirror->steps->len);
  for (guint i = 0; i < mirror->steps->len && mirror->steps->len < 100; i++)
    {
      g_autoptr (ParallelStep) step = g_list_model_get_item (model, i);

      g_assert_true (step == g_ptr_array_index (mirror->steps, i));
      if (i > 0)
        g_assert_cmpint (parallel_step_get_index (step), >,
                         parallel_step_get_index (g_ptr_array_index (mirror->steps, i - 1)));
    }
}

static void
mirror_init (Mirror                       *mirror,
             ParallelBackgroundTaskRunner *runner)
{
  mirror->steps = test_steps_new ();
  mirror->n_changes = 0;
  g_signal_connect (runner, "items-changed", G_CALLBACK (mirror_cb), mirror);
}

static void
check_changes (ParallelKeepSteps keep,
               guint             n_left,
               int               max_parallel)
{
  ParallelBackgroundTaskRunner *runner = runner_keeping (keep, fail_odd, NULL);
  Mirror mirror;

  parallel_background_task_runner_set_max_parallel (runner, (guint) max_parallel);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (runner)), ==, 0);
  mirror_init (&mirror, runner);
  for (int i = 0; i < 60; i++)
    {
      test_put_int (runner, i);
      if (i % 7 == 0)
        while (g_main_context_iteration (NULL, FALSE))
          ;
    }
  run_to_end (runner);
  g_assert_cmpuint (mirror.steps->len, ==, n_left);
  g_assert_cmpuint (mirror.n_changes, >, 0);
  g_assert_finalize_object (runner);
  g_ptr_array_unref (mirror.steps);
}

static void
test_changes (void)
{
  g_test_summary ("items-changed tells each change of the list, never more nor less");
  check_changes (PARALLEL_KEEP_STEPS_NONE, 0, 1);
  check_changes (PARALLEL_KEEP_STEPS_FAILED, 30, 1);
  check_changes (PARALLEL_KEEP_STEPS_ALL, 60, 1);
  check_changes (PARALLEL_KEEP_STEPS_NONE, 0, 8);
  check_changes (PARALLEL_KEEP_STEPS_FAILED, 30, 8);
  check_changes (PARALLEL_KEEP_STEPS_ALL, 60, 8);
}

static void
test_looked_at_late (void)
{
  ParallelBackgroundTaskRunner *runner = runner_keeping (PARALLEL_KEEP_STEPS_ALL, test_no_op, NULL);

  g_test_summary ("Who looks only after the end sees what is kept");
  for (int i = 0; i < 5; i++)
    test_put_int (runner, i);
  run_to_end (runner);
  assert_inputs (runner, "0 1 2 3 4");
  g_assert_finalize_object (runner);
}

static void
test_halted_list (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GPtrArray) skipped = NULL;
  Mirror mirror;
  TestGate gate;

  g_test_summary ("After a halt the list and its changes still agree, and the skipped are in queue "
                  "order");
  test_gate_init (&gate);
  runner = runner_keeping (PARALLEL_KEEP_STEPS_ALL, test_gate_function, &gate);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (runner)), ==, 0);
  mirror_init (&mirror, runner);
  for (int i = 0; i < 5; i++)
    test_put_int (runner, i);
  test_gate_await (&gate, 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (runner)), ==, mirror.steps->len);
  skipped = parallel_background_task_runner_dup_skipped (runner);
  test_assert_names (skipped, "1 2 3 4");
  g_clear_pointer (&skipped, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  g_ptr_array_unref (mirror.steps);
  test_gate_clear (&gate);
}

/* What is kept */

static void
count_gone_cb (gpointer  n,
               GObject  *step)
{
  (*(guint *) n)++;
}

static void
watch_step_cb (ParallelBackgroundTaskRunner *runner,
               ParallelStep                 *step,
               gpointer                      n)
{
  g_object_weak_ref (G_OBJECT (step), count_gone_cb, n);
}

static void
check_kept (ParallelKeepSteps keep,
            const char       *steps_expected,
            const char       *failures_expected,
            guint             n_gone_expected)
{
  ParallelBackgroundTaskRunner *runner = runner_keeping (keep, fail_odd, NULL);
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GPtrArray) skipped = NULL;
  guint n_gone = 0;

  g_signal_connect (runner, "step-finished", G_CALLBACK (watch_step_cb), &n_gone);
  for (int i = 0; i < 6; i++)
    test_put_int (runner, i);
  run_to_end (runner);
  g_assert_cmpuint (n_gone, ==, n_gone_expected);
  steps = parallel_background_task_runner_dup_steps (runner);
  failures = parallel_background_task_runner_dup_failures (runner);
  skipped = parallel_background_task_runner_dup_skipped (runner);
  test_assert_names (steps, steps_expected);
  test_assert_names (failures, failures_expected);
  g_assert_cmpuint (skipped->len, ==, 0);
  assert_inputs (runner, steps_expected);
  g_clear_pointer (&steps, g_ptr_array_unref);
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
  g_assert_cmpuint (n_gone, ==, 6);
}

static void
test_kept (void)
{
  g_test_summary ("Of what has finished, the runner keeps as much as it is told, and lets the rest "
                  "go");
  check_kept (PARALLEL_KEEP_STEPS_NONE, "", "", 6);
  check_kept (PARALLEL_KEEP_STEPS_FAILED, "1 3 5", "1 3 5", 3);
  check_kept (PARALLEL_KEEP_STEPS_ALL, "0 1 2 3 4 5", "1 3 5", 0);
  check_kept (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, "0 1 2 3 4 5", "1 3 5", 0);
}

/* Taking them one by one */

static void
test_next (void)
{
  ParallelBackgroundTaskRunner *runner;
  gboolean seen[40] = { FALSE };
  g_autoptr (GError) error = NULL;
  ParallelStep *step;
  guint n_gone = 0;
  guint n = 0;

  g_test_summary ("next () gives each finished step once, failed ones as well, and NULL at the "
                  "end");
  runner = runner_keeping (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, fail_odd, NULL);
  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (int i = 0; i < 40; i++)
    test_put_int (runner, i);
  parallel_background_task_runner_close (runner);
  while ((step = parallel_background_task_runner_next (runner, NULL, &error)) != NULL)
    {
      int input = test_get_int (step);

      g_assert_false (seen[input]);
      seen[input] = TRUE;
      g_assert_cmpint (parallel_step_get_state (step), ==,
                       input % 2 == 0 ? PARALLEL_STEP_STATE_SUCCEEDED : PARALLEL_STEP_STATE_FAILED);
      g_object_weak_ref (G_OBJECT (step), count_gone_cb, &n_gone);
      g_object_unref (step);
      n++;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 40);
  test_iterate_until (NULL, n_gone == 20);
  g_assert_null (parallel_background_task_runner_next (runner, NULL, &error));
  g_assert_no_error (error);
  g_assert_finalize_object (runner);
  test_iterate_until (NULL, n_gone == 40);
}

typedef struct
{
  guint    n;
  gboolean end;
} Taken;

static void
take_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  ParallelBackgroundTaskRunner *runner = PARALLEL_BACKGROUND_TASK_RUNNER (source);
  Taken *taken = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ParallelStep) step = NULL;

  step = parallel_background_task_runner_next_finish (runner, result, &error);
  g_assert_no_error (error);
  if (step == NULL)
    {
      taken->end = TRUE;
      return;
    }
  taken->n++;
  if (taken->n < 100)
    test_put_int (runner, 0);
  else if (taken->n == 100)
    parallel_background_task_runner_close (runner);
  parallel_background_task_runner_next_async (runner, NULL, take_cb, taken);
}

static void
test_next_async (void)
{
  ParallelBackgroundTaskRunner *runner;
  Taken taken = { 0, FALSE };

  g_test_summary ("next_async () does so in a main loop, while more is put");
  runner = runner_keeping (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, test_no_op, NULL);
  test_put_int (runner, 0);
  parallel_background_task_runner_next_async (runner, NULL, take_cb, &taken);
  test_iterate_until (NULL, taken.end);
  g_assert_cmpuint (taken.n, ==, 100);
  g_assert_finalize_object (runner);
}

static gpointer
cancel_thread (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_next_cancelled (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GCancellable) second = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  ParallelStep *step;
  GThread *thread;
  TestGate gate;

  g_test_summary ("Cancelling a next () loses no step");
  test_gate_init (&gate);
  runner = runner_keeping (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, test_gate_function, &gate);
  test_put_int (runner, 5);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_next_async (runner, cancellable, test_store_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_null (parallel_background_task_runner_next_finish (
    runner, test_await_result (NULL, &result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  thread = g_thread_new ("canceller", cancel_thread, second);
  g_assert_null (parallel_background_task_runner_next (runner, second, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_thread_join (thread);
  test_gate_open (&gate);
  step = parallel_background_task_runner_next (runner, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (test_get_int (step), ==, 5);
  g_object_unref (step);
  g_assert_null (parallel_background_task_runner_next (runner, NULL, NULL));
  g_clear_object (&result);
  g_assert_finalize_object (runner);
  test_gate_clear (&gate);
}

static void
test_next_of_nothing (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A run without steps has no next one");
  runner = runner_keeping (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, test_no_op, NULL);
  parallel_background_task_runner_close (runner);
  g_assert_null (parallel_background_task_runner_next (runner, NULL, &error));
  g_assert_no_error (error);
  g_assert_finalize_object (runner);
}

static void
test_results_by_next (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) taken = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A step of the caller's own is the one that next () gives, with its output");
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_UNTIL_TAKEN);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  step = test_put_shell (runner, "echo text");
  parallel_background_task_runner_close (runner);
  taken = parallel_background_task_runner_next (runner, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (taken == step);
  test_assert_output (taken, PARALLEL_OUTPUT_STREAM_STDOUT, "text\n");
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
}

static void
test_next_while_open (void)
{
  ParallelBackgroundTaskRunner *runner = runner_keeping (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, fail_odd, NULL);

  g_test_summary ("next () of a runner that is not closed, and that nobody listens to, gives each step that finishes");
  for (int i = 0; i < 200; i++)
    {
      g_autoptr (ParallelStep) step = NULL;
      g_autoptr (GError) error = NULL;

      test_put_int (runner, i);
      step = parallel_background_task_runner_next (runner, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpint (test_get_int (step), ==, i);
    }
  parallel_background_task_runner_close (runner);
  g_assert_null (parallel_background_task_runner_next (runner, NULL, NULL));
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/list-model/contents", test_contents);
  test_add ("/list-model/changes", test_changes);
  test_add ("/list-model/looked-at-late", test_looked_at_late);
  test_add ("/list-model/halted", test_halted_list);
  test_add ("/list-model/kept", test_kept);
  test_add ("/list-model/next", test_next);
  test_add ("/list-model/next/async", test_next_async);
  test_add ("/list-model/next/while-open", test_next_while_open);
  test_add ("/list-model/next/cancelled", test_next_cancelled);
  test_add ("/list-model/next/of-nothing", test_next_of_nothing);
  test_add ("/list-model/next/own-step", test_results_by_next);
  return test_run ();
}
