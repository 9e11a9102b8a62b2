/* parallel-runner-settings.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-runner-private.h"


/* The properties of a runner. */


enum
{
  PROP_TASK = 1,
  PROP_SINK,
  PROP_ERROR_SINK,
  PROP_CANCELLABLE,
  PROP_MAX_PARALLEL,
  PROP_MAX_PENDING,
  PROP_HALT_ON_ERROR,
  PROP_KEEP_STEPS,
  PROP_TIMEOUT,
  PROP_SILENCE_TIMEOUT,
  PROP_EXIT_TIMEOUT,
  PROP_KILL_GRACE,
  PROP_STOP_SEQUENCE,
  PROP_BACKTRACES,
  PROP_MAX_ATTEMPTS,
  PROP_RETRY_DELAY,
  PROP_OUTPUT_LIMIT,
  PROP_OUTPUT_LIMIT_POLICY,
  PROP_HOLD_OUTPUT,
  PROP_OUTPUT_MODE,
  PROP_KEEP_ALIVE_INTERVAL,
  PROP_N_PENDING,
  PROP_N_RUNNING,
  PROP_N_SUCCEEDED,
  PROP_N_FAILED,
  PROP_PROGRESS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
notify (ParallelBackgroundTaskRunner *self,
        guint                         prop)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop]);
}

void
parallel_runner_notify_counters (ParallelBackgroundTaskRunner *self)
{
  g_object_freeze_notify (G_OBJECT (self));
  for (guint prop = PROP_N_PENDING; prop <= PROP_PROGRESS; prop++)
    notify (self, prop);
  g_object_thaw_notify (G_OBJECT (self));
}

static void
get_counter_property (ParallelBackgroundTaskRunner *self,
                      guint                         prop_id,
                      GValue                       *value,
                      GParamSpec                   *pspec)
{
  switch (prop_id)
    {
    case PROP_N_PENDING:
      g_value_set_uint (value, parallel_background_task_runner_get_n_pending (self));
      break;
    case PROP_N_RUNNING:
      g_value_set_uint (value, parallel_background_task_runner_get_n_running (self));
      break;
    case PROP_N_SUCCEEDED:
      g_value_set_uint64 (value, parallel_background_task_runner_get_n_succeeded (self));
      break;
    case PROP_N_FAILED:
      g_value_set_uint64 (value, parallel_background_task_runner_get_n_failed (self));
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, parallel_background_task_runner_get_progress (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (self, prop_id, pspec);
    }
}

static void
get_limit_property (ParallelBackgroundTaskRunner *self,
                    guint                         prop_id,
                    GValue                       *value,
                    GParamSpec                   *pspec)
{
  switch (prop_id)
    {
    case PROP_TIMEOUT:
      g_value_set_double (value, parallel_background_task_runner_get_timeout (self));
      break;
    case PROP_SILENCE_TIMEOUT:
      g_value_set_double (value, parallel_background_task_runner_get_silence_timeout (self));
      break;
    case PROP_EXIT_TIMEOUT:
      g_value_set_double (value, parallel_background_task_runner_get_exit_timeout (self));
      break;
    case PROP_STOP_SEQUENCE:
      g_value_set_string (value, parallel_background_task_runner_get_stop_sequence (self));
      break;
    case PROP_BACKTRACES:
      g_value_set_boolean (value, parallel_background_task_runner_get_backtraces (self));
      break;
    case PROP_KILL_GRACE:
      g_value_set_double (value, parallel_background_task_runner_get_kill_grace (self));
      break;
    case PROP_MAX_ATTEMPTS:
      g_value_set_uint (value, parallel_background_task_runner_get_max_attempts (self));
      break;
    case PROP_RETRY_DELAY:
      g_value_set_double (value, parallel_background_task_runner_get_retry_delay (self));
      break;
    case PROP_OUTPUT_LIMIT:
      g_value_set_uint64 (value, parallel_background_task_runner_get_output_limit (self));
      break;
    case PROP_OUTPUT_LIMIT_POLICY:
      g_value_set_enum (value, parallel_background_task_runner_get_output_limit_policy (self));
      break;
    default:
      get_counter_property (self, prop_id, value, pspec);
    }
}

static void
get_property (GObject    *object,
              guint       prop_id,
              GValue     *value,
              GParamSpec *pspec)
{
  ParallelBackgroundTaskRunner *self = PARALLEL_BACKGROUND_TASK_RUNNER (object);

  switch (prop_id)
    {
    case PROP_TASK:
      g_value_set_object (value, parallel_background_task_runner_get_task (self));
      break;
    case PROP_SINK:
      g_value_set_object (value, parallel_background_task_runner_get_sink (self));
      break;
    case PROP_ERROR_SINK:
      g_value_set_object (value, parallel_background_task_runner_get_error_sink (self));
      break;
    case PROP_CANCELLABLE:
      g_value_set_object (value, parallel_background_task_runner_get_cancellable (self));
      break;
    case PROP_MAX_PARALLEL:
      g_value_set_uint (value, parallel_background_task_runner_get_max_parallel (self));
      break;
    case PROP_MAX_PENDING:
      g_value_set_uint (value, parallel_background_task_runner_get_max_pending (self));
      break;
    case PROP_HALT_ON_ERROR:
      g_value_set_boolean (value, parallel_background_task_runner_get_halt_on_error (self));
      break;
    case PROP_KEEP_STEPS:
      g_value_set_enum (value, parallel_background_task_runner_get_keep_steps (self));
      break;
    case PROP_HOLD_OUTPUT:
      g_value_set_boolean (value, parallel_background_task_runner_get_hold_output (self));
      break;
    case PROP_OUTPUT_MODE:
      g_value_set_enum (value, parallel_background_task_runner_get_output_mode (self));
      break;
    case PROP_KEEP_ALIVE_INTERVAL:
      g_value_set_double (value, parallel_background_task_runner_get_keep_alive_interval (self));
      break;
    default:
      get_limit_property (self, prop_id, value, pspec);
    }
}

static void
set_limit_property (ParallelBackgroundTaskRunner *self,
                    guint                         prop_id,
                    const GValue                 *value,
                    GParamSpec                   *pspec)
{
  g_autoptr (GError) error = NULL;

  switch (prop_id)
    {
    case PROP_TIMEOUT:
      parallel_background_task_runner_set_timeout (self, g_value_get_double (value));
      break;
    case PROP_SILENCE_TIMEOUT:
      parallel_background_task_runner_set_silence_timeout (self, g_value_get_double (value));
      break;
    case PROP_EXIT_TIMEOUT:
      parallel_background_task_runner_set_exit_timeout (self, g_value_get_double (value));
      break;
    case PROP_STOP_SEQUENCE:
      if (!parallel_background_task_runner_set_stop_sequence (self, g_value_get_string (value), &error))
        g_warning ("%s", error->message);
      break;
    case PROP_BACKTRACES:
      parallel_background_task_runner_set_backtraces (self, g_value_get_boolean (value));
      break;
    case PROP_KILL_GRACE:
      parallel_background_task_runner_set_kill_grace (self, g_value_get_double (value));
      break;
    case PROP_MAX_ATTEMPTS:
      parallel_background_task_runner_set_max_attempts (self, g_value_get_uint (value));
      break;
    case PROP_RETRY_DELAY:
      parallel_background_task_runner_set_retry_delay (self, g_value_get_double (value));
      break;
    case PROP_OUTPUT_LIMIT:
      parallel_background_task_runner_set_output_limit (self, g_value_get_uint64 (value));
      break;
    case PROP_OUTPUT_LIMIT_POLICY:
      parallel_background_task_runner_set_output_limit_policy (self, g_value_get_enum (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (self, prop_id, pspec);
    }
}

static void
set_property (GObject      *object,
              guint         prop_id,
              const GValue *value,
              GParamSpec   *pspec)
{
  ParallelBackgroundTaskRunner *self = PARALLEL_BACKGROUND_TASK_RUNNER (object);

  switch (prop_id)
    {
    case PROP_TASK:
      self->run->task = g_value_dup_object (value);
      break;
    case PROP_SINK:
      parallel_background_task_runner_set_sink (self, g_value_get_object (value));
      break;
    case PROP_ERROR_SINK:
      parallel_background_task_runner_set_error_sink (self, g_value_get_object (value));
      break;
    case PROP_CANCELLABLE:
      parallel_background_task_runner_set_cancellable (self, g_value_get_object (value));
      break;
    case PROP_MAX_PARALLEL:
      parallel_background_task_runner_set_max_parallel (self, g_value_get_uint (value));
      break;
    case PROP_MAX_PENDING:
      parallel_background_task_runner_set_max_pending (self, g_value_get_uint (value));
      break;
    case PROP_HALT_ON_ERROR:
      parallel_background_task_runner_set_halt_on_error (self, g_value_get_boolean (value));
      break;
    case PROP_KEEP_STEPS:
      parallel_background_task_runner_set_keep_steps (self, g_value_get_enum (value));
      break;
    case PROP_HOLD_OUTPUT:
      parallel_background_task_runner_set_hold_output (self, g_value_get_boolean (value));
      break;
    case PROP_OUTPUT_MODE:
      parallel_background_task_runner_set_output_mode (self, g_value_get_enum (value));
      break;
    case PROP_KEEP_ALIVE_INTERVAL:
      parallel_background_task_runner_set_keep_alive_interval (self, g_value_get_double (value));
      break;
    default:
      set_limit_property (self, prop_id, value, pspec);
    }
}

#define WRITABLE (G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS)
#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_limits (void)
{
  /**
   * ParallelBackgroundTaskRunner:max-parallel: (getter get_max_parallel) (setter set_max_parallel)
   *
   * How many steps run at the same time: by default as many as this program has processors, with
   * its affinity and the quota of its control group counted in. Once the task's launcher has told how many
   * slots there are elsewhere, it is that number, without a notification, unless it was set. It can be changed while the
   * runner runs.
   */
  properties[PROP_MAX_PARALLEL] =
    g_param_spec_uint ("max-parallel", NULL, NULL, 1, G_MAXUINT, 1, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:max-pending: (getter get_max_pending) (setter set_max_pending)
   *
   * How many steps may wait in the queue, 0 for any number. When it is full,
   * [method@BackgroundTaskRunner.put] fails with %G_IO_ERROR_WOULD_BLOCK and
   * [method@BackgroundTaskRunner.put_async] waits.
   */
  properties[PROP_MAX_PENDING] =
    g_param_spec_uint ("max-pending", NULL, NULL, 0, G_MAXUINT, 0, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:halt-on-error: (getter get_halt_on_error) (setter set_halt_on_error)
   *
   * Whether the first failure, in time, ends the run: what runs is stopped, and the rest is
   * skipped.
   */
  properties[PROP_HALT_ON_ERROR] =
    g_param_spec_boolean ("halt-on-error", NULL, NULL, FALSE, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:keep-steps: (getter get_keep_steps) (setter set_keep_steps)
   *
   * Which finished steps are kept alive by the runner. A million inputs need not become a million
   * objects, so by default only the failed ones are.
   */
  properties[PROP_KEEP_STEPS] =
    g_param_spec_enum ("keep-steps", NULL, NULL, PARALLEL_TYPE_KEEP_STEPS, PARALLEL_KEEP_STEPS_FAILED, WRITABLE);
}

static void
install_time_limits (void)
{
  /**
   * ParallelBackgroundTaskRunner:timeout: (getter get_timeout) (setter set_timeout)
   *
   * How long an attempt of a step may take, in seconds, 0 for no limit. The clock of each step
   * starts with it.
   */
  properties[PROP_TIMEOUT] =
    g_param_spec_double ("timeout", NULL, NULL, 0, G_MAXDOUBLE, 0, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:silence-timeout: (getter get_silence_timeout) (setter set_silence_timeout)
   *
   * How long an attempt of a step may go without output, progress, status or heartbeat, in seconds,
   * 0 for no limit.
   */
  properties[PROP_SILENCE_TIMEOUT] =
    g_param_spec_double ("silence-timeout", NULL, NULL, 0, G_MAXDOUBLE, 0, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:exit-timeout: (getter get_exit_timeout) (setter set_exit_timeout)
   *
   * How long the end may take, in seconds, 0 for no limit: of a program, from the time when it has
   * closed its standard output and its standard error; of a worker thread, the function of
   * [method@BackgroundTaskRunner.set_onexit].
   */
  properties[PROP_EXIT_TIMEOUT] =
    g_param_spec_double ("exit-timeout", NULL, NULL, 0, G_MAXDOUBLE, 0, WRITABLE);
}

static void
install_stopping (void)
{
  /**
   * ParallelBackgroundTaskRunner:stop-sequence:
   *
   * The signals that a program is sent when it is to stop, as in
   * [method@Step.set_stop_sequence]; `NULL` for SIGTERM and, after the kill grace, SIGKILL.
   */
  properties[PROP_STOP_SEQUENCE] =
    g_param_spec_string ("stop-sequence", NULL, NULL, NULL, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:backtraces: (getter get_backtraces) (setter set_backtraces)
   *
   * Whether the diagnosis of a step over one of its time limits has what a debugger shows of its
   * processes: eu-stack or gdb, if one of them is installed. It stops a process for a moment, and
   * needs the right to trace it.
   */
  properties[PROP_BACKTRACES] =
    g_param_spec_boolean ("backtraces", NULL, NULL, FALSE, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:kill-grace: (getter get_kill_grace) (setter set_kill_grace)
   *
   * How long a step that is told to stop has to do so, in seconds. Then a program is killed, and a
   * function is abandoned.
   */
  properties[PROP_KILL_GRACE] =
    g_param_spec_double ("kill-grace", NULL, NULL, 0, G_MAXDOUBLE, 5, WRITABLE);
}

static void
install_attempts (void)
{
  /**
   * ParallelBackgroundTaskRunner:max-attempts: (getter get_max_attempts) (setter set_max_attempts)
   *
   * How often a failing step is tried in all. The output of an attempt that is followed by another
   * one is dropped; the last lines of it are with its error in [method@Step.dup_attempt_errors].
   */
  properties[PROP_MAX_ATTEMPTS] =
    g_param_spec_uint ("max-attempts", NULL, NULL, 1, G_MAXINT, 1, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:retry-delay: (getter get_retry_delay) (setter set_retry_delay)
   *
   * How long to wait between two attempts of a step, in seconds. Other steps run meanwhile.
   */
  properties[PROP_RETRY_DELAY] =
    g_param_spec_double ("retry-delay", NULL, NULL, 0, G_MAXDOUBLE, 0, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:output-limit: (getter get_output_limit) (setter set_output_limit)
   *
   * How many bytes a step may write to each of its streams, 0 for no limit.
   */
  properties[PROP_OUTPUT_LIMIT] =
    g_param_spec_uint64 ("output-limit", NULL, NULL, 0, G_MAXINT64, 0, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:output-limit-policy: (getter get_output_limit_policy) (setter set_output_limit_policy)
   *
   * What happens to a step that writes more than [property@BackgroundTaskRunner:output-limit].
   */
  properties[PROP_OUTPUT_LIMIT_POLICY] =
    g_param_spec_enum ("output-limit-policy", NULL, NULL, PARALLEL_TYPE_OUTPUT_LIMIT_POLICY, PARALLEL_OUTPUT_LIMIT_KEEP_ENDS, WRITABLE);
}

static void
install_output (void)
{
  /**
   * ParallelBackgroundTaskRunner:hold-output: (getter get_hold_output) (setter set_hold_output)
   *
   * Whether nothing is printed until the runner is closed, so that what the program itself prints
   * before comes first. To be set before the first step is put.
   */
  properties[PROP_HOLD_OUTPUT] =
    g_param_spec_boolean ("hold-output", NULL, NULL, FALSE, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:output-mode: (getter get_output_mode) (setter set_output_mode)
   *
   * How output is printed. To be set before the first step is put.
   */
  properties[PROP_OUTPUT_MODE] =
    g_param_spec_enum ("output-mode", NULL, NULL, PARALLEL_TYPE_OUTPUT_MODE, PARALLEL_OUTPUT_MODE_ORDERED, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:keep-alive-interval: (getter get_keep_alive_interval) (setter set_keep_alive_interval)
   *
   * After how many seconds without printed output a line "still running: …" is printed to the error
   * sink, 0 for never; for logs that are watched for silence. To be set before the first step is
   * put.
   */
  properties[PROP_KEEP_ALIVE_INTERVAL] =
    g_param_spec_double ("keep-alive-interval", NULL, NULL, 0, G_MAXDOUBLE, 0, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:sink: (getter get_sink) (setter set_sink)
   *
   * Where the steps' standard output is printed; `NULL` for a descriptor, by default 1. It is
   * written in a thread of the runner. To be set before the first step is put.
   */
  properties[PROP_SINK] =
    g_param_spec_object ("sink", NULL, NULL, G_TYPE_OUTPUT_STREAM, WRITABLE);

  /**
   * ParallelBackgroundTaskRunner:error-sink: (getter get_error_sink) (setter set_error_sink)
   *
   * Where the steps' standard error is printed; `NULL` for a descriptor, by default 2. It is
   * written in a thread of the runner. To be set before the first step is put.
   */
  properties[PROP_ERROR_SINK] =
    g_param_spec_object ("error-sink", NULL, NULL, G_TYPE_OUTPUT_STREAM, WRITABLE);
}

static void
install_counters (void)
{
  /**
   * ParallelBackgroundTaskRunner:n-pending: (getter get_n_pending)
   *
   * How many steps wait in the queue or for another attempt. Changes of this and the other counters
   * are notified together.
   */
  properties[PROP_N_PENDING] =
    g_param_spec_uint ("n-pending", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * ParallelBackgroundTaskRunner:n-running: (getter get_n_running)
   *
   * How many steps run.
   */
  properties[PROP_N_RUNNING] =
    g_param_spec_uint ("n-running", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * ParallelBackgroundTaskRunner:n-succeeded: (getter get_n_succeeded)
   *
   * How many steps have succeeded.
   */
  properties[PROP_N_SUCCEEDED] =
    g_param_spec_uint64 ("n-succeeded", NULL, NULL, 0, G_MAXUINT64, 0, READABLE);

  /**
   * ParallelBackgroundTaskRunner:n-failed: (getter get_n_failed)
   *
   * How many steps have failed.
   */
  properties[PROP_N_FAILED] =
    g_param_spec_uint64 ("n-failed", NULL, NULL, 0, G_MAXUINT64, 0, READABLE);

  /**
   * ParallelBackgroundTaskRunner:progress: (getter get_progress)
   *
   * Which part of what was put so far has ended, from 0 to 1; running steps count with their own
   * progress.
   */
  properties[PROP_PROGRESS] =
    g_param_spec_double ("progress", NULL, NULL, 0, 1, 0, READABLE);
}

void
parallel_runner_install_properties (GObjectClass *klass)
{
  klass->get_property = get_property;
  klass->set_property = set_property;

  /**
   * ParallelBackgroundTaskRunner:task: (getter get_task)
   *
   * What to do with each input; `NULL` if only steps are put.
   */
  properties[PROP_TASK] =
    g_param_spec_object ("task", NULL, NULL, PARALLEL_TYPE_TASK,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelBackgroundTaskRunner:cancellable: (getter get_cancellable) (setter set_cancellable)
   *
   * Cancelling it halts the run at once, which then ends with %G_IO_ERROR_CANCELLED.
   */
  properties[PROP_CANCELLABLE] =
    g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE, WRITABLE);

  install_limits ();
  install_time_limits ();
  install_stopping ();
  install_attempts ();
  install_output ();
  install_counters ();
  g_object_class_install_properties (klass, N_PROPS, properties);
}
