/* parallel-sequencer.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-sequencer.h"

#include "parallel-lock.h"
#include "parallel-sequencer-private.h"

/* The callers' half of the sequencer; see parallel-sequencer-private.h for the other one.
 *
 * parallel_sequencer_done() for a step that wrote nothing is the hot path: a run of a million
 * trivial steps calls nothing else, from several threads. It is a mutex, a look at two slots of a
 * ring and no allocation, and it wakes nobody: the printer is signalled only when it is known to
 * wait and there is something to print.
 *
 * Who finds that all is done calls the drained callback: the printer if it is at work, since only
 * it knows when the sinks are flushed, else the caller. So a run that prints nothing needs no
 * thread.
 *
 * The printer keeps a reference, and ends when all is drained or abandoned: who makes a sequencer
 * closes or abandons it before the last parallel_sequencer_unref(). */

static void
release (ParallelSequencer  *self,
         ParallelAfterwards *after)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&after->turns)) != NULL)
    {
      ParallelTurn *turn = link->data;

      if (turn->data != NULL)
        self->callbacks.release (self->user_data, turn->data);
      parallel_turn_free (turn);
    }

  if (after->data != NULL)
    self->callbacks.release (self->user_data, g_steal_pointer (&after->data));

  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    g_clear_pointer (&after->outputs[i], parallel_output_unref);
  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    g_clear_pointer (&after->sinks[i], parallel_sink_unref);
}

void
parallel_sequencer_unlock (ParallelSequencer  *self,
                           ParallelAfterwards *after)
{
  g_mutex_unlock (&self->mutex);

  /* Before the callback: whoever waits for it may look whether its sinks are free again. */
  release (self, after);

  if (after->error != NULL && self->callbacks.failed != NULL)
    self->callbacks.failed (self->user_data, g_steal_pointer (&after->error));
  g_clear_error (&after->error);

  if (after->drained && self->callbacks.drained != NULL)
    self->callbacks.drained (self->user_data);
}

/* Nothing is taken any more. */
static gboolean
is_over_locked (ParallelSequencer *self)
{
  return self->state == PARALLEL_SEQUENCER_DRAINED || self->state == PARALLEL_SEQUENCER_ABANDONED;
}

/* A signal is a system call even if nobody waits, and the hot path must not pay for it. */
static void
wake_printer_locked (ParallelSequencer *self)
{
  if (self->waiting)
    g_cond_signal (&self->cond);
  self->waiting = FALSE;
}

/* Drops a turn for good; its slot is the caller's business. */
static void
drop_turn_locked (ParallelSequencer  *self,
                  ParallelTurn       *turn,
                  ParallelAfterwards *after)
{
  g_assert (turn != self->current);

  if (turn->queued)
    g_queue_unlink (&self->ready, &turn->link);
  turn->queued = FALSE;
  self->n_turns--;
  g_queue_push_tail_link (&after->turns, &turn->link);
}

/* Drops all turns but the current one, which is the printer's. Those that are closed leave a step
 * that is through, the others one that nothing is known of. */
static void
drop_all_turns_locked (ParallelSequencer  *self,
                       ParallelAfterwards *after)
{
  ParallelWindow *window = &self->window;

  for (guint64 i = window->next; i < window->end; i++)
    {
      ParallelTurn *turn = parallel_window_get (window, i);

      if (turn == NULL || turn == PARALLEL_SLOT_DONE || turn == self->current)
        continue;

      parallel_window_set (window, i, NULL);
      if (turn->closed)
        parallel_window_finish (window, i);
      drop_turn_locked (self, turn, after);
    }
}

void
parallel_sequencer_hang_up_locked (ParallelSequencer  *self,
                                   ParallelAfterwards *after)
{
  if (self->current != NULL)
    after->data = g_steal_pointer (&self->current->data);
  after->drained = TRUE;
}

/* The one place where the sequencer comes to its end. */
static void
end_locked (ParallelSequencer      *self,
            ParallelSequencerState  state,
            ParallelAfterwards     *after)
{
  g_assert (!is_over_locked (self));

  drop_all_turns_locked (self, after);
  parallel_window_clear (&self->window);

  self->state = state;
  if (!self->calling)
    parallel_sequencer_hang_up_locked (self, after);

  /* A printer that is stuck in a sink releases it when it comes back. */
  for (guint i = 0; i < PARALLEL_N_STREAMS && !self->busy; i++)
    after->sinks[i] = g_steal_pointer (&self->sinks[i]);

  wake_printer_locked (self);
}

ParallelTurn *
parallel_sequencer_peek_locked (ParallelSequencer *self)
{
  ParallelTurn *turn;

  if (self->hold)
    return NULL;

  if (self->mode == PARALLEL_OUTPUT_MODE_FINISHED || self->mode == PARALLEL_OUTPUT_MODE_TAGGED)
    return g_queue_peek_head (&self->ready);

  turn = parallel_window_get (&self->window, self->window.next);
  if (turn != NULL && (turn->closed || (turn->live && turn->pending)))
    return turn;

  return NULL;
}

static void
summon_printer_locked (ParallelSequencer  *self,
                       ParallelAfterwards *after)
{
  if (self->has_thread)
    {
      wake_printer_locked (self);
      return;
    }

  if (parallel_sequencer_start_printer_locked (self, &after->error))
    return;

  /* The run is worth more than its printed output, which can still be read from the steps. */
  g_prefix_error (&after->error, "Could not start the thread that prints: ");
  self->mute = TRUE;
  drop_all_turns_locked (self, after);
}

void
parallel_sequencer_settle_locked (ParallelSequencer  *self,
                                  ParallelAfterwards *after)
{
  if (is_over_locked (self))
    return;

  if (parallel_sequencer_peek_locked (self) != NULL)
    summon_printer_locked (self, after);

  if (self->state == PARALLEL_SEQUENCER_CLOSED && self->window.next >= self->n_steps &&
      !self->busy && !self->unflushed[0] && !self->unflushed[1])
    end_locked (self, PARALLEL_SEQUENCER_DRAINED, after);
}

void
parallel_sequencer_mark_locked (ParallelSequencer *self,
                                ParallelTurn      *turn)
{
  gboolean printable = turn->closed || (turn->live && self->mode == PARALLEL_OUTPUT_MODE_TAGGED);

  turn->pending = TRUE;

  if (self->mode != PARALLEL_OUTPUT_MODE_FINISHED && self->mode != PARALLEL_OUTPUT_MODE_TAGGED)
    return;
  if (turn->queued || !printable)
    return;

  /* A turn of the finished mode that was interrupted is printed as a whole all the same. */
  if (turn == self->current && self->mode == PARALLEL_OUTPUT_MODE_FINISHED)
    g_queue_push_head_link (&self->ready, &turn->link);
  else
    g_queue_push_tail_link (&self->ready, &turn->link);
  turn->queued = TRUE;
}

void
parallel_sequencer_retire_locked (ParallelSequencer  *self,
                                  ParallelTurn       *turn,
                                  ParallelAfterwards *after)
{
  if (!is_over_locked (self))
    parallel_window_finish (&self->window, turn->index);
  drop_turn_locked (self, turn, after);
}

gboolean
parallel_sequencer_keeps_alive_locked (ParallelSequencer *self)
{
  if (self->keep_alive == 0 || self->callbacks.keep_alive == NULL || self->hold)
    return FALSE;
  if (self->mode == PARALLEL_OUTPUT_MODE_NONE || is_over_locked (self))
    return FALSE;
  if (self->sinks[PARALLEL_OUTPUT_STREAM_STDERR] == NULL ||
      self->broken[PARALLEL_OUTPUT_STREAM_STDERR])
    return FALSE;

  /* While it is open, only the callback knows whether there is a step that has said nothing. */
  return self->state == PARALLEL_SEQUENCER_OPEN || self->window.next < self->n_steps;
}

/* The printer measures the time, so that it is needed even if nothing is ever printed. */
static void
update_keep_alive_locked (ParallelSequencer *self)
{
  g_autoptr (GError) error = NULL;

  if (!parallel_sequencer_keeps_alive_locked (self))
    return;

  if (self->has_thread)
    wake_printer_locked (self);
  else if (!parallel_sequencer_start_printer_locked (self, &error))
    g_debug ("There will be no keep-alive lines: %s", error->message);
}

ParallelSequencer *
parallel_sequencer_new (const ParallelSequencerCallbacks *callbacks,
                        gpointer                          user_data,
                        GDestroyNotify                    notify)
{
  ParallelSequencer *self = g_atomic_rc_box_new0 (ParallelSequencer);

  if (callbacks != NULL)
    self->callbacks = *callbacks;
  self->user_data = user_data;
  self->notify = notify;
  self->mode = PARALLEL_OUTPUT_MODE_ORDERED;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  g_queue_init (&self->ready);

  return self;
}

ParallelSequencer *
parallel_sequencer_ref (ParallelSequencer *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_atomic_rc_box_acquire (self);
}

/* Nobody else has it any more, so that the guards are not needed. */
static void
finalize (gpointer data)
{
  ParallelSequencer *self = data;
  ParallelAfterwards after = { 0 };

  drop_all_turns_locked (self, &after);
  release (self, &after);

  parallel_window_clear (&self->window);
  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    g_clear_pointer (&self->sinks[i], parallel_sink_unref);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);

  if (self->notify != NULL)
    self->notify (self->user_data);
}

void
parallel_sequencer_unref (ParallelSequencer *self)
{
  g_return_if_fail (self != NULL);

  g_atomic_rc_box_release_full (self, finalize);
}

void
parallel_sequencer_set_mode (ParallelSequencer  *self,
                             ParallelOutputMode  mode)
{
  gboolean early;

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  early = (self->window.end == 0);
  if (early)
    {
      self->mode = mode;
      update_keep_alive_locked (self);
    }
  g_mutex_unlock (&self->mutex);

  g_return_if_fail (early);
}

void
parallel_sequencer_set_sinks (ParallelSequencer *self,
                              ParallelSink      *stdout_sink,
                              ParallelSink      *stderr_sink)
{
  ParallelSink *sinks[PARALLEL_N_STREAMS] = { stdout_sink, stderr_sink };
  ParallelAfterwards after = { 0 };
  gboolean early;

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  early = (self->window.end == 0 && !self->busy && !is_over_locked (self));
  for (guint i = 0; i < PARALLEL_N_STREAMS && early; i++)
    {
      after.sinks[i] = self->sinks[i];
      self->sinks[i] = (sinks[i] != NULL) ? parallel_sink_ref (sinks[i]) : NULL;
    }
  update_keep_alive_locked (self);
  parallel_sequencer_unlock (self, &after);

  g_return_if_fail (early);
}

void
parallel_sequencer_set_hold (ParallelSequencer *self,
                             gboolean           hold)
{
  ParallelAfterwards after = { 0 };

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  if (self->hold != !!hold)
    {
      self->hold = !!hold;
      parallel_sequencer_settle_locked (self, &after);
      update_keep_alive_locked (self);
    }
  parallel_sequencer_unlock (self, &after);
}

void
parallel_sequencer_set_keep_alive (ParallelSequencer *self,
                                   double             seconds)
{
  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);

  /* The clock starts here; a new interval goes on from what was printed last. */
  if (self->keep_alive == 0)
    self->last_printed = g_get_monotonic_time ();

  /* Written so that a NaN is never, too; a year is as good as any longer time and cannot
   * overflow. */
  if (seconds > 0)
    self->keep_alive = MAX (1, (gint64) (MIN (seconds, 365.0 * 24 * 3600) * G_USEC_PER_SEC));
  else
    self->keep_alive = 0;

  update_keep_alive_locked (self);
  g_mutex_unlock (&self->mutex);
}

void
parallel_sequencer_add (ParallelSequencer *self,
                        guint64            index,
                        const char        *name,
                        gboolean           live,
                        ParallelOutput    *outputs[PARALLEL_N_PARTS],
                        gpointer           data)
{
  ParallelAfterwards after = { 0 };
  ParallelTurn *turn;

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);

  /* Without a sink, a turn is only there to be announced. */
  if (self->mode == PARALLEL_OUTPUT_MODE_NONE && self->callbacks.printing == NULL)
    self->mute = TRUE;

  turn = parallel_window_get (&self->window, index);
  if (turn == NULL && !self->mute && !is_over_locked (self))
    {
      turn = parallel_turn_new (index, name);
      parallel_window_set (&self->window, index, turn);
      self->n_turns++;
    }

  if (turn != NULL && turn != PARALLEL_SLOT_DONE && !turn->closed)
    {
      parallel_turn_adopt (turn, live, outputs, after.outputs);
      if (turn->data == NULL)
        turn->data = g_steal_pointer (&data);
      parallel_sequencer_mark_locked (self, turn);
      parallel_sequencer_settle_locked (self, &after);
    }

  after.data = data;
  parallel_sequencer_unlock (self, &after);
}

void
parallel_sequencer_retract (ParallelSequencer *self,
                            guint64            index)
{
  ParallelAfterwards after = { 0 };
  ParallelTurn *turn;

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  turn = parallel_window_get (&self->window, index);
  if (turn != NULL && turn != PARALLEL_SLOT_DONE && !turn->closed)
    for (guint i = 0; i < PARALLEL_N_PARTS; i++)
      {
        after.outputs[i] = g_steal_pointer (&turn->outputs[i]);
        turn->printed[i] = 0;
      }
  parallel_sequencer_unlock (self, &after);
}

void
parallel_sequencer_wrote (ParallelSequencer *self,
                          guint64            index)
{
  ParallelAfterwards after = { 0 };
  ParallelTurn *turn;

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  turn = parallel_window_get (&self->window, index);
  if (turn != NULL && turn != PARALLEL_SLOT_DONE && !turn->closed)
    {
      parallel_sequencer_mark_locked (self, turn);
      parallel_sequencer_settle_locked (self, &after);
    }
  parallel_sequencer_unlock (self, &after);
}

static void
close_turn (ParallelSequencer *self,
            guint64            index,
            gboolean           discard)
{
  ParallelAfterwards after = { 0 };
  ParallelTurn *turn;

  parallel_lock (&self->mutex);
  turn = parallel_window_get (&self->window, index);
  if (turn == PARALLEL_SLOT_DONE || is_over_locked (self))
    {
      g_mutex_unlock (&self->mutex);
      return;
    }

  if (turn == NULL)
    {
      parallel_window_finish (&self->window, index);
    }
  else if (discard || !turn->closed)
    {
      turn->closed = TRUE;
      turn->discarded = !!discard;

      /* All of a live step may be printed already: then the printer is not needed, and a hold does
       * not keep the run from ending. */
      if (turn == self->current || !parallel_turn_is_exhausted (turn))
        parallel_sequencer_mark_locked (self, turn);
      else
        parallel_sequencer_retire_locked (self, turn, &after);
    }

  parallel_sequencer_settle_locked (self, &after);
  parallel_sequencer_unlock (self, &after);
}

void
parallel_sequencer_done (ParallelSequencer *self,
                         guint64            index)
{
  g_return_if_fail (self != NULL);

  close_turn (self, index, FALSE);
}

void
parallel_sequencer_discard (ParallelSequencer *self,
                            guint64            index)
{
  g_return_if_fail (self != NULL);

  close_turn (self, index, TRUE);
}

void
parallel_sequencer_close (ParallelSequencer *self,
                          guint64            n_steps)
{
  ParallelAfterwards after = { 0 };

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  if (self->state == PARALLEL_SEQUENCER_OPEN)
    {
      self->state = PARALLEL_SEQUENCER_CLOSED;
      self->n_steps = n_steps;
      parallel_sequencer_settle_locked (self, &after);
    }
  parallel_sequencer_unlock (self, &after);
}

void
parallel_sequencer_abandon (ParallelSequencer *self)
{
  ParallelAfterwards after = { 0 };

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  if (!is_over_locked (self))
    end_locked (self, PARALLEL_SEQUENCER_ABANDONED, &after);
  parallel_sequencer_unlock (self, &after);
}

guint64
parallel_sequencer_get_printed (ParallelSequencer *self)
{
  guint64 n_printed;

  g_return_val_if_fail (self != NULL, 0);

  g_mutex_lock (&self->mutex);
  n_printed = self->n_printed;
  g_mutex_unlock (&self->mutex);

  return n_printed;
}

char *
parallel_sequencer_describe (ParallelSequencer *self)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint64 n_waiting;

  g_return_val_if_fail (self != NULL, NULL);

  g_mutex_lock (&self->mutex);

  n_waiting = self->n_turns - (self->current != NULL ? 1 : 0);
  if (self->state == PARALLEL_SEQUENCER_DRAINED)
    g_string_append (text, "drained");
  else if (self->state == PARALLEL_SEQUENCER_ABANDONED)
    g_string_append (text, self->busy ? "abandoned, stuck in a sink" : "abandoned");
  else if (self->current != NULL)
    g_string_append_printf (text, "printing step %" G_GUINT64_FORMAT, self->current->index);
  else if (self->hold)
    g_string_append (text, "held");
  else if (n_waiting > 0 && self->mode == PARALLEL_OUTPUT_MODE_ORDERED)
    g_string_append_printf (text, "waiting for step %" G_GUINT64_FORMAT, self->window.next);
  else
    g_string_append (text, "idle");

  if (n_waiting > 0)
    g_string_append_printf (text, ", %" G_GUINT64_FORMAT " steps with output not printed yet",
                            n_waiting);

  g_mutex_unlock (&self->mutex);

  return g_string_free (g_steal_pointer (&text), FALSE);
}
