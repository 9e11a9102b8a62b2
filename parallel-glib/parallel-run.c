/* parallel-run.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-engine.h"
#include "parallel-failure.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* The queue and its dispatch: what comes in, when it starts, and when all is over. */

ParallelRun *
parallel_run_new (const ParallelRunOwner *owner_class,
                  gpointer                owner)
{
  ParallelRun *run = g_new0 (ParallelRun, 1);

  g_atomic_ref_count_init (&run->ref_count);
  parallel_fork_install ();
  run->generation = parallel_fork_generation;
  g_mutex_init (&run->mutex);
  g_cond_init (&run->work_cond);
  g_cond_init (&run->over_cond);
  run->owner_class = owner_class;
  run->owner = owner;
  run->context = g_main_context_ref_thread_default ();
  run->creator = g_thread_self ();
  run->mailbox = parallel_mailbox_new (run->context, "[parallel] runner");
  run->spool = parallel_spool_new ();
  /* Without a reference: the run keeps itself alive from the close of the sequencer until that
   * is drained. */
  run->sequencer = parallel_sequencer_new (&parallel_run_sequencer_callbacks, run, NULL);
  pthread_sigmask (SIG_SETMASK, NULL, &run->signal_mask);
  g_queue_init (&run->ready);
  g_queue_init (&run->added);
  g_queue_init (&run->delays);
  run->failure_lines = g_ptr_array_new_with_free_func ((GDestroyNotify) parallel_failure_line_free);

  return run;
}

gboolean
parallel_run_check_foreign (ParallelRun  *run,
                            GError      **error)
{
  if (!parallel_run_is_foreign (run))
    return TRUE;

  g_set_error_literal (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED,
                       "The runner belongs to the process that this one was forked from; make another one");
  return FALSE;
}

/* ---- dispatch ---- */

gboolean
parallel_run_can_start_locked (ParallelRun *run)
{
  return !run->paused && run->pending.length > 0 &&
         run->running.length + run->n_reserved + run->handed.length < run->config.max_parallel;
}

guint
parallel_run_get_n_waiting_locked (ParallelRun *run)
{
  return run->pending.length + run->handed.length + run->delayed.length;
}

static ParallelTask *
task_of_locked (ParallelRun  *run,
                ParallelItem *item)
{
  return item->step != NULL ? parallel_step_get_task (item->step) : run->task;
}

/* What is in front of a worker is handed over before there is a slot for it. */
static gboolean
can_hand_locked (ParallelRun *run)
{
  return !run->paused && run->pending.length > 0 &&
         run->running.length + run->n_reserved + run->handed.length < run->config.max_parallel + run->ahead;
}

gboolean
parallel_run_head_is_for_thread_locked (ParallelRun *run)
{
  ParallelTask *task = task_of_locked (run, parallel_queue_peek (&run->pending));

  return parallel_task_get_place (task) == PARALLEL_TASK_PLACE_THREAD;
}

void
parallel_run_mark_running_locked (ParallelRun  *run,
                                  ParallelItem *item)
{
  item->running = TRUE;
  parallel_item_list_push_tail (&run->running, item);
}

static void
start_locked (ParallelRun     *run,
              ParallelItem    *item,
              ParallelActions *actions)
{
  ParallelTask *task = task_of_locked (run, item);

  parallel_queue_remove (&run->pending, item);
  if (parallel_task_is_pool (task))
    parallel_run_mark_handed_locked (run, item, parallel_task_get_pool (task));
  else
    parallel_run_mark_running_locked (run, item);

  if (actions->starts == NULL)
    actions->starts = g_ptr_array_new_with_free_func ((GDestroyNotify) parallel_item_unref);
  g_ptr_array_add (actions->starts, parallel_item_ref (item));
}

void
parallel_run_dispatch_locked (ParallelRun     *run,
                              ParallelActions *actions)
{
  /* What was handed over waits for slots too, and has come earlier. */
  if (run->handed.length > 0 && !run->paused &&
      run->running.length + run->n_reserved < run->config.max_parallel && !actions->wake_pools)
    {
      parallel_run_hold (run);
      actions->wake_pools = TRUE;
    }

  while (can_hand_locked (run))
    {
      ParallelItem *item = parallel_queue_peek (&run->pending);

      if (!parallel_task_is_pool (task_of_locked (run, item)) && !parallel_run_can_start_locked (run))
        return;
      if (parallel_run_head_is_for_thread_locked (run))
        {
          /* One worker is woken or made; when it has taken its item, it sees to the next. */
          if (run->n_idle_workers > 0)
            g_cond_signal (&run->work_cond);
          else if (run->n_workers < run->config.max_parallel && !actions->new_worker)
            {
              run->n_workers++;
              actions->new_worker = TRUE;
            }
          return;
        }

      start_locked (run, item, actions);
    }
}

void
parallel_run_check_over_locked (ParallelRun     *run,
                                ParallelActions *actions)
{
  /* Not reset by every step that ends: the others read it. */
  if (g_atomic_int_get (&run->unsure))
    g_atomic_int_set (&run->unsure, FALSE);
  if (run->sequencer_closed || (!run->closed && run->halt == PARALLEL_RUN_GOES_ON))
    return;
  if (run->pending.length > 0 || run->delayed.length > 0)
    return;

  /* Idle workers have nothing more to wait for. */
  if (run->n_idle_workers > 0)
    g_cond_broadcast (&run->work_cond);

  if (run->running.length > 0 || run->handed.length > 0 || (run->onexit_task != NULL && run->n_workers > 0))
    return;
  if (run->n_open_pools > 0)
    {
      if (!run->pools_closing)
        parallel_run_hold (run);
      actions->close_pools = !run->pools_closing;
      run->pools_closing = TRUE;
      return;
    }

  g_atomic_int_set (&run->unsure, TRUE);
  if (g_atomic_int_get (&run->n_holds) > 0)
    return;

  run->sequencer_closed = TRUE;
  actions->close_sequencer = TRUE;
}

ParallelListens
parallel_run_get_listens_locked (ParallelRun     *run,
                                 ParallelListens  wanted)
{
  return run->owner != NULL ? run->owner_class->get_listens (run->owner, wanted) : 0;
}

void
parallel_run_poke_for_locked (ParallelRun     *run,
                              ParallelListens  listens,
                              ParallelActions *actions)
{
  if (run->poked || run->owner == NULL)
    return;
  /* A blocking next() is none of the waiters. */
  if (!run->has_waiters && !run->taking && !run->model_active && !(listens & PARALLEL_LISTENS_NOTIFY))
    return;

  run->poked = TRUE;
  actions->poke = TRUE;
}

void
parallel_run_poke_locked (ParallelRun     *run,
                          ParallelActions *actions)
{
  if (!run->poked)
    parallel_run_poke_for_locked (run, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_NOTIFY), actions);
}

/* No thread could be made. If others are there, they do the work; if none is, the first step
 * fails. */
static void
fail_without_worker (ParallelRun *run,
                     GError      *error)
{
  ParallelItem *item = NULL;

  parallel_run_lock (run);
  run->n_workers--;
  if (run->n_workers == 0 && parallel_run_can_start_locked (run))
    {
      item = parallel_queue_pop (&run->pending);
      parallel_run_mark_running_locked (run, item);
      parallel_item_ref (item);
    }
  parallel_run_unlock (run);

  if (item == NULL)
    {
      g_error_free (error);
      return;
    }
  parallel_run_fail_item (run, item, error);
  parallel_item_unref (item);
}

typedef struct
{
  ParallelMail  mail;
  ParallelRun  *run;
  ParallelItem *item;
} StartMail;

static void
start_in_engine (ParallelMail *mail,
                 gboolean      closed)
{
  StartMail *start = (StartMail *) mail;

  if (start->item->handed)   /* changed in this thread only */
    parallel_run_hand_item (start->run, start->item);
  else
    parallel_run_start_item (start->run, start->item, NULL);
  parallel_item_unref (start->item);
  parallel_run_unref (start->run);
  g_free (start);
}

static void
start_item (ParallelRun  *run,
            ParallelItem *item)
{
  ParallelTaskPlace place;
  GError *error = NULL;
  StartMail *mail;

  parallel_run_lock (run);
  place = parallel_task_get_place (task_of_locked (run, item));
  parallel_run_unlock (run);

  if (place == PARALLEL_TASK_PLACE_OWNER)
    {
      parallel_run_post (run, PARALLEL_EVENT_START, item, NULL, FALSE);
      return;
    }
  if (!parallel_engine_start (&error))
    {
      parallel_run_fail_item (run, item, error);
      return;
    }

  mail = g_new0 (StartMail, 1);
  mail->run = parallel_run_ref (run);
  mail->item = parallel_item_ref (item);
  parallel_engine_post (&mail->mail, start_in_engine);
}

void
parallel_run_act (ParallelRun     *run,
                  ParallelActions *actions)
{
  if (actions->starts != NULL)
    {
      for (guint i = 0; i < actions->starts->len; i++)
        start_item (run, g_ptr_array_index (actions->starts, i));
      g_clear_pointer (&actions->starts, g_ptr_array_unref);
    }
  if (actions->new_worker)
    {
      GError *error = NULL;

      if (!parallel_worker_thread_start (run, &error))
        fail_without_worker (run, error);
    }
  if (actions->wake_pools)
    parallel_run_wake_pools (run);
  if (actions->close_pools)
    parallel_run_close_pools (run);
  if (actions->poke)
    parallel_run_post (run, PARALLEL_EVENT_POKED, NULL, NULL, FALSE);
  if (actions->close_sequencer)
    {
      parallel_run_ref (run);   /* until it is drained */
      parallel_sequencer_close (run->sequencer, run->n_indexes);
    }
}

/* ---- what comes in ---- */

static gboolean
check_room_locked (ParallelRun  *run,
                   GError      **error)
{
  if (run->halt != PARALLEL_RUN_GOES_ON)
    {
      g_set_error_literal (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED,
                           "The run was halted and takes no more steps");
      return FALSE;
    }
  if (run->closed)
    {
      g_set_error_literal (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED,
                           "The queue was closed and takes no more steps");
      return FALSE;
    }
  if (run->config.max_pending > 0 && parallel_run_get_n_waiting_locked (run) >= run->config.max_pending)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                   "%u steps are waiting, as many as max-pending allows; put_async waits for room",
                   parallel_run_get_n_waiting_locked (run));
      return FALSE;
    }
  return TRUE;
}

/* The output is set up with the first step: before that no thread is to be made. */
static void
begin_locked (ParallelRun *run)
{
  if (run->begun)
    return;

  run->begun = TRUE;
  parallel_sequencer_set_mode (run->sequencer, run->output_mode);
  parallel_sequencer_set_sinks (run->sequencer, run->sinks[0], run->sinks[1]);
  parallel_sequencer_set_hold (run->sequencer, run->hold);
  parallel_sequencer_set_keep_alive (run->sequencer, run->keep_alive);
}

void
parallel_run_set_output (ParallelRun        *run,
                         ParallelOutputMode  mode,
                         ParallelSink       *stdout_sink,
                         ParallelSink       *stderr_sink,
                         gboolean            hold,
                         double              keep_alive)
{
  ParallelSink *sinks[2] = { stdout_sink, stderr_sink };

  parallel_run_lock (run);
  run->output_mode = mode;
  run->hold = hold;
  run->keep_alive = keep_alive;
  for (guint i = 0; i < 2; i++)
    {
      ParallelSink *previous = run->sinks[i];

      run->sinks[i] = sinks[i] != NULL ? parallel_sink_ref (sinks[i]) : NULL;
      sinks[i] = previous;
    }
  parallel_run_unlock (run);

  g_clear_pointer (&sinks[0], parallel_sink_unref);
  g_clear_pointer (&sinks[1], parallel_sink_unref);
}

static void
enqueue_locked (ParallelRun     *run,
                ParallelItem    *item,
                ParallelActions *actions)
{
  begin_locked (run);
  item->index = run->n_indexes++;
  run->n_put++;
  if (item->step != NULL)
    {
      parallel_step_set_index (item->step, item->index);
      item->priority = item->step->priority;
    }
  if (run->model_active)
    g_queue_push_tail (&run->added, parallel_item_ref (item));

  parallel_queue_push (&run->pending, item);
  parallel_run_dispatch_locked (run, actions);
  parallel_run_poke_locked (run, actions);
}

gboolean
parallel_run_put (ParallelRun   *run,
                  GValue        *input,
                  ParallelStep  *step,
                  GError       **error)
{
  ParallelActions actions = { NULL };
  ParallelItem *item;
  gboolean success;

  if (!parallel_run_check_foreign (run, error))
    return FALSE;

  item = parallel_item_new ();
  parallel_run_lock (run);
  success = check_room_locked (run, error);
  if (success && step != NULL && !parallel_step_attach (step, &parallel_run_step_host, run, item))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "The step was given to a runner before; make a new one with the same task");
      success = FALSE;
    }
  if (success)
    {
      if (step != NULL)
        {
          item->step = g_object_ref (step);
          g_atomic_int_set (&step->watched, TRUE);
        }
      else if (input != NULL)
        {
          item->input = *input;
          *input = (GValue) G_VALUE_INIT;
        }
      enqueue_locked (run, item, &actions);
    }
  parallel_run_unlock (run);

  if (success)
    parallel_run_act (run, &actions);
  else
    parallel_item_unref (item);
  return success;
}

void
parallel_run_close (ParallelRun *run)
{
  ParallelActions actions = { NULL };

  if (parallel_run_is_foreign (run))
    return;

  parallel_run_lock (run);
  run->closed = TRUE;
  parallel_run_check_over_locked (run, &actions);
  parallel_run_poke_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_sequencer_set_hold (run->sequencer, FALSE);
  parallel_run_act (run, &actions);
}

void
parallel_run_set_paused (ParallelRun *run,
                         gboolean     paused)
{
  ParallelActions actions = { NULL };
  gboolean recalls;

  if (parallel_run_is_foreign (run))
    return;

  parallel_run_lock (run);
  run->paused = paused;
  recalls = paused && run->handed.length > 0;
  if (recalls)
    parallel_run_hold (run);
  parallel_run_dispatch_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  if (recalls)
    parallel_run_recall (run);
}

ParallelRunConfig
parallel_run_get_config (ParallelRun *run)
{
  ParallelRunConfig config;

  parallel_run_lock (run);
  config = run->config;
  parallel_run_unlock (run);

  return config;
}

void
parallel_run_set_config (ParallelRun             *run,
                         const ParallelRunConfig *config)
{
  ParallelActions actions = { NULL };

  if (parallel_run_is_foreign (run))
    return;

  parallel_run_lock (run);
  run->config = *config;
  parallel_run_dispatch_locked (run, &actions);
  parallel_run_poke_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
}

/* ---- halting ---- */

GError *
parallel_run_halted_error (void)
{
  return g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED,
                              "The step was stopped because the run was halted");
}

void
parallel_run_skip_step_locked (ParallelRun  *run,
                               ParallelItem *item)
{
  ParallelStep *step = item->step;

  if (step == NULL)
    return;

  parallel_step_settle (step, PARALLEL_STEP_STATE_SKIPPED, NULL);
  if (run->owner != NULL && parallel_step_mark_changed (step, PARALLEL_STEP_CHANGED_STATE))
    parallel_run_post (run, PARALLEL_EVENT_STEP_CHANGED, NULL, step, FALSE);
}

/* Everything that waits will never run. Returns the indexes whose turns will never come. */
static GArray *
skip_pending_locked (ParallelRun *run,
                     GPtrArray   *dropped)
{
  GArray *indexes = g_array_new (FALSE, FALSE, sizeof (gint64));
  ParallelItem *item;

  while ((item = parallel_queue_pop (&run->pending)) != NULL)
    {
      parallel_run_skip_step_locked (run, item);
      g_array_append_val (indexes, item->index);
      item->skipped = TRUE;
      parallel_item_list_push_tail (&run->skipped, item);
    }
  while ((item = parallel_item_list_pop (&run->delayed)) != NULL)
    {
      g_array_append_val (indexes, item->index);
      if (!parallel_run_settle_delayed_locked (run, item))
        g_ptr_array_add (dropped, item);
    }
  return indexes;
}

static GPtrArray *
dup_running_locked (ParallelRun *run)
{
  GPtrArray *items = g_ptr_array_new ();

  for (ParallelItem *item = run->running.first; item != NULL; item = item->next)
    g_ptr_array_add (items, parallel_item_ref (item));

  return items;
}

static int
compare_later_first (gconstpointer a,
                     gconstpointer b)
{
  gint64 left = (*(ParallelItem * const *) a)->index;
  gint64 right = (*(ParallelItem * const *) b)->index;

  return (left < right) - (left > right);
}

static void
stop_items (ParallelRun *run,
            GPtrArray   *items)
{
  g_autoptr (GPtrArray) marked = g_ptr_array_new ();

  /* From the last to the first, so that none of them has its turn for a moment when one before
   * it is gone. One that has just ended cannot be stopped any more, and is printed. */
  g_ptr_array_sort (items, compare_later_first);
  for (guint i = 0; i < items->len; i++)
    {
      ParallelItem *item = g_ptr_array_index (items, i);
      ParallelStep *step = parallel_run_dup_step (run, item);

      if (parallel_run_mark_stopped (run, step, parallel_run_halted_error ()))
        {
          parallel_sequencer_discard (run->sequencer, item->index);
          g_ptr_array_add (marked, step);
        }
      else
        {
          parallel_run_hurry (run, step);
          parallel_run_drop_step (run, step);
        }
    }

  for (guint i = 0; i < marked->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (marked, i);

      parallel_run_stop_marked (run, step);
      parallel_run_drop_step (run, step);
    }
  for (guint i = 0; i < items->len; i++)
    parallel_run_drop_item (run, g_ptr_array_index (items, i));
}

static void
halt (ParallelRun     *run,
      ParallelRunHalt  mode,
      GError          *error)
{
  ParallelActions actions = { NULL };
  g_autoptr (GPtrArray) running = NULL;
  g_autoptr (GArray) skipped = NULL;
  g_autoptr (GPtrArray) dropped = g_ptr_array_new ();
  gboolean has_printed;
  gboolean had_delays;
  gboolean had_handed;

  if (parallel_run_is_foreign (run))
    {
      g_clear_error (&error);
      return;
    }

  parallel_run_lock (run);
  if (run->halt >= mode || run->over)
    {
      parallel_run_unlock (run);
      g_clear_error (&error);
      return;
    }
  g_atomic_int_set ((int *) &run->halt, mode);   /* it is also looked at without the lock */
  if (run->end_error == NULL)
    run->end_error = g_steal_pointer (&error);
  had_delays = run->delayed.length > 0;
  had_handed = run->handed.length > 0;
  if (had_handed)
    parallel_run_hold (run);
  skipped = skip_pending_locked (run, dropped);
  if (mode == PARALLEL_RUN_HALTED_NOW)
    running = dup_running_locked (run);
  parallel_run_hold (run);
  has_printed = run->begun;
  parallel_run_unlock (run);

  g_clear_error (&error);
  for (guint i = 0; i < skipped->len; i++)
    parallel_sequencer_done (run->sequencer, g_array_index (skipped, gint64, i));
  for (guint i = 0; i < dropped->len; i++)
    parallel_run_drop_item (run, g_ptr_array_index (dropped, i));
  if (had_delays)
    parallel_run_end_delays (run);
  if (had_handed)
    parallel_run_recall (run);
  if (running != NULL)
    stop_items (run, running);
  parallel_sequencer_set_hold (run->sequencer, FALSE);
  if (mode == PARALLEL_RUN_HALTED_NOW && has_printed)
    parallel_run_watch_sinks (run);

  parallel_run_lock (run);
  parallel_run_poke_locked (run, &actions);
  parallel_run_unlock (run);
  parallel_run_act (run, &actions);
  parallel_run_release (run);
}

void
parallel_run_halt (ParallelRun      *run,
                   ParallelHaltMode  mode)
{
  halt (run, mode == PARALLEL_HALT_SOON ? PARALLEL_RUN_HALTED_SOON : PARALLEL_RUN_HALTED_NOW, NULL);
}

void
parallel_run_halt_with (ParallelRun *run,
                        GError      *error)
{
  halt (run, PARALLEL_RUN_HALTED_NOW, error);
}
