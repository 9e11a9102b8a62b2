/* parallel-step-run.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-step-private.h"

#include "parallel-run-error.h"
#include "parallel-value.h"

/* The life of a step in a run: what its run and its task tell it. What the user sees of a step
 * is in parallel-step.c. */

ParallelStep *
parallel_step_new_for_run (ParallelTask *task,
                           GValue       *input)
{
  ParallelStep *self = g_object_new (PARALLEL_TYPE_STEP, NULL);

  self->task = g_object_ref (task);
  self->input = *input;
  *input = (GValue) G_VALUE_INIT;

  return self;
}

gboolean
parallel_step_attach (ParallelStep           *self,
                      const ParallelStepHost *host_class,
                      gpointer                host,
                      gpointer                item)
{
  gboolean attached = FALSE;

  g_mutex_lock (&self->mutex);
  if (self->host_class == NULL)
    {
      self->host_class = host_class;
      self->host = host_class->ref (host);
      self->item = item;
      attached = TRUE;
    }
  g_mutex_unlock (&self->mutex);

  return attached;
}

gpointer
parallel_step_get_item (ParallelStep *self)
{
  gpointer item;

  g_mutex_lock (&self->mutex);
  item = self->item;
  g_mutex_unlock (&self->mutex);

  return item;
}

void
parallel_step_set_index (ParallelStep *self,
                         gint64        index)
{
  g_mutex_lock (&self->mutex);
  self->index = index;
  g_mutex_unlock (&self->mutex);
}

ParallelStepLimits
parallel_step_get_limits (ParallelStep             *self,
                          const ParallelStepLimits *fallback)
{
  ParallelStepLimits limits = *fallback;

  if (self->limits == NULL)
    return limits;

  if (self->limits->timeout >= 0)
    limits.timeout = self->limits->timeout;
  if (self->limits->silence_timeout >= 0)
    limits.silence_timeout = self->limits->silence_timeout;
  if (self->limits->kill_grace >= 0)
    limits.kill_grace = self->limits->kill_grace;
  if (self->limits->retry_delay >= 0)
    limits.retry_delay = self->limits->retry_delay;
  if (self->limits->max_attempts >= 0)
    limits.max_attempts = self->limits->max_attempts;
  if (self->limits->output_limit >= 0)
    limits.output_limit = self->limits->output_limit;

  return limits;
}

/* The host with a reference, so that it can be called after the lock is gone; NULL outside of a
 * run. */
static gpointer
dup_host (ParallelStep *self)
{
  gpointer host = NULL;

  g_mutex_lock (&self->mutex);
  if (self->host != NULL)
    host = self->host_class->ref (self->host);
  g_mutex_unlock (&self->mutex);

  return host;
}

/* Not to be called when the step may be gone: its last user is told by the host that it has
 * ended. */
static void
drop_host (ParallelStep *self,
           gpointer      host)
{
  if (host != NULL)
    self->host_class->unref (host);
}

void
parallel_step_clear_host (ParallelStep *self)
{
  gpointer host;

  g_mutex_lock (&self->mutex);
  host = g_steal_pointer (&self->host);
  self->item = NULL;
  g_mutex_unlock (&self->mutex);

  drop_host (self, host);
}

/* With the lock held: what belongs to one attempt, to be freed without it. */
static void
steal_attempt_locked (ParallelStep   *self,
                      ParallelOutput *outputs[2],
                      GValue         *result)
{
  outputs[0] = g_steal_pointer (&self->outputs[0]);
  outputs[1] = g_steal_pointer (&self->outputs[1]);
  *result = self->result;
  self->result = (GValue) G_VALUE_INIT;
}

void
parallel_step_begin (ParallelStep *self,
                     GCancellable *cancellable,
                     double        kill_grace)
{
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&self->mutex);
  self->state = PARALLEL_STEP_STATE_RUNNING;
  self->attempt++;
  self->ending = FALSE;
  self->started = now;
  self->activity = now;
  self->grace = kill_grace;
  g_set_object (&self->cancellable, cancellable);
  g_mutex_unlock (&self->mutex);
}

void
parallel_step_begin_again (ParallelStep *self,
                           GError       *error)
{
  ParallelOutput *outputs[2];
  GValue result;
  g_autofree char *tail = parallel_step_dup_output_tail (self);

  g_mutex_lock (&self->mutex);
  if (self->attempt_errors == NULL)
    self->attempt_errors = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->attempt_errors,
                   tail == NULL ? g_strdup (error->message)
                                : g_strdup_printf ("%s\n%s", error->message, tail));
  self->state = PARALLEL_STEP_STATE_PENDING;
  self->ended = g_get_monotonic_time ();
  self->exit_status = -1;
  self->term_signal = 0;
  steal_attempt_locked (self, outputs, &result);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->subprocess);
  g_clear_error (&self->stop_reason);
  g_mutex_unlock (&self->mutex);

  g_clear_pointer (&outputs[0], parallel_output_unref);
  g_clear_pointer (&outputs[1], parallel_output_unref);
  if (G_IS_VALUE (&result))
    g_value_unset (&result);
  g_error_free (error);
}

void
parallel_step_settle (ParallelStep      *self,
                      ParallelStepState  state,
                      GError            *error)
{
  gpointer host;

  g_mutex_lock (&self->mutex);
  self->state = state;
  if (self->started != 0)
    self->ended = g_get_monotonic_time ();
  self->error = error;
  self->item = NULL;
  host = g_steal_pointer (&self->host);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->stop_reason);
  g_mutex_unlock (&self->mutex);

  drop_host (self, host);
}

void
parallel_step_report_started (ParallelStep *self)
{
  gpointer host = dup_host (self);

  if (host != NULL)
    self->host_class->started (host, self);
  drop_host (self, host);
}

static void
end_attempt (ParallelStep *self,
             GError       *error,
             gboolean      abandoned)
{
  const ParallelStepHost *host_class = NULL;
  gpointer host = NULL;

  g_mutex_lock (&self->mutex);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->host != NULL)
    {
      self->ending = TRUE;
      self->abandoned = abandoned;
      host_class = self->host_class;
      host = self->host_class->ref (self->host);
      if (self->stop_reason != NULL)
        {
          g_clear_error (&error);
          error = g_steal_pointer (&self->stop_reason);
        }
    }
  g_mutex_unlock (&self->mutex);

  if (host == NULL)
    {
      g_clear_error (&error);
      return;
    }

  /* The step may be gone afterwards. */
  host_class->ended (host, self, error);
  host_class->unref (host);
}

void
parallel_step_end (ParallelStep *self,
                   GError       *error)
{
  end_attempt (self, error, FALSE);
}

void
parallel_step_abandon (ParallelStep *self)
{
  double grace = parallel_step_get_grace (self);

  g_mutex_lock (&self->mutex);
  if (self->stop_reason != NULL && !self->ending)
    {
      g_autofree char *message = g_steal_pointer (&self->stop_reason->message);

      self->stop_reason->message =
        g_strdup_printf ("%s; it did not end within its kill grace of %g s and was abandoned", message, grace);
    }
  g_mutex_unlock (&self->mutex);

  end_attempt (self, NULL, TRUE);
}

void
parallel_step_set_subprocess (ParallelStep *self,
                              GSubprocess  *subprocess)
{
  g_mutex_lock (&self->mutex);
  g_set_object (&self->subprocess, subprocess);
  g_mutex_unlock (&self->mutex);
}

void
parallel_step_set_exit (ParallelStep *self,
                        int           exit_status,
                        int           term_signal)
{
  g_mutex_lock (&self->mutex);
  self->exit_status = exit_status;
  self->term_signal = term_signal;
  g_mutex_unlock (&self->mutex);
}

void
parallel_step_set_usage (ParallelStep *self,
                         double        user_time,
                         double        system_time,
                         gint64        max_rss)
{
  g_mutex_lock (&self->mutex);
  self->user_time = user_time;
  self->system_time = system_time;
  self->max_rss = max_rss;
  g_mutex_unlock (&self->mutex);
}

ParallelOutput *
parallel_step_dup_stream (ParallelStep         *self,
                          ParallelOutputStream  stream)
{
  g_autoptr (ParallelOutput) fresh = NULL;
  ParallelOutput *output = NULL;
  gpointer host = dup_host (self);
  gboolean opened = FALSE;

  if (host == NULL)
    return NULL;

  g_mutex_lock (&self->mutex);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->outputs[stream] == NULL)
    {
      g_mutex_unlock (&self->mutex);
      fresh = self->host_class->new_output (host, self);
      g_mutex_lock (&self->mutex);
    }
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending)
    {
      if (self->outputs[stream] == NULL && fresh != NULL)
        {
          self->outputs[stream] = g_steal_pointer (&fresh);
          opened = TRUE;
        }
      output = parallel_output_ref (self->outputs[stream]);
    }
  g_mutex_unlock (&self->mutex);

  if (opened)
    self->host_class->opened (host, self);
  drop_host (self, host);

  return output;
}

void
parallel_step_wrote (ParallelStep         *self,
                     ParallelOutputStream  stream)
{
  gpointer host;
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&self->mutex);
  self->activity = now;
  self->last_stream = stream;
  host = self->host != NULL ? self->host_class->ref (self->host) : NULL;
  g_mutex_unlock (&self->mutex);

  if (host == NULL)
    return;
  self->host_class->wrote (host, self);
  if (parallel_step_mark_changed (self, PARALLEL_STEP_CHANGED_LAST_LINE))
    self->host_class->changed (host, self);
  drop_host (self, host);
}

GCancellable *
parallel_step_dup_cancellable (ParallelStep *self)
{
  GCancellable *cancellable = NULL;

  g_mutex_lock (&self->mutex);
  if (self->cancellable != NULL)
    cancellable = g_object_ref (self->cancellable);
  g_mutex_unlock (&self->mutex);

  return cancellable;
}

gboolean
parallel_step_take_stop_reason (ParallelStep *self,
                                GError       *reason)
{
  gboolean taken = FALSE;

  g_mutex_lock (&self->mutex);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->stop_reason == NULL)
    {
      self->stop_reason = g_steal_pointer (&reason);
      taken = TRUE;
    }
  g_mutex_unlock (&self->mutex);

  g_clear_error (&reason);
  return taken;
}

GError *
parallel_step_dup_stop_reason (ParallelStep *self)
{
  GError *reason = NULL;

  g_mutex_lock (&self->mutex);
  if (self->stop_reason != NULL)
    reason = g_error_copy (self->stop_reason);
  g_mutex_unlock (&self->mutex);

  return reason;
}

gboolean
parallel_step_is_being_stopped (ParallelStep *self)
{
  gboolean being_stopped;

  g_mutex_lock (&self->mutex);
  being_stopped = self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->stop_reason != NULL;
  g_mutex_unlock (&self->mutex);

  return being_stopped;
}

gint64
parallel_step_get_activity (ParallelStep *self)
{
  gint64 activity;

  g_mutex_lock (&self->mutex);
  activity = self->activity;
  g_mutex_unlock (&self->mutex);

  return activity;
}

double
parallel_step_get_grace (ParallelStep *self)
{
  double grace;

  g_mutex_lock (&self->mutex);
  grace = self->grace;
  g_mutex_unlock (&self->mutex);

  return grace;
}

gint64
parallel_step_get_started (ParallelStep *self)
{
  gint64 started;

  g_mutex_lock (&self->mutex);
  started = self->started;
  g_mutex_unlock (&self->mutex);

  return started;
}

void
parallel_step_dup_outputs (ParallelStep   *self,
                           ParallelOutput *outputs[2])
{
  g_mutex_lock (&self->mutex);
  for (guint i = 0; i < 2; i++)
    outputs[i] = self->outputs[i] != NULL ? parallel_output_ref (self->outputs[i]) : NULL;
  g_mutex_unlock (&self->mutex);
}

gboolean
parallel_step_mark_changed (ParallelStep        *self,
                            ParallelStepChanges  change)
{
  gboolean first;

  if (!g_atomic_int_get (&self->watched))
    return FALSE;

  g_mutex_lock (&self->mutex);
  first = self->changes == 0;
  self->changes |= change;
  g_mutex_unlock (&self->mutex);

  return first;
}

gboolean
parallel_step_can_drop_anywhere (ParallelStep *self)
{
  return !g_atomic_int_get (&self->watched) &&
         parallel_value_is_plain (&self->input) &&
         parallel_value_is_plain (&self->result);
}
