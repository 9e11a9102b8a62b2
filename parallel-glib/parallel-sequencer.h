/* parallel-sequencer.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-output.h"
#include "parallel-sink.h"

G_BEGIN_DECLS

/* Prints what the steps of one run write, each step's turn in queue order (or as the mode says),
 * from one thread of its own that is made when there is first something to print.
 *
 * It knows steps only by their index in the queue, 0, 1, 2 …, and keeps a turn for each index from
 * the first one that is not done to the last one that it has heard of, at one pointer each.
 *
 * All functions may be called from any thread, and none of them waits for a sink. No lock of the
 * caller's is taken; the callback is called from the writer thread without a lock. */
typedef struct _ParallelSequencer ParallelSequencer;

typedef struct
{
  /* Some part of a step's output is about to be printed: the place of the `output` signal. May
   * be NULL. */
  void (*printing) (gpointer              user_data,
                    guint64               index,
                    gpointer              data,
                    ParallelOutput       *output,
                    ParallelOutputStream  stream,
                    guint64               offset,
                    guint64               length);

  /* The sequencer has done with the @data of a step. */
  void (*release)  (gpointer              user_data,
                    gpointer              data);

  /* Nothing is left to print and the sequencer is closed; called once. No callback is called
   * after it, except release from within an add that comes too late. */
  void (*drained)  (gpointer              user_data);

  /* A sink failed; nothing more will be written to it. Called at most once a sink; takes the
   * error. */
  void (*failed)   (gpointer              user_data,
                    GError               *error);

  /* The text of the keep-alive line without a newline, e.g. "still running: a (12 s), b (3 s)",
   * or NULL for none. */
  char *(*keep_alive) (gpointer           user_data);
} ParallelSequencerCallbacks;

/* @callbacks is copied; @user_data must live until the drained callback, or without one until
 * the last reference is dropped; destroyed with @notify, in whichever thread drops that. Close
 * or abandon it before you drop yours. */
ParallelSequencer *parallel_sequencer_new     (const ParallelSequencerCallbacks *callbacks,
                                               gpointer                          user_data,
                                               GDestroyNotify                    notify);
ParallelSequencer *parallel_sequencer_ref     (ParallelSequencer    *self);
void               parallel_sequencer_unref   (ParallelSequencer    *self);

/* Only before the first call of add, wrote or done. */
void               parallel_sequencer_set_mode  (ParallelSequencer  *self,
                                                 ParallelOutputMode  mode);
void               parallel_sequencer_set_sinks (ParallelSequencer  *self,
                                                 ParallelSink       *stdout_sink,
                                                 ParallelSink       *stderr_sink);

/* While held, nothing is printed. */
void               parallel_sequencer_set_hold  (ParallelSequencer  *self,
                                                 gboolean            hold);
/* Seconds without anything printed after which the keep-alive line is written, 0 for never. */
void               parallel_sequencer_set_keep_alive (ParallelSequencer *self,
                                                      double             seconds);

/* Step @index has made its first output on one of its streams. @name: for the tagged mode,
 * copied. A step that may be attempted again is not @live: it is printed only once it is done. A
 * second add for the same index replaces the outputs of the attempt before. Any of the outputs may
 * be NULL and come with a later add of the same attempt. @data, NULL for none, is given to the
 * printing callback, and released when all is printed. */
void               parallel_sequencer_add     (ParallelSequencer    *self,
                                               guint64               index,
                                               const char           *name,
                                               gboolean              live,
                                               ParallelOutput       *outputs[PARALLEL_N_PARTS],
                                               gpointer              data);

/* The attempt of @index has failed and another one follows: drops what it wrote, as far as it is
 * not printed. */
void               parallel_sequencer_retract (ParallelSequencer    *self,
                                               guint64               index);

/* More was appended to an output of @index. Cheap when it is not that step's turn. */
void               parallel_sequencer_wrote   (ParallelSequencer    *self,
                                               guint64               index);

/* Step @index will write nothing more: its outputs are closed. For a step that wrote nothing,
 * the only call. */
void               parallel_sequencer_done    (ParallelSequencer    *self,
                                               guint64               index);

/* As done, but what was not printed yet is dropped: a halted step, or a failed attempt. */
void               parallel_sequencer_discard (ParallelSequencer    *self,
                                               guint64               index);

/* There will be no index at or after @n_steps. @drained follows (perhaps at once, in the
 * caller's thread, when there is nothing to print). */
void               parallel_sequencer_close   (ParallelSequencer    *self,
                                               guint64               n_steps);

/* Gives up on everything not printed yet, also when a sink is stuck: @drained follows at once,
 * or if the writer thread is in a callback at the moment, from there after it. The writer thread
 * ends as soon as its sink lets it go. */
void               parallel_sequencer_abandon (ParallelSequencer    *self);

/* How many pieces were printed so far, to see whether the sinks take anything. */
guint64            parallel_sequencer_get_printed (ParallelSequencer *self);

/* For dump(): what it is doing: "idle", "printing step 3", "held", … */
char              *parallel_sequencer_describe (ParallelSequencer   *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelSequencer, parallel_sequencer_unref)

G_END_DECLS
