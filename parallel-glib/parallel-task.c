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
 * A task is the recipe, a [class@Step] is one execution of it on one input. The same task can serve
 * any number of steps and runners at the same time.
 *
 * Tasks are made by [ctor@FunctionTask.new] (a function in a worker thread), [ctor@AsyncTask.new]
 * or a subclass of [class@AsyncTask] (an asynchronous operation in the main context), and
 * [ctor@CommandTask.new] (a program).
 *
 * ## Threads
 *
 * A task is set up before it is given to a step or a runner and not changed afterwards. It may be
 * shared by runners of different threads; its last reference is dropped in the main context of a
 * runner that used it, or by the application.
 */

G_DEFINE_ABSTRACT_TYPE (ParallelTask, parallel_task, G_TYPE_OBJECT)

static void
parallel_task_class_init (ParallelTaskClass *klass)
{
}

static void
parallel_task_init (ParallelTask *self)
{
}

static const ParallelTaskFuncs *
get_funcs (ParallelTask *self)
{
  const ParallelTaskFuncs *funcs = PARALLEL_TASK_GET_CLASS (self)->funcs;

  return funcs != NULL && funcs->choose != NULL ? funcs->choose (self) : funcs;
}

ParallelTaskPlace
parallel_task_get_place (ParallelTask *self)
{
  return get_funcs (self)->place;
}

void
parallel_task_start (ParallelTask *self,
                     ParallelStep *step)
{
  get_funcs (self)->start (self, step);
}

void
parallel_task_stop (ParallelTask *self,
                    ParallelStep *step)
{
  get_funcs (self)->stop (self, step);
}

gboolean
parallel_task_is_pool (ParallelTask *self)
{
  const ParallelTaskFuncs *funcs = get_funcs (self);

  return funcs->close != NULL || funcs->get_pool != NULL;
}

ParallelTask *
parallel_task_get_pool (ParallelTask *self)
{
  const ParallelTaskFuncs *funcs = get_funcs (self);

  return funcs->get_pool != NULL ? funcs->get_pool (self) : self;
}

void
parallel_task_wake (ParallelTask *self,
                    gpointer      host)
{
  get_funcs (self)->wake (self, host);
}

void
parallel_task_recall (ParallelTask *self,
                      gpointer      host)
{
  get_funcs (self)->recall (self, host);
}

gboolean
parallel_task_close (ParallelTask *self,
                     gpointer      host)
{
  return get_funcs (self)->close (self, host);
}

char *
parallel_task_describe (ParallelTask *self,
                        ParallelStep *step)
{
  const ParallelTaskFuncs *funcs = get_funcs (self);

  return funcs->describe != NULL ? funcs->describe (self, step) : NULL;
}

char *
parallel_task_dup_state (ParallelTask *self)
{
  const ParallelTaskFuncs *funcs = get_funcs (self);

  return funcs->dup_state != NULL ? funcs->dup_state (self) : NULL;
}

gboolean
parallel_task_check (ParallelTask  *self,
                     const GValue  *input,
                     GError       **error)
{
  const ParallelTaskFuncs *funcs = get_funcs (self);

  if (funcs == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "%s cannot be run: only subclasses of ParallelAsyncTask can be made outside of the library",
                   G_OBJECT_TYPE_NAME (self));
      return FALSE;
    }
  return funcs->check == NULL || funcs->check (self, input, error);
}
