/* parallel-run-step.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-engine.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* Attempts: how an item begins, and what its step reports; what becomes of it in the end is in
 * parallel-run-settle.c.
 *
 * Between two short functions the run's mutex is what threads wait for. So a worker thread takes it once a step: to
 * settle one, and to claim and begin the next. */

static gboolean
is_watched_locked (ParallelRun     *run,
                   ParallelStep    *step,
                   ParallelListens  listens)
{
  return run->owner != NULL &&
         (g_atomic_int_get (&step->watched) || run->model_active || (listens & PARALLEL_LISTENS_STARTED) != 0);
}

static void
get_terms_locked (ParallelRun     *run,
                  ParallelItem    *item,
                  ParallelListens  listens,
                  ParallelTerms   *terms)
{
  terms->limits = parallel_step_get_limits (item->step, &run->config.limits);
  terms->watched = is_watched_locked (run, item->step, listens);
  terms->unwanted = item->cancelled || run->halt == PARALLEL_RUN_HALTED_NOW;
}

static void
attach_step_locked (ParallelRun   *run,
                    ParallelItem  *item,
                    ParallelStep **spare)
{
  ParallelStep *step = g_steal_pointer (spare);

  step->task = g_object_ref (item->onexit ? run->onexit_task : run->task);
  step->input = item->input;
  item->input = (GValue) G_VALUE_INIT;
  step->index = item->index;
  step->priority = item->priority;
  if (item->onexit)
    step->name = g_strdup ("onexit");
  parallel_step_attach (step, &parallel_run_step_host, run, item);
  if (item->skipped)
    parallel_step_settle (step, PARALLEL_STEP_STATE_SKIPPED, NULL);
  item->step = step;
}

/* The step of an item, which is made if there is none yet; and, unless @terms is NULL, those. */
static ParallelStep *
dup_step (ParallelRun   *run,
          ParallelItem  *item,
          ParallelTerms *terms)
{
  g_autoptr (ParallelStep) spare = NULL;
  ParallelStep *step = NULL;

  parallel_run_lock (run);
  if (item->step == NULL)
    {
      /* Made without the lock, for it is much dearer than all that happens under it. */
      parallel_run_unlock (run);
      spare = parallel_step_new_spare ();
      parallel_run_lock (run);
    }
  if (item->step == NULL)
    attach_step_locked (run, item, &spare);
  step = g_object_ref (item->step);
  if (terms != NULL)
    get_terms_locked (run, item, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_STARTED), terms);
  parallel_run_unlock (run);

  return step;
}

ParallelStep *
parallel_run_dup_step (ParallelRun  *run,
                       ParallelItem *item)
{
  return dup_step (run, item, NULL);
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
  parallel_run_drop_step (run, parallel_item_release (item));
}

static ParallelStep *
borrow_step (ParallelRun  *run,
             ParallelItem *item,
             ParallelTerms *terms)
{
  ParallelStep *step = dup_step (run, item, terms);

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

static gboolean
is_watched (ParallelRun  *run,
            ParallelStep *step)
{
  gboolean answer;

  parallel_run_lock (run);
  answer = is_watched_locked (run, step, parallel_run_get_listens_locked (run, PARALLEL_LISTENS_STARTED));
  parallel_run_unlock (run);

  return answer;
}

/* The owner is told when somebody may be looking. Who has got the step after its terms were made, and
 * before it began, has seen it wait. */
static void
post_started (ParallelRun  *run,
              ParallelStep *step,
              gboolean      known)
{
  if (!known && !(g_atomic_int_get (&step->watched) && is_watched (run, step)))
    return;

  g_atomic_int_set (&step->watched, TRUE);
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
  g_atomic_int_set (&run->unsure, TRUE);
  parallel_run_release_looked (run);
}

void
parallel_run_release_looked (ParallelRun *run)
{
  ParallelActions actions = { NULL };

  if (!g_atomic_int_dec_and_test (&run->n_holds) || !g_atomic_int_get (&run->unsure))
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

  /* One that comes a moment later finds the step among what runs. */
  if (g_atomic_int_get ((int *) &run->halt) == PARALLEL_RUN_GOES_ON)
    return FALSE;

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
void
parallel_run_begin_locked (ParallelRun    *run,
                           ParallelItem   *item,
                           ParallelStep  **spare,
                           GCancellable   *cancellable,
                           ParallelListens listens,
                           ParallelTerms  *terms)
{
  if (item->step == NULL)
    attach_step_locked (run, item, spare);
  get_terms_locked (run, item, listens, terms);
  parallel_step_begin (item->step, cancellable, &terms->limits,
                       item->worker != NULL ? parallel_worker_thread_get_tid (item->worker) : 0);
}

ParallelStep *
parallel_run_begin_item (ParallelRun   *run,
                         ParallelItem  *item,
                         GCancellable  *cancellable,
                         ParallelTerms *terms)
{
  ParallelStep *step = borrow_step (run, item, terms);

  parallel_step_begin (step, cancellable, &terms->limits, 0);
  return step;
}

/* Asked again once the item has begun: whoever cancels it from then on finds a step that runs. */
static gboolean
is_unwanted (ParallelRun  *run,
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
parallel_run_tell_begun (ParallelRun         *run,
                         ParallelItem        *item,
                         const ParallelTerms *terms)
{
  if (item->onexit)
    parallel_step_begin_leaving (item->step);
  post_started (run, item->step, terms->watched);
}

void
parallel_run_start_begun (ParallelRun         *run,
                          ParallelItem        *item,
                          const ParallelTerms *terms)
{
  ParallelStep *step = item->step;

  if (terms->unwanted)
    {
      parallel_step_end (step, parallel_run_unwanted_error ());
      return;
    }

  parallel_run_watch (run, step, &terms->limits);
  parallel_task_start (parallel_step_get_task (step), step);
}

void
parallel_run_start_item (ParallelRun  *run,
                         ParallelItem *item,
                         GCancellable *cancellable)
{
  ParallelStep *step;
  ParallelTerms terms;

  if (parallel_run_skip_if_halted (run, item))
    return;

  step = parallel_run_begin_item (run, item, cancellable, &terms);
  if (parallel_task_get_place (parallel_step_get_task (step)) != PARALLEL_TASK_PLACE_ENGINE)
    parallel_run_tell_begun (run, item, &terms);

  terms.unwanted = is_unwanted (run, item);
  parallel_run_start_begun (run, item, &terms);
}

void
parallel_run_fail_item (ParallelRun  *run,
                        ParallelItem *item,
                        GError       *error)
{
  ParallelTerms terms;
  ParallelStep *step = borrow_step (run, item, &terms);

  parallel_step_begin (step, NULL, &terms.limits, 0);
  post_started (run, step, terms.watched);
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
  post_started (host, step, is_watched (host, step));
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
  if (parallel_run_get_listens_locked (run, PARALLEL_LISTENS_OUTPUT))
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

/* ---- the table ---- */

static void
host_ended (gpointer      host,
            ParallelStep *step,
            GError       *error)
{
  parallel_run_end_attempt (host, step, error);
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
  .set_default_slots = parallel_run_pool_set_default_slots,
  .reserve = parallel_run_pool_reserve,
  .unreserve = parallel_run_pool_unreserve,
  .begin_onexit = parallel_run_pool_begin_onexit,
  .closed = parallel_run_pool_closed,
};
