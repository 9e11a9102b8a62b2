/* parallel-runner-accessors.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-runner-private.h"

/* Where a runner's output goes, what halts it, and its counters. */

static void
notify (ParallelBackgroundTaskRunner *self,
        const char                   *name)
{
  g_object_notify (G_OBJECT (self), name);
}

/**
 * parallel_background_task_runner_get_hold_output: (get-property hold-output)
 * @self: a runner
 *
 * Whether output is held until the runner is closed.
 *
 * Returns: %TRUE if output is held
 */
gboolean
parallel_background_task_runner_get_hold_output (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);

  return self->hold_output;
}

/**
 * parallel_background_task_runner_set_hold_output: (set-property hold-output)
 * @self: a runner
 * @hold_output: whether output is held
 *
 * Sets whether output is held until the runner is closed. To be called before the first step is
 * put.
 */
void
parallel_background_task_runner_set_hold_output (ParallelBackgroundTaskRunner *self,
                                                 gboolean                      hold_output)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (!self->run->begun);

  if (self->hold_output == hold_output)
    return;

  self->hold_output = hold_output;
  parallel_runner_apply_output (self);
  notify (self, "hold-output");
}

/**
 * parallel_background_task_runner_get_output_mode: (get-property output-mode)
 * @self: a runner
 *
 * How output is printed.
 *
 * Returns: the mode
 */
ParallelOutputMode
parallel_background_task_runner_get_output_mode (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return self->output_mode;
}

/**
 * parallel_background_task_runner_set_output_mode: (set-property output-mode)
 * @self: a runner
 * @mode: the mode
 *
 * Sets how output is printed. To be called before the first step is put.
 */
void
parallel_background_task_runner_set_output_mode (ParallelBackgroundTaskRunner *self,
                                                 ParallelOutputMode            mode)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (!self->run->begun);

  if (self->output_mode == mode)
    return;

  self->output_mode = mode;
  parallel_runner_apply_output (self);
  notify (self, "output-mode");
}

/**
 * parallel_background_task_runner_get_keep_alive_interval: (get-property keep-alive-interval)
 * @self: a runner
 *
 * After which silence a line says what is still running.
 *
 * Returns: seconds, 0 for never
 */
double
parallel_background_task_runner_get_keep_alive_interval (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return self->keep_alive_interval;
}

/**
 * parallel_background_task_runner_set_keep_alive_interval: (set-property keep-alive-interval)
 * @self: a runner
 * @seconds: seconds, 0 for never
 *
 * Sets after which silence a line says what is still running. To be called before the first step is
 * put.
 */
void
parallel_background_task_runner_set_keep_alive_interval (ParallelBackgroundTaskRunner *self,
                                                         double                        seconds)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (seconds >= 0 && seconds <= G_MAXDOUBLE);
  g_return_if_fail (!self->run->begun);

  if (self->keep_alive_interval == seconds)
    return;

  self->keep_alive_interval = seconds;
  parallel_runner_apply_output (self);
  notify (self, "keep-alive-interval");
}

/**
 * parallel_background_task_runner_get_sink: (get-property sink)
 * @self: a runner
 *
 * Where the steps' standard output is printed.
 *
 * Returns: (transfer none) (nullable): the stream, or %NULL for a descriptor
 */
GOutputStream *
parallel_background_task_runner_get_sink (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  return self->sinks[PARALLEL_OUTPUT_STREAM_STDOUT];
}

/**
 * parallel_background_task_runner_set_sink: (set-property sink)
 * @self: a runner
 * @sink: (nullable): a stream, or %NULL for a descriptor
 *
 * Sets where the steps' standard output is printed. To be called before the first step is put. The
 * stream is written and flushed in a thread of the runner, and is not closed.
 */
void
parallel_background_task_runner_set_sink (ParallelBackgroundTaskRunner *self,
                                          GOutputStream                *sink)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (sink == NULL || G_IS_OUTPUT_STREAM (sink));
  g_return_if_fail (!self->run->begun);

  if (!g_set_object (&self->sinks[PARALLEL_OUTPUT_STREAM_STDOUT], sink))
    return;

  parallel_runner_apply_output (self);
  notify (self, "sink");
}

/**
 * parallel_background_task_runner_get_error_sink: (get-property error-sink)
 * @self: a runner
 *
 * Where the steps' standard error is printed.
 *
 * Returns: (transfer none) (nullable): the stream, or %NULL for a descriptor
 */
GOutputStream *
parallel_background_task_runner_get_error_sink (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  return self->sinks[PARALLEL_OUTPUT_STREAM_STDERR];
}

/**
 * parallel_background_task_runner_set_error_sink: (set-property error-sink)
 * @self: a runner
 * @error_sink: (nullable): a stream, or %NULL for a descriptor
 *
 * Sets where the steps' standard error is printed. To be called before the first step is put. The
 * stream is written and flushed in a thread of the runner, and is not closed.
 */
void
parallel_background_task_runner_set_error_sink (ParallelBackgroundTaskRunner *self,
                                                GOutputStream                *error_sink)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (error_sink == NULL || G_IS_OUTPUT_STREAM (error_sink));
  g_return_if_fail (!self->run->begun);

  if (!g_set_object (&self->sinks[PARALLEL_OUTPUT_STREAM_STDERR], error_sink))
    return;

  parallel_runner_apply_output (self);
  notify (self, "error-sink");
}

/* In whichever thread cancels. */
static void
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  GError *error = NULL;

  g_cancellable_set_error_if_cancelled (cancellable, &error);
  parallel_run_halt_with (user_data, error);
}

/**
 * parallel_background_task_runner_get_cancellable: (get-property cancellable)
 * @self: a runner
 *
 * What halts the run.
 *
 * Returns: (transfer none) (nullable): the cancellable, or %NULL
 */
GCancellable *
parallel_background_task_runner_get_cancellable (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  return self->cancellable;
}

/**
 * parallel_background_task_runner_set_cancellable: (set-property cancellable)
 * @self: a runner
 * @cancellable: (nullable): a cancellable, or %NULL
 *
 * Sets what halts the run when it is cancelled, from whichever thread.
 */
void
parallel_background_task_runner_set_cancellable (ParallelBackgroundTaskRunner *self,
                                                 GCancellable                 *cancellable)
{
  g_autoptr (GCancellable) previous = NULL;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (self->cancellable == cancellable)
    return;

  previous = g_steal_pointer (&self->cancellable);
  if (previous != NULL)
    g_cancellable_disconnect (previous, self->cancelled_id);
  self->cancelled_id = 0;
  if (cancellable != NULL)
    {
      self->cancellable = g_object_ref (cancellable);
      self->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb),
                                                  parallel_run_ref (self->run),
                                                  (GDestroyNotify) parallel_run_unref);
    }
  notify (self, "cancellable");
}

/**
 * parallel_background_task_runner_get_n_pending: (get-property n-pending)
 * @self: a runner
 *
 * How many steps wait in the queue or for another attempt. May be called from any thread.
 *
 * Returns: the number
 */
guint
parallel_background_task_runner_get_n_pending (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  guint number;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  run = self->run;
  parallel_run_lock (run);
  number = parallel_run_get_n_waiting_locked (run);
  parallel_run_unlock (run);

  return number;
}

/**
 * parallel_background_task_runner_get_n_running: (get-property n-running)
 * @self: a runner
 *
 * How many steps run. May be called from any thread.
 *
 * Returns: the number
 */
guint
parallel_background_task_runner_get_n_running (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  guint number;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  run = self->run;
  parallel_run_lock (run);
  number = run->running.length;
  parallel_run_unlock (run);

  return number;
}

/**
 * parallel_background_task_runner_get_n_succeeded: (get-property n-succeeded)
 * @self: a runner
 *
 * How many steps have succeeded. May be called from any thread.
 *
 * Returns: the number
 */
guint64
parallel_background_task_runner_get_n_succeeded (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  guint64 number;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  run = self->run;
  parallel_run_lock (run);
  number = run->n_succeeded;
  parallel_run_unlock (run);

  return number;
}

/**
 * parallel_background_task_runner_get_n_failed: (get-property n-failed)
 * @self: a runner
 *
 * How many steps have failed. May be called from any thread.
 *
 * Returns: the number
 */
guint64
parallel_background_task_runner_get_n_failed (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  guint64 number;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  run = self->run;
  parallel_run_lock (run);
  number = run->n_failed;
  parallel_run_unlock (run);

  return number;
}

/**
 * parallel_background_task_runner_get_progress: (get-property progress)
 * @self: a runner
 *
 * Which part of what was put so far has ended. May be called from any thread.
 *
 * Returns: from 0 to 1
 */
double
parallel_background_task_runner_get_progress (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  double done;
  double all;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  run = self->run;
  parallel_run_lock (run);
  all = run->n_put;
  done = all - parallel_run_get_n_waiting_locked (run);
  for (ParallelItem *item = run->running.first; item != NULL; item = item->next)
    if (!item->onexit)
      done -= item->step != NULL ? 1 - MAX (parallel_step_get_progress (item->step), 0) : 1;
  parallel_run_unlock (run);

  return all > 0 ? CLAMP (done / all, 0, 1) : 0;
}
