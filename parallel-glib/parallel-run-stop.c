/* parallel-run-stop.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-diagnosis.h"
#include "parallel-engine.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* Time limits and stopping.
 *
 * A step over a limit is looked at before it is stopped. That takes up to 2 s, in which the step may
 * end by itself, and the run be halted: then it is stopped at once.
 *
 * A watch is the clock of one attempt; its timer lives in the engine. The attempt and its watch
 * end in different threads, so the watch has no reference to the step but a pointer that is
 * taken away, under watch_mutex, before the step is settled. */

typedef struct
{
  ParallelMail   mail;            /* one at a time: it is armed once, and disarmed after that */
  ParallelMail   end_mail;
  gatomicrefcount ref_count;

  /* Constant. */
  ParallelRun   *run;             /* a reference */
  double         timeout;         /* seconds, 0 for none */
  double         silence_timeout;
  double         exit_timeout;
  gboolean       abandons;        /* the clock of a kill grace: the attempt is abandoned at the end of it */
  double         grace;

  /* Guarded by watch_mutex. */
  ParallelStep  *step;            /* borrowed; NULL once the attempt has ended */

  /* Engine thread only. */
  GSource       *timer;
  gint64         deadline;        /* of timer, monotonic time */
  gboolean       pardoned;        /* the deadline was put off because this program stood still */
} Watch;

/* A clock that comes so much too late was stopped, with this program or the whole machine. */
#define TOO_LATE (G_USEC_PER_SEC / 2)

static GMutex watch_mutex;

static void
forked (void)
{
  g_mutex_init (&watch_mutex);
}

static void
watch_unref (Watch *watch)
{
  if (!g_atomic_ref_count_dec (&watch->ref_count))
    return;

  parallel_run_unref (watch->run);
  g_free (watch);
}

/* A reference, with which the run is held; NULL once the attempt has ended. */
static ParallelStep *
watch_dup_step (Watch *watch)
{
  ParallelStep *step;

  /* As long as the pointer is there the step is not settled, nor the run over. */
  g_mutex_lock (&watch_mutex);
  step = watch->step != NULL ? g_object_ref (watch->step) : NULL;
  if (step != NULL)
    parallel_run_hold (watch->run);
  g_mutex_unlock (&watch_mutex);

  return step;
}

static void
watch_drop_step (Watch        *watch,
                 ParallelStep *step)
{
  parallel_run_drop_step (watch->run, step);
  parallel_run_release (watch->run);
}

gint64
parallel_run_after (gint64 time,
                    double seconds)
{
  return time + (gint64) (MIN (seconds, G_MAXINT64 / (4.0 * G_USEC_PER_SEC)) * G_USEC_PER_SEC);
}

/* When the watch has to look next. */
static gint64
get_deadline (Watch        *watch,
              ParallelStep *step)
{
  gint64 deadline = G_MAXINT64;

  if (watch->timeout > 0)
    deadline = parallel_run_after (parallel_step_get_started (step), watch->timeout);
  if (watch->silence_timeout > 0)
    deadline = MIN (deadline, parallel_run_after (parallel_step_get_activity (step), watch->silence_timeout));
  if (watch->exit_timeout > 0 && parallel_step_get_leaving (step) != 0)
    deadline = MIN (deadline, parallel_run_after (parallel_step_get_leaving (step), watch->exit_timeout));

  return deadline;
}

static GError *
limit_error (Watch        *watch,
             ParallelStep *step)
{
  gint64 now = g_get_monotonic_time ();

  if (watch->timeout > 0 && now >= parallel_run_after (parallel_step_get_started (step), watch->timeout))
    return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT,
                        "The step was stopped because it took longer than its timeout of %g s", watch->timeout);
  if (watch->silence_timeout > 0 &&
      now >= parallel_run_after (parallel_step_get_activity (step), watch->silence_timeout))
    return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT,
                        "The step was stopped because it gave no sign of life for its silence timeout of %g s",
                        watch->silence_timeout);
  if (watch->exit_timeout > 0 && parallel_step_get_leaving (step) != 0 &&
      now >= parallel_run_after (parallel_step_get_leaving (step), watch->exit_timeout))
    return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_EXIT_TIMED_OUT,
                        "The step was stopped because it did not end within its exit timeout of %g s "
                        "after its last output was closed", watch->exit_timeout);
  return NULL;
}

static void
set_deadline (Watch  *watch,
              gint64  deadline)
{
  watch->deadline = deadline;
  g_source_set_ready_time (watch->timer, deadline);
}

/* While this program is stopped, what the step says is not heard, and its own code does not run:
 * it gets as much time again, though not more than the half of a minute. */
static gboolean
pardon (Watch *watch)
{
  gint64 late = g_get_monotonic_time () - watch->deadline;

  if (late < TOO_LATE || watch->pardoned)
    return FALSE;

  watch->pardoned = TRUE;
  set_deadline (watch, g_get_monotonic_time () + MIN (late, 30 * G_USEC_PER_SEC));
  return TRUE;
}

static void
diagnosed (gpointer  user_data,
           char     *text)
{
  Watch *watch = user_data;
  ParallelStep *step = watch_dup_step (watch);

  if (step != NULL && parallel_step_set_diagnosing (step, FALSE))
    {
      g_autofree char *name = parallel_step_dup_name (step);
      g_autoptr (GError) reason = parallel_step_dup_stop_reason (step);
      g_autofree char *heading = g_strdup_printf ("parallel-glib: step “%s”: %s", name,
                                                  reason != NULL ? reason->message : "");

      parallel_step_take_diagnosis (step, heading, g_steal_pointer (&text));
      parallel_run_stop_marked (watch->run, step);
    }

  g_free (text);
  if (step != NULL)
    watch_drop_step (watch, step);
  watch_unref (watch);
}

/* Takes @reason. */
static void
diagnose (Watch        *watch,
          ParallelStep *step,
          GError       *reason)
{
  ParallelWhereabouts where = parallel_step_get_whereabouts (step);

  if (parallel_step_take_stop_reason (step, reason))
    {
      parallel_step_set_diagnosing (step, TRUE);
      g_atomic_ref_count_inc (&watch->ref_count);
      parallel_diagnose (&where, parallel_step_get_started (step),
                         parallel_run_get_config (watch->run).backtraces, diagnosed, watch);
    }
  g_free (where.mark);
}

static gboolean
clock_cb (gpointer user_data)
{
  Watch *watch = user_data;
  ParallelStep *step = watch_dup_step (watch);
  GError *error;

  if (step == NULL)
    return G_SOURCE_REMOVE;

  if (watch->abandons)
    parallel_step_abandon (step);
  else if ((error = limit_error (watch, step)) != NULL && !pardon (watch))
    diagnose (watch, step, g_steal_pointer (&error));
  else
    {
      if (error == NULL)
        {
          watch->pardoned = FALSE;
          set_deadline (watch, get_deadline (watch, step));
        }
      g_clear_error (&error);
      watch_drop_step (watch, step);
      return G_SOURCE_CONTINUE;
    }

  watch_drop_step (watch, step);
  return G_SOURCE_REMOVE;
}

static void
arm (ParallelMail *mail,
     gboolean      closed)
{
  Watch *watch = (Watch *) ((char *) mail - G_STRUCT_OFFSET (Watch, mail));
  ParallelStep *step = watch_dup_step (watch);

  if (step != NULL)
    {
      gint64 deadline = watch->abandons ? parallel_run_after (g_get_monotonic_time (), watch->grace)
                                        : get_deadline (watch, step);

      watch->timer = parallel_engine_add_timer (deadline, clock_cb, watch);
      watch->deadline = deadline;
      watch_drop_step (watch, step);
    }
  watch_unref (watch);
}

static void
disarm (ParallelMail *mail,
        gboolean      closed)
{
  Watch *watch = (Watch *) ((char *) mail - G_STRUCT_OFFSET (Watch, end_mail));

  if (watch->timer != NULL)
    {
      g_source_destroy (watch->timer);
      g_clear_pointer (&watch->timer, g_source_unref);
    }
  watch_unref (watch);
}

/* The step's reference to its watch is one of two, the other belongs to the mail under way. */
static void
start_watch (ParallelRun              *run,
             ParallelStep             *step,
             const ParallelStepLimits *limits,
             gboolean                  abandons)
{
  Watch *watch;

  parallel_fork_add_once (forked);
  if (!parallel_engine_start (NULL))
    return;   /* without the engine nothing has a clock, and nothing but plain functions runs */

  watch = g_new0 (Watch, 1);
  g_atomic_ref_count_init (&watch->ref_count);
  watch->run = parallel_run_ref (run);
  watch->step = step;
  watch->abandons = abandons;
  if (abandons)
    watch->grace = parallel_step_get_grace (step);
  else
    {
      watch->timeout = limits->timeout;
      watch->silence_timeout = limits->silence_timeout;
      watch->exit_timeout = limits->exit_timeout;
    }

  parallel_step_lock (step);
  g_assert (step->watches[abandons] == NULL);
  if (!step->ending && (!abandons || step->stop_reason != NULL))
    step->watches[abandons] = watch;
  else
    watch->step = NULL;
  parallel_step_unlock (step);

  if (watch->step == NULL)
    {
      watch_unref (watch);
      return;
    }
  g_atomic_ref_count_inc (&watch->ref_count);
  parallel_engine_post (&watch->mail, arm);
}

void
parallel_run_watch (ParallelRun              *run,
                    ParallelStep             *step,
                    const ParallelStepLimits *limits)
{
  if (limits->timeout > 0 || limits->silence_timeout > 0 || limits->exit_timeout > 0)
    start_watch (run, step, limits, FALSE);
}

void
parallel_run_unwatch (ParallelStep *step)
{
  for (guint i = 0; i < G_N_ELEMENTS (step->watches); i++)
    {
      Watch *watch;

      parallel_step_lock (step);
      watch = g_steal_pointer (&step->watches[i]);
      parallel_step_unlock (step);

      if (watch == NULL)
        continue;
      g_mutex_lock (&watch_mutex);
      watch->step = NULL;
      g_mutex_unlock (&watch_mutex);
      parallel_engine_post (&watch->end_mail, disarm);
    }
}

void
parallel_run_rewatch (ParallelStep *step)
{
  Watch *watch;

  /* It goes in this thread only. */
  parallel_step_lock (step);
  watch = step->watches[FALSE];
  parallel_step_unlock (step);

  if (watch != NULL && watch->timer != NULL)
    set_deadline (watch, get_deadline (watch, step));
}

/* ---- stopping ---- */

typedef struct
{
  ParallelMail  mail;
  ParallelRun  *run;
  ParallelStep *step;
} StopMail;

static void
stop_in_engine (ParallelMail *mail,
                gboolean      closed)
{
  StopMail *stop = (StopMail *) mail;

  if (parallel_step_is_being_stopped (stop->step))
    parallel_task_stop (parallel_step_get_task (stop->step), stop->step);
  parallel_run_drop_step (stop->run, stop->step);
  parallel_run_release (stop->run);
  parallel_run_unref (stop->run);
  g_free (stop);
}

/* Handlers of a GCancellable are the user's and may take their time, so neither the engine nor
 * whoever halts a run calls them. */
static gpointer
cancel_thread (gpointer data)
{
  g_autoptr (GCancellable) cancellable = data;

  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
cancel_elsewhere (ParallelStep *step)
{
  GCancellable *cancellable = NULL;
  GThread *thread;

  parallel_step_lock (step);
  if (step->stop_reason != NULL && !step->ending && step->cancellable != NULL)
    cancellable = g_object_ref (step->cancellable);
  parallel_step_unlock (step);

  if (cancellable == NULL)
    return;

  thread = g_thread_try_new ("parallel-cancel", cancel_thread, g_object_ref (cancellable), NULL);
  if (thread != NULL)
    {
      g_thread_unref (thread);
      g_object_unref (cancellable);
    }
  else
    {
      g_object_unref (cancellable);
      cancel_thread (cancellable);
    }
}

/* One that waits for its turn fails when that comes. */
static gboolean
cancel_waiting (ParallelRun  *run,
                ParallelStep *step)
{
  ParallelItem *item;
  gboolean waiting = FALSE;

  parallel_run_lock (run);
  item = parallel_step_get_item (step);
  if (item != NULL && parallel_step_get_state (step) == PARALLEL_STEP_STATE_PENDING)
    {
      item->cancelled = TRUE;
      waiting = TRUE;
    }
  parallel_run_unlock (run);

  return waiting;
}

gboolean
parallel_run_mark_stopped (ParallelRun  *run,
                           ParallelStep *step,
                           GError       *reason)
{
  if (cancel_waiting (run, step))
    {
      g_error_free (reason);
      return FALSE;
    }
  return parallel_step_take_stop_reason (step, reason);
}

void
parallel_run_stop_marked (ParallelRun  *run,
                          ParallelStep *step)
{
  ParallelTaskPlace place = parallel_task_get_place (parallel_step_get_task (step));
  StopMail *mail;

  switch (place)
    {
    case PARALLEL_TASK_PLACE_ENGINE:
      mail = g_new0 (StopMail, 1);
      mail->run = parallel_run_ref (run);
      mail->step = g_object_ref (step);
      parallel_run_hold (run);
      parallel_engine_post (&mail->mail, stop_in_engine);
      return;

    case PARALLEL_TASK_PLACE_THREAD:
      start_watch (run, step, NULL, TRUE);
      cancel_elsewhere (step);
      return;

    case PARALLEL_TASK_PLACE_OWNER:
      start_watch (run, step, NULL, TRUE);
      parallel_run_post (run, PARALLEL_EVENT_CANCEL, NULL, step, FALSE);
      return;

    default:
      g_assert_not_reached ();
    }
}

void
parallel_run_hurry (ParallelRun  *run,
                    ParallelStep *step)
{
  if (parallel_step_set_diagnosing (step, FALSE))
    parallel_run_stop_marked (run, step);
}

void
parallel_run_stop_step (ParallelRun  *run,
                        ParallelStep *step,
                        GError       *reason)
{
  parallel_run_hold (run);
  if (parallel_run_mark_stopped (run, step, reason))
    parallel_run_stop_marked (run, step);
  else
    parallel_run_hurry (run, step);
  parallel_run_release (run);
}
