/* parallel-task-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-task.h"

G_BEGIN_DECLS

/* Where a task's start() is called, and so where its steps live:
 *
 * THREAD  in a worker thread of the run, which it occupies until it has ended the step. It is
 * stopped by the
 *         step's cancellable.
 * OWNER   in the owner's main context; it returns at once and ends the step later, in the same
 * context. It is
 *         stopped by the step's cancellable.
 * ENGINE  in the engine thread; it returns at once. It is stopped by stop(), also in the engine
 * thread, which must
 *         end the step within its kill grace plus a bounded time. */
typedef enum
{
  PARALLEL_TASK_PLACE_THREAD,
  PARALLEL_TASK_PLACE_OWNER,
  PARALLEL_TASK_PLACE_ENGINE
} ParallelTaskPlace;

/* What a kind of task does: its class points to one of these. Not virtual functions of the
 * class, which introspection would offer to every language. */
typedef struct _ParallelTaskFuncs
{
  ParallelTaskPlace   place;
  void              (*start)    (ParallelTask *self,
                                 ParallelStep *step);
  /* Only where the place is the engine. */
  void              (*stop)     (ParallelTask *self,
                                 ParallelStep *step);
  /* May be NULL: nothing to say. */
  char             *(*describe) (ParallelTask *self,
                                 ParallelStep *step);
  /* May be NULL. What the task itself waits for before it can begin a step, in words, or NULL. Any thread, and with the lock of a run
   * held. */
  char             *(*dup_state) (ParallelTask *self);
  /* May be NULL: anything will do. */
  gboolean          (*check)    (ParallelTask *self,
                                 const GValue *input,
                                 GError      **error);

  /* All three or none: a pool, a task of the engine that keeps processes for a run. Its start() is
   * called before the attempt begins, and maybe before there is a slot for it; the pool begins it, or
   * gives it back, with the functions of the host that are for pools. Engine thread. */
  /* A slot may have become free. */
  void              (*wake)     (ParallelTask *self,
                                 gpointer      host);
  /* What has not begun is to be given back, the last one first. */
  void              (*recall)   (ParallelTask *self,
                                 gpointer      host);
  /* The run will hand it nothing more: its processes are to end, and then the host is told. FALSE: there
   * are none, and it is not. */
  gboolean          (*close)    (ParallelTask *self,
                                 gpointer      host);

  /* In place of those three: the pool is another task's, which several can have in common, and to which start() and stop()
   * hand what they are asked for. Any thread, with a lock of the host's held. The pool lives as long as the task. */
  ParallelTask     *(*get_pool) (ParallelTask *self);

  /* May be NULL: this table is that of every task of the class. Any thread; constant once the task is in use. */
  const struct _ParallelTaskFuncs *(*choose) (ParallelTask *self);
} ParallelTaskFuncs;

ParallelTaskPlace parallel_task_get_place (ParallelTask *self);

/* Starts an attempt of @step. Each start is answered by exactly one parallel_step_end(). */
void              parallel_task_start     (ParallelTask *self,
                                           ParallelStep *step);
void              parallel_task_stop      (ParallelTask *self,
                                           ParallelStep *step);

gboolean          parallel_task_is_pool   (ParallelTask *self);

/* The task whose pool it is: @self, or the one that it shares with others. */
ParallelTask     *parallel_task_get_pool  (ParallelTask *self);

/* Of a task that is its own pool. */
void              parallel_task_wake      (ParallelTask *self,
                                           gpointer      host);
void              parallel_task_recall    (ParallelTask *self,
                                           gpointer      host);
gboolean          parallel_task_close     (ParallelTask *self,
                                           gpointer      host);

/* What @step is doing, for dump(): "pid 123: sh -c …"; may be NULL. Any thread. */
char             *parallel_task_describe  (ParallelTask *self,
                                           ParallelStep *step);

char             *parallel_task_dup_state (ParallelTask *self);

/* Whether the task can do anything with @input (NULL for none). Any thread. */
gboolean          parallel_task_check     (ParallelTask *self,
                                           const GValue *input,
                                           GError      **error);

G_END_DECLS
