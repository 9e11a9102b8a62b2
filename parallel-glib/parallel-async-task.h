/* parallel-async-task.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-task.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_ASYNC_TASK (parallel_async_task_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_DERIVABLE_TYPE (ParallelAsyncTask, parallel_async_task, PARALLEL, ASYNC_TASK, ParallelTask)

/**
 * ParallelAsyncTaskClass:
 * @run_async: starts the operation for a step, in the owner's main context, and returns at once; it
 *   must call the callback when the operation has ended, also when it was cancelled
 * @run_finish: gives the outcome, called from the callback; a result goes to
 *   [method@Step.set_result]
 *
 * The class of [class@AsyncTask].
 */
struct _ParallelAsyncTaskClass
{
  ParallelTaskClass parent_class;

  void     (*run_async)  (ParallelAsyncTask    *self,
                          ParallelStep         *step,
                          GCancellable         *cancellable,
                          GAsyncReadyCallback   callback,
                          gpointer              user_data);
  gboolean (*run_finish) (ParallelAsyncTask    *self,
                          GAsyncResult         *result,
                          GError              **error);

  /*< private >*/
  gpointer padding[8];
};

/**
 * ParallelAsyncFunction:
 * @step: the step to start
 * @cancellable: cancelled when the step is to end early
 * @user_data: (closure): the data given with the function
 *
 * Starts an asynchronous operation in the owner's main context and returns at once. When the
 * operation has ended, also when it was cancelled, [method@Step.complete] or [method@Step.fail]
 * must be called, once.
 */
typedef void (*ParallelAsyncFunction) (ParallelStep *step,
                                       GCancellable *cancellable,
                                       gpointer      user_data);

PARALLEL_AVAILABLE_IN_ALL
ParallelTask *parallel_async_task_new (ParallelAsyncFunction function,
                                       gpointer              user_data,
                                       GDestroyNotify        notify) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
