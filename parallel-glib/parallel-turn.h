/* parallel-turn.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-output.h"

G_BEGIN_DECLS

#define PARALLEL_N_STREAMS 2

/* What one step has to print. Only steps that wrote something have one. */
typedef struct
{
  /* Constant after construction. */
  guint64         index;
  char           *name;

  /* Guarded by the mutex of the sequencer. */
  gpointer        data;             /* the caller's, released when the turn goes */
  ParallelOutput *outputs[PARALLEL_N_PARTS];
  guint64         printed[PARALLEL_N_PARTS];  /* how much of each was printed */
  GList           link;             /* in ParallelSequencer.ready or ParallelAfterwards.turns */
  guint           queued : 1;       /* it is in ParallelSequencer.ready */
  guint           live : 1;         /* it may be printed before it is closed */
  guint           closed : 1;       /* nothing more will be written */
  guint           discarded : 1;    /* what was not printed yet shall not be */
  guint           pending : 1;      /* something may be there that the printer has not seen */
} ParallelTurn;

ParallelTurn *parallel_turn_new   (guint64         index,
                                   const char     *name);
void          parallel_turn_free  (ParallelTurn   *self);

/* Takes the outputs of an attempt. One that is NULL stays as it is: the parts of a step may come
 * from different threads, and none must push out the others. What has to be released is put into
 * @old. */
void          parallel_turn_adopt (ParallelTurn   *self,
                                   gboolean        live,
                                   ParallelOutput *outputs[PARALLEL_N_PARTS],
                                   ParallelOutput *old[PARALLEL_N_PARTS]);

/* Whether nothing is left to print, now or later. */
gboolean      parallel_turn_is_exhausted (ParallelTurn *self);

/* The slot of a step that is through: a value that no turn has. */
#define PARALLEL_SLOT_DONE ((gpointer) &parallel_slot_done)
extern const char parallel_slot_done;

/* The slots of the steps from the first one that is not through to the last one that was heard of:
 * NULL for nothing known yet, a turn, or PARALLEL_SLOT_DONE. A ring where index i is at i modulo
 * the size, so that nothing moves when the window does; what is outside the window is NULL. Not
 * locked by itself. */
typedef struct
{
  guint64   next;     /* the first index in the window */
  guint64   end;      /* the index after the last one in the window */
  gpointer *slots;
  gsize     size;     /* a power of two, or 0 */
} ParallelWindow;

void     parallel_window_clear  (ParallelWindow *self);

/* The slot of @index, wherever it is: PARALLEL_SLOT_DONE before the window, NULL after it. */
gpointer parallel_window_get    (ParallelWindow *self,
                                 guint64         index);

/* Puts a turn into the slot of @index, which is not before the window. */
void     parallel_window_set    (ParallelWindow *self,
                                 guint64         index,
                                 gpointer        slot);

/* The step @index is through; the window moves on over all that are. */
void     parallel_window_finish (ParallelWindow *self,
                                 guint64         index);

G_END_DECLS
