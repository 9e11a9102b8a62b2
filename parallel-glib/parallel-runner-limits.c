/* parallel-runner-limits.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-runner-private.h"

#include "parallel-stop-sequence.h"

/* What a runner does with its steps: how many, how long, how often. */

#define MAX_PARALLEL 100000   /* more threads or processes than any system has room for */

static void
notify (ParallelBackgroundTaskRunner *self,
        const char                   *name)
{
  g_object_notify (G_OBJECT (self), name);
}

/**
 * parallel_background_task_runner_get_task: (get-property task)
 * @self: a runner
 *
 * What is done with each input. May be called from any thread.
 *
 * Returns: (transfer none) (nullable): the task, or %NULL
 */
ParallelTask *
parallel_background_task_runner_get_task (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  return self->run->task;
}

/**
 * parallel_background_task_runner_get_max_parallel: (get-property max-parallel)
 * @self: a runner
 *
 * How many steps run at the same time. May be called from any thread.
 *
 * Returns: the number
 */
guint
parallel_background_task_runner_get_max_parallel (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).max_parallel;
}

/**
 * parallel_background_task_runner_set_max_parallel: (set-property max-parallel)
 * @self: a runner
 * @max_parallel: the number
 *
 * Sets how many steps run at the same time.
 */
void
parallel_background_task_runner_set_max_parallel (ParallelBackgroundTaskRunner *self,
                                                  guint                         max_parallel)
{
  ParallelRunConfig config;
  gboolean differs;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (max_parallel > 0 && max_parallel <= MAX_PARALLEL);

  config = parallel_run_get_config (self->run);
  differs = config.max_parallel != max_parallel;
  if (!differs && config.max_parallel_is_set)
    return;

  config.max_parallel = max_parallel;
  config.max_parallel_is_set = TRUE;
  parallel_run_set_config (self->run, &config);
  if (differs)
    notify (self, "max-parallel");
}

/**
 * parallel_background_task_runner_get_max_pending: (get-property max-pending)
 * @self: a runner
 *
 * How many steps may wait in the queue. May be called from any thread.
 *
 * Returns: the number, 0 for no bound
 */
guint
parallel_background_task_runner_get_max_pending (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).max_pending;
}

/**
 * parallel_background_task_runner_set_max_pending: (set-property max-pending)
 * @self: a runner
 * @max_pending: the number, 0 for no bound
 *
 * Sets how many steps may wait in the queue.
 */
void
parallel_background_task_runner_set_max_pending (ParallelBackgroundTaskRunner *self,
                                                 guint                         max_pending)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  config = parallel_run_get_config (self->run);
  if (config.max_pending == max_pending)
    return;

  config.max_pending = max_pending;
  parallel_run_set_config (self->run, &config);
  notify (self, "max-pending");
}

/**
 * parallel_background_task_runner_get_halt_on_error: (get-property halt-on-error)
 * @self: a runner
 *
 * Whether the first failure ends the run. May be called from any thread.
 *
 * Returns: %TRUE if the first failure ends the run
 */
gboolean
parallel_background_task_runner_get_halt_on_error (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);

  return parallel_run_get_config (self->run).halt_on_error;
}

/**
 * parallel_background_task_runner_set_halt_on_error: (set-property halt-on-error)
 * @self: a runner
 * @halt_on_error: whether the first failure ends the run
 *
 * Sets whether the first failure ends the run.
 */
void
parallel_background_task_runner_set_halt_on_error (ParallelBackgroundTaskRunner *self,
                                                   gboolean                      halt_on_error)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  config = parallel_run_get_config (self->run);
  if (config.halt_on_error == halt_on_error)
    return;

  config.halt_on_error = halt_on_error;
  parallel_run_set_config (self->run, &config);
  notify (self, "halt-on-error");
}

/**
 * parallel_background_task_runner_get_keep_steps: (get-property keep-steps)
 * @self: a runner
 *
 * Which finished steps are kept alive. May be called from any thread.
 *
 * Returns: which steps are kept
 */
ParallelKeepSteps
parallel_background_task_runner_get_keep_steps (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).keep;
}

/**
 * parallel_background_task_runner_set_keep_steps: (set-property keep-steps)
 * @self: a runner
 * @keep_steps: which steps are kept
 *
 * Sets which finished steps are kept alive.
 */
void
parallel_background_task_runner_set_keep_steps (ParallelBackgroundTaskRunner *self,
                                                ParallelKeepSteps             keep_steps)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  config = parallel_run_get_config (self->run);
  if (config.keep == keep_steps)
    return;

  config.keep = keep_steps;
  parallel_run_set_config (self->run, &config);
  notify (self, "keep-steps");
}

/**
 * parallel_background_task_runner_get_timeout: (get-property timeout)
 * @self: a runner
 *
 * How long an attempt of a step may take. May be called from any thread.
 *
 * Returns: seconds, 0 for no limit
 */
double
parallel_background_task_runner_get_timeout (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.timeout;
}

/**
 * parallel_background_task_runner_set_timeout: (set-property timeout)
 * @self: a runner
 * @seconds: seconds, 0 for no limit
 *
 * Sets how long an attempt of a step may take.
 */
void
parallel_background_task_runner_set_timeout (ParallelBackgroundTaskRunner *self,
                                             double                        seconds)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (seconds >= 0 && seconds <= G_MAXDOUBLE);

  config = parallel_run_get_config (self->run);
  if (config.limits.timeout == seconds)
    return;

  config.limits.timeout = seconds;
  parallel_run_set_config (self->run, &config);
  notify (self, "timeout");
}

/**
 * parallel_background_task_runner_get_silence_timeout: (get-property silence-timeout)
 * @self: a runner
 *
 * How long an attempt may give no sign of life. May be called from any thread.
 *
 * Returns: seconds, 0 for no limit
 */
double
parallel_background_task_runner_get_silence_timeout (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.silence_timeout;
}

/**
 * parallel_background_task_runner_set_silence_timeout: (set-property silence-timeout)
 * @self: a runner
 * @seconds: seconds, 0 for no limit
 *
 * Sets how long an attempt may give no sign of life.
 */
void
parallel_background_task_runner_set_silence_timeout (ParallelBackgroundTaskRunner *self,
                                                     double                        seconds)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (seconds >= 0 && seconds <= G_MAXDOUBLE);

  config = parallel_run_get_config (self->run);
  if (config.limits.silence_timeout == seconds)
    return;

  config.limits.silence_timeout = seconds;
  parallel_run_set_config (self->run, &config);
  notify (self, "silence-timeout");
}

/**
 * parallel_background_task_runner_get_exit_timeout: (get-property exit-timeout)
 * @self: a runner
 *
 * How long the end of a program or worker may take. May be called from any thread.
 *
 * Returns: seconds, 0 for no limit
 */
double
parallel_background_task_runner_get_exit_timeout (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.exit_timeout;
}

/**
 * parallel_background_task_runner_set_exit_timeout: (set-property exit-timeout)
 * @self: a runner
 * @seconds: seconds, 0 for no limit
 *
 * Sets how long the end of a program or worker may take.
 */
void
parallel_background_task_runner_set_exit_timeout (ParallelBackgroundTaskRunner *self,
                                                  double                        seconds)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (seconds >= 0 && seconds <= G_MAXDOUBLE);

  config = parallel_run_get_config (self->run);
  if (config.limits.exit_timeout == seconds)
    return;

  config.limits.exit_timeout = seconds;
  parallel_run_set_config (self->run, &config);
  notify (self, "exit-timeout");
}

/**
 * parallel_background_task_runner_get_stop_sequence:
 * @self: a runner
 *
 * The signals that a program is sent when it is to stop. May be called from any thread.
 *
 * Returns: (transfer none) (nullable): the sequence, or %NULL for SIGTERM and, after the kill grace,
 *   SIGKILL
 */
const char *
parallel_background_task_runner_get_stop_sequence (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  return parallel_run_get_config (self->run).limits.stop_sequence;
}

/**
 * parallel_background_task_runner_set_stop_sequence:
 * @self: a runner
 * @sequence: (nullable): signals and delays, as in [method@Step.set_stop_sequence], or %NULL for
 *   SIGTERM and, after the kill grace, SIGKILL
 * @error: return location for an error
 *
 * Sets which signals a program is sent when it is to stop.
 *
 * Returns: %TRUE, or %FALSE with %G_IO_ERROR_INVALID_ARGUMENT if @sequence is none
 */
gboolean
parallel_background_task_runner_set_stop_sequence (ParallelBackgroundTaskRunner  *self,
                                                   const char                    *sequence,
                                                   GError                       **error)
{
  ParallelStopSequence parsed;
  ParallelRunConfig config;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (sequence != NULL && !parallel_stop_sequence_parse (sequence, 0, &parsed, error))
    return FALSE;

  config = parallel_run_get_config (self->run);
  if (g_strcmp0 (config.limits.stop_sequence, sequence) == 0)
    return TRUE;

  config.limits.stop_sequence = g_intern_string (sequence);
  parallel_run_set_config (self->run, &config);
  notify (self, "stop-sequence");
  return TRUE;
}

/**
 * parallel_background_task_runner_get_backtraces: (get-property backtraces)
 * @self: a runner
 *
 * Whether a diagnosis has backtraces. May be called from any thread.
 *
 * Returns: %TRUE if it has
 */
gboolean
parallel_background_task_runner_get_backtraces (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);

  return parallel_run_get_config (self->run).backtraces;
}

/**
 * parallel_background_task_runner_set_backtraces: (set-property backtraces)
 * @self: a runner
 * @backtraces: whether to add them
 *
 * Sets whether the diagnosis of a step over one of its time limits has backtraces.
 */
void
parallel_background_task_runner_set_backtraces (ParallelBackgroundTaskRunner *self,
                                                gboolean                      backtraces)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  config = parallel_run_get_config (self->run);
  if (config.backtraces == !!backtraces)
    return;

  config.backtraces = !!backtraces;
  parallel_run_set_config (self->run, &config);
  notify (self, "backtraces");
}

/**
 * parallel_background_task_runner_get_kill_grace: (get-property kill-grace)
 * @self: a runner
 *
 * How long a step that is told to stop has to do so. May be called from any thread.
 *
 * Returns: seconds
 */
double
parallel_background_task_runner_get_kill_grace (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.kill_grace;
}

/**
 * parallel_background_task_runner_set_kill_grace: (set-property kill-grace)
 * @self: a runner
 * @seconds: seconds
 *
 * Sets how long a step that is told to stop has to do so.
 */
void
parallel_background_task_runner_set_kill_grace (ParallelBackgroundTaskRunner *self,
                                                double                        seconds)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (seconds >= 0 && seconds <= G_MAXDOUBLE);

  config = parallel_run_get_config (self->run);
  if (config.limits.kill_grace == seconds)
    return;

  config.limits.kill_grace = seconds;
  parallel_run_set_config (self->run, &config);
  notify (self, "kill-grace");
}

/**
 * parallel_background_task_runner_get_max_attempts: (get-property max-attempts)
 * @self: a runner
 *
 * How often a failing step is tried in all. May be called from any thread.
 *
 * Returns: the number
 */
guint
parallel_background_task_runner_get_max_attempts (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.max_attempts;
}

/**
 * parallel_background_task_runner_set_max_attempts: (set-property max-attempts)
 * @self: a runner
 * @max_attempts: the number
 *
 * Sets how often a failing step is tried in all.
 */
void
parallel_background_task_runner_set_max_attempts (ParallelBackgroundTaskRunner *self,
                                                  guint                         max_attempts)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (max_attempts >= 1 && max_attempts <= G_MAXINT);

  config = parallel_run_get_config (self->run);
  if (config.limits.max_attempts == (int) max_attempts)
    return;

  config.limits.max_attempts = max_attempts;
  parallel_run_set_config (self->run, &config);
  notify (self, "max-attempts");
}

/**
 * parallel_background_task_runner_get_retry_delay: (get-property retry-delay)
 * @self: a runner
 *
 * How long to wait between two attempts. May be called from any thread.
 *
 * Returns: seconds
 */
double
parallel_background_task_runner_get_retry_delay (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.retry_delay;
}

/**
 * parallel_background_task_runner_set_retry_delay: (set-property retry-delay)
 * @self: a runner
 * @seconds: seconds
 *
 * Sets how long to wait between two attempts.
 */
void
parallel_background_task_runner_set_retry_delay (ParallelBackgroundTaskRunner *self,
                                                 double                        seconds)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (seconds >= 0 && seconds <= G_MAXDOUBLE);

  config = parallel_run_get_config (self->run);
  if (config.limits.retry_delay == seconds)
    return;

  config.limits.retry_delay = seconds;
  parallel_run_set_config (self->run, &config);
  notify (self, "retry-delay");
}

/**
 * parallel_background_task_runner_get_output_limit: (get-property output-limit)
 * @self: a runner
 *
 * How much a step may write to each of its streams. May be called from any thread.
 *
 * Returns: bytes, 0 for no limit
 */
guint64
parallel_background_task_runner_get_output_limit (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).limits.output_limit;
}

/**
 * parallel_background_task_runner_set_output_limit: (set-property output-limit)
 * @self: a runner
 * @n_bytes: bytes, 0 for no limit
 *
 * Sets how much a step may write to each of its streams.
 */
void
parallel_background_task_runner_set_output_limit (ParallelBackgroundTaskRunner *self,
                                                  guint64                       n_bytes)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (n_bytes <= G_MAXINT64);

  config = parallel_run_get_config (self->run);
  if (config.limits.output_limit == (gint64) n_bytes)
    return;

  config.limits.output_limit = n_bytes;
  parallel_run_set_config (self->run, &config);
  notify (self, "output-limit");
}

/**
 * parallel_background_task_runner_get_output_limit_policy: (get-property output-limit-policy)
 * @self: a runner
 *
 * What happens to a step over its output limit. May be called from any thread.
 *
 * Returns: the policy
 */
ParallelOutputLimitPolicy
parallel_background_task_runner_get_output_limit_policy (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), 0);

  return parallel_run_get_config (self->run).output_limit_policy;
}

/**
 * parallel_background_task_runner_set_output_limit_policy: (set-property output-limit-policy)
 * @self: a runner
 * @policy: the policy
 *
 * Sets what happens to a step over its output limit.
 */
void
parallel_background_task_runner_set_output_limit_policy (ParallelBackgroundTaskRunner *self,
                                                         ParallelOutputLimitPolicy     policy)
{
  ParallelRunConfig config;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  config = parallel_run_get_config (self->run);
  if (config.output_limit_policy == policy)
    return;

  config.output_limit_policy = policy;
  parallel_run_set_config (self->run, &config);
  notify (self, "output-limit-policy");
}
