/* parallel-process-stop.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-process-table.h"
#include "parallel-stop-sequence.h"

G_BEGIN_DECLS

/* Stops all the processes of a step: sends each signal of a sequence to the process group and to
 * those descendants that have left it, until none is left. Engine thread only. */
typedef struct _ParallelProcessStop ParallelProcessStop;

/* Nothing is left, or what is named in @left, NULL otherwise, although it was killed. Called once,
 * and never from within a function of this file. */
typedef void (*ParallelProcessStopFunc) (gpointer    user_data,
                                         const char *left);

/* Begins. @supervised: the first process is a supervising helper with a tree, which is asked to
 * kill, and not killed itself. Where @tree has no mark it is one that forwards signals, and the only one to be sent any:
 * what it has started here is its own affair, and it ends when all is done; at the very last it is killed. */
ParallelProcessStop *parallel_process_stop_new    (const ParallelTree         *tree,
                                                   gboolean                    supervised,
                                                   const ParallelStopSequence *sequence,
                                                   ParallelProcessStopFunc     done,
                                                   gpointer                    user_data);

/* The first process has ended, and was waited for. */
void                 parallel_process_stop_exited (ParallelProcessStop        *self);

/* "SIGTERM, SIGKILL": the signals that were sent, if the first one was not enough, or else NULL. */
char                *parallel_process_stop_dup_signals (ParallelProcessStop   *self);

/* @done is not called any more. */
void                 parallel_process_stop_free   (ParallelProcessStop        *self);

G_END_DECLS
