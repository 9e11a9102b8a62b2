/* parallel-worker-task.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-launcher.h>
#include <parallel-glib/parallel-task.h>
#include <parallel-glib/parallel-worker-server.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_WORKER_TASK (parallel_worker_task_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelWorkerTask, parallel_worker_task, PARALLEL, WORKER_TASK, ParallelTask)

PARALLEL_AVAILABLE_IN_ALL
ParallelTask         *parallel_worker_task_new                      (const char * const     *argv) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelTask         *parallel_worker_task_new_for_server           (ParallelWorkerServer   *server) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
const char * const   *parallel_worker_task_get_argv                 (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
ParallelWorkerServer *parallel_worker_task_get_server               (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
const char * const   *parallel_worker_task_get_environ              (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_environ              (ParallelWorkerTask     *self,
                                                                     const char * const     *env);

PARALLEL_AVAILABLE_IN_ALL
const char           *parallel_worker_task_get_cwd                  (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_cwd                  (ParallelWorkerTask     *self,
                                                                     const char             *cwd);

PARALLEL_AVAILABLE_IN_ALL
ParallelLauncher     *parallel_worker_task_get_launcher             (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_launcher             (ParallelWorkerTask     *self,
                                                                     ParallelLauncher       *launcher);

PARALLEL_AVAILABLE_IN_ALL
ParallelEncoding      parallel_worker_task_get_encoding             (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_encoding             (ParallelWorkerTask     *self,
                                                                     ParallelEncoding        encoding);

PARALLEL_AVAILABLE_IN_ALL
GBytes               *parallel_worker_task_get_setup                (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_setup                (ParallelWorkerTask     *self,
                                                                     GBytes                 *setup);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_setup_variant        (ParallelWorkerTask     *self,
                                                                     GVariant               *setup);

PARALLEL_AVAILABLE_IN_ALL
gboolean              parallel_worker_task_get_has_onexit           (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_has_onexit           (ParallelWorkerTask     *self,
                                                                     gboolean                has_onexit);

PARALLEL_AVAILABLE_IN_ALL
guint                 parallel_worker_task_get_max_steps_per_worker (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_max_steps_per_worker (ParallelWorkerTask     *self,
                                                                     guint                   max_steps_per_worker);

PARALLEL_AVAILABLE_IN_ALL
guint                 parallel_worker_task_get_frame_limit          (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_frame_limit          (ParallelWorkerTask     *self,
                                                                     guint                   frame_limit);

PARALLEL_AVAILABLE_IN_ALL
double                parallel_worker_task_get_start_timeout        (ParallelWorkerTask     *self);

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_task_set_start_timeout        (ParallelWorkerTask     *self,
                                                                     double                  start_timeout);

G_END_DECLS
