/* parallel-run-step.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-engine.h"
#include "parallel-failure.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* Attempts: how an item begins, what its step reports, and what becomes of it in the end. */

ParallelStep *
parallel_run_dup_step (ParallelRun  *run,
                       ParallelItem *item)
{
  g_autoptr (ParallelStep) spare = NULL;
  g_autoptr (ParallelTask) task = NULL;
  ParallelStep *step = NULL;
  GValue input = G_VALUE_INIT;

  parallel_run_lock (run);
  if (item->step != NULL)
    step = g_object_ref (item->step);
  else
    task = g_object_ref (item->onexit ? run->onexit_task : run->task);
  parallel_run_unlock (run);

  if (step != NULL)
    return step;

  /* Made without the lock, for it is a hundred times dearer than all that happens under it. */
  spare = parallel_step_new_for_run (task, &input);

  parallel_run_lock (run);
  if (item->step == NULL)
    {
      spare->input = item->input;
      item->input = (GValue) G_VALUE_INIT;
      spare->index = item->index;
      spare->priority = item->priority;
      if (item->onexit)
        spare->name = g_strdup ("onexit");
      parallel_step_attach (spare, &parallel_run_step_host, run, item);
      if (item->skipped)
        parallel_step_settle (spare, PARALLEL_STEP_STATE_SKIPPED, NULL);
      item->step = g_steal_pointer (&spare);
    }
  step = g_object_ref (item->step);
  parallel_run_unlock (run);

  return step;
}

void
parallel_run_drop_step (ParallelRun  *run,
                        ParallelStep *step)
{
  if (step == NULL)
    return;

  if (parallel_step_can_drop_anywhere (step) || g_main_context_is_owner (run->context))
    g_object_unref (step);
  else
    parallel_run_post_drop (run, step);
}

void
parallel_run_drop_item (ParallelRun  *run,
                        ParallelItem *item)
{
  ParallelStep *step = item->step != NULL ? g_object_ref (item->step) : NULL;

  parallel_item_unref (item);
  parallel_run_drop_step (run, step);
}

static ParallelStep *
borrow_step (ParallelRun  *run,
             ParallelItem *item)
{
  ParallelStep *step = parallel_run_dup_step (run, item);

  g_object_unref (step);
  return step;
}

static ParallelStepLimits
get_limits (ParallelRun  *run,
            ParallelStep *step)
{
  ParallelRunConfig config = parallel_run_get_config (run);

  return parallel_step_get_limits (step, &config.limits);
}

/* The owner is told when somebody may be looking. */
static void
post_started (ParallelRun  *run,
              ParallelStep *step)
{
  gboolean listens;

  parallel_run_lock (run);
  listens = run->owner != NULL &&
            (g_atomic_int_get (&step->watched) || run->model_active ||
             parallel_run_listens_locked (run, PARALLEL_LISTENS_STARTED));
  if (listens)
    g_atomic_int_set (&step->watched, TRUE);
  parallel_run_unlock (run);

  if (!listens)
    return;
  parallel_step_mark_changed (step, PARALLEL_STEP_CHANGED_STATE | PARALLEL_STEP_CHANGED_NAME);
  parallel_run_post (run, PARALLEL_EVENT_STEP_STARTED, NULL, step, FALSE);
}

void
parallel_run_hold (ParallelRun *run)
{
  g_atomic_int_inc (&run->n_holds);
}

void
parallel_run_release (ParallelRun *run)
{
  ParallelActions actions = { NULL };

  if (!g_atomic_int_dec_and_test (&run->n_holds))
    return;

  parallel_run_lock (run);
  parallel_run_check_over_locked (run, &actions);
  parallel_run_unlock (run);
  parallel_run_act (run, &actions);
}

gboolean
parallel_run_skip_if_halted (ParallelRun  *run,
                             ParallelItem *item)
{
  ParallelActions actions = { NULL };
  gboolean halted;

  parallel_run_lock (run);
  halted = run->halt != PARALLEL_RUN_GOES_ON && !item->onexit &&
           (item->step == NULL || parallel_step_get_attempt (item->step) == 0);
  if (halted)
    {
      parallel_run_hold (run);
      parallel_item_list_remove (item->handed ? &run->handed : &run->running, item);
      item->handed = FALSE;
      item->running = FALSE;
      item->worker = NULL;
      item->skipped = TRUE;
      parallel_run_skip_step_locked (run, item);
      parallel_item_list_push_tail (&run->skipped, item);
      parallel_run_poke_locked (run, &actions);
    }
  parallel_run_unlock (run);

  if (!halted)
    return FALSE;
  parallel_sequencer_done (run->sequencer, item->index);
  parallel_run_act (run, &actions);
  parallel_run_release (run);
  return TRUE;
}

/* What runs is kept alive by its item in the list of what runs, until it is told to have ended.
 * To hold a reference of one's own beyond that would let the step outlive its run by a moment,
 * which a user who looks would see. */
ParallelStep *
parallel_run_begin_item (ParallelRun        *run,
                         ParallelItem       *item,
                         GCancellable       *cancellable,
                         ParallelStepLimits *limits)
{
  ParallelStep *step = borrow_step (run, item);

  *limits = get_limits (run, step);
  parallel_step_begin (step, cancellable, limits,
                       item->worker != NULL ? parallel_worker_thread_get_tid (item->worker) : 0);
  if (item->onexit)
    parallel_step_begin_leaving (step);

  return step;
}

gboolean
parallel_run_is_unwanted (ParallelRun  *run,
                          ParallelItem *item)
{
  gboolean unwanted;

  parallel_run_lock (run);
  unwanted = item->cancelled || run->halt == PARALLEL_RUN_HALTED_NOW;
  parallel_run_unlock (run);

  return unwanted;
}

GError *
parallel_run_unwanted_error (void)
{
  return g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED,
                              "The step was cancelled before it was started");
}

void
parallel_run_start_item (ParallelRun  *run,
                         ParallelItem *item,
                         GCancellable *cancellable)
{
  ParallelStep *step;
  ParallelTask *task;
  ParallelStepLimits limits;

  if (parallel_run_skip_if_halted (run, item))
    return;

  step = parallel_run_begin_item (run, item, cancellable, &limits);
  task = parallel_step_get_task (step);
  if (parallel_task_get_place (task) != PARALLEL_TASK_PLACE_ENGINE)
    post_started (run, step);

  if (parallel_run_is_unwanted (run, item))
    parallel_step_end (step, parallel_run_unwanted_error ());
  else
    {
      parallel_run_watch (run, step, &limits);
      parallel_task_start (task, step);
    }
}

void
parallel_run_fail_item (ParallelRun  *run,
                        ParallelItem *item,
                        GError       *error)
{
  ParallelStep *step = borrow_step (run, item);
  ParallelStepLimits limits = get_limits (run, step);

  parallel_step_begin (step, NULL, &limits, 0);
  post_started (run, step);
  parallel_step_end (step, error);
}

/* ---- what a step tells ---- */

static gpointer
host_ref (gpointer host)
{
  return parallel_run_ref (host);
}

static void
host_unref (gpointer host)
{
  parallel_run_unref (host);
}

static void
host_started (gpointer      host,
              ParallelStep *step)
{
  post_started (host, step);
}

static ParallelOutput *
host_new_output (gpointer      host,
                 ParallelStep *step,
                 guint         part)
{
  ParallelRun *run = host;
  ParallelRunConfig config = parallel_run_get_config (run);
  ParallelStepLimits limits = parallel_step_get_limits (step, &config.limits);

  return parallel_output_new (run->spool, part == PARALLEL_PART_NOTE ? 0 : limits.output_limit,
                              config.output_limit_policy);
}

static void
host_opened (gpointer      host,
             ParallelStep *step)
{
  ParallelRun *run = host;
  ParallelStepLimits limits = get_limits (run, step);
  g_autofree char *name = parallel_step_dup_name (step);
  ParallelOutput *outputs[PARALLEL_N_PARTS];
  ParallelStep *shown = NULL;

  /* The step itself is only needed for the signal, and would stay alive until all before it is
   * printed. */
  parallel_run_lock (run);
  if (parallel_run_listens_locked (run, PARALLEL_LISTENS_OUTPUT))
    shown = g_object_ref (step);
  parallel_run_unlock (run);

  parallel_step_dup_outputs (step, outputs);
  parallel_sequencer_add (run->sequencer, parallel_step_get_index (step), name,
                          (int) parallel_step_get_attempt (step) >= limits.max_attempts,
                          outputs, shown);
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    g_clear_pointer (&outputs[i], parallel_output_unref);
}

static void
host_wrote (gpointer      host,
            ParallelStep *step)
{
  ParallelRun *run = host;

  parallel_sequencer_wrote (run->sequencer, parallel_step_get_index (step));
}

static void
host_leaving (gpointer      host,
              ParallelStep *step)
{
  if (parallel_engine_is_current ())
    parallel_run_rewatch (step);
}

static void
host_stop (gpointer      host,
           ParallelStep *step,
           GError       *reason)
{
  parallel_run_stop_step (host, step, reason);
}

static void
host_changed (gpointer      host,
              ParallelStep *step)
{
  parallel_run_post (host, PARALLEL_EVENT_STEP_CHANGED, NULL, step, FALSE);
}

/* ---- the end of an attempt ---- */

static gboolean
will_retry_locked (ParallelRun              *run,
                   ParallelItem             *item,
                   const ParallelStepLimits *limits,
                   const GError             *error)
{
  return error != NULL &&
         run->halt == PARALLEL_RUN_GOES_ON &&
         !item->cancelled && !item->onexit &&
         !item->step->abandoned &&
         !g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED) &&
         (int) parallel_step_get_attempt (item->step) < limits->max_attempts;
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
state_for_locked (ParallelRun  *run,
                  const GError *error)
{
  if (error == NULL)
    return PARALLEL_STEP_STATE_SUCCEEDED;
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
  gboolean kept;
  gboolean taken;     /* next() will want it */
  gboolean halts;
} Settled;

/* Posted before anything else can start in the slot, so that events come in the order of things. The
 * mailbox is open under the lock, since the owner is there. */
static void
tell_finished_locked (ParallelRun  *run,
                      ParallelItem *item,
                      gboolean      removed)
{
  ParallelStep *step = item->step;

  if (run->owner == NULL ||
      !(g_atomic_int_get (&step->watched) || run->model_active ||
        parallel_run_listens_locked (run, PARALLEL_LISTENS_FINISHED)))
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
  tell_finished_locked (run, item, !item->kept);
  if (run->owner != NULL && wants_to_take_locked (run))
    g_queue_push_tail (&run->ready, parallel_item_ref (item));

  return item->kept;
}

/* Takes the item out of what runs. Without a listener, a keeper or a taker the run lets go of
 * it. */
static Settled
settle_locked (ParallelRun       *run,
               ParallelItem      *item,
               ParallelStepState  state,
               char              *failure,
               ParallelActions   *actions)
{
  Settled settled = { FALSE };

  parallel_item_list_remove (&run->running, item);
  item->running = FALSE;
  item->worker = NULL;
  count_locked (run, item, state, failure);
  parallel_run_hold (run);

  settled.kept = is_kept_locked (run, state);
  if (settled.kept)
    {
      item->kept = TRUE;
      parallel_item_list_push_tail (&run->kept, parallel_item_ref (item));
    }
  settled.taken = wants_to_take_locked (run);
  tell_finished_locked (run, item, !settled.kept);
  settled.halts = state == PARALLEL_STEP_STATE_FAILED && run->config.halt_on_error &&
                  run->halt == PARALLEL_RUN_GOES_ON;
  if (settled.halts)
    return settled;   /* nothing starts any more */

  parallel_run_dispatch_locked (run, actions);
  parallel_run_poke_locked (run, actions);
  return settled;
}

static void
close_outputs (ParallelRun  *run,
               ParallelItem *item,
               gboolean      printed)
{
  ParallelOutput *outputs[PARALLEL_N_PARTS];

  parallel_step_dup_outputs (item->step, outputs);
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    if (outputs[i] != NULL)
      {
        parallel_output_close (outputs[i]);
        parallel_output_unref (outputs[i]);
      }

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
  ParallelStepState state;
  ParallelActions actions = { NULL };
  g_autofree char *failure = NULL;
  ParallelStep *step = item->step;
  Settled settled;

  parallel_run_lock (run);
  state = state_for_locked (run, error);
  if (step->abandoned)
    parallel_worker_thread_abandon_locked (run, item);
  parallel_run_unlock (run);

  close_outputs (run, item, state != PARALLEL_STEP_STATE_HALTED);
  parallel_step_settle (step, state, error);
  if (state == PARALLEL_STEP_STATE_FAILED)
    failure = parallel_failure_describe (step);

  parallel_run_lock (run);
  settled = settle_locked (run, item, state, failure, &actions);
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  if (settled.taken)
    offer (run, item);
  else
    parallel_run_drop_item (run, item);
  if (settled.halts)
    parallel_run_halt (run, PARALLEL_HALT_NOW);
  parallel_run_release (run);
}

static void
host_ended (gpointer      host,
            ParallelStep *step,
            GError       *error)
{
  ParallelRun *run = host;
  ParallelItem *item = parallel_step_get_item (step);
  ParallelStepLimits limits = get_limits (run, step);
  gboolean again;

  parallel_run_unwatch (step);

  parallel_run_lock (run);
  again = will_retry_locked (run, item, &limits, error);
  parallel_run_unlock (run);

  if (again)
    retry (run, item, &limits, error);
  else
    settle (run, item, error);
}

const ParallelStepHost parallel_run_step_host =
{
  .ref = host_ref,
  .unref = host_unref,
  .started = host_started,
  .new_output = host_new_output,
  .opened = host_opened,
  .wrote = host_wrote,
  .leaving = host_leaving,
  .ended = host_ended,
  .stop = host_stop,
  .changed = host_changed,
  .begin = parallel_run_pool_begin,
  .give_back = parallel_run_pool_give_back,
  .get_slots = parallel_run_pool_get_slots,
  .set_ahead = parallel_run_pool_set_ahead,
  .reserve = parallel_run_pool_reserve,
  .unreserve = parallel_run_pool_unreserve,
  .begin_onexit = parallel_run_pool_begin_onexit,
  .closed = parallel_run_pool_closed,
};
