/* parallel-step-settings.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-step-private.h"

#include "parallel-stop-sequence.h"
#include "parallel-value.h"

/* What the user sets on a step before it is given to a runner. */

static ParallelStepLimits *
ensure_limits (ParallelStep *self)
{
  if (self->limits == NULL)
    {
      self->limits = g_new (ParallelStepLimits, 1);
      *self->limits = PARALLEL_STEP_LIMITS_UNSET;
    }

  return self->limits;
}

/**
 * parallel_step_set_task: (set-property task)
 * @self: a step
 * @task: what to do
 *
 * Says what the step does, before it is given to a runner.
 */
void
parallel_step_set_task (ParallelStep *self,
                        ParallelTask *task)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (PARALLEL_IS_TASK (task));
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (g_set_object (&self->task, task))
    g_object_notify (G_OBJECT (self), "task");
}

/**
 * parallel_step_set_input: (set-property input)
 * @self: a step
 * @input: (nullable): the input, whose content is copied, or %NULL for none
 *
 * Says what the step does it with, before it is given to a runner.
 */
void
parallel_step_set_input (ParallelStep *self,
                         const GValue *input)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (input == NULL || G_IS_VALUE (input));
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_value_is_set (&self->input))
    g_value_unset (&self->input);
  if (!parallel_value_is_none (input))
    {
      g_value_init (&self->input, G_VALUE_TYPE (input));
      g_value_copy (input, &self->input);
    }
  g_object_notify (G_OBJECT (self), "input");
}

/**
 * parallel_step_set_name: (set-property name)
 * @self: a step
 * @name: (nullable): the name
 *
 * Names the step, for messages and lists.
 */
void
parallel_step_set_name (ParallelStep *self,
                        const char   *name)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (g_strcmp0 (self->name, name) == 0)
    return;

  g_free (self->name);
  self->name = name != NULL ? g_utf8_make_valid (name, -1) : NULL;
  g_object_notify (G_OBJECT (self), "name");
}

/**
 * parallel_step_get_priority: (get-property priority)
 * @self: a step
 *
 * The priority. May be called from any thread.
 *
 * Returns: the priority, 0 by default; lower ones start earlier
 */
int
parallel_step_get_priority (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), 0);

  return self->priority;
}

/**
 * parallel_step_set_priority: (set-property priority)
 * @self: a step
 * @priority: the priority; lower ones start earlier
 *
 * Sets which steps start first.
 */
void
parallel_step_set_priority (ParallelStep *self,
                            int           priority)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (self->priority == priority)
    return;

  self->priority = priority;
  g_object_notify (G_OBJECT (self), "priority");
}

/**
 * parallel_step_get_timeout: (get-property timeout)
 * @self: a step
 *
 * How long an attempt may take. May be called from any thread.
 *
 * Returns: seconds, 0 for no limit, or -1 if that of the runner holds
 */
double
parallel_step_get_timeout (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->timeout : -1;
}

/**
 * parallel_step_set_timeout: (set-property timeout)
 * @self: a step
 * @seconds: seconds, 0 for no limit, or -1 for that of the runner
 *
 * Sets how long an attempt may take, for this step alone.
 */
void
parallel_step_set_timeout (ParallelStep *self,
                           double       seconds)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail ((seconds >= 0 && seconds <= G_MAXDOUBLE) || seconds == -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_timeout (self) == seconds)
    return;

  ensure_limits (self)->timeout = seconds;
  g_object_notify (G_OBJECT (self), "timeout");
}

/**
 * parallel_step_get_silence_timeout: (get-property silence-timeout)
 * @self: a step
 *
 * How long an attempt may give no sign of life. May be called from any thread.
 *
 * Returns: seconds, 0 for no limit, or -1 if that of the runner holds
 */
double
parallel_step_get_silence_timeout (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->silence_timeout : -1;
}

/**
 * parallel_step_set_silence_timeout: (set-property silence-timeout)
 * @self: a step
 * @seconds: seconds, 0 for no limit, or -1 for that of the runner
 *
 * Sets how long an attempt may give no sign of life, for this step alone.
 */
void
parallel_step_set_silence_timeout (ParallelStep *self,
                                   double       seconds)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail ((seconds >= 0 && seconds <= G_MAXDOUBLE) || seconds == -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_silence_timeout (self) == seconds)
    return;

  ensure_limits (self)->silence_timeout = seconds;
  g_object_notify (G_OBJECT (self), "silence-timeout");
}

/**
 * parallel_step_get_exit_timeout: (get-property exit-timeout)
 * @self: a step
 *
 * How long a program that has closed its outputs may take to end. May be called from any thread.
 *
 * Returns: seconds, 0 for no limit, or -1 if that of the runner holds
 */
double
parallel_step_get_exit_timeout (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->exit_timeout : -1;
}

/**
 * parallel_step_set_exit_timeout: (set-property exit-timeout)
 * @self: a step
 * @seconds: seconds, 0 for no limit, or -1 for that of the runner
 *
 * Sets how long a program that has closed its standard output and its standard error may take to
 * end, for this step alone. One that is over it fails with %PARALLEL_RUN_ERROR_EXIT_TIMED_OUT.
 */
void
parallel_step_set_exit_timeout (ParallelStep *self,
                                double        seconds)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail ((seconds >= 0 && seconds <= G_MAXDOUBLE) || seconds == -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_exit_timeout (self) == seconds)
    return;

  ensure_limits (self)->exit_timeout = seconds;
  g_object_notify (G_OBJECT (self), "exit-timeout");
}

/**
 * parallel_step_get_stop_sequence:
 * @self: a step
 *
 * The signals that a program is sent when it is to stop. May be called from any thread.
 *
 * Returns: (transfer none) (nullable): the sequence, or %NULL if that of the runner holds
 */
const char *
parallel_step_get_stop_sequence (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  return self->limits != NULL ? self->limits->stop_sequence : NULL;
}

/**
 * parallel_step_set_stop_sequence:
 * @self: a step
 * @sequence: (nullable): signals and delays, or %NULL for those of the runner
 * @error: return location for an error
 *
 * Sets which signals a program is sent when it is to stop, and how long it has after each, for this
 * step alone: names or numbers of signals, with delays in milliseconds between them, separated by
 * commas. `INT,200,TERM,2000,KILL` interrupts, terminates 0.2 seconds later, and kills after 2
 * seconds more. A sequence that does not end with `KILL` gets it at the end, after the delay that
 * stands last or else the kill grace, since every step has to end.
 *
 * Returns: %TRUE, or %FALSE with %G_IO_ERROR_INVALID_ARGUMENT if @sequence is none
 */
gboolean
parallel_step_set_stop_sequence (ParallelStep  *self,
                                 const char    *sequence,
                                 GError       **error)
{
  ParallelStopSequence parsed;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), FALSE);
  g_return_val_if_fail (!parallel_step_is_in_run (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (sequence != NULL && !parallel_stop_sequence_parse (sequence, 0, &parsed, error))
    return FALSE;
  if (g_strcmp0 (parallel_step_get_stop_sequence (self), sequence) == 0)
    return TRUE;

  ensure_limits (self)->stop_sequence = g_intern_string (sequence);
  g_object_notify (G_OBJECT (self), "stop-sequence");
  return TRUE;
}

/**
 * parallel_step_get_kill_grace: (get-property kill-grace)
 * @self: a step
 *
 * How long a step that is told to stop has to do so. May be called from any thread.
 *
 * Returns: seconds, or -1 if that of the runner holds
 */
double
parallel_step_get_kill_grace (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->kill_grace : -1;
}

/**
 * parallel_step_set_kill_grace: (set-property kill-grace)
 * @self: a step
 * @seconds: seconds, or -1 for that of the runner
 *
 * Sets how long a step that is told to stop has to do so, for this step alone.
 */
void
parallel_step_set_kill_grace (ParallelStep *self,
                              double       seconds)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail ((seconds >= 0 && seconds <= G_MAXDOUBLE) || seconds == -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_kill_grace (self) == seconds)
    return;

  ensure_limits (self)->kill_grace = seconds;
  g_object_notify (G_OBJECT (self), "kill-grace");
}

/**
 * parallel_step_get_max_attempts: (get-property max-attempts)
 * @self: a step
 *
 * How often the step is tried in all. May be called from any thread.
 *
 * Returns: the number, or -1 if that of the runner holds
 */
int
parallel_step_get_max_attempts (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->max_attempts : -1;
}

/**
 * parallel_step_set_max_attempts: (set-property max-attempts)
 * @self: a step
 * @max_attempts: the number, or -1 for that of the runner
 *
 * Sets how often the step is tried in all, for this step alone.
 */
void
parallel_step_set_max_attempts (ParallelStep *self,
                                int          max_attempts)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (max_attempts >= 1 || max_attempts == -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_max_attempts (self) == max_attempts)
    return;

  ensure_limits (self)->max_attempts = max_attempts;
  g_object_notify (G_OBJECT (self), "max-attempts");
}

/**
 * parallel_step_get_retry_delay: (get-property retry-delay)
 * @self: a step
 *
 * How long to wait before the next attempt. May be called from any thread.
 *
 * Returns: seconds, or -1 if that of the runner holds
 */
double
parallel_step_get_retry_delay (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->retry_delay : -1;
}

/**
 * parallel_step_set_retry_delay: (set-property retry-delay)
 * @self: a step
 * @seconds: seconds, or -1 for that of the runner
 *
 * Sets how long to wait before the next attempt, for this step alone.
 */
void
parallel_step_set_retry_delay (ParallelStep *self,
                               double       seconds)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail ((seconds >= 0 && seconds <= G_MAXDOUBLE) || seconds == -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_retry_delay (self) == seconds)
    return;

  ensure_limits (self)->retry_delay = seconds;
  g_object_notify (G_OBJECT (self), "retry-delay");
}

/**
 * parallel_step_get_output_limit: (get-property output-limit)
 * @self: a step
 *
 * How much the step may write to each of its streams. May be called from any thread.
 *
 * Returns: bytes, 0 for no limit, or -1 if that of the runner holds
 */
gint64
parallel_step_get_output_limit (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), -1);

  return self->limits != NULL ? self->limits->output_limit : -1;
}

/**
 * parallel_step_set_output_limit: (set-property output-limit)
 * @self: a step
 * @n_bytes: bytes, 0 for no limit, or -1 for that of the runner
 *
 * Sets how much the step may write to each of its streams, for this step alone.
 */
void
parallel_step_set_output_limit (ParallelStep *self,
                                gint64       n_bytes)
{
  g_return_if_fail (PARALLEL_IS_STEP (self));
  g_return_if_fail (n_bytes >= -1);
  g_return_if_fail (!parallel_step_is_in_run (self));

  if (parallel_step_get_output_limit (self) == n_bytes)
    return;

  ensure_limits (self)->output_limit = n_bytes;
  g_object_notify (G_OBJECT (self), "output-limit");
}
