/* parallel-worker.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <gio/gio.h>

#include <parallel-glib/parallel-version-macros.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_WORKER (parallel_worker_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelWorker, parallel_worker, PARALLEL, WORKER, GObject)

/**
 * ParallelWorkerFunction:
 * @self: the worker
 * @input: the input of the step
 * @user_data: (closure): the data given with the function
 * @error: return location for an error
 *
 * Does one step. It is called in the thread that called [method@Worker.run], for one step after the other.
 *
 * Where the task has %PARALLEL_ENCODING_BYTES the message of the step's error is what stands before the first empty line of that
 * of @error, as one line, and all of it is in [method@Step.dup_failure_details].
 *
 * Returns: (transfer full) (nullable): the result, which is consumed if it is floating, or %NULL with @error set
 */
typedef GVariant *(*ParallelWorkerFunction) (ParallelWorker  *self,
                                             GVariant        *input,
                                             gpointer         user_data,
                                             GError         **error);

/**
 * ParallelWorkerExitFunction:
 * @self: the worker
 * @user_data: (closure): the data given with the function
 * @error: return location for an error
 *
 * Does what is to be done once, when there will be no more steps.
 *
 * Returns: %TRUE if all went well, %FALSE with @error set if not
 */
typedef gboolean (*ParallelWorkerExitFunction) (ParallelWorker  *self,
                                                gpointer         user_data,
                                                GError         **error);

PARALLEL_AVAILABLE_IN_ALL
ParallelWorker *parallel_worker_new          (void) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
gboolean        parallel_worker_is_wanted    (int                          argc,
                                              char                       **argv);

PARALLEL_AVAILABLE_IN_ALL
void            parallel_worker_set_setup    (ParallelWorker              *self,
                                              ParallelWorkerFunction       setup,
                                              gpointer                     user_data,
                                              GDestroyNotify               notify);

PARALLEL_AVAILABLE_IN_ALL
void            parallel_worker_set_onexit   (ParallelWorker              *self,
                                              ParallelWorkerExitFunction   onexit,
                                              gpointer                     user_data,
                                              GDestroyNotify               notify);

PARALLEL_AVAILABLE_IN_ALL
gboolean        parallel_worker_run          (ParallelWorker              *self,
                                              ParallelWorkerFunction       function,
                                              gpointer                     user_data,
                                              GError                     **error);

PARALLEL_AVAILABLE_IN_ALL
void            parallel_worker_heartbeat    (ParallelWorker              *self);

PARALLEL_AVAILABLE_IN_ALL
void            parallel_worker_report       (ParallelWorker              *self,
                                              double                       progress,
                                              const char                  *status);

G_END_DECLS
