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
  parallel_step_lock (self);
  if (self->stop_reason != NULL && !self->ending)
    {
      g_autofree char *message = g_steal_pointer (&self->stop_reason->message);

      self->stop_reason->message = g_strconcat (message, "; ", text, more, NULL);
    }
  parallel_step_unlock (self);
}

void
parallel_step_begin_leaving (ParallelStep *self)
{
  gpointer host = parallel_step_dup_host (self);

  parallel_step_lock (self);
  self->leaving = g_get_monotonic_time ();
  parallel_step_unlock (self);

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

  parallel_step_lock (self);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->stop_reason == NULL)
    {
      self->stop_reason = g_steal_pointer (&reason);
      taken = TRUE;
    }
  parallel_step_unlock (self);

  g_clear_error (&reason);
  return taken;
}

GError *
parallel_step_dup_stop_reason (ParallelStep *self)
{
  LOCKED_GETTER (self, GError *, self->stop_reason != NULL ? g_error_copy (self->stop_reason) : NULL);
}

gboolean
parallel_step_is_being_stopped (ParallelStep *self)
{
  LOCKED_GETTER (self, gboolean, self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending &&
                                 self->stop_reason != NULL);
}

gint64
parallel_step_get_activity (ParallelStep *self)
{
  LOCKED_GETTER (self, gint64, self->activity);
}

double
parallel_step_get_grace (ParallelStep *self)
{
  LOCKED_GETTER (self, double, self->attempt_limits.kill_grace);
}

gint64
parallel_step_get_started (ParallelStep *self)
{
  LOCKED_GETTER (self, gint64, self->started);
}

gint64
parallel_step_get_leaving (ParallelStep *self)
{
  LOCKED_GETTER (self, gint64, self->leaving);
}

ParallelStepLimits
parallel_step_get_attempt_limits (ParallelStep *self)
{
  LOCKED_GETTER (self, ParallelStepLimits, self->attempt_limits);
}

ParallelWhereabouts
parallel_step_get_whereabouts (ParallelStep *self)
{
  ParallelWhereabouts whereabouts;

  parallel_step_lock (self);
  whereabouts = self->whereabouts;
  whereabouts.mark = g_strdup (whereabouts.mark);
  parallel_step_unlock (self);

  return whereabouts;
}

gboolean
parallel_step_set_diagnosing (ParallelStep *self,
                              gboolean      diagnosing)
{
  gboolean changed;

  parallel_step_lock (self);
  changed = self->diagnosing != diagnosing;
  self->diagnosing = diagnosing;
  parallel_step_unlock (self);

  return changed;
}

/* A line that the step has begun is ended first. */
static gboolean
is_amid_line (ParallelStep *self)
{
  g_autoptr (ParallelOutput) output = NULL;
  guint64 size;
  char last;

  parallel_step_lock (self);
  if (self->outputs[self->last_stream] != NULL)
    output = parallel_output_ref (self->outputs[self->last_stream]);
  parallel_step_unlock (self);

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

  parallel_step_lock (self);
  g_free (self->diagnosis);
  self->diagnosis = diagnosis;
  parallel_step_unlock (self);

  if (host != NULL && parallel_step_mark_changed (self, PARALLEL_STEP_CHANGED_DIAGNOSIS))
    self->host_class->changed (host, self);
  parallel_step_drop_host (self, host);
}
