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
parallel_step_new_spare (void)
{
  return g_object_new (PARALLEL_TYPE_STEP, NULL);
}

gboolean
parallel_step_attach (ParallelStep           *self,
                      const ParallelStepHost *host_class,
                      gpointer                host,
                      gpointer                item)
{
  gboolean attached = FALSE;

  parallel_step_lock (self);
  if (self->host_class == NULL)
    {
      self->host_class = host_class;
      self->host = host_class->ref (host);
      self->item = item;
      attached = TRUE;
    }
  parallel_step_unlock (self);

  return attached;
}

gpointer
parallel_step_get_item (ParallelStep *self)
{
  gpointer item;

  parallel_step_lock (self);
  item = self->item;
  parallel_step_unlock (self);

  return item;
}

void
parallel_step_set_index (ParallelStep *self,
                         gint64        index)
{
  parallel_step_lock (self);
  self->index = index;
  parallel_step_unlock (self);
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
  if (self->limits->exit_timeout >= 0)
    limits.exit_timeout = self->limits->exit_timeout;
  if (self->limits->kill_grace >= 0)
    limits.kill_grace = self->limits->kill_grace;
  if (self->limits->retry_delay >= 0)
    limits.retry_delay = self->limits->retry_delay;
  if (self->limits->max_attempts >= 0)
    limits.max_attempts = self->limits->max_attempts;
  if (self->limits->output_limit >= 0)
    limits.output_limit = self->limits->output_limit;
  if (self->limits->stop_sequence != NULL)
    limits.stop_sequence = self->limits->stop_sequence;

  return limits;
}

gpointer
parallel_step_dup_host (ParallelStep *self)
{
  gpointer host = NULL;

  parallel_step_lock (self);
  if (self->host != NULL && !parallel_step_is_foreign (self))
    host = self->host_class->ref (self->host);
  parallel_step_unlock (self);

  return host;
}

void
parallel_step_drop_host (ParallelStep *self,
                         gpointer      host)
{
  if (host != NULL)
    self->host_class->unref (host);
}

void
parallel_step_clear_host (ParallelStep *self)
{
  gpointer host;

  parallel_step_lock (self);
  host = g_steal_pointer (&self->host);
  self->item = NULL;
  parallel_step_unlock (self);

  parallel_step_drop_host (self, host);
}

static void
clear_whereabouts_locked (ParallelStep *self)
{
  g_free (self->whereabouts.mark);
  self->whereabouts = (ParallelWhereabouts) { 0 };
  self->diagnosing = FALSE;
}

/* With the lock held: what belongs to one attempt, to be freed without it. */
static void
steal_attempt_locked (ParallelStep   *self,
                      ParallelOutput *outputs[PARALLEL_N_PARTS],
                      GValue         *result)
{
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    outputs[i] = g_steal_pointer (&self->outputs[i]);
  *result = self->result;
  self->result = (GValue) G_VALUE_INIT;
}

void
parallel_step_begin (ParallelStep             *self,
                     GCancellable             *cancellable,
                     const ParallelStepLimits *limits,
                     int                       tid)
{
  gint64 now = g_get_monotonic_time ();

  parallel_step_lock (self);
  self->state = PARALLEL_STEP_STATE_RUNNING;
  self->attempt++;
  self->ending = FALSE;
  self->started = now;
  self->activity = now;
  self->leaving = 0;
  self->attempt_limits = *limits;
  self->whereabouts.tid = tid;
  g_set_object (&self->cancellable, cancellable);
  parallel_step_unlock (self);
}

/* What is kept of an attempt that another one follows. */
static char *
describe_attempt (ParallelStep *self,
                  const GError *error)
{
  g_autofree char *tail = parallel_step_dup_output_tail (self);
  g_autofree char *diagnosis = parallel_step_dup_diagnosis (self);
  g_autoptr (GString) text = g_string_new (error->message);

  if (tail != NULL)
    g_string_append_printf (text, "\n%s", tail);
  if (diagnosis != NULL)
    g_string_append_printf (text, "\n%s", diagnosis);

  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
parallel_step_begin_again (ParallelStep *self,
                           GError       *error)
{
  ParallelOutput *outputs[PARALLEL_N_PARTS];
  GValue result;
  char *description = describe_attempt (self, error);

  parallel_step_lock (self);
  if (self->attempt_errors == NULL)
    self->attempt_errors = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->attempt_errors, description);
  self->state = PARALLEL_STEP_STATE_PENDING;
  self->ended = g_get_monotonic_time ();
  self->exit_status = -1;
  self->term_signal = 0;
  steal_attempt_locked (self, outputs, &result);
  clear_whereabouts_locked (self);
  g_clear_pointer (&self->diagnosis, g_free);
  g_clear_pointer (&self->failure_details, g_bytes_unref);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->subprocess);
  g_clear_error (&self->stop_reason);
  parallel_step_unlock (self);

  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    g_clear_pointer (&outputs[i], parallel_output_unref);
  if (parallel_value_is_set (&result))
    g_value_unset (&result);
  g_error_free (error);
}

void
parallel_step_settle (ParallelStep      *self,
                      ParallelStepState  state,
                      GError            *error)
{
  gpointer host;

  parallel_step_lock (self);
  self->state = state;
  if (self->started != 0)
    self->ended = g_get_monotonic_time ();
  self->error = error;
  self->item = NULL;
  host = g_steal_pointer (&self->host);
  clear_whereabouts_locked (self);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->stop_reason);
  parallel_step_unlock (self);

  parallel_step_drop_host (self, host);
}

void
parallel_step_report_started (ParallelStep *self)
{
  gpointer host = parallel_step_dup_host (self);

  if (host != NULL)
    self->host_class->started (host, self);
  parallel_step_drop_host (self, host);
}

typedef enum
{
  END_TOLD,       /* by whoever has done it */
  END_RETURNED,   /* by the thread that it occupied, which is free now */
  END_ABANDONED   /* by nobody; the thread is not free */
} End;

static void
end_attempt (ParallelStep *self,
             GError       *error,
             End           end)
{
  const ParallelStepHost *host_class = NULL;
  gpointer host = NULL;

  parallel_step_lock (self);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->host != NULL)
    {
      self->ending = TRUE;
      self->abandoned = end == END_ABANDONED;
      self->returned = end == END_RETURNED;
      host_class = self->host_class;
      host = self->host_class->ref (self->host);
      if (self->stop_reason != NULL)
        {
          g_clear_error (&error);
          error = g_steal_pointer (&self->stop_reason);
        }
    }
  parallel_step_unlock (self);

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
  end_attempt (self, error, END_TOLD);
}

void
parallel_step_return (ParallelStep *self,
                      GError       *error)
{
  end_attempt (self, error, END_RETURNED);
}

void
parallel_step_abandon (ParallelStep *self)
{
  g_autofree char *text = g_strdup_printf ("it did not end within its kill grace of %g s and was abandoned",
                                           parallel_step_get_grace (self));

  parallel_step_add_to_stop_reason (self, text, NULL);
  end_attempt (self, NULL, END_ABANDONED);
}

void
parallel_step_set_process (ParallelStep *self,
                           GSubprocess  *subprocess,
                           int           pid,
                           const char   *mark)
{
  parallel_step_lock (self);
  g_set_object (&self->subprocess, subprocess);
  self->whereabouts.pid = pid;
  g_free (self->whereabouts.mark);
  self->whereabouts.mark = g_strdup (mark);
  parallel_step_unlock (self);
}

void
parallel_step_set_stacks (ParallelStep *self,
                          int           signum,
                          int           fd)
{
  parallel_step_lock (self);
  self->whereabouts.stack_signal = signum;
  self->whereabouts.stack_fd = fd;
  parallel_step_unlock (self);
}

void
parallel_step_set_failure_details (ParallelStep *self,
                                   GBytes       *details)
{
  parallel_step_lock (self);
  g_clear_pointer (&self->failure_details, g_bytes_unref);
  self->failure_details = g_bytes_ref (details);
  parallel_step_unlock (self);
}

void
parallel_step_set_exit (ParallelStep *self,
                        int           exit_status,
                        int           term_signal)
{
  parallel_step_lock (self);
  self->exit_status = exit_status;
  self->term_signal = term_signal;
  parallel_step_unlock (self);
}

void
parallel_step_set_usage (ParallelStep *self,
                         double        user_time,
                         double        system_time,
                         gint64        max_rss)
{
  parallel_step_lock (self);
  self->user_time = user_time;
  self->system_time = system_time;
  self->max_rss = max_rss;
  parallel_step_unlock (self);
}

ParallelOutput *
parallel_step_dup_part (ParallelStep *self,
                        guint         part)
{
  g_autoptr (ParallelOutput) fresh = NULL;
  ParallelOutput *output = NULL;
  gpointer host = parallel_step_dup_host (self);
  gboolean opened = FALSE;

  if (host == NULL)
    return NULL;

  parallel_step_lock (self);
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending && self->outputs[part] == NULL)
    {
      parallel_step_unlock (self);
      fresh = self->host_class->new_output (host, self, part);
      parallel_step_lock (self);
    }
  if (self->state == PARALLEL_STEP_STATE_RUNNING && !self->ending)
    {
      if (self->outputs[part] == NULL && fresh != NULL)
        {
          self->outputs[part] = g_steal_pointer (&fresh);
          opened = TRUE;
        }
      output = parallel_output_ref (self->outputs[part]);
    }
  parallel_step_unlock (self);

  if (opened)
    self->host_class->opened (host, self);
  parallel_step_drop_host (self, host);

  return output;
}

ParallelOutput *
parallel_step_dup_stream (ParallelStep         *self,
                          ParallelOutputStream  stream)
{
  return parallel_step_dup_part (self, stream);
}

void
parallel_step_wrote (ParallelStep         *self,
                     ParallelOutputStream  stream)
{
  gpointer host;
  gint64 now = g_get_monotonic_time ();

  parallel_step_lock (self);
  self->activity = now;
  self->last_stream = stream;
  parallel_step_unlock (self);

  host = parallel_step_dup_host (self);
  if (host == NULL)
    return;
  self->host_class->wrote (host, self);
  if (parallel_step_mark_changed (self, PARALLEL_STEP_CHANGED_LAST_LINE))
    self->host_class->changed (host, self);
  parallel_step_drop_host (self, host);
}

GCancellable *
parallel_step_get_cancellable (ParallelStep *self)
{
  LOCKED_GETTER (self, GCancellable *, self->cancellable);
}

GCancellable *
parallel_step_dup_cancellable (ParallelStep *self)
{
  GCancellable *cancellable = NULL;

  parallel_step_lock (self);
  if (self->cancellable != NULL)
    cancellable = g_object_ref (self->cancellable);
  parallel_step_unlock (self);

  return cancellable;
}

void
parallel_step_dup_outputs (ParallelStep   *self,
                           ParallelOutput *outputs[PARALLEL_N_PARTS])
{
  parallel_step_lock (self);
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    outputs[i] = self->outputs[i] != NULL ? parallel_output_ref (self->outputs[i]) : NULL;
  parallel_step_unlock (self);
}

gboolean
parallel_step_mark_changed (ParallelStep        *self,
                            ParallelStepChanges  change)
{
  gboolean first;

  if (!g_atomic_int_get (&self->watched))
    return FALSE;

  parallel_step_lock (self);
  first = self->changes == 0;
  self->changes |= change;
  parallel_step_unlock (self);

  return first;
}

gboolean
parallel_step_can_drop_anywhere (ParallelStep *self)
{
  return !g_atomic_int_get (&self->watched) &&
         parallel_value_is_plain (&self->input) &&
         parallel_value_is_plain (&self->result);
}
