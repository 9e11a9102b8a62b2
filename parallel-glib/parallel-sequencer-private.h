/* parallel-sequencer-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-sequencer.h"
#include "parallel-turn.h"

G_BEGIN_DECLS

/* The parts of the sequencer:
 *
 * parallel-sequencer.c: what the callers do, and what is decided under the mutex.
 * parallel-sequencer-printer.c: the thread, which alone touches the sinks.
 * parallel-sequencer-tagged.c: the form of tagged lines.
 * parallel-turn.c: what is known of each step. */

typedef enum
{
  PARALLEL_SEQUENCER_OPEN,
  PARALLEL_SEQUENCER_CLOSED,      /* n_steps is known */
  PARALLEL_SEQUENCER_DRAINED,     /* the callback was called, nothing is taken any more */
  PARALLEL_SEQUENCER_ABANDONED    /* the same, and the printer may still be stuck in a sink */
} ParallelSequencerState;

struct _ParallelSequencer
{
  /* Constant after construction. */
  ParallelSequencerCallbacks callbacks;
  gpointer                   user_data;
  GDestroyNotify             notify;

  GMutex                     mutex;
  GCond                      cond;            /* only the printer waits for it */

  /* Guarded by mutex; constant while there are turns, so that the printer may read it without. */
  ParallelOutputMode         mode;

  /* Guarded by mutex; not changed while busy, when the printer uses them without. */
  ParallelSink              *sinks[PARALLEL_N_STREAMS];

  /* Guarded by mutex; written only by the printer, which may read it without. */
  gboolean                   broken[PARALLEL_N_STREAMS];  /* the sink failed */

  /* Guarded by mutex. */
  ParallelSequencerState     state;
  ParallelWindow             window;          /* of ParallelTurn */
  GQueue                     ready;           /* of ParallelTurn to print, if not in queue order */
  ParallelTurn              *current;         /* being printed; only the printer may free it */
  guint64                    n_steps;         /* once closed */
  guint64                    n_turns;
  guint64                    n_printed;       /* pieces */
  gint64                     keep_alive;      /* in microseconds, 0 for never */
  gint64                     last_printed;    /* monotonic time */
  gboolean                   hold;
  gboolean                   mute;            /* nothing can or need be printed */
  gboolean                   has_thread;
  gboolean                   waiting;         /* the printer waits for the cond and was not woken */
  gboolean                   busy;            /* the printer works without the mutex */
  gboolean                   calling;         /* the printer is in a callback */
  gboolean                   unflushed[PARALLEL_N_STREAMS];
};

/* What was decided under the mutex and is done without it. */
typedef struct
{
  GQueue          turns;                        /* to be freed */
  ParallelOutput *outputs[PARALLEL_N_PARTS];    /* to be released */
  ParallelSink   *sinks[PARALLEL_N_STREAMS];    /* to be released */
  gpointer        data;                         /* of a step, to be released */
  GError         *error;                        /* for the failed callback */
  gboolean        drained;
} ParallelAfterwards;

/* The turn that the printer should go on with, or NULL. */
ParallelTurn *parallel_sequencer_peek_locked   (ParallelSequencer   *self);

/* To be called after every change: wakes or makes the printer, or notices that all is done. */
void          parallel_sequencer_settle_locked (ParallelSequencer   *self,
                                                ParallelAfterwards  *after);

/* There is, or may be, more to print of @turn. */
void          parallel_sequencer_mark_locked   (ParallelSequencer   *self,
                                                ParallelTurn        *turn);

/* Nothing of @turn is left to print. */
void          parallel_sequencer_retire_locked (ParallelSequencer   *self,
                                                ParallelTurn        *turn,
                                                ParallelAfterwards  *after);

/* The last callbacks of a sequencer that is abandoned, before @user_data may go. */
void          parallel_sequencer_hang_up_locked (ParallelSequencer  *self,
                                                 ParallelAfterwards *after);

/* Gives up the mutex and does what is in @after. Unless the caller is the printer, the sequencer
 * may be gone then. */
void          parallel_sequencer_unlock        (ParallelSequencer   *self,
                                                ParallelAfterwards  *after);

/* Whether there are times at which a keep-alive line may have to be written. */
gboolean      parallel_sequencer_keeps_alive_locked (ParallelSequencer *self);

/* Makes the printer. */
gboolean      parallel_sequencer_start_printer_locked (ParallelSequencer  *self,
                                                       GError            **error);

/* Appends the lines in @data to @lines, "@name\t" before each, and returns how much of @data that
 * was. A line that is not complete is left for later, unless @final: then it gets a newline. What
 * is longer than PARALLEL_TAGGED_MAX_LINE becomes several lines, so that nothing waits for the end
 * of a line that may never come. */
#define PARALLEL_TAGGED_MAX_LINE (64 * 1024)

gsize         parallel_sequencer_tag_lines     (GString             *lines,
                                                const char          *name,
                                                const char          *data,
                                                gsize                length,
                                                gboolean             final);

G_END_DECLS
