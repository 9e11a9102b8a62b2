/* parallel-sequencer-printer.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-sequencer-private.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "parallel-fork.h"

/* The printer: the one thread that touches the sinks and may block in them.
 *
 * A step is printed in passes. A pass takes what the outputs hold when it begins, stdout first, in
 * pieces; each piece is read and written without the mutex, and after each one the printer looks
 * whether it should go on. */

#define PIECE (128 * 1024)

/* A whole line that is too long, and the byte that tells that it is, fit into one piece. */
G_STATIC_ASSERT (PIECE > PARALLEL_TAGGED_MAX_LINE);

/* Everything here is the thread's own. */
typedef struct
{
  ParallelSequencer *sequencer;
  char              *buffer;      /* of PIECE bytes; only while there is something to print */
  GString           *lines;       /* the same, for tagged lines */
  gboolean           closed;      /* nothing more is written to the turn than this pass sees */
} Printer;

static void
printer_clear (Printer *self)
{
  g_clear_pointer (&self->buffer, g_free);
  if (self->lines != NULL)
    g_string_free (self->lines, TRUE);
  self->lines = NULL;
}

/* Around each callback. What the caller has may be gone after the drained callback, so none comes
 * after it; if the sequencer is abandoned during one, the drained callback comes right after that,
 * from here. Both return FALSE once it is abandoned. */
static gboolean
begin_call (ParallelSequencer *self)
{
  gboolean go_on;

  g_mutex_lock (&self->mutex);
  go_on = (self->state != PARALLEL_SEQUENCER_ABANDONED);
  self->calling = go_on;
  g_mutex_unlock (&self->mutex);

  return go_on;
}

static gboolean
end_call (ParallelSequencer *self)
{
  ParallelAfterwards after = { 0 };
  gboolean go_on;

  g_mutex_lock (&self->mutex);
  self->calling = FALSE;
  go_on = (self->state != PARALLEL_SEQUENCER_ABANDONED);
  if (!go_on)
    parallel_sequencer_hang_up_locked (self, &after);
  parallel_sequencer_unlock (self, &after);

  return go_on;
}

/* Nothing more is written to the sink of @stream; takes @error. The run goes on. */
static void
fail_sink (ParallelSequencer *self,
           guint              stream,
           GError            *error)
{
  g_mutex_lock (&self->mutex);
  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    if (self->sinks[i] == self->sinks[stream])
      self->broken[i] = TRUE;
  g_mutex_unlock (&self->mutex);

  if (self->callbacks.failed != NULL && begin_call (self))
    {
      self->callbacks.failed (self->user_data, g_steal_pointer (&error));
      end_call (self);
    }

  g_clear_error (&error);
}

/* A sink may take its time, and run code of the user's. */
static gboolean
write_sink (ParallelSink  *sink,
            const char    *text,
            gsize          length,
            GError       **error)
{
  gboolean written;

  parallel_fork_end_work ();
  written = parallel_sink_write (sink, text, length, error);
  parallel_fork_begin_work ();

  return written;
}

static gboolean
flush_sink (ParallelSink  *sink,
            GError       **error)
{
  gboolean flushed;

  parallel_fork_end_work ();
  flushed = parallel_sink_flush (sink, error);
  parallel_fork_begin_work ();

  return flushed;
}

static guint
get_stream (guint part)
{
  return part == PARALLEL_PART_NOTE ? PARALLEL_OUTPUT_STREAM_STDERR : part;
}

static ParallelSink *
get_sink (ParallelSequencer *self,
          guint              stream)
{
  if (self->mode == PARALLEL_OUTPUT_MODE_NONE || self->broken[stream])
    return NULL;

  return self->sinks[stream];
}

/* Fills the buffer as far as @length; a short read would look like the end of what there is. */
static gboolean
read_piece (Printer         *self,
            ParallelOutput  *output,
            guint64          offset,
            gsize            length,
            GError         **error)
{
  gsize done = 0;

  if (self->buffer == NULL)
    self->buffer = g_malloc (PIECE);

  while (done < length)
    {
      gssize n = parallel_output_read (output, offset + done, self->buffer + done, length - done,
                                       error);

      if (n < 0)
        return FALSE;

      if (n == 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                               "The output of a step is shorter than it was");
          return FALSE;
        }

      done += n;
    }

  return TRUE;
}

/* What the buffer becomes on the sink. Returns how much of it was used, 0 if it has only a part of
 * a line. */
static gsize
format_piece (Printer       *self,
              ParallelTurn  *turn,
              gsize          length,
              gboolean       final,
              const char   **text,
              gsize         *text_length)
{
  gsize used;

  if (self->sequencer->mode != PARALLEL_OUTPUT_MODE_TAGGED)
    {
      *text = self->buffer;
      *text_length = length;
      return length;
    }

  if (self->lines == NULL)
    self->lines = g_string_sized_new (PIECE);

  g_string_truncate (self->lines, 0);
  used = parallel_sequencer_tag_lines (self->lines, turn->name, self->buffer, length, final);
  *text = self->lines->str;
  *text_length = self->lines->len;

  return used;
}

/* Returns FALSE if it shall not be printed after all. */
static gboolean
announce (ParallelSequencer *self,
          ParallelTurn      *turn,
          ParallelOutput    *output,
          guint              stream,
          guint64            offset,
          guint64            length)
{
  if (self->callbacks.printing == NULL)
    return TRUE;
  if (!begin_call (self))
    return FALSE;

  self->callbacks.printing (self->user_data, turn->index, turn->data, output, stream, offset,
                            length);

  return end_call (self);
}

/* Prints some of what is between @offset and @end; returns how much, 0 if the rest of a line has to
 * come first. */
static guint64
print_piece (Printer        *self,
             ParallelTurn   *turn,
             ParallelOutput *output,
             guint           stream,
             guint64         offset,
             guint64         end)
{
  ParallelSequencer *sequencer = self->sequencer;
  ParallelSink *sink = get_sink (sequencer, stream);
  gsize length = MIN (end - offset, PIECE);
  GError *error = NULL;
  const char *text;
  gsize text_length;
  gsize used;

  /* A hole in what is printed would be worse than an end of it, so a spool that fails counts as its
   * sink. */
  if (sink != NULL && !read_piece (self, output, offset, length, &error))
    {
      fail_sink (sequencer, stream, g_steal_pointer (&error));
      sink = NULL;
    }

  if (sink == NULL)
    {
      announce (sequencer, turn, output, stream, offset, end - offset);
      return end - offset;
    }

  used = format_piece (self, turn, length, self->closed && offset + length == end, &text,
                       &text_length);
  if (used == 0)
    return 0;

  if (announce (sequencer, turn, output, stream, offset, used) &&
      !write_sink (sink, text, text_length, &error))
    fail_sink (sequencer, stream, g_steal_pointer (&error));

  return used;
}

static gboolean
is_interrupted_locked (ParallelSequencer *self,
                       ParallelTurn      *turn)
{
  return self->hold || turn->discarded || self->state == PARALLEL_SEQUENCER_ABANDONED;
}

/* Where to go on with a part of the turn, if it has it; FALSE if not at all at the moment. */
static gboolean
begin_part (ParallelSequencer  *self,
            ParallelTurn       *turn,
            guint               part,
            ParallelOutput    **output,
            guint64            *offset)
{
  gboolean go_on;

  g_mutex_lock (&self->mutex);
  go_on = !is_interrupted_locked (self, turn);
  if (go_on && turn->outputs[part] != NULL)
    {
      *output = parallel_output_ref (turn->outputs[part]);
      *offset = turn->printed[part];
    }
  g_mutex_unlock (&self->mutex);

  return go_on;
}

/* A piece was printed; returns whether to go on with this output. */
static gboolean
commit_piece (ParallelSequencer *self,
              ParallelTurn      *turn,
              ParallelOutput    *output,
              guint              part,
              guint64            offset)
{
  gboolean go_on;

  g_mutex_lock (&self->mutex);
  go_on = (turn->outputs[part] == output);
  if (go_on)
    turn->printed[part] = offset;
  go_on = go_on && !is_interrupted_locked (self, turn);
  if (get_sink (self, get_stream (part)) != NULL)
    {
      self->n_printed++;
      self->unflushed[get_stream (part)] = TRUE;
      self->last_printed = g_get_monotonic_time ();
    }
  g_mutex_unlock (&self->mutex);

  return go_on;
}

/* Returns TRUE when there is more to print than it did. */
static gboolean
print_part (Printer      *self,
            ParallelTurn *turn,
            guint         part)
{
  ParallelSequencer *sequencer = self->sequencer;
  g_autoptr (ParallelOutput) output = NULL;
  guint64 offset = 0;
  guint64 end;

  if (!begin_part (sequencer, turn, part, &output, &offset))
    return TRUE;
  if (output == NULL)
    return FALSE;

  end = parallel_output_get_size (output);
  while (offset < end)
    {
      guint64 used = print_piece (self, turn, output, get_stream (part), offset, end);

      if (used == 0)
        return FALSE;

      offset += used;
      if (!commit_piece (sequencer, turn, output, part, offset))
        return TRUE;

      /* Whole lines of many steps share the sinks here; one that writes a lot must not keep the
       * others out. */
      if (sequencer->mode == PARALLEL_OUTPUT_MODE_TAGGED)
        return offset < end;
    }

  return FALSE;
}

/* One pass over a turn. Gives up the mutex and takes it again. */
static void
print_turn_locked (Printer      *self,
                   ParallelTurn *turn)
{
  ParallelSequencer *sequencer = self->sequencer;
  gboolean tagged = (sequencer->mode == PARALLEL_OUTPUT_MODE_TAGGED);
  ParallelAfterwards after = { 0 };
  gboolean more = FALSE;

  if (turn->queued)
    g_queue_unlink (&sequencer->ready, &turn->link);
  turn->queued = FALSE;
  turn->pending = FALSE;

  /* Looked at before the sizes: an output that is closed does not grow. */
  self->closed = turn->closed;
  sequencer->current = turn;
  sequencer->busy = TRUE;
  g_mutex_unlock (&sequencer->mutex);

  for (guint i = 0; i < PARALLEL_N_PARTS && (!more || tagged); i++)
    more |= print_part (self, turn, i);

  g_mutex_lock (&sequencer->mutex);
  if (more)
    parallel_sequencer_mark_locked (sequencer, turn);
  sequencer->current = NULL;
  sequencer->busy = FALSE;
  if (parallel_turn_is_exhausted (turn) || sequencer->state == PARALLEL_SEQUENCER_ABANDONED)
    parallel_sequencer_retire_locked (sequencer, turn, &after);
  parallel_sequencer_settle_locked (sequencer, &after);
  parallel_sequencer_unlock (sequencer, &after);

  g_mutex_lock (&sequencer->mutex);
}

static void
flush_sinks_locked (ParallelSequencer *self)
{
  ParallelAfterwards after = { 0 };
  gboolean unflushed[PARALLEL_N_STREAMS];

  self->busy = TRUE;
  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    {
      unflushed[i] = self->unflushed[i];
      self->unflushed[i] = FALSE;
    }
  g_mutex_unlock (&self->mutex);

  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    {
      ParallelSink *sink = unflushed[i] ? get_sink (self, i) : NULL;
      GError *error = NULL;

      if (sink != NULL && !flush_sink (sink, &error))
        fail_sink (self, i, g_steal_pointer (&error));
    }

  g_mutex_lock (&self->mutex);
  self->busy = FALSE;
  parallel_sequencer_settle_locked (self, &after);
  parallel_sequencer_unlock (self, &after);

  g_mutex_lock (&self->mutex);
}

/* In queue order, a line of the live step may have been printed only in part, and would be torn
 * apart whichever stream it is on, since both often go to one terminal. */
static gboolean
is_amid_line (ParallelSequencer *self)
{
  if (self->mode != PARALLEL_OUTPUT_MODE_ORDERED)
    return FALSE;

  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    {
      ParallelSink *sink = get_sink (self, i);

      if (sink != NULL && !parallel_sink_at_line_start (sink))
        return TRUE;
    }

  return FALSE;
}

static void
print_keep_alive_locked (ParallelSequencer *self)
{
  const guint stream = PARALLEL_OUTPUT_STREAM_STDERR;
  ParallelAfterwards after = { 0 };
  g_autofree char *text = NULL;
  gboolean go_on = FALSE;

  self->busy = TRUE;
  g_mutex_unlock (&self->mutex);

  if (!is_amid_line (self) && begin_call (self))
    {
      text = self->callbacks.keep_alive (self->user_data);
      go_on = end_call (self);
    }

  if (text != NULL && go_on)
    {
      ParallelSink *sink = get_sink (self, stream);
      gboolean at_start = parallel_sink_at_line_start (sink);
      g_autofree char *line = g_strconcat (at_start ? "" : "\n", text, "\n", NULL);
      GError *error = NULL;

      if (!write_sink (sink, line, strlen (line), &error))
        fail_sink (self, stream, g_steal_pointer (&error));
    }

  g_mutex_lock (&self->mutex);
  self->busy = FALSE;
  self->last_printed = g_get_monotonic_time ();
  self->unflushed[stream] = (text != NULL);
  parallel_sequencer_settle_locked (self, &after);
  parallel_sequencer_unlock (self, &after);

  g_mutex_lock (&self->mutex);
}

/* Waits until there is something to do, and writes the keep-alive line when that takes too long. */
static void
wait_locked (Printer *self)
{
  ParallelSequencer *sequencer = self->sequencer;

  if (!parallel_sequencer_keeps_alive_locked (sequencer))
    {
      sequencer->waiting = TRUE;
      parallel_fork_end_work ();
      g_cond_wait (&sequencer->cond, &sequencer->mutex);
    }
  else
    {
      gint64 deadline = sequencer->last_printed + sequencer->keep_alive;

      if (g_get_monotonic_time () >= deadline)
        {
          print_keep_alive_locked (sequencer);
          return;
        }

      sequencer->waiting = TRUE;
      parallel_fork_end_work ();
      g_cond_wait_until (&sequencer->cond, &sequencer->mutex, deadline);
    }

  sequencer->waiting = FALSE;
  g_mutex_unlock (&sequencer->mutex);
  parallel_fork_begin_work ();
  g_mutex_lock (&sequencer->mutex);
}

static gpointer
printer_thread (gpointer data)
{
  ParallelSequencer *self = data;
  Printer printer = { .sequencer = self };
  ParallelAfterwards after = { 0 };

  parallel_fork_begin_work ();
  g_mutex_lock (&self->mutex);

  while (self->state != PARALLEL_SEQUENCER_DRAINED && self->state != PARALLEL_SEQUENCER_ABANDONED)
    {
      ParallelTurn *turn = parallel_sequencer_peek_locked (self);

      if (turn != NULL)
        {
          print_turn_locked (&printer, turn);
        }
      else if (self->unflushed[0] || self->unflushed[1])
        {
          flush_sinks_locked (self);
        }
      else
        {
          printer_clear (&printer);
          wait_locked (&printer);
        }
    }

  /* Left to it when it was abandoned while it used them. */
  for (guint i = 0; i < PARALLEL_N_STREAMS; i++)
    after.sinks[i] = g_steal_pointer (&self->sinks[i]);
  parallel_sequencer_unlock (self, &after);

  printer_clear (&printer);
  parallel_sequencer_unref (self);
  parallel_fork_end_work ();

  return NULL;
}

gboolean
parallel_sequencer_start_printer_locked (ParallelSequencer  *self,
                                         GError            **error)
{
  GThread *thread;
  sigset_t all;
  sigset_t old;

  /* The thread inherits the mask: no handler of the program's runs in it, and a sink that nobody
   * reads any more is an error of that sink and not the end of the program. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  thread = g_thread_try_new ("parallel-print", printer_thread, parallel_sequencer_ref (self),
                             error);
  pthread_sigmask (SIG_SETMASK, &old, NULL);

  if (thread == NULL)
    {
      parallel_sequencer_unref (self);
      return FALSE;
    }

  self->has_thread = TRUE;
  g_thread_unref (thread);

  return TRUE;
}
