/* parallel-async-task.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-async-task.h"

#include "parallel-run-error.h"
#include "parallel-step-private.h"
#include "parallel-task-private.h"

/**
 * ParallelAsyncTask:
 *
 * An asynchronous operation that is started in the owner's main context for each step.
 *
 * The runner limits how many of them are under way: for libsoup, GDBus, and anything else with a
 * [callback@Gio.AsyncReadyCallback]. Either derive from it and implement both virtual functions as
 * any GIO operation is implemented, with a [class@Gio.Task]; or give a function to
 * [ctor@AsyncTask.new].
 *
 * ## Threads
 *
 * Everything happens in the main context of the owner of the runner. So nothing happens while that
 * context is not iterated, but for the time of [method@BackgroundTaskRunner.wait] from the owner's
 * thread: steps that start during that call have the thread-default main context that it iterates.
 */

typedef struct
{
  /* Constant after construction. */
  ParallelAsyncFunction function;
  gpointer              user_data;
  GDestroyNotify        notify;
} ParallelAsyncTaskPrivate;

G_DEFINE_TYPE_WITH_PRIVATE (ParallelAsyncTask, parallel_async_task, PARALLEL_TYPE_TASK)

static void
ready_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (ParallelStep) step = user_data;
  ParallelAsyncTask *self = PARALLEL_ASYNC_TASK (parallel_step_get_task (step));
  GError *error = NULL;

  if (!PARALLEL_ASYNC_TASK_GET_CLASS (self)->run_finish (self, result, &error) && error == NULL)
    error = g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                         "The operation failed without an error: %s.run_finish returned FALSE and set none",
                         G_OBJECT_TYPE_NAME (self));

  parallel_step_end (step, error);
}

static void
parallel_async_task_start (ParallelTask *task,
                           ParallelStep *step)
{
  ParallelAsyncTask *self = PARALLEL_ASYNC_TASK (task);
  ParallelAsyncTaskPrivate *priv = parallel_async_task_get_instance_private (self);
  ParallelAsyncTaskClass *klass = PARALLEL_ASYNC_TASK_GET_CLASS (self);
  g_autoptr (GCancellable) cancellable = parallel_step_dup_cancellable (step);

  if (priv->function != NULL)
    priv->function (step, cancellable, priv->user_data);
  else if (klass->run_async != NULL && klass->run_finish != NULL)
    klass->run_async (self, step, cancellable, ready_cb, g_object_ref (step));
  else
    parallel_step_end (step, g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                                          "%s does not implement run_async and run_finish",
                                          G_OBJECT_TYPE_NAME (self)));
}

static void
parallel_async_task_finalize (GObject *object)
{
  ParallelAsyncTaskPrivate *priv =
    parallel_async_task_get_instance_private (PARALLEL_ASYNC_TASK (object));

  if (priv->notify != NULL)
    priv->notify (priv->user_data);

  G_OBJECT_CLASS (parallel_async_task_parent_class)->finalize (object);
}

static const ParallelTaskFuncs async_task_funcs =
{
  .place = PARALLEL_TASK_PLACE_OWNER,
  .start = parallel_async_task_start,
};

static void
parallel_async_task_class_init (ParallelAsyncTaskClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = parallel_async_task_finalize;
  PARALLEL_TASK_CLASS (klass)->funcs = &async_task_funcs;
}

static void
parallel_async_task_init (ParallelAsyncTask *self)
{
}

/**
 * parallel_async_task_new:
 * @function: (scope notified) (closure user_data) (destroy notify): starts the operation of a step;
 *   called in the owner's main context
 * @user_data: data for @function
 * @notify: frees @user_data when the task is no longer needed
 *
 * Makes a task of a function that starts an asynchronous operation, whose end is told by
 * [method@Step.complete] or [method@Step.fail].
 *
 * Returns: (transfer full): the new task
 */
ParallelTask *
parallel_async_task_new (ParallelAsyncFunction function,
                         gpointer              user_data,
                         GDestroyNotify        notify)
{
  ParallelAsyncTask *self;
  ParallelAsyncTaskPrivate *priv;

  g_return_val_if_fail (function != NULL, NULL);

  self = g_object_new (PARALLEL_TYPE_ASYNC_TASK, NULL);
  priv = parallel_async_task_get_instance_private (self);
  priv->function = function;
  priv->user_data = user_data;
  priv->notify = notify;

  return PARALLEL_TASK (self);
}
