/* parallel-task.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-task-private.h"

/**
 * ParallelTask:
 *
 * What to do with an input.
 *
 * A task is the recipe, a [class@Step] is one execution of it on one input. The same task can serve any number of
 * steps and runners at the same time.
 *
 * Tasks are made by [func@FunctionTask.new] (a function in a worker thread), [func@AsyncTask.new] or a subclass of
 * [class@AsyncTask] (an asynchronous operation in the main context), and [func@CommandTask.new] (a program).
 *
 * ## Threads
 *
 * A task is set up before it is given to a step or a runner and not changed afterwards. It may be shared by runners
 * of different threads; its last reference is dropped in the main context of a runner that used it, or by the
 * application.
 */

G_DEFINE_ABSTRACT_TYPE (ParallelTask, parallel_task, G_TYPE_OBJECT)

static gboolean
parallel_task_real_check (ParallelTask  *self,
                          const GValue  *input,
                          GError       **error)
{
  return TRUE;
}

static char *
parallel_task_real_describe (ParallelTask *self,
                             ParallelStep *step)
{
  return NULL;
}

static void
parallel_task_class_init (ParallelTaskClass *klass)
{
  klass->check = parallel_task_real_check;
  klass->describe = parallel_task_real_describe;
}

static void
parallel_task_init (ParallelTask *self)
{
}

ParallelTaskPlace
parallel_task_get_place (ParallelTask *self)
{
  return PARALLEL_TASK_GET_CLASS (self)->place;
}

void
parallel_task_start (ParallelTask *self,
                     ParallelStep *step)
{
  PARALLEL_TASK_GET_CLASS (self)->start (self, step);
}

void
parallel_task_stop (ParallelTask *self,
                    ParallelStep *step)
{
  PARALLEL_TASK_GET_CLASS (self)->stop (self, step);
}

char *
parallel_task_describe (ParallelTask *self,
                        ParallelStep *step)
{
  return PARALLEL_TASK_GET_CLASS (self)->describe (self, step);
}

gboolean
parallel_task_check (ParallelTask  *self,
                     const GValue  *input,
                     GError       **error)
{
  return PARALLEL_TASK_GET_CLASS (self)->check (self, input, error);
}
