/* parallel-step-stop.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-step-private.h"

#include <string.h>

/* The end of an attempt that does not come by itself: its clocks, what is seen of it, why it is
 * stopped. */

void
parallel_step_add_to_stop_reason (ParallelStep *self,
                                  const char   *text,
                                  const char   *more)
{
  g_mutex_lock (&self->mutex);
  if (self->stop_reason != NULL && !self->ending)
    {
      g_autofree char *message = g_steal_pointer (&self->stop_reason->message);

      self->stop_reason->message = g_strconcat (message, "; ", text, more, NULL);
    }
  g_mutex_unlock (&self->mutex);
}

void
parallel_step_begin_leaving (ParallelStep *self)
{
  gpointer host = parallel_step_dup_host (self);

  g_mutex_lock (&self->mutex);
  self->leaving = g_get_monotonic_time ();
  g_mutex_unlock (&self->mutex);

  if (host == NULL)
    return;
  self->host_class->leaving (host, self);
  parallel_step_drop_host (self, host);
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
  grace = self->attempt_limits.kill_grace;
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

gint64
parallel_step_get_leaving (ParallelStep *self)
{
  gint64 leaving;

  g_mutex_lock (&self->mutex);
  leaving = self->leaving;
  g_mutex_unlock (&self->mutex);

  return leaving;
}

ParallelStepLimits
parallel_step_get_attempt_limits (ParallelStep *self)
{
  ParallelStepLimits limits;

  g_mutex_lock (&self->mutex);
  limits = self->attempt_limits;
  g_mutex_unlock (&self->mutex);

  return limits;
}

ParallelWhereabouts
parallel_step_get_whereabouts (ParallelStep *self)
{
  ParallelWhereabouts whereabouts;

  g_mutex_lock (&self->mutex);
  whereabouts = self->whereabouts;
  whereabouts.mark = g_strdup (whereabouts.mark);
  g_mutex_unlock (&self->mutex);

  return whereabouts;
}

gboolean
parallel_step_set_diagnosing (ParallelStep *self,
                              gboolean      diagnosing)
{
  gboolean changed;

  g_mutex_lock (&self->mutex);
  changed = self->diagnosing != diagnosing;
  self->diagnosing = diagnosing;
  g_mutex_unlock (&self->mutex);

  return changed;
}

/* A line that the step has begun is ended first. */
static gboolean
is_amid_line (ParallelStep *self)
{
  g_autoptr (ParallelOutput) output = NULL;
  guint64 size;
  char last;

  g_mutex_lock (&self->mutex);
  if (self->outputs[self->last_stream] != NULL)
    output = parallel_output_ref (self->outputs[self->last_stream]);
  g_mutex_unlock (&self->mutex);

  size = output != NULL ? parallel_output_get_size (output) : 0;
  return size > 0 && parallel_output_read (output, size - 1, &last, 1, NULL) == 1 && last != '\n';
}

void
parallel_step_take_diagnosis (ParallelStep *self,
                              const char   *heading,
                              char         *diagnosis)
{
  g_autoptr (ParallelOutput) note = parallel_step_dup_part (self, PARALLEL_PART_NOTE);
  gpointer host = parallel_step_dup_host (self);

  if (note != NULL && host != NULL)
    {
      g_autofree char *text = g_strconcat (is_amid_line (self) ? "\n" : "", heading, "\n", diagnosis,
                                           "\n", NULL);

      parallel_output_append (note, text, strlen (text), NULL);
      self->host_class->wrote (host, self);
    }

  g_mutex_lock (&self->mutex);
  g_free (self->diagnosis);
  self->diagnosis = diagnosis;
  g_mutex_unlock (&self->mutex);

  if (host != NULL && parallel_step_mark_changed (self, PARALLEL_STEP_CHANGED_DIAGNOSIS))
    self->host_class->changed (host, self);
  parallel_step_drop_host (self, host);
}
