/* parallel-run-over.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-engine.h"
#include "parallel-failure.h"
#include "parallel-run-error.h"

/* How a run ends and what is left of it. */

ParallelRun *
parallel_run_ref (ParallelRun *run)
{
  g_atomic_ref_count_inc (&run->ref_count);

  return run;
}

typedef struct
{
  ParallelTask     *tasks[2];
  GPtrArray        *pools;
  ParallelItemList  lists[2];
} Leftovers;

static void
clear_list (ParallelItemList *list)
{
  ParallelItem *item;

  while ((item = parallel_item_list_pop (list)) != NULL)
    parallel_item_unref (item);
}

static void
leftovers_free (gpointer data)
{
  Leftovers *leftovers = data;

  clear_list (&leftovers->lists[0]);
  clear_list (&leftovers->lists[1]);
  g_clear_object (&leftovers->tasks[0]);
  g_clear_object (&leftovers->tasks[1]);
  g_clear_pointer (&leftovers->pools, g_ptr_array_unref);
  g_free (leftovers);
}

/* Tasks and steps may carry data of the user's, whose destroy notify belongs into the owner's
 * context. */
static void
free_in_context (GMainContext *context,
                 Leftovers    *leftovers)
{
  if (g_main_context_is_owner (context) ||
      (leftovers->tasks[0] == NULL && leftovers->tasks[1] == NULL && leftovers->pools == NULL &&
       leftovers->lists[0].length == 0 && leftovers->lists[1].length == 0))
    leftovers_free (leftovers);
  else
    parallel_run_free_in_context (context, leftovers_free, leftovers);
}

static Leftovers *
steal_leftovers (ParallelRun *run)
{
  Leftovers *leftovers = g_new0 (Leftovers, 1);

  leftovers->tasks[0] = g_steal_pointer (&run->task);
  leftovers->tasks[1] = g_steal_pointer (&run->onexit_task);
  leftovers->pools = g_steal_pointer (&run->pools);
  leftovers->lists[0] = run->kept;
  leftovers->lists[1] = run->skipped;
  run->kept = (ParallelItemList) { NULL };
  run->skipped = (ParallelItemList) { NULL };

  return leftovers;
}

void
parallel_run_unref (ParallelRun *run)
{
  if (!g_atomic_ref_count_dec (&run->ref_count))
    return;

  g_assert (run->running.length == 0 && run->delayed.length == 0);

  free_in_context (run->context, steal_leftovers (run));
  parallel_queue_clear (&run->pending);
  g_clear_pointer (&run->sinks[0], parallel_sink_unref);
  g_clear_pointer (&run->sinks[1], parallel_sink_unref);
  g_clear_pointer (&run->sequencer, parallel_sequencer_unref);
  g_clear_pointer (&run->spool, parallel_spool_unref);
  g_clear_pointer (&run->failure_lines, g_ptr_array_unref);
  g_clear_error (&run->end_error);
  g_clear_pointer (&run->mailbox, parallel_mailbox_unref);
  g_clear_pointer (&run->context, g_main_context_unref);
  g_cond_clear (&run->work_cond);
  g_cond_clear (&run->over_cond);
  g_mutex_clear (&run->mutex);
  g_free (run);
}

void
parallel_run_let_go (ParallelRun *run)
{
  Leftovers *leftovers;
  GQueue ready;
  GQueue added;

  parallel_run_halt (run, PARALLEL_HALT_NOW);

  /* The events that are under way still find their run, but no owner. */
  parallel_run_lock (run);
  run->owner = NULL;
  ready = run->ready;
  added = run->added;
  g_queue_init (&run->ready);
  g_queue_init (&run->added);
  leftovers = run->over || !run->begun ? steal_leftovers (run) : NULL;
  parallel_run_unlock (run);

  parallel_mailbox_close (run->mailbox);
  g_queue_clear_full (&ready, (GDestroyNotify) parallel_item_unref);
  g_queue_clear_full (&added, (GDestroyNotify) parallel_item_unref);
  if (leftovers != NULL)
    leftovers_free (leftovers);
}

GError *
parallel_run_dup_outcome (ParallelRun *run)
{
  GError *error = NULL;

  parallel_run_lock (run);
  if (run->end_error != NULL)
    error = g_error_copy (run->end_error);
  else if (run->n_failed > 0)
    error = parallel_failure_join (run->failure_lines, run->n_failed, run->n_put);
  else if (run->halt != PARALLEL_RUN_GOES_ON)
    error = g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED,
                         "The run was halted: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " steps had succeeded",
                         run->n_succeeded, run->n_put);
  parallel_run_unlock (run);

  return error;
}

/* ---- a sink that takes nothing any more ---- */

/* In the engine thread, from the halt to the end of the run. */
struct _ParallelSinkWatch
{
  ParallelMail  mail;
  ParallelRun  *run;
  gint64        interval;     /* microseconds */
  guint64       printed;      /* when it was looked at last */
  GSource      *timer;
};

static gboolean look_cb (gpointer user_data);

static void
look_again (ParallelSinkWatch *watch)
{
  watch->printed = parallel_sequencer_get_printed (watch->run->sequencer);
  g_source_set_ready_time (watch->timer, g_get_monotonic_time () + watch->interval);
}

static gboolean
look_cb (gpointer user_data)
{
  ParallelSinkWatch *watch = user_data;
  ParallelRun *run = watch->run;
  gboolean ended;

  parallel_run_lock (run);
  ended = run->sequencer_closed;
  parallel_run_unlock (run);

  if (ended && parallel_sequencer_get_printed (run->sequencer) == watch->printed)
    parallel_sequencer_abandon (run->sequencer);   /* the run is over, which ends the watch */
  else
    look_again (watch);
  return G_SOURCE_CONTINUE;
}

static void
sink_watch_free (ParallelSinkWatch *watch)
{
  if (watch->timer != NULL)
    {
      g_source_destroy (watch->timer);
      g_source_unref (watch->timer);
    }
  parallel_run_unref (watch->run);
  g_free (watch);
}

static void
watch_in_engine (ParallelMail *mail,
                 gboolean      closed)
{
  ParallelSinkWatch *watch = (ParallelSinkWatch *) mail;
  ParallelRun *run = watch->run;
  gboolean over;

  parallel_run_lock (run);
  over = run->over;
  parallel_run_unlock (run);
  if (over)
    {
      sink_watch_free (watch);
      return;
    }

  run->sink_watch = watch;
  watch->timer = parallel_engine_add_timer (G_MAXINT64, look_cb, watch);
  look_again (watch);
}

void
parallel_run_watch_sinks (ParallelRun *run)
{
  ParallelRunConfig config = parallel_run_get_config (run);
  ParallelSinkWatch *watch;

  if (!parallel_engine_start (NULL))
    return;

  watch = g_new0 (ParallelSinkWatch, 1);
  watch->run = parallel_run_ref (run);
  watch->interval = (gint64) (CLAMP (config.limits.kill_grace, 0.1, 3600) * G_USEC_PER_SEC);
  parallel_engine_post (&watch->mail, watch_in_engine);
}

static void
unwatch_in_engine (ParallelMail *mail,
                   gboolean      closed)
{
  ParallelSinkWatch *end = (ParallelSinkWatch *) mail;
  ParallelSinkWatch *watch = g_steal_pointer (&end->run->sink_watch);

  if (watch != NULL)
    sink_watch_free (watch);
  sink_watch_free (end);
}

void
parallel_run_unwatch_sinks (ParallelRun *run)
{
  ParallelSinkWatch *end;

  if (!parallel_engine_start (NULL))
    return;

  end = g_new0 (ParallelSinkWatch, 1);
  end->run = parallel_run_ref (run);
  parallel_engine_post (&end->mail, unwatch_in_engine);
}
