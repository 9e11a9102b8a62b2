/* parallel-function-task.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-task.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_FUNCTION_TASK (parallel_function_task_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelFunctionTask, parallel_function_task, PARALLEL, FUNCTION_TASK, ParallelTask)

/**
 * ParallelFunction:
 * @step: the step that is to be done: its input is in [method@Step.get_input], its result goes to
 *   [method@Step.set_result]
 * @cancellable: cancelled when the step is to end early
 * @user_data: (closure): the data given with the function
 * @error: return location for an error
 *
 * The work of a function step. It is called in a worker thread of the runner, never in the owner's.
 *
 * JavaScript cannot be called in another thread: GJS refuses, and the step fails. Use a command
 * step there.
 *
 * Returns: %TRUE if all went well, %FALSE with @error set if not
 */
typedef gboolean (*ParallelFunction) (ParallelStep  *step,
                                      GCancellable  *cancellable,
                                      gpointer       user_data,
                                      GError       **error);

PARALLEL_AVAILABLE_IN_ALL
ParallelTask *parallel_function_task_new           (ParallelFunction function,
                                                    gpointer         user_data,
                                                    GDestroyNotify   notify) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelTask *parallel_function_task_new_for_gtask (GTaskThreadFunc  function,
                                                    GType            result_type,
                                                    gpointer         task_data,
                                                    GDestroyNotify   notify) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
