/* parallel-run-settle.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-failure.h"
#include "parallel-run-error.h"

/* The end of an attempt: whether there is another one, and if not, what becomes of the item. */

static gboolean
will_retry (ParallelRun              *run,
            ParallelItem             *item,
            const ParallelStepLimits *limits,
            const GError             *error)
{
  gboolean again;

  parallel_run_lock (run);
  again = run->halt == PARALLEL_RUN_GOES_ON &&
          !item->cancelled && !item->onexit &&
          !item->step->abandoned &&
          !g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED) &&
          (int) parallel_step_get_attempt (item->step) < limits->max_attempts;
  parallel_run_unlock (run);

  return again;
}

/* Back to the queue, at once or after a delay. Takes @error. */
static void
retry (ParallelRun              *run,
       ParallelItem             *item,
       const ParallelStepLimits *limits,
       GError                   *error)
{
  ParallelActions actions = { NULL };

  parallel_sequencer_retract (run->sequencer, item->index);
  parallel_step_begin_again (item->step, error);
  if (parallel_step_mark_changed (item->step, PARALLEL_STEP_CHANGED_STATE))
    parallel_run_post (run, PARALLEL_EVENT_STEP_CHANGED, NULL, item->step, FALSE);

  parallel_run_lock (run);
  parallel_item_list_remove (&run->running, item);
  item->running = FALSE;
  if (limits->retry_delay > 0 && run->halt == PARALLEL_RUN_GOES_ON)
    {
      parallel_item_list_push_tail (&run->delayed, item);
      parallel_item_ref (item);
    }
  else
    {
      parallel_queue_push_head (&run->pending, item);
      item = NULL;
    }
  parallel_run_dispatch_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  if (item != NULL)
    parallel_run_delay (run, item, limits->retry_delay);
}

static ParallelStepState
state_for_error_locked (ParallelRun  *run,
                        const GError *error)
{
  if (run->halt == PARALLEL_RUN_HALTED_NOW &&
      g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED))
    return PARALLEL_STEP_STATE_HALTED;

  return PARALLEL_STEP_STATE_FAILED;
}

static gboolean
is_kept_locked (ParallelRun       *run,
                ParallelStepState  state)
{
  switch (run->config.keep)
    {
    case PARALLEL_KEEP_STEPS_ALL:
    case PARALLEL_KEEP_STEPS_UNTIL_TAKEN:
      return TRUE;
    case PARALLEL_KEEP_STEPS_NONE:
      return FALSE;
    case PARALLEL_KEEP_STEPS_FAILED:
    default:
      return state == PARALLEL_STEP_STATE_FAILED;
    }
}

static gboolean
wants_to_take_locked (ParallelRun *run)
{
  return run->taking || run->config.keep == PARALLEL_KEEP_STEPS_UNTIL_TAKEN;
}

static void
count_locked (ParallelRun       *run,
              ParallelItem      *item,
              ParallelStepState  state,
              char              *failure)
{
  if (state == PARALLEL_STEP_STATE_FAILED)
    {
      run->n_failed++;
      parallel_failure_line_add (run->failure_lines, item->index, failure);
    }
  else if (state == PARALLEL_STEP_STATE_HALTED)
    run->n_halted++;
  else if (!item->onexit)
    run->n_succeeded++;
}

typedef struct
{
  gboolean taken;     /* next() will want it */
  gboolean halts;
} Settled;

/* Posted before anything else can start in the slot, so that events come in the order of things. The
 * mailbox is open under the lock, since the owner is there. */
static void
tell_finished_locked (ParallelRun     *run,
                      ParallelItem    *item,
                      ParallelListens  listens,
                      gboolean         removed)
{
  ParallelStep *step = item->step;

  if (run->owner == NULL ||
      !(g_atomic_int_get (&step->watched) || run->model_active || (listens & PARALLEL_LISTENS_FINISHED) != 0))
    return;

  g_atomic_int_set (&step->watched, TRUE);
  parallel_step_mark_changed (step, PARALLEL_STEP_CHANGED_STATE);
  parallel_run_post (run, PARALLEL_EVENT_STEP_FINISHED, item, step, removed);
}

gboolean
parallel_run_settle_delayed_locked (ParallelRun  *run,
                                    ParallelItem *item)
{
  parallel_step_settle (item->step, PARALLEL_STEP_STATE_HALTED, parallel_run_halted_error ());
  run->n_halted++;
  item->kept = is_kept_locked (run, PARALLEL_STEP_STATE_HALTED);
  if (item->kept)
    parallel_item_list_push_tail (&run->kept, item);
  tell_finished_locked (run, item, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_FINISHED), !item->kept);
  if (run->owner != NULL && wants_to_take_locked (run))
    g_queue_push_tail (&run->ready, parallel_item_ref (item));

  return item->kept;
}

/* Takes the item out of what runs. Without a listener, a keeper or a taker the run lets go of
 * it. @worker: the thread that is free now, or NULL. */
static Settled
settle_locked (ParallelRun          *run,
               ParallelItem         *item,
               ParallelWorkerThread *worker,
               ParallelStepState     state,
               char                 *failure,
               ParallelActions      *actions)
{
  Settled settled = { FALSE };
  ParallelListens listens = parallel_run_get_listens_locked (run, PARALLEL_LISTENS_STARTED | PARALLEL_LISTENS_FINISHED |
                                                                  PARALLEL_LISTENS_NOTIFY);
  gboolean kept = is_kept_locked (run, state);

  parallel_item_list_remove (&run->running, item);
  item->running = FALSE;
  item->worker = NULL;
  count_locked (run, item, state, failure);
  parallel_run_hold (run);

  if (kept)
    {
      item->kept = TRUE;
      parallel_item_list_push_tail (&run->kept, parallel_item_ref (item));
    }
  settled.taken = wants_to_take_locked (run);
  tell_finished_locked (run, item, listens, !kept);
  settled.halts = state == PARALLEL_STEP_STATE_FAILED && run->config.halt_on_error &&
                  run->halt == PARALLEL_RUN_GOES_ON;
  if (settled.halts)
    return settled;   /* nothing starts any more */

  if (worker == NULL || !parallel_worker_thread_claim_locked (worker, listens, actions))
    parallel_run_dispatch_locked (run, actions);
  parallel_run_check_over_locked (run, actions);
  parallel_run_poke_for_locked (run, listens, actions);
  return settled;
}

/* Of an attempt that is ending there is no new output, so they are read without the step's lock. */
static void
close_outputs (ParallelRun  *run,
               ParallelItem *item,
               gboolean      printed)
{
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    if (item->step->outputs[i] != NULL)
      parallel_output_close (item->step->outputs[i]);

  if (printed)
    parallel_sequencer_done (run->sequencer, item->index);
  else
    parallel_sequencer_discard (run->sequencer, item->index);
}

/* Gives the reference to an item to next(), as the last thing, so that whoever takes it has it
 * for himself. */
static void
offer (ParallelRun  *run,
       ParallelItem *item)
{
  ParallelActions actions = { NULL };

  parallel_run_lock (run);
  if (run->owner != NULL)
    g_queue_push_tail (&run->ready, g_steal_pointer (&item));
  parallel_run_poke_locked (run, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  if (item != NULL)
    parallel_run_drop_item (run, item);
}

/* The last state of an item. Takes @error. */
static void
settle (ParallelRun  *run,
        ParallelItem *item,
        GError       *error)
{
  ParallelStepState state = PARALLEL_STEP_STATE_SUCCEEDED;
  ParallelActions actions = { NULL };
  g_autofree char *failure = NULL;
  ParallelStep *step = item->step;
  ParallelWorkerThread *worker = step->returned ? item->worker : NULL;
  Settled settled;

  /* What is abandoned has not succeeded. */
  if (error != NULL)
    {
      parallel_run_lock (run);
      state = state_for_error_locked (run, error);
      if (step->abandoned)
        parallel_worker_thread_abandon_locked (run, item);
      parallel_run_unlock (run);
    }

  close_outputs (run, item, state != PARALLEL_STEP_STATE_HALTED);
  parallel_step_settle (step, state, error);
  if (state == PARALLEL_STEP_STATE_FAILED)
    failure = parallel_failure_describe (step);

  if (worker != NULL)
    parallel_worker_thread_prepare (worker);
  parallel_run_lock (run);
  settled = settle_locked (run, item, worker, state, failure, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  if (settled.taken)
    offer (run, item);
  else
    parallel_run_drop_item (run, item);
  if (settled.halts)
    parallel_run_halt (run, PARALLEL_HALT_NOW);
  parallel_run_release_looked (run);
}

void
parallel_run_end_attempt (ParallelRun  *run,
                          ParallelStep *step,
                          GError       *error)
{
  ParallelItem *item = parallel_step_get_item (step);

  parallel_run_unwatch (step);

  if (error != NULL)
    {
      ParallelRunConfig config = parallel_run_get_config (run);
      ParallelStepLimits limits = parallel_step_get_limits (step, &config.limits);

      if (will_retry (run, item, &limits, error))
        {
          retry (run, item, &limits, error);
          return;
        }
    }
  settle (run, item, error);
}
