/* parallel-function-task.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-function-task.h"

#include "parallel-fork.h"
#include "parallel-gtask-call.h"
#include "parallel-run-error.h"
#include "parallel-step-private.h"
#include "parallel-task-private.h"

/**
 * ParallelFunctionTask:
 *
 * A function that is called in a worker thread for each step.
 *
 * The threads are the runner's own, never those of GTask's shared pool. Several threads call the
 * function at the same time, each for another step, so what it shares it must lock. A function that
 * is told to end (its cancellable is cancelled) and does not within the kill grace is abandoned:
 * its step fails and the run goes on; the thread ends when the function returns.
 *
 * ## Threads
 *
 * The function is called in worker threads. The user data's destroy notify is called in the main
 * context of the runner, or where the application drops the last reference to the task.
 */

struct _ParallelFunctionTask
{
  ParallelTask     parent_instance;

  /* Constant after construction; one of the two functions is set. */
  ParallelFunction function;
  GTaskThreadFunc  gtask_function;
  GType            result_type;
  gpointer         user_data;
  GDestroyNotify   notify;
};

G_DEFINE_FINAL_TYPE (ParallelFunctionTask, parallel_function_task, PARALLEL_TYPE_TASK)

static void
parallel_function_task_start (ParallelTask *task,
                              ParallelStep *step)
{
  ParallelFunctionTask *self = PARALLEL_FUNCTION_TASK (task);
  GCancellable *cancellable = parallel_step_get_cancellable (step);
  GError *error = NULL;
  gboolean success;

  parallel_fork_end_work ();
  if (self->gtask_function != NULL)
    success = parallel_gtask_call (self->gtask_function, self->result_type, self->user_data,
                                   step, cancellable, &error);
  else
    success = self->function (step, cancellable, self->user_data, &error);
  parallel_fork_begin_work ();

  /* A function of another language that raised an exception, or could not be called here, says
   * no more. */
  if (!success && error == NULL)
    error = g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                                 "The function failed without an error (see the program's own log; JavaScript "
                                 "functions cannot be called in a worker thread)");
  if (success)
    g_clear_error (&error);

  parallel_step_return (step, error);
}

static void
parallel_function_task_finalize (GObject *object)
{
  ParallelFunctionTask *self = PARALLEL_FUNCTION_TASK (object);

  if (self->notify != NULL)
    self->notify (self->user_data);

  G_OBJECT_CLASS (parallel_function_task_parent_class)->finalize (object);
}

static const ParallelTaskFuncs function_task_funcs =
{
  .place = PARALLEL_TASK_PLACE_THREAD,
  .start = parallel_function_task_start,
};

static void
parallel_function_task_class_init (ParallelFunctionTaskClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = parallel_function_task_finalize;
  PARALLEL_TASK_CLASS (klass)->funcs = &function_task_funcs;
}

static void
parallel_function_task_init (ParallelFunctionTask *self)
{
}

/**
 * parallel_function_task_new:
 * @function: (scope notified) (closure user_data) (destroy notify): the function; it is called in
 *   worker threads
 * @user_data: data for @function
 * @notify: frees @user_data when the task is no longer needed
 *
 * Makes a task that calls a function in a worker thread.
 *
 * Returns: (transfer full): the new task
 */
ParallelTask *
parallel_function_task_new (ParallelFunction function,
                            gpointer         user_data,
                            GDestroyNotify   notify)
{
  ParallelFunctionTask *self;

  g_return_val_if_fail (function != NULL, NULL);

  self = g_object_new (PARALLEL_TYPE_FUNCTION_TASK, NULL);
  self->function = function;
  self->user_data = user_data;
  self->notify = notify;

  return PARALLEL_TASK (self);
}

/**
 * parallel_function_task_new_for_gtask: (skip)
 * @function: a function as for g_task_run_in_thread()
 * @result_type: the type of the results, %G_TYPE_NONE for none
 * @task_data: (nullable): the task data of the GTask that @function gets
 * @notify: (nullable): frees @task_data when the task is no longer needed
 *
 * Makes a task of a function that was written for g_task_run_in_thread(). It is called in a worker
 * thread with a GTask whose source object is the step; what it gives to one of the `g_task_return`
 * functions is the step's result:
 *
 * - g_task_return_boolean() for %G_TYPE_BOOLEAN and, with %TRUE and without a result, %G_TYPE_NONE
 * - g_task_return_int() for the integer and enumeration types
 * - g_task_return_value() for %G_TYPE_VALUE
 * - g_task_return_pointer() for strings, boxed types, objects, variants and plain pointers; the
 *   result takes it
 *
 * The worker thread has a main context of its own as its thread-default one while the function
 * runs.
 *
 * Returns: (transfer full): the new task
 */
ParallelTask *
parallel_function_task_new_for_gtask (GTaskThreadFunc function,
                                      GType           result_type,
                                      gpointer        task_data,
                                      GDestroyNotify  notify)
{
  ParallelFunctionTask *self;

  g_return_val_if_fail (function != NULL, NULL);
  g_return_val_if_fail (result_type == G_TYPE_NONE || G_TYPE_IS_VALUE_TYPE (result_type), NULL);

  self = g_object_new (PARALLEL_TYPE_FUNCTION_TASK, NULL);
  self->gtask_function = function;
  self->result_type = result_type;
  self->user_data = task_data;
  self->notify = notify;

  return PARALLEL_TASK (self);
}
