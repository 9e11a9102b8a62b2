/* parallel-worker-server-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-worker-server.h"

G_BEGIN_DECLS

/* Engine thread only. One worker that a server is to make; it belongs to the server. */
typedef struct _ParallelWorkerOrder ParallelWorkerOrder;

typedef struct
{
  /* The worker runs. */
  void (*started) (gpointer  owner,
                   int       pid);
  /* There is no worker. Takes @error. The last call, as the next one is. */
  void (*failed)  (gpointer  owner,
                   GError   *error);
  /* @wait_status: as waitpid() has it, or PARALLEL_EXIT_LOST if the server has died too. */
  void (*exited)  (gpointer  owner,
                   int       wait_status);
} ParallelWorkerOrderFuncs;

/* Takes @fds, the worker's input, output and error, also when it fails. @mark: "NAME=value". The functions are
 * never called from within. */
ParallelWorkerOrder *parallel_worker_server_order (ParallelWorkerServer            *self,
                                                   const int                        fds[3],
                                                   const char                      *mark,
                                                   const ParallelWorkerOrderFuncs  *funcs,
                                                   gpointer                         owner,
                                                   GError                         **error);
/* Nothing of it is called any more, and there will be no worker. Only before it has started. */
void                 parallel_worker_server_cancel (ParallelWorkerOrder             *order);

G_END_DECLS
