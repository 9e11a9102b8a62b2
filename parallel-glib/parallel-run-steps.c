/* parallel-run-steps.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run-steps.h"

#include "parallel-background-task-runner.h"
#include "parallel-engine.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* The short form: a few lines over the runner. */

/* All are looked at before the first is put, so that a mistake does not leave half of them run. */
static gboolean
check_steps (GPtrArray  *steps,
             GError    **error)
{
  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);

      if (parallel_task_check (parallel_step_get_task (step), parallel_step_get_input (step), error))
        continue;
      g_prefix_error (error, "Step %u of %u: ", i + 1, steps->len);
      return FALSE;
    }
  return TRUE;
}

/* A runner with all of the steps in it, closed; NULL if one of them cannot be put. */
static ParallelBackgroundTaskRunner *
start (GPtrArray     *steps,
       guint          max_parallel,
       gboolean       halt_on_error,
       GCancellable  *cancellable,
       GError       **error)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;

  if (!check_steps (steps, error))
    return NULL;

  runner = parallel_background_task_runner_new (NULL);
  if (max_parallel > 0)
    parallel_background_task_runner_set_max_parallel (runner, max_parallel);
  parallel_background_task_runner_set_halt_on_error (runner, halt_on_error);
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_NONE);
  parallel_background_task_runner_set_cancellable (runner, cancellable);

  /* Nothing starts before all are in, so that a first failure finds the rest to skip. */
  parallel_background_task_runner_pause (runner);
  for (guint i = 0; i < steps->len; i++)
    {
      g_autoptr (GError) local_error = NULL;

      if (parallel_background_task_runner_put_step (runner, g_ptr_array_index (steps, i), &local_error))
        continue;
      if (g_error_matches (local_error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED))
        break;    /* it was cancelled already, which the wait reports */
      g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "Step %u of %u: ", i + 1, steps->len);
      return NULL;
    }
  parallel_background_task_runner_resume (runner);
  parallel_background_task_runner_close (runner);

  return g_steal_pointer (&runner);
}

static gboolean
are_steps (GPtrArray *steps)
{
  for (guint i = 0; i < steps->len; i++)
    if (!PARALLEL_IS_STEP (g_ptr_array_index (steps, i)) ||
        parallel_step_get_task (g_ptr_array_index (steps, i)) == NULL)
      return FALSE;

  return TRUE;
}

/**
 * parallel_run_steps:
 * @steps: (element-type ParallelStep): the steps, none of which was used before
 * @max_parallel: how many run at the same time, 0 for one a processor
 * @halt_on_error: whether the first failure, in time, stops the others
 * @cancellable: (nullable): stops all steps
 * @error: return location for an error
 *
 * Runs a list of steps in parallel, prints their output as if they had run one after another, and
 * returns when all have ended. Results, errors and outputs are then read from the steps.
 *
 * It blocks the thread that calls it, and dispatches nothing of its main context. May be called
 * from any thread.
 *
 * Returns: %TRUE if all steps succeeded, else %FALSE: with %PARALLEL_RUN_ERROR_BACKGROUND_FAILURE
 *   if some failed, which the message names; %G_IO_ERROR_CANCELLED if @cancellable was cancelled;
 *   %G_IO_ERROR_INVALID_ARGUMENT if one of them can not be run, and then none was
 */
gboolean
parallel_run_steps (GPtrArray     *steps,
                    guint          max_parallel,
                    gboolean       halt_on_error,
                    GCancellable  *cancellable,
                    GError       **error)
{
  g_autoptr (GMainContext) context = NULL;
  ParallelBackgroundTaskRunner *runner;
  gboolean success = FALSE;

  g_return_val_if_fail (steps != NULL && are_steps (steps), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  /* A context of its own: the caller's may belong to another thread. */
  context = parallel_main_context_try_new (error);
  if (context == NULL)
    return FALSE;
  g_main_context_push_thread_default (context);
  runner = start (steps, max_parallel, halt_on_error, cancellable, error);
  if (runner != NULL)
    {
      success = parallel_background_task_runner_wait (runner, NULL, error);
      g_object_unref (runner);
    }
  g_main_context_pop_thread_default (context);

  return success;
}

static void
waited_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (parallel_background_task_runner_wait_finish (PARALLEL_BACKGROUND_TASK_RUNNER (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * parallel_run_steps_async:
 * @steps: (element-type ParallelStep): the steps, none of which was used before
 * @max_parallel: how many run at the same time, 0 for one a processor
 * @halt_on_error: whether the first failure, in time, stops the others
 * @cancellable: (nullable): stops all steps
 * @callback: (scope async): called in the thread-default main context of the caller when all have
 *   ended
 * @user_data: data for @callback
 *
 * As [func@run_steps], without blocking.
 */
void
parallel_run_steps_async (GPtrArray           *steps,
                          guint                max_parallel,
                          gboolean             halt_on_error,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;
  GError *error = NULL;

  g_return_if_fail (steps != NULL && are_steps (steps));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, parallel_run_steps_async);
  g_task_set_check_cancellable (task, FALSE);   /* it is the run that is cancelled, and says so when it is over */

  runner = start (steps, max_parallel, halt_on_error, cancellable, &error);
  if (runner == NULL)
    g_task_return_error (task, error);
  else
    parallel_background_task_runner_wait_async (runner, NULL, waited_cb, g_steal_pointer (&task));
}

/**
 * parallel_run_steps_finish:
 * @result: the result
 * @error: return location for an error
 *
 * Ends [func@run_steps_async].
 *
 * Returns: %TRUE if all steps succeeded, else %FALSE with the errors of [func@run_steps]
 */
gboolean
parallel_run_steps_finish (GAsyncResult  *result,
                           GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
