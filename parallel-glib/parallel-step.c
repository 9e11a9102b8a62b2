/* parallel-step.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-step-private.h"

#include "parallel-task-private.h"
#include "parallel-value.h"

/**
 * ParallelStep:
 *
 * One execution of a [class@Task] on one input.
 *
 * A step is made by the application and given to [method@BackgroundTaskRunner.put_step] or
 * [func@run_steps], or by a runner for each input that is put. It is used once: what ran cannot be
 * run again, make a new step with the same task.
 *
 * ## Threads
 *
 * The setters are for the time before the step is given to a runner. All getters may be called from
 * any thread, also while the step runs. Property notifications come in the main context of the
 * runner.
 */

enum
{
  PROP_TASK = 1,
  PROP_INPUT,
  PROP_NAME,
  PROP_PRIORITY,
  PROP_TIMEOUT,
  PROP_SILENCE_TIMEOUT,
  PROP_EXIT_TIMEOUT,
  PROP_KILL_GRACE,
  PROP_STOP_SEQUENCE,
  PROP_MAX_ATTEMPTS,
  PROP_RETRY_DELAY,
  PROP_OUTPUT_LIMIT,
  PROP_INDEX,
  PROP_STATE,
  PROP_ATTEMPT,
  PROP_ELAPSED,
  PROP_ERROR,
  PROP_EXIT_STATUS,
  PROP_TERM_SIGNAL,
  PROP_SUBPROCESS,
  PROP_USER_TIME,
  PROP_SYSTEM_TIME,
  PROP_MAX_RSS,
  PROP_DIAGNOSIS,
  PROP_LAST_LINE,
  PROP_PROGRESS,
  PROP_STATUS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (ParallelStep, parallel_step, G_TYPE_OBJECT)

void
parallel_step_notify_changes (ParallelStep *self)
{
  static const struct { ParallelStepChanges change; guint prop; } table[] =
  {
    { PARALLEL_STEP_CHANGED_STATE, PROP_STATE },
    { PARALLEL_STEP_CHANGED_STATE, PROP_ATTEMPT },
    { PARALLEL_STEP_CHANGED_STATE, PROP_ELAPSED },
    { PARALLEL_STEP_CHANGED_STATE, PROP_ERROR },
    { PARALLEL_STEP_CHANGED_STATE, PROP_EXIT_STATUS },
    { PARALLEL_STEP_CHANGED_STATE, PROP_TERM_SIGNAL },
    { PARALLEL_STEP_CHANGED_STATE, PROP_SUBPROCESS },
    { PARALLEL_STEP_CHANGED_STATE, PROP_LAST_LINE },
    { PARALLEL_STEP_CHANGED_NAME, PROP_NAME },
    { PARALLEL_STEP_CHANGED_NAME, PROP_INDEX },
    { PARALLEL_STEP_CHANGED_LAST_LINE, PROP_LAST_LINE },
    { PARALLEL_STEP_CHANGED_PROGRESS, PROP_PROGRESS },
    { PARALLEL_STEP_CHANGED_STATUS, PROP_STATUS },
    { PARALLEL_STEP_CHANGED_DIAGNOSIS, PROP_DIAGNOSIS },
  };
  guint changes;

  parallel_step_lock (self);
  changes = self->changes;
  self->changes = 0;
  parallel_step_unlock (self);

  /* Most steps have no handler of their own. */
  if (changes == 0 || g_signal_handler_find (self, G_SIGNAL_MATCH_UNBLOCKED, 0, 0, NULL, NULL, NULL) == 0)
    return;

  g_object_freeze_notify (G_OBJECT (self));
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if ((changes & table[i].change) != 0)
      g_object_notify_by_pspec (G_OBJECT (self), properties[table[i].prop]);
  g_object_thaw_notify (G_OBJECT (self));
}

static void
parallel_step_finalize (GObject *object)
{
  ParallelStep *self = PARALLEL_STEP (object);

  /* What is shared with the parent's run is left as it is. */
  if (parallel_step_is_foreign (self))
    {
      self->host = NULL;
      for (guint i = 0; i < PARALLEL_N_PARTS; i++)
        self->outputs[i] = NULL;
    }
  parallel_step_clear_host (self);
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    g_clear_pointer (&self->outputs[i], parallel_output_unref);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->subprocess);
  g_clear_error (&self->stop_reason);
  g_clear_error (&self->error);
  g_clear_pointer (&self->attempt_errors, g_ptr_array_unref);
  g_clear_pointer (&self->limits, g_free);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->status, g_free);
  g_clear_pointer (&self->diagnosis, g_free);
  g_clear_pointer (&self->failure_details, g_bytes_unref);
  g_clear_pointer (&self->whereabouts.mark, g_free);
  if (parallel_value_is_set (&self->result))
    g_value_unset (&self->result);
  if (parallel_value_is_set (&self->input))
    g_value_unset (&self->input);
  g_clear_object (&self->task);
  g_mutex_clear (&self->mutex);
  g_mutex_clear (&self->write_mutex);

  G_OBJECT_CLASS (parallel_step_parent_class)->finalize (object);
}

static void
get_outcome_property (ParallelStep *self,
                      guint         prop_id,
                      GValue       *value,
                      GParamSpec   *pspec)
{
  switch (prop_id)
    {
    case PROP_INDEX:
      g_value_set_int64 (value, parallel_step_get_index (self));
      break;
    case PROP_STATE:
      g_value_set_enum (value, parallel_step_get_state (self));
      break;
    case PROP_ATTEMPT:
      g_value_set_uint (value, parallel_step_get_attempt (self));
      break;
    case PROP_ELAPSED:
      g_value_set_double (value, parallel_step_get_elapsed (self));
      break;
    case PROP_ERROR:
      g_value_take_boxed (value, parallel_step_dup_error (self));
      break;
    case PROP_EXIT_STATUS:
      g_value_set_int (value, parallel_step_get_exit_status (self));
      break;
    case PROP_TERM_SIGNAL:
      g_value_set_int (value, parallel_step_get_term_signal (self));
      break;
    case PROP_SUBPROCESS:
      g_value_take_object (value, parallel_step_dup_subprocess (self));
      break;
    case PROP_USER_TIME:
      g_value_set_double (value, parallel_step_get_user_time (self));
      break;
    case PROP_SYSTEM_TIME:
      g_value_set_double (value, parallel_step_get_system_time (self));
      break;
    case PROP_MAX_RSS:
      g_value_set_int64 (value, parallel_step_get_max_rss (self));
      break;
    case PROP_DIAGNOSIS:
      g_value_take_string (value, parallel_step_dup_diagnosis (self));
      break;
    case PROP_LAST_LINE:
      g_value_take_string (value, parallel_step_dup_last_line (self));
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, parallel_step_get_progress (self));
      break;
    case PROP_STATUS:
      g_value_take_string (value, parallel_step_dup_status (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (self, prop_id, pspec);
    }
}

static void
parallel_step_get_property (GObject    *object,
                            guint       prop_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  ParallelStep *self = PARALLEL_STEP (object);

  switch (prop_id)
    {
    case PROP_TASK:
      g_value_set_object (value, self->task);
      break;
    case PROP_INPUT:
      g_value_set_boxed (value, parallel_value_is_set (&self->input) ? &self->input : NULL);
      break;
    case PROP_NAME:
      g_value_take_string (value, parallel_step_dup_name (self));
      break;
    case PROP_PRIORITY:
      g_value_set_int (value, parallel_step_get_priority (self));
      break;
    case PROP_TIMEOUT:
      g_value_set_double (value, parallel_step_get_timeout (self));
      break;
    case PROP_SILENCE_TIMEOUT:
      g_value_set_double (value, parallel_step_get_silence_timeout (self));
      break;
    case PROP_EXIT_TIMEOUT:
      g_value_set_double (value, parallel_step_get_exit_timeout (self));
      break;
    case PROP_STOP_SEQUENCE:
      g_value_set_string (value, parallel_step_get_stop_sequence (self));
      break;
    case PROP_KILL_GRACE:
      g_value_set_double (value, parallel_step_get_kill_grace (self));
      break;
    case PROP_MAX_ATTEMPTS:
      g_value_set_int (value, parallel_step_get_max_attempts (self));
      break;
    case PROP_RETRY_DELAY:
      g_value_set_double (value, parallel_step_get_retry_delay (self));
      break;
    case PROP_OUTPUT_LIMIT:
      g_value_set_int64 (value, parallel_step_get_output_limit (self));
      break;
    default:
      get_outcome_property (self, prop_id, value, pspec);
    }
}

static void
parallel_step_set_property (GObject      *object,
                            guint         prop_id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  ParallelStep *self = PARALLEL_STEP (object);
  g_autoptr (GError) error = NULL;

  switch (prop_id)
    {
    case PROP_TASK:
      parallel_step_set_task (self, g_value_get_object (value));
      break;
    case PROP_INPUT:
      parallel_step_set_input (self, g_value_get_boxed (value));
      break;
    case PROP_NAME:
      parallel_step_set_name (self, g_value_get_string (value));
      break;
    case PROP_PRIORITY:
      parallel_step_set_priority (self, g_value_get_int (value));
      break;
    case PROP_TIMEOUT:
      parallel_step_set_timeout (self, g_value_get_double (value));
      break;
    case PROP_SILENCE_TIMEOUT:
      parallel_step_set_silence_timeout (self, g_value_get_double (value));
      break;
    case PROP_EXIT_TIMEOUT:
      parallel_step_set_exit_timeout (self, g_value_get_double (value));
      break;
    case PROP_STOP_SEQUENCE:
      if (!parallel_step_set_stop_sequence (self, g_value_get_string (value), &error))
        g_warning ("%s", error->message);
      break;
    case PROP_KILL_GRACE:
      parallel_step_set_kill_grace (self, g_value_get_double (value));
      break;
    case PROP_MAX_ATTEMPTS:
      parallel_step_set_max_attempts (self, g_value_get_int (value));
      break;
    case PROP_RETRY_DELAY:
      parallel_step_set_retry_delay (self, g_value_get_double (value));
      break;
    case PROP_OUTPUT_LIMIT:
      parallel_step_set_output_limit (self, g_value_get_int64 (value));
      break;
    case PROP_PROGRESS:
      parallel_step_set_progress (self, g_value_get_double (value));
      break;
    case PROP_STATUS:
      parallel_step_set_status (self, g_value_get_string (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* The task and the input are no construct properties: GObject would set them for each of a runner's own steps, which
 * takes longer than all else in the making of a step. */
static void
install_settings (void)
{
  /**
   * ParallelStep:task: (getter get_task) (setter set_task)
   *
   * What the step does. It can be set until the step is given to a runner.
   */
  properties[PROP_TASK] =
    g_param_spec_object ("task", NULL, NULL, PARALLEL_TYPE_TASK,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:input: (getter get_input) (setter set_input)
   *
   * The input, `NULL` for none. It can be set until the step is given to a runner.
   */
  properties[PROP_INPUT] =
    g_param_spec_boxed ("input", NULL, NULL, G_TYPE_VALUE,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:name: (getter dup_name) (setter set_name)
   *
   * The name, for messages and lists. Where none was set, it is made from the input or the task.
   */
  properties[PROP_NAME] =
    g_param_spec_string ("name", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:priority: (getter get_priority) (setter set_priority)
   *
   * Which steps start first: the lower the number, the earlier, as in GLib. Equal ones start in
   * queue order. Output comes in queue order whatever the priority.
   */
  properties[PROP_PRIORITY] =
    g_param_spec_int ("priority", NULL, NULL, G_MININT, G_MAXINT, 0,
                      G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
install_limits (void)
{
  /**
   * ParallelStep:timeout: (getter get_timeout) (setter set_timeout)
   *
   * How long an attempt may take, in seconds, 0 for no limit, -1 for the limit of the runner.
   */
  properties[PROP_TIMEOUT] =
    g_param_spec_double ("timeout", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:silence-timeout: (getter get_silence_timeout) (setter set_silence_timeout)
   *
   * How long an attempt may go without output, progress, status or heartbeat, in seconds, 0 for no
   * limit, -1 for the limit of the runner.
   */
  properties[PROP_SILENCE_TIMEOUT] =
    g_param_spec_double ("silence-timeout", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:exit-timeout: (getter get_exit_timeout) (setter set_exit_timeout)
   *
   * How long a program that has closed its standard output and its standard error may take to end,
   * in seconds, 0 for no limit, -1 for the limit of the runner.
   */
  properties[PROP_EXIT_TIMEOUT] =
    g_param_spec_double ("exit-timeout", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:stop-sequence:
   *
   * The signals that a program is sent when it is to stop, as in
   * [method@Step.set_stop_sequence]; `NULL` for those of the runner.
   */
  properties[PROP_STOP_SEQUENCE] =
    g_param_spec_string ("stop-sequence", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:kill-grace: (getter get_kill_grace) (setter set_kill_grace)
   *
   * How long a step that is told to stop has to do so, in seconds, before a program is killed and a
   * function abandoned; -1 for that of the runner.
   */
  properties[PROP_KILL_GRACE] =
    g_param_spec_double ("kill-grace", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
install_attempts (void)
{
  /**
   * ParallelStep:max-attempts: (getter get_max_attempts) (setter set_max_attempts)
   *
   * How often the step is tried in all, at least 1, or -1 for the number of the runner.
   */
  properties[PROP_MAX_ATTEMPTS] =
    g_param_spec_int ("max-attempts", NULL, NULL, -1, G_MAXINT, -1,
                      G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:retry-delay: (getter get_retry_delay) (setter set_retry_delay)
   *
   * How long to wait before the next attempt, in seconds, or -1 for the delay of the runner.
   */
  properties[PROP_RETRY_DELAY] =
    g_param_spec_double ("retry-delay", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:output-limit: (getter get_output_limit) (setter set_output_limit)
   *
   * How many bytes the step may write to each of its streams, 0 for no limit, -1 for the limit of
   * the runner. What happens beyond is set by [property@BackgroundTaskRunner:output-limit-policy].
   */
  properties[PROP_OUTPUT_LIMIT] =
    g_param_spec_int64 ("output-limit", NULL, NULL, -1, G_MAXINT64, -1,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
install_outcome (void)
{
  /**
   * ParallelStep:index: (getter get_index)
   *
   * The place in the queue of the runner, from 0, or -1 before the step is put.
   */
  properties[PROP_INDEX] =
    g_param_spec_int64 ("index", NULL, NULL, -1, G_MAXINT64, -1,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:state: (getter get_state)
   *
   * Where the step is in its life.
   */
  properties[PROP_STATE] =
    g_param_spec_enum ("state", NULL, NULL, PARALLEL_TYPE_STEP_STATE,
                       PARALLEL_STEP_STATE_PENDING,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:attempt: (getter get_attempt)
   *
   * The number of the attempt that runs or ran last, from 1, or 0 before the first.
   */
  properties[PROP_ATTEMPT] =
    g_param_spec_uint ("attempt", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:elapsed: (getter get_elapsed)
   *
   * How long the last attempt has taken so far or took, in seconds. It is notified when an attempt
   * starts or ends; a display that counts asks again.
   */
  properties[PROP_ELAPSED] =
    g_param_spec_double ("elapsed", NULL, NULL, 0, G_MAXDOUBLE, 0,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:error: (getter dup_error)
   *
   * Why the step failed, `NULL` if it did not.
   */
  properties[PROP_ERROR] =
    g_param_spec_boxed ("error", NULL, NULL, G_TYPE_ERROR,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
install_process (void)
{
  /**
   * ParallelStep:exit-status: (getter get_exit_status)
   *
   * The exit status of the program, or -1 while there is none.
   */
  properties[PROP_EXIT_STATUS] =
    g_param_spec_int ("exit-status", NULL, NULL, -1, 255, -1,
                      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:term-signal: (getter get_term_signal)
   *
   * The number of the signal that ended the program, or 0.
   */
  properties[PROP_TERM_SIGNAL] =
    g_param_spec_int ("term-signal", NULL, NULL, 0, G_MAXINT, 0,
                      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:subprocess: (getter dup_subprocess)
   *
   * The process of a command step, once it is started.
   */
  properties[PROP_SUBPROCESS] =
    g_param_spec_object ("subprocess", NULL, NULL, G_TYPE_SUBPROCESS,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:user-time: (getter get_user_time)
   *
   * The processor time of a measured command, in seconds, -1 if not known.
   */
  properties[PROP_USER_TIME] =
    g_param_spec_double ("user-time", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:system-time: (getter get_system_time)
   *
   * The time that the kernel worked for a measured command, in seconds, -1 if not known.
   */
  properties[PROP_SYSTEM_TIME] =
    g_param_spec_double ("system-time", NULL, NULL, -1, G_MAXDOUBLE, -1,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:max-rss: (getter get_max_rss)
   *
   * The most memory that a measured command had resident, in bytes, -1 if not known.
   */
  properties[PROP_MAX_RSS] =
    g_param_spec_int64 ("max-rss", NULL, NULL, -1, G_MAXINT64, -1,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
install_reports (void)
{
  /**
   * ParallelStep:diagnosis: (getter dup_diagnosis)
   *
   * What the step was doing when it went over one of its time limits, `NULL` if it did not.
   */
  properties[PROP_DIAGNOSIS] =
    g_param_spec_string ("diagnosis", NULL, NULL, NULL,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:last-line: (getter dup_last_line)
   *
   * The last line that the step has written, `NULL` for none.
   */
  properties[PROP_LAST_LINE] =
    g_param_spec_string ("last-line", NULL, NULL, NULL,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:progress: (getter get_progress) (setter set_progress)
   *
   * How much is done, from 0 to 1, or -1 if not known. Set by the step itself while it runs.
   */
  properties[PROP_PROGRESS] =
    g_param_spec_double ("progress", NULL, NULL, -1, 1, -1,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelStep:status: (getter dup_status) (setter set_status)
   *
   * What the step says that it is doing. Set by the step itself while it runs.
   */
  properties[PROP_STATUS] =
    g_param_spec_string ("status", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
parallel_step_class_init (ParallelStepClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = parallel_step_finalize;
  object_class->get_property = parallel_step_get_property;
  object_class->set_property = parallel_step_set_property;

  install_settings ();
  install_limits ();
  install_attempts ();
  install_outcome ();
  install_process ();
  install_reports ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
parallel_step_init (ParallelStep *self)
{
  g_mutex_init (&self->mutex);
  g_mutex_init (&self->write_mutex);
  self->generation = parallel_fork_generation;
  self->index = -1;
  self->exit_status = -1;
  self->user_time = -1;
  self->system_time = -1;
  self->max_rss = -1;
  self->progress = -1;
}

/**
 * parallel_step_new:
 * @task: (transfer full): what to do
 * @input: (nullable): the input to do it with, or %NULL for none
 *
 * Makes a step.
 *
 * Returns: (transfer full): the new step
 */
ParallelStep *
parallel_step_new (ParallelTask *task,
                   const GValue *input)
{
  g_autoptr (ParallelTask) owned = task;

  g_return_val_if_fail (PARALLEL_IS_TASK (task), NULL);
  g_return_val_if_fail (input == NULL || G_IS_VALUE (input), NULL);

  return g_object_new (PARALLEL_TYPE_STEP, "task", owned, "input", input, NULL);
}

/**
 * parallel_step_new_string:
 * @task: (transfer full): what to do
 * @input: (type filename): the input to do it with
 *
 * Makes a step with a string as its input: any bytes but NUL.
 *
 * Returns: (transfer full): the new step
 */
ParallelStep *
parallel_step_new_string (ParallelTask *task,
                          const char   *input)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_return_val_if_fail (PARALLEL_IS_TASK (task), NULL);
  g_return_val_if_fail (input != NULL, NULL);

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, input);

  return parallel_step_new (task, &value);
}

/**
 * parallel_step_get_task: (get-property task)
 * @self: a step
 *
 * What the step does. May be called from any thread.
 *
 * Returns: (transfer none): the task
 */
ParallelTask *
parallel_step_get_task (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  return self->task;
}

/**
 * parallel_step_get_input:
 * @self: a step
 *
 * The input. It does not change. May be called from any thread.
 *
 * Returns: (transfer none) (nullable): the input, or %NULL if there is none
 */
const GValue *
parallel_step_get_input (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  return parallel_value_is_set (&self->input) ? &self->input : NULL;
}

/**
 * parallel_step_dup_input_text:
 * @self: a step
 *
 * The input as text for a person to read. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): valid UTF-8, or %NULL if there is no input
 */
char *
parallel_step_dup_input_text (ParallelStep *self)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  return parallel_value_dup_text (&self->input);
}

/**
 * parallel_step_dup_name: (get-property name)
 * @self: a step
 *
 * The name that was set, or else the input as text, or else a description of the task, or else
 * "step N".
 *
 * May be called from any thread.
 *
 * Returns: (transfer full): the name, valid UTF-8
 */
char *
parallel_step_dup_name (ParallelStep *self)
{
  g_autofree char *name = NULL;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  parallel_step_lock (self);
  name = g_strdup (self->name);
  parallel_step_unlock (self);

  if (name == NULL)
    name = parallel_value_dup_text (&self->input);
  if (name == NULL && self->task != NULL)
    name = parallel_task_describe (self->task, self);
  if (name == NULL)
    name = g_strdup_printf ("step %" G_GINT64_FORMAT, parallel_step_get_index (self) + 1);

  return g_steal_pointer (&name);
}
