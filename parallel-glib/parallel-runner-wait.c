/* parallel-runner-wait.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-runner-private.h"

#include "parallel-engine.h"
#include "parallel-task-private.h"
#include "parallel-value.h"

/* Waiting: for the end, for the next finished step, for room in the queue. */

/* How often a wait looks that has no context to be woken in, in microseconds. */
#define BLIND_INTERVAL 2000

typedef enum
{
  WAIT_FOR_END,
  WAIT_FOR_STEP,
  WAIT_FOR_ROOM
} WaiterKind;

typedef struct
{
  WaiterKind                    kind;
  ParallelBackgroundTaskRunner *runner;     /* borrowed from the task */
  GTask                        *task;
  GSource                      *cancelled;  /* or NULL */
  GValue                        input;      /* what is to be put */
} Waiter;

static void
waiter_free (Waiter *waiter)
{
  if (waiter->cancelled != NULL)
    {
      g_source_destroy (waiter->cancelled);
      g_source_unref (waiter->cancelled);
    }
  if (parallel_value_is_set (&waiter->input))
    g_value_unset (&waiter->input);
  g_object_unref (waiter->task);
  g_free (waiter);
}

static void
update_has_waiters (ParallelBackgroundTaskRunner *self)
{
  parallel_run_lock (self->run);
  self->run->has_waiters = self->waiters.length > 0;
  parallel_run_unlock (self->run);
}

/* Takes the oldest finished step that nobody has taken; FALSE when there is none and more may
 * come. */
static gboolean
take_step (ParallelBackgroundTaskRunner  *self,
           ParallelStep                 **step)
{
  ParallelRun *run = self->run;
  ParallelItem *item;
  gboolean let_go = FALSE;

  parallel_run_lock (run);
  run->taking = TRUE;
  item = g_queue_pop_head (&run->ready);
  if (item != NULL && item->kept && run->config.keep == PARALLEL_KEEP_STEPS_UNTIL_TAKEN &&
      parallel_step_get_state (item->step) != PARALLEL_STEP_STATE_FAILED)
    {
      parallel_item_list_remove (&run->kept, item);
      item->kept = FALSE;
      let_go = TRUE;
    }
  parallel_run_unlock (run);

  *step = NULL;
  if (item == NULL)
    return self->finished;

  *step = g_object_ref (item->step);
  if (let_go)
    {
      parallel_runner_remove_from_model (self, item);
      parallel_item_unref (item);
    }
  parallel_item_unref (item);
  return TRUE;
}

static void
return_outcome (GTask                        *task,
                ParallelBackgroundTaskRunner *self)
{
  GError *error = parallel_run_dup_outcome (self->run);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

/* Returns the task if what it waits for is there. The callback may do anything, so nothing is
 * touched afterwards. */
static gboolean
serve (ParallelBackgroundTaskRunner *self,
       Waiter                       *waiter)
{
  ParallelStep *step;
  GError *error = NULL;

  switch (waiter->kind)
    {
    case WAIT_FOR_END:
      if (!self->finished)
        return FALSE;
      return_outcome (waiter->task, self);
      return TRUE;

    case WAIT_FOR_STEP:
      if (!take_step (self, &step))
        return FALSE;
      g_task_return_pointer (waiter->task, step, g_object_unref);
      return TRUE;

    case WAIT_FOR_ROOM:
    default:
      if (parallel_run_put (self->run, &waiter->input, NULL, &error))
        g_task_return_boolean (waiter->task, TRUE);
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          g_error_free (error);
          return FALSE;
        }
      else
        g_task_return_error (waiter->task, error);
      return TRUE;
    }
}

/* Each waiter is taken out before it is served: a callback may wait again, or look itself. */
void
parallel_runner_check_waiters (ParallelBackgroundTaskRunner *self)
{
  guint n = self->waiters.length;

  for (guint i = 0; i < n && self->waiters.length > 0; i++)
    {
      Waiter *waiter = g_queue_pop_head (&self->waiters);

      if (serve (self, waiter))
        waiter_free (waiter);
      else
        g_queue_push_tail (&self->waiters, waiter);
    }
  update_has_waiters (self);
}

/* A waiter's task keeps the runner alive, so there are none left when that goes, but for those
 * of a forced dispose. */
void
parallel_runner_clear_waiters (ParallelBackgroundTaskRunner *self)
{
  Waiter *waiter;

  while ((waiter = g_queue_pop_head (&self->waiters)) != NULL)
    {
      g_task_return_new_error (waiter->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "The runner was disposed of");
      waiter_free (waiter);
    }
}

static gboolean
waiter_cancelled_cb (GCancellable *cancellable,
                     gpointer      user_data)
{
  Waiter *waiter = user_data;
  ParallelBackgroundTaskRunner *self = waiter->runner;

  g_queue_remove (&self->waiters, waiter);
  update_has_waiters (self);
  g_task_return_error_if_cancelled (waiter->task);
  waiter_free (waiter);

  return G_SOURCE_REMOVE;
}

static void
add_waiter (ParallelBackgroundTaskRunner *self,
            WaiterKind                    kind,
            const GValue                 *input,
            GTask                        *task)
{
  Waiter *waiter;
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;

  if (!parallel_run_check_foreign (self->run, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }

  waiter = g_new0 (Waiter, 1);
  waiter->kind = kind;
  waiter->runner = self;
  waiter->task = task;
  g_task_set_check_cancellable (task, FALSE);
  if (input != NULL)
    {
      g_value_init (&waiter->input, G_VALUE_TYPE (input));
      g_value_copy (input, &waiter->input);
    }
  if (cancellable != NULL)
    {
      waiter->cancelled = g_cancellable_source_new (cancellable);
      g_source_set_static_name (waiter->cancelled, "[parallel] cancelled wait");
      g_source_set_callback (waiter->cancelled, G_SOURCE_FUNC (waiter_cancelled_cb), waiter, NULL);
      g_source_attach (waiter->cancelled, g_task_get_context (task));
    }

  /* Announced before it looks, so that what happens in between is not missed. */
  g_queue_push_tail (&self->waiters, waiter);
  update_has_waiters (self);
  if (!g_cancellable_is_cancelled (cancellable))
    parallel_runner_check_waiters (self);
}

/**
 * parallel_background_task_runner_put_async:
 * @self: a runner with a task
 * @input: (nullable): the input; its content is copied
 * @cancellable: (nullable): cancels the waiting; the input is not put then
 * @callback: (scope async): called in the owner's context when the input is in the queue
 * @user_data: data for @callback
 *
 * Queues an input as soon as there is room under [property@BackgroundTaskRunner:max-pending].
 * Several that wait are put in the order of their calls.
 */
void
parallel_background_task_runner_put_async (ParallelBackgroundTaskRunner *self,
                                           const GValue                 *input,
                                           GCancellable                 *cancellable,
                                           GAsyncReadyCallback           callback,
                                           gpointer                      user_data)
{
  ParallelTask *task;
  GTask *wait;
  GError *error = NULL;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (input == NULL || G_IS_VALUE (input));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  wait = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (wait, parallel_background_task_runner_put_async);

  task = parallel_background_task_runner_get_task (self);
  if (parallel_value_is_none (input))
    input = NULL;
  if (task == NULL)
    g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "The runner has no task for an input");
  else
    parallel_task_check (task, input, &error);

  if (error == NULL)
    add_waiter (self, WAIT_FOR_ROOM, input, wait);
  else
    {
      g_task_return_error (wait, error);
      g_object_unref (wait);
    }
}

/**
 * parallel_background_task_runner_put_finish:
 * @self: a runner
 * @result: the result
 * @error: return location for an error
 *
 * Ends [method@BackgroundTaskRunner.put_async].
 *
 * Returns: %TRUE, or %FALSE with the errors of [method@BackgroundTaskRunner.put] but
 *   %G_IO_ERROR_WOULD_BLOCK, or %G_IO_ERROR_CANCELLED
 */
gboolean
parallel_background_task_runner_put_finish (ParallelBackgroundTaskRunner  *self,
                                            GAsyncResult                  *result,
                                            GError                       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- synchronous waits ---- */

typedef gboolean (*WaitDone) (ParallelBackgroundTaskRunner *self,
                              gpointer                      data);

/* What was started in the owner's context by its loop will never end while that loop stands
 * still. */
static gboolean
check_nothing_in_flight (ParallelBackgroundTaskRunner  *self,
                         GError                       **error)
{
  ParallelRun *run = self->run;
  gboolean in_flight = FALSE;

  parallel_run_lock (run);
  for (ParallelItem *item = run->running.first; item != NULL && !in_flight; item = item->next)
    in_flight = item->in_loop;
  parallel_run_unlock (run);

  if (in_flight)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING,
                         "Asynchronous steps are under way in this main context, which a blocking wait does not "
                         "iterate: use wait_async or next_async");
  return !in_flight;
}

/* In whichever thread cancels. Not a source of the cancellable: GLib 2.74 leaks one that is destroyed while
 * it is being cancelled. */
static void
wake_cb (GCancellable *cancellable,
         gpointer      user_data)
{
  g_main_context_wakeup (user_data);
}

static gboolean
ensure_wait_context (ParallelBackgroundTaskRunner *self)
{
  if (self->wait_context == NULL)
    self->wait_context = parallel_main_context_try_new (NULL);

  return self->wait_context != NULL;
}

/* Waits without a context as long as there is no descriptor for one: steps that end may give some back. */
static gboolean
deliver_without_context (ParallelBackgroundTaskRunner  *self,
                         WaitDone                       done,
                         gpointer                       data,
                         GCancellable                  *cancellable,
                         GError                       **error)
{
  while (!done (self, data) && !g_cancellable_is_cancelled (cancellable) && !ensure_wait_context (self))
    {
      if (!parallel_mailbox_deliver (self->run->mailbox) && !done (self, data))
        g_usleep (BLIND_INTERVAL);
      if (!check_nothing_in_flight (self, error))
        return FALSE;
    }
  return TRUE;
}

/* In the owner's thread: delivers what this runner has to tell, and iterates nothing but a
 * context of its own, in which asynchronous steps run that start meanwhile. */
static gboolean
wait_and_deliver (ParallelBackgroundTaskRunner  *self,
                  WaitDone                       done,
                  gpointer                       data,
                  GCancellable                  *cancellable,
                  GError                       **error)
{
  ParallelRun *run = self->run;
  GMainContext *outer;
  gulong id = 0;

  if (!deliver_without_context (self, done, data, cancellable, error))
    return FALSE;
  if (self->wait_context == NULL)
    return TRUE;   /* it is over */

  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (wake_cb), self->wait_context, NULL);
  g_main_context_push_thread_default (self->wait_context);
  outer = parallel_mailbox_set_waker (run->mailbox, self->wait_context);
  run->n_waits++;

  while (!done (self, data) && !g_cancellable_is_cancelled (cancellable))
    {
      gboolean more = parallel_mailbox_deliver (run->mailbox);

      if (!done (self, data))
        g_main_context_iteration (self->wait_context, !more);
    }

  run->n_waits--;
  parallel_mailbox_set_waker (run->mailbox, outer);
  g_main_context_pop_thread_default (self->wait_context);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
  return TRUE;
}

static void
wake_waiters_cb (GCancellable *cancellable,
                 gpointer      user_data)
{
  ParallelRun *run = user_data;

  parallel_run_lock (run);
  g_cond_broadcast (&run->over_cond);
  parallel_run_unlock (run);
}

/* In any other thread: the owner's context delivers, this one only waits. */
static void
wait_only (ParallelRun  *run,
           GCancellable *cancellable)
{
  gulong id = 0;

  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (wake_waiters_cb), run, NULL);

  parallel_run_lock (run);
  while (!run->over && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&run->over_cond, &run->mutex);
  parallel_run_unlock (run);

  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
}

static gboolean
is_finished (ParallelBackgroundTaskRunner *self,
             gpointer                      data)
{
  return self->finished;
}

static gboolean
has_step (ParallelBackgroundTaskRunner *self,
          gpointer                      data)
{
  ParallelStep **step = data;

  return *step != NULL || take_step (self, step);
}

/* Whether this thread is the one that delivers. Then it keeps the context to itself until
 * release. */
static gboolean
acquire_owner (ParallelRun *run)
{
  return g_thread_self () == run->creator && g_main_context_acquire (run->context);
}

/**
 * parallel_background_task_runner_wait:
 * @self: a runner
 * @cancellable: (nullable): cancels the waiting, not the run
 * @error: return location for an error
 *
 * Waits until the run is over: closed or halted, all ended and printed.
 *
 * From the owner's thread it delivers the signals of this runner itself, and dispatches nothing
 * else of the main context. Asynchronous steps that are started during the call run in a context
 * that it iterates; if some are under way already it fails at once. From any other thread it only
 * waits.
 *
 * Returns: %TRUE if all steps succeeded, else %FALSE: with %PARALLEL_RUN_ERROR_BACKGROUND_FAILURE
 *   if some failed, %PARALLEL_RUN_ERROR_HALTED if the run was halted, %G_IO_ERROR_CANCELLED if the
 *   runner or the waiting was cancelled, %G_IO_ERROR_PENDING as above, or the error of a sink that
 *   failed
 */
gboolean
parallel_background_task_runner_wait (ParallelBackgroundTaskRunner  *self,
                                      GCancellable                  *cancellable,
                                      GError                       **error)
{
  ParallelRun *run;
  GError *outcome;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  run = self->run;
  if (!parallel_run_check_foreign (run, error))
    return FALSE;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  if (acquire_owner (run))
    {
      gboolean possible = check_nothing_in_flight (self, error) &&
                          wait_and_deliver (self, is_finished, NULL, cancellable, error);

      g_main_context_release (run->context);
      if (!possible)
        return FALSE;
    }
  else
    wait_only (run, cancellable);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  outcome = parallel_run_dup_outcome (run);
  if (outcome != NULL)
    g_propagate_error (error, outcome);
  return outcome == NULL;
}

/**
 * parallel_background_task_runner_wait_async:
 * @self: a runner
 * @cancellable: (nullable): cancels the waiting, not the run
 * @callback: (scope async): called in the owner's context when the run is over
 * @user_data: data for @callback
 *
 * Waits until the run is over, without blocking.
 */
void
parallel_background_task_runner_wait_async (ParallelBackgroundTaskRunner *self,
                                            GCancellable                 *cancellable,
                                            GAsyncReadyCallback           callback,
                                            gpointer                      user_data)
{
  GTask *task;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, parallel_background_task_runner_wait_async);
  add_waiter (self, WAIT_FOR_END, NULL, task);
}

/**
 * parallel_background_task_runner_wait_finish:
 * @self: a runner
 * @result: the result
 * @error: return location for an error
 *
 * Ends [method@BackgroundTaskRunner.wait_async].
 *
 * Returns: %TRUE, or %FALSE with the errors of [method@BackgroundTaskRunner.wait]
 */
gboolean
parallel_background_task_runner_wait_finish (ParallelBackgroundTaskRunner  *self,
                                             GAsyncResult                  *result,
                                             GError                       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * parallel_background_task_runner_next:
 * @self: a runner
 * @cancellable: (nullable): cancels the waiting, not the run
 * @error: return location for an error
 *
 * Takes the next finished step, in the order in which they finish, and waits for it if necessary.
 * To be called in the owner's context; waits as [method@BackgroundTaskRunner.wait] does there.
 *
 * It gives the steps that finish after the first call to it, and those before it too if
 * [property@BackgroundTaskRunner:keep-steps] is %PARALLEL_KEEP_STEPS_UNTIL_TAKEN, which whoever
 * iterates wants to set before the first step is put.
 *
 * Returns: (transfer full) (nullable): a step, or %NULL: without an error if the run is over and
 *   all are taken, with one if the waiting was cancelled or cannot succeed
 */
ParallelStep *
parallel_background_task_runner_next (ParallelBackgroundTaskRunner  *self,
                                      GCancellable                  *cancellable,
                                      GError                       **error)
{
  ParallelStep *step = NULL;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!parallel_run_check_foreign (self->run, error))
    return NULL;
  if (!acquire_owner (self->run))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                           "next() is for the thread of the main context that the runner belongs to");
      return NULL;
    }
  if (!g_cancellable_set_error_if_cancelled (cancellable, error) &&
      (take_step (self, &step) || check_nothing_in_flight (self, error)))
    {
      if (step == NULL && wait_and_deliver (self, has_step, &step, cancellable, error) && step == NULL)
        g_cancellable_set_error_if_cancelled (cancellable, error);
    }
  g_main_context_release (self->run->context);

  return step;
}

/**
 * parallel_background_task_runner_next_async:
 * @self: a runner
 * @cancellable: (nullable): cancels the waiting, not the run
 * @callback: (scope async): called in the owner's context
 * @user_data: data for @callback
 *
 * As [method@BackgroundTaskRunner.next], without blocking.
 */
void
parallel_background_task_runner_next_async (ParallelBackgroundTaskRunner *self,
                                            GCancellable                 *cancellable,
                                            GAsyncReadyCallback           callback,
                                            gpointer                      user_data)
{
  GTask *task;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, parallel_background_task_runner_next_async);
  add_waiter (self, WAIT_FOR_STEP, NULL, task);
}

/**
 * parallel_background_task_runner_next_finish:
 * @self: a runner
 * @result: the result
 * @error: return location for an error
 *
 * Ends [method@BackgroundTaskRunner.next_async].
 *
 * Returns: (transfer full) (nullable): a step, or %NULL: without an error if the run is over and
 *   all are taken, with one if the waiting was cancelled
 */
ParallelStep *
parallel_background_task_runner_next_finish (ParallelBackgroundTaskRunner  *self,
                                             GAsyncResult                  *result,
                                             GError                       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
