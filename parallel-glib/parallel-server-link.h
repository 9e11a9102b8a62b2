/* parallel-server-link.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-worker-server-private.h"

G_BEGIN_DECLS

/* A running server, from its start to the end of its process. Engine thread only. */
typedef struct _ParallelServerLink ParallelServerLink;

typedef void (*ParallelServerGoneFunc) (gpointer user_data);

ParallelServerLink  *parallel_server_link_new        (const char * const              *argv,
                                                      const char * const              *env,
                                                      GError                         **error);
/* Takes @fd. */
ParallelServerLink  *parallel_server_link_new_for_fd (int                              fd,
                                                      int                              pid);
/* It is not wanted any more; with its process, it ends. */
void                 parallel_server_link_close      (ParallelServerLink              *self);
/* Ends the process and calls @func when it has been waited for, or at once if that is so already. It still has to be closed. */
void                 parallel_server_link_stop       (ParallelServerLink              *self,
                                                      ParallelServerGoneFunc           func,
                                                      gpointer                         user_data);
gboolean             parallel_server_link_has_ended  (ParallelServerLink              *self);

/* Takes @fds. Keeps @holder until the worker has ended. */
ParallelWorkerOrder *parallel_server_link_order      (ParallelServerLink              *self,
                                                      const int                        fds[3],
                                                      const char                      *mark,
                                                      const ParallelWorkerOrderFuncs  *funcs,
                                                      gpointer                         owner,
                                                      ParallelWorkerServer            *holder);
/* Nothing of it is called any more, and what the server still makes of it is killed. Only before it has started. */
void                 parallel_server_link_cancel     (ParallelWorkerOrder             *order);

G_END_DECLS
