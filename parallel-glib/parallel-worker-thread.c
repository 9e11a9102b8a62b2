/* parallel-worker-thread.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include <unistd.h>

/* The threads of a run that call functions. They pull their items themselves, so that between
 * two short functions there is one lock and no other thread. They are the run's own: GTask's
 * pool is small and shared with all of GIO. */

struct _ParallelWorkerThread
{
  /* Constant. */
  ParallelRun  *run;              /* a reference */

  /* The thread only, and constant once it runs. */
  int           tid;              /* the system's number of the thread */

  /* The thread only. */
  GCancellable *cancellable;      /* of the claimed item, then of the running one; used again as long as it is fresh */
  ParallelStep *spare;            /* for the next item, or NULL */
  ParallelItem *claimed;          /* the next item, borrowed: it is in the list of what runs; or NULL */
  ParallelTerms terms;            /* of the claimed item, which is begun */
  gboolean      has_run;          /* something, so its onexit is due */

  /* Guarded by the run's mutex. */
  gboolean      abandoned;        /* the run goes on without it */
  ParallelStep *abandoned_step;   /* kept alive for the function that still uses it */
};

void
parallel_worker_thread_abandon_locked (ParallelRun  *run,
                                       ParallelItem *item)
{
  ParallelWorkerThread *self = item->worker;

  if (self == NULL)
    return;

  self->abandoned = TRUE;
  self->abandoned_step = g_object_ref (item->step);
  run->n_workers--;
}

int
parallel_worker_thread_get_tid (ParallelWorkerThread *worker)
{
  return worker->tid;
}

static gboolean
head_is_mine_locked (ParallelRun *run)
{
  return parallel_run_can_start_locked (run) && parallel_run_head_is_for_thread_locked (run);
}

static gboolean
is_done_locked (ParallelRun *run)
{
  return (run->closed || run->halt != PARALLEL_RUN_GOES_ON) &&
         run->pending.length == 0 && run->delayed.length == 0;
}

void
parallel_worker_thread_prepare (ParallelWorkerThread *self)
{
  /* Whoever kept it, or cancelled it, has it for himself. */
  if (self->cancellable != NULL &&
      (G_OBJECT (self->cancellable)->ref_count > 1 || g_cancellable_is_cancelled (self->cancellable)))
    g_clear_object (&self->cancellable);

  if (self->cancellable == NULL)
    self->cancellable = g_cancellable_new ();
  if (self->spare == NULL)
    self->spare = parallel_step_new_spare ();
}

static void
begin_locked (ParallelWorkerThread *self,
              ParallelItem         *item,
              ParallelListens       listens)
{
  item->worker = self;
  parallel_run_mark_running_locked (self->run, item);
  parallel_run_begin_locked (self->run, item, &self->spare, self->cancellable, listens, &self->terms);
  self->claimed = item;
}

gboolean
parallel_worker_thread_claim_locked (ParallelWorkerThread *self,
                                     ParallelListens       listens,
                                     ParallelActions      *actions)
{
  ParallelRun *run = self->run;

  if (self->abandoned || !head_is_mine_locked (run))
    return FALSE;

  begin_locked (self, parallel_queue_pop (&run->pending), listens);
  parallel_run_dispatch_locked (run, actions);
  if (run->has_waiters)
    parallel_run_poke_for_locked (run, listens, actions);
  return TRUE;
}

/* Waits until the next item is claimed. FALSE when there will be none. */
static gboolean
claim (ParallelWorkerThread *self)
{
  ParallelRun *run = self->run;
  ParallelActions actions = { NULL };

  if (self->claimed != NULL)
    return TRUE;

  parallel_worker_thread_prepare (self);
  parallel_run_lock (run);
  while (!self->abandoned && !head_is_mine_locked (run) && !is_done_locked (run))
    {
      run->n_idle_workers++;
      parallel_fork_end_work ();
      g_cond_wait (&run->work_cond, &run->mutex);
      run->n_idle_workers--;
      parallel_run_unlock (run);

      parallel_fork_begin_work ();
      parallel_run_lock (run);
    }
  parallel_worker_thread_claim_locked (self, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_STARTED | PARALLEL_LISTENS_NOTIFY),
                                       &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  return self->claimed != NULL;
}

static void
run_claimed (ParallelWorkerThread *self)
{
  ParallelItem *item = g_steal_pointer (&self->claimed);
  ParallelTerms terms = self->terms;

  parallel_run_tell_begun (self->run, item, &terms);
  parallel_run_start_begun (self->run, item, &terms);
}

/* An item of its own, after all the others. FALSE when there is no onexit. */
static gboolean
claim_onexit (ParallelWorkerThread *self)
{
  ParallelRun *run = self->run;

  parallel_worker_thread_prepare (self);
  parallel_run_lock (run);
  if (!self->abandoned && run->onexit_task != NULL && self->has_run)
    {
      ParallelItem *item = parallel_item_new ();

      item->onexit = TRUE;
      item->index = run->n_indexes++;
      begin_locked (self, item, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_STARTED));
    }
  parallel_run_unlock (run);

  return self->claimed != NULL;
}

static void
leave (ParallelWorkerThread *self)
{
  ParallelRun *run = self->run;
  ParallelActions actions = { NULL };
  ParallelStep *step;

  parallel_run_lock (run);
  if (!self->abandoned)
    {
      run->n_workers--;
      parallel_run_dispatch_locked (run, &actions);
      parallel_run_check_over_locked (run, &actions);
    }
  step = g_steal_pointer (&self->abandoned_step);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  parallel_run_drop_step (run, step);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->spare);
  parallel_run_unref (run);
  g_free (self);
}

static gpointer
worker_thread (gpointer data)
{
  ParallelWorkerThread *self = data;

  parallel_fork_begin_work ();
  self->tid = gettid ();
  pthread_sigmask (SIG_SETMASK, &self->run->signal_mask, NULL);

  while (claim (self))
    {
      self->has_run = TRUE;
      run_claimed (self);
    }
  if (claim_onexit (self))
    run_claimed (self);

  leave (self);
  parallel_fork_end_work ();
  return NULL;
}

gboolean
parallel_worker_thread_start (ParallelRun  *run,
                              GError      **error)
{
  ParallelWorkerThread *self = g_new0 (ParallelWorkerThread, 1);
  GThread *thread;

  self->run = parallel_run_ref (run);
  thread = g_thread_try_new ("parallel-worker", worker_thread, self, error);
  if (thread == NULL)
    {
      g_prefix_error (error, "No thread could be started for the step: ");
      parallel_run_unref (run);
      g_free (self);
      return FALSE;
    }

  g_thread_unref (thread);
  return TRUE;
}
