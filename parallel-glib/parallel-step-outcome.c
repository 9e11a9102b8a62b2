/* parallel-step-outcome.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-step-private.h"

#include "parallel-run-error.h"
#include "parallel-value.h"

/* What the user learns of a step while it runs and afterwards, and what the step's own code
 * reports. */

/**
 * parallel_step_get_index: (get-property index)
 * @self: a step
 *
 * The place in the queue of its runner. May be called from any thread.
 *
 * Returns: the index, from 0, or -1 before the step is put
 */
gint64
parallel_step_get_index (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  LOCKED_GETTER (self, gint64, self->index);
}

/**
 * parallel_step_get_state: (get-property state)
 * @self: a step
 *
 * Where the step is in its life. May be called from any thread.
 *
 * Returns: the state
 */
ParallelStepState
parallel_step_get_state (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), PARALLEL_STEP_STATE_PENDING);

  LOCKED_GETTER (self, ParallelStepState, self->state);
}

/**
 * parallel_step_get_attempt: (get-property attempt)
 * @self: a step
 *
 * Which attempt runs or ran last. May be called from any thread.
 *
 * Returns: the number, from 1, or 0 before the first
 */
guint
parallel_step_get_attempt (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), 0);

  LOCKED_GETTER (self, guint, self->attempt);
}

/**
 * parallel_step_get_elapsed: (get-property elapsed)
 * @self: a step
 *
 * How long the last attempt has taken so far, or took. May be called from any thread.
 *
 * Returns: seconds, 0 before it starts
 */
double
parallel_step_get_elapsed (ParallelStep *self)
{
  gint64 started;
  gint64 ended;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), 0);

  parallel_step_lock (self);
  started = self->started;
  ended = self->state == PARALLEL_STEP_STATE_RUNNING ? g_get_monotonic_time () : self->ended;
  parallel_step_unlock (self);

  return started == 0 ? 0 : (double) (ended - started) / G_USEC_PER_SEC;
}

/**
 * parallel_step_dup_error: (get-property error)
 * @self: a step
 *
 * Why the step failed or was halted. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): the error, or %NULL if there is none
 */
GError *
parallel_step_dup_error (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  LOCKED_GETTER (self, GError *, self->error != NULL ? g_error_copy (self->error) : NULL);
}

/**
 * parallel_step_dup_attempt_errors:
 * @self: a step
 *
 * The errors of the attempts before the last, each with the last lines of its output. May be called
 * from any thread.
 *
 * Returns: (transfer full) (array zero-terminated=1): the messages, oldest first
 */
char **
parallel_step_dup_attempt_errors (ParallelStep *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  parallel_step_lock (self);
  for (guint i = 0; self->attempt_errors != NULL && i < self->attempt_errors->len; i++)
    g_strv_builder_add (builder, g_ptr_array_index (self->attempt_errors, i));
  parallel_step_unlock (self);

  return g_strv_builder_end (builder);
}

/**
 * parallel_step_dup_failure_details:
 * @self: a step
 *
 * What the worker of a step that has failed says of the failure, in its own language's form: for steps of a
 * [class@WorkerTask] with %PARALLEL_ENCODING_BYTES. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): the details of the last attempt, or %NULL if there are none
 */
GBytes *
parallel_step_dup_failure_details (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  LOCKED_GETTER (self, GBytes *, self->failure_details != NULL ? g_bytes_ref (self->failure_details) : NULL);
}

/**
 * parallel_step_get_result:
 * @self: a step
 *
 * What the step's code has given to [method@Step.set_result]. May be called from any thread; while
 * the step has not succeeded there is no result.
 *
 * Returns: (transfer none) (nullable): the result, or %NULL if there is none
 */
const GValue *
parallel_step_get_result (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  /* Constant from the moment that the state is succeeded. */
  LOCKED_GETTER (self, const GValue *,
                 self->state == PARALLEL_STEP_STATE_SUCCEEDED && parallel_value_is_set (&self->result)
                 ? &self->result : NULL);
}

/**
 * parallel_step_set_result:
 * @self: a running step
 * @result: the result; its content is copied
 *
 * Gives the step's result: for the code of the step, while it runs. May be called from any thread.
 * A later call replaces the result; once the step has ended, nothing happens.
 */
void
parallel_step_set_result (ParallelStep *self,
                          const GValue *result)
{
  GValue copy = G_VALUE_INIT;

  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (G_IS_VALUE (result));

  g_value_init (&copy, G_VALUE_TYPE (result));
  g_value_copy (result, &copy);

  parallel_step_lock (self);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending)
    {
      GValue previous = self->result;

      self->result = copy;
      copy = previous;
    }
  parallel_step_unlock (self);

  if (parallel_value_is_set (&copy))
    g_value_unset (&copy);
}

/**
 * parallel_step_get_exit_status: (get-property exit-status)
 * @self: a step
 *
 * How the program of a command step exited. May be called from any thread.
 *
 * Returns: the exit status, or -1 if it has not exited, was ended by a signal, or there is no
 *   program
 */
int
parallel_step_get_exit_status (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  LOCKED_GETTER (self, int, self->exit_status);
}

/**
 * parallel_step_get_term_signal: (get-property term-signal)
 * @self: a step
 *
 * Which signal ended the program of a command step. May be called from any thread.
 *
 * Returns: the number of the signal, or 0
 */
int
parallel_step_get_term_signal (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), 0);

  LOCKED_GETTER (self, int, self->term_signal);
}

/**
 * parallel_step_dup_subprocess: (get-property subprocess)
 * @self: a step
 *
 * The process of a command step, from its start on; %NULL in a forked child of this program. Where a
 * small process stays beside the program, with [property@CommandTask:measure-usage] or a
 * [property@CommandTask:containment] of tree, it is that one, to which signals mean nothing.
 * It is watched and reaped by the library; its pipes are not available. May be called from any
 * thread.
 *
 * Returns: (transfer full) (nullable): the process, or %NULL
 */
GSubprocess *
parallel_step_dup_subprocess (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  LOCKED_GETTER (self, GSubprocess *,
                 self->subprocess != NULL ? g_object_ref (self->subprocess) : NULL);
}

/**
 * parallel_step_get_user_time: (get-property user-time)
 * @self: a step
 *
 * The processor time that the program of a command step used with all the children that it waited
 * for, where [property@CommandTask:measure-usage] is set. May be called from any thread.
 *
 * Returns: seconds, or -1 if it is not known
 */
double
parallel_step_get_user_time (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  LOCKED_GETTER (self, double, self->user_time);
}

/**
 * parallel_step_get_system_time: (get-property system-time)
 * @self: a step
 *
 * As [method@Step.get_user_time], for the time that the kernel worked for it. May be called from
 * any thread.
 *
 * Returns: seconds, or -1 if it is not known
 */
double
parallel_step_get_system_time (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  LOCKED_GETTER (self, double, self->system_time);
}

/**
 * parallel_step_get_max_rss: (get-property max-rss)
 * @self: a step
 *
 * The most memory that the program of a command step, or one of its children, had resident at a
 * time, where [property@CommandTask:measure-usage] is set. May be called from any thread.
 *
 * Returns: bytes, or -1 if it is not known
 */
gint64
parallel_step_get_max_rss (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  LOCKED_GETTER (self, gint64, self->max_rss);
}

/**
 * parallel_step_dup_diagnosis: (get-property diagnosis)
 * @self: a step
 *
 * What the step was doing when it went over one of its time limits, just before it was stopped: its
 * processes, each with its process id, state, age, command line and what it waits for in the kernel;
 * or, for a function, its thread. It is also printed in the step's place. May be called from any
 * thread.
 *
 * Returns: (transfer full) (nullable): several lines of valid UTF-8, or %NULL if the step kept its
 *   limits
 */
char *
parallel_step_dup_diagnosis (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  LOCKED_GETTER (self, char *, g_strdup (self->diagnosis));
}

/* A sign of life and a property that others watch. */
static void
changed (ParallelStep        *self,
         ParallelStepChanges  change)
{
  gpointer host;

  if (!parallel_step_mark_changed (self, change))
    return;

  host = parallel_step_dup_host (self);
  if (host == NULL)
    return;
  self->host_class->changed (host, self);
  parallel_step_drop_host (self, host);
}

/**
 * parallel_step_get_progress: (get-property progress)
 * @self: a step
 *
 * How much is done. May be called from any thread.
 *
 * Returns: from 0 to 1, or -1 if the step does not say
 */
double
parallel_step_get_progress (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  LOCKED_GETTER (self, double, self->progress);
}

/**
 * parallel_step_set_progress: (set-property progress)
 * @self: a running step
 * @progress: from 0 to 1, or -1 for unknown
 *
 * Says how much is done: for the code of the step. Counts as a sign of life. May be called from any
 * thread.
 */
void
parallel_step_set_progress (ParallelStep *self,
                            double        progress)
{
  gboolean differs;

  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail ((progress >= 0 && progress <= 1) || progress == -1);

  parallel_step_lock (self);
  differs = self->progress != progress;
  self->progress = progress;
  self->activity = g_get_monotonic_time ();
  parallel_step_unlock (self);

  if (differs)
    changed (self, PARALLEL_STEP_CHANGED_PROGRESS);
}

/**
 * parallel_step_dup_status: (get-property status)
 * @self: a step
 *
 * What the step says that it is doing. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): the text, or %NULL if the step does not say
 */
char *
parallel_step_dup_status (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  LOCKED_GETTER (self, char *, g_strdup (self->status));
}

/**
 * parallel_step_set_status: (set-property status)
 * @self: a running step
 * @status: (nullable): a short text, or %NULL for none
 *
 * Says what the step is doing: for the code of the step. Counts as a sign of life. May be called
 * from any thread.
 */
void
parallel_step_set_status (ParallelStep *self,
                          const char   *status)
{
  g_autofree char *copy = g_strdup (status);
  gboolean differs;

  g_return_if_fail (PARALLEL_IS_STEP (self));

  parallel_step_lock (self);
  differs = g_strcmp0 (self->status, copy) != 0;
  if (differs)
    {
      char *previous = self->status;

      self->status = copy;
      copy = previous;
    }
  self->activity = g_get_monotonic_time ();
  parallel_step_unlock (self);

  if (differs)
    changed (self, PARALLEL_STEP_CHANGED_STATUS);
}

/**
 * parallel_step_heartbeat:
 * @self: a running step
 *
 * A sign of life, for the silence timeout: for the code of the step. May be called from any thread.
 */
void
parallel_step_heartbeat (ParallelStep *self)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));

  parallel_step_lock (self);
  self->activity = g_get_monotonic_time ();
  parallel_step_unlock (self);
}

/**
 * parallel_step_cancel:
 * @self: a step
 *
 * Stops the step: it fails with %PARALLEL_RUN_ERROR_HALTED, within its kill grace, and the other
 * steps go on. One that has not started yet fails when its turn comes, without being started.
 * Nothing happens after its end. May be called from any thread.
 */
void
parallel_step_cancel (ParallelStep *self)
{
  gpointer host;

  g_return_if_fail (PARALLEL_IS_STEP (self));

  host = parallel_step_dup_host (self);
  if (host == NULL)
    return;
  self->host_class->stop (host, self,
                          g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED,
                                               "The step was cancelled"));
  parallel_step_drop_host (self, host);
}

/**
 * parallel_step_complete:
 * @self: a running step
 *
 * Ends the step with success: for what a [callback@AsyncFunction] has started. To be called in the
 * context of the runner's owner, once; a result is set before, by [method@Step.set_result]. After
 * the end nothing happens.
 */
void
parallel_step_complete (ParallelStep *self)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));

  parallel_step_end (self, NULL);
}

/**
 * parallel_step_fail:
 * @self: a running step
 * @error: what went wrong
 *
 * Ends the step with an error: for what a [callback@AsyncFunction] has started. To be called in the
 * context of the runner's owner, once. After the end nothing happens.
 */
void
parallel_step_fail (ParallelStep *self,
                    const GError *error)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (error != NULL);

  parallel_step_end (self, g_error_copy (error));
}
