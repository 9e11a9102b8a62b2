/* parallel-worker-server.h
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

#define PARALLEL_TYPE_WORKER_SERVER (parallel_worker_server_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelWorkerServer, parallel_worker_server, PARALLEL, WORKER_SERVER, GObject)

PARALLEL_AVAILABLE_IN_ALL
ParallelWorkerServer *parallel_worker_server_new        (const char * const    *argv,
                                                         const char * const    *env) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelWorkerServer *parallel_worker_server_new_for_fd (int                    fd,
                                                         int                    pid) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
void                  parallel_worker_server_stop       (ParallelWorkerServer  *self);

G_END_DECLS
