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
  GCancellable *cancellable;      /* of the next item, used again as long as it is fresh */
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

/* The next item, borrowed: it is in the list of what runs. NULL when there will be none. */
static ParallelItem *
claim (ParallelWorkerThread *self)
{
  ParallelRun *run = self->run;
  ParallelActions actions = { NULL };
  ParallelItem *item = NULL;

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
  if (!self->abandoned && head_is_mine_locked (run))
    {
      item = parallel_queue_pop (&run->pending);
      item->worker = self;
      parallel_run_mark_running_locked (run, item);
      parallel_run_dispatch_locked (run, &actions);
      if (run->has_waiters)
        parallel_run_poke_locked (run, &actions);
    }
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  return item;
}

static void
run_item (ParallelWorkerThread *self,
          ParallelItem         *item)
{
  if (self->cancellable == NULL)
    self->cancellable = g_cancellable_new ();

  parallel_run_start_item (self->run, item, self->cancellable);

  /* Whoever kept it, or cancelled it, has it for himself now. */
  if (G_OBJECT (self->cancellable)->ref_count > 1 || g_cancellable_is_cancelled (self->cancellable))
    g_clear_object (&self->cancellable);
}

/* An item of its own, after all the others. NULL when there is no onexit. */
static ParallelItem *
make_onexit_item (ParallelWorkerThread *self)
{
  ParallelRun *run = self->run;
  ParallelItem *item = NULL;

  parallel_run_lock (run);
  if (!self->abandoned && run->onexit_task != NULL && self->has_run)
    {
      item = parallel_item_new ();
      item->onexit = TRUE;
      item->index = run->n_indexes++;
      item->worker = self;
      parallel_run_mark_running_locked (run, item);
    }
  parallel_run_unlock (run);

  return item;
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
  parallel_run_unref (run);
  g_free (self);
}

static gpointer
worker_thread (gpointer data)
{
  ParallelWorkerThread *self = data;
  ParallelItem *item;

  parallel_fork_begin_work ();
  self->tid = gettid ();
  pthread_sigmask (SIG_SETMASK, &self->run->signal_mask, NULL);

  while ((item = claim (self)) != NULL)
    {
      self->has_run = TRUE;
      run_item (self, item);
    }
  item = make_onexit_item (self);
  if (item != NULL)
    run_item (self, item);

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
