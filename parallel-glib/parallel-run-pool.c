/* parallel-run-pool.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-engine.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* What a run and its pools, the tasks that keep processes for it, tell each other. An item is handed
 * to the pool in the engine thread, and there the pool begins it or gives it back; whatever another
 * thread wants of it, to halt the run for example, is asked of the pool by mail. Until the pool has
 * answered the item is in the list of what was handed, which keeps the run from being over. */

void
parallel_run_mark_handed_locked (ParallelRun  *run,
                                 ParallelItem *item,
                                 ParallelTask *task)
{
  item->handed = TRUE;
  parallel_item_list_push_tail (&run->handed, item);

  if (run->pools == NULL)
    run->pools = g_ptr_array_new_with_free_func (g_object_unref);
  if (!g_ptr_array_find (run->pools, task, NULL))
    {
      g_ptr_array_add (run->pools, g_object_ref (task));
      run->n_open_pools++;
    }
}

/* ---- to the pools ---- */

void
parallel_run_hand_item (ParallelRun  *run,
                        ParallelItem *item)
{
  ParallelStep *step;

  if (parallel_run_skip_if_halted (run, item))
    return;

  /* The item's reference keeps it. */
  step = parallel_run_dup_step (run, item);
  g_object_unref (step);
  parallel_task_start (parallel_step_get_task (step), step);
}

typedef struct
{
  ParallelMail  mail;
  ParallelRun  *run;
  void        (*func) (ParallelTask *task,
                       gpointer      host);
} PoolMail;

static void
call_pools (ParallelMail *mail,
            gboolean      closed)
{
  PoolMail *call = (PoolMail *) mail;
  ParallelRun *run = call->run;
  guint n_pools;

  parallel_run_lock (run);
  n_pools = run->pools->len;
  parallel_run_unlock (run);

  for (guint i = 0; i < n_pools; i++)
    {
      ParallelTask *task;

      /* They go only when the run is over, and it is held. */
      parallel_run_lock (run);
      task = g_ptr_array_index (run->pools, i);
      parallel_run_unlock (run);
      call->func (task, run);
    }

  parallel_run_release (run);
  parallel_run_unref (run);
  g_free (call);
}

static void
post_call (ParallelRun *run,
           void       (*func) (ParallelTask *task,
                               gpointer      host))
{
  PoolMail *mail = g_new0 (PoolMail, 1);

  mail->run = parallel_run_ref (run);
  mail->func = func;
  parallel_engine_post (&mail->mail, call_pools);
}

void
parallel_run_wake_pools (ParallelRun *run)
{
  post_call (run, parallel_task_wake);
}

void
parallel_run_recall (ParallelRun *run)
{
  post_call (run, parallel_task_recall);
}

static void
close_pool (ParallelTask *task,
            gpointer      host)
{
  if (!parallel_task_close (task, host))
    parallel_run_pool_closed (host);
}

void
parallel_run_close_pools (ParallelRun *run)
{
  post_call (run, close_pool);
}

/* ---- from a pool, in the engine thread ---- */

guint
parallel_run_pool_get_slots (gpointer host)
{
  ParallelRun *run = host;
  guint n_slots = 0;
  guint n_used;

  parallel_run_lock (run);
  n_used = run->running.length + run->n_reserved;
  if (!run->paused && n_used < run->config.max_parallel)
    n_slots = run->config.max_parallel - n_used;
  parallel_run_unlock (run);

  return n_slots;
}

ParallelBegin
parallel_run_pool_begin (gpointer      host,
                         ParallelStep *step,
                         gboolean      runs)
{
  ParallelRun *run = host;
  ParallelItem *item = parallel_step_get_item (step);
  ParallelTerms terms;

  if (!runs && parallel_run_skip_if_halted (run, item))
    return PARALLEL_BEGIN_GONE;
  if (!runs && parallel_run_pool_get_slots (run) == 0)
    return PARALLEL_BEGIN_NO_SLOT;

  parallel_run_lock (run);
  parallel_item_list_remove (&run->handed, item);
  item->handed = FALSE;
  parallel_run_mark_running_locked (run, item);
  parallel_run_begin_locked (run, item, NULL, NULL, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_STARTED), &terms);
  parallel_run_unlock (run);

  parallel_run_tell_begun (run, item, &terms);
  if (!terms.unwanted)
    parallel_run_watch (run, step, &terms.limits);
  else if (runs)
    parallel_run_stop_step (run, step, parallel_run_unwanted_error ());
  else
    {
      parallel_step_end (step, parallel_run_unwanted_error ());
      return PARALLEL_BEGIN_GONE;
    }

  return PARALLEL_BEGIN_BEGUN;
}

void
parallel_run_pool_give_back (gpointer      host,
                             ParallelStep *step)
{
  ParallelRun *run = host;
  ParallelItem *item = parallel_step_get_item (step);
  ParallelActions actions = { NULL };

  if (parallel_run_skip_if_halted (run, item))
    return;

  parallel_run_lock (run);
  parallel_item_list_remove (&run->handed, item);
  item->handed = FALSE;
  parallel_queue_push_head (&run->pending, item);
  parallel_run_dispatch_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
}

void
parallel_run_pool_set_ahead (gpointer host,
                             guint    ahead)
{
  ParallelRun *run = host;
  ParallelActions actions = { NULL };

  parallel_run_lock (run);
  run->ahead = ahead;
  parallel_run_dispatch_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
}

void
parallel_run_pool_set_default_slots (gpointer host,
                                     guint    n_slots)
{
  ParallelRun *run = host;
  ParallelActions actions = { NULL };

  parallel_run_lock (run);
  if (!run->config.max_parallel_is_set && run->config.max_parallel != n_slots)
    {
      run->config.max_parallel = n_slots;
      parallel_run_dispatch_locked (run, &actions);
      parallel_run_poke_locked (run, &actions);
    }
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
}

void
parallel_run_pool_reserve (gpointer host)
{
  ParallelRun *run = host;

  parallel_run_lock (run);
  run->n_reserved++;
  parallel_run_unlock (run);
}

void
parallel_run_pool_unreserve (gpointer host)
{
  ParallelRun *run = host;

  parallel_run_lock (run);
  run->n_reserved--;
  parallel_run_unlock (run);
}

ParallelStep *
parallel_run_pool_begin_onexit (gpointer      host,
                                ParallelTask *task)
{
  ParallelRun *run = host;
  ParallelStep *step = parallel_step_new_spare ();
  ParallelItem *item = parallel_item_new ();
  ParallelTerms terms;

  step->task = g_object_ref (task);
  step->name = g_strdup ("onexit");
  item->step = step;
  item->onexit = TRUE;

  parallel_run_lock (run);
  if (run->halt == PARALLEL_RUN_HALTED_NOW)
    {
      parallel_run_unlock (run);
      parallel_run_drop_item (run, item);
      return NULL;
    }
  item->index = run->n_indexes++;
  step->index = item->index;
  parallel_step_attach (step, &parallel_run_step_host, run, item);
  parallel_run_mark_running_locked (run, item);
  parallel_run_unlock (run);

  parallel_run_begin_item (run, item, NULL, &terms);
  parallel_run_tell_begun (run, item, &terms);
  parallel_run_watch (run, step, &terms.limits);

  return step;
}

void
parallel_run_pool_closed (gpointer host)
{
  ParallelRun *run = host;
  ParallelActions actions = { NULL };

  parallel_run_lock (run);
  run->n_open_pools--;
  parallel_run_check_over_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
}
