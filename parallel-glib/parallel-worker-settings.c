/* parallel-worker-settings.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-task-private.h"

/* How the workers of a task are made and what they are told. */

/**
 * parallel_worker_task_get_argv: (get-property argv)
 * @self: a worker task
 *
 * The program of the workers.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): a program and its arguments
 */
const char * const *
parallel_worker_task_get_argv (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), NULL);

  return (const char * const *) self->recipe.argv;
}

/**
 * parallel_worker_task_get_server: (get-property server)
 * @self: a worker task
 *
 * What makes the workers.
 *
 * Returns: (transfer none) (nullable): the server
 */
ParallelWorkerServer *
parallel_worker_task_get_server (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), NULL);

  return self->recipe.server;
}

/**
 * parallel_worker_task_get_environ: (get-property environ)
 * @self: a worker task
 *
 * The environment of the workers.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): a list of `NAME=value`
 */
const char * const *
parallel_worker_task_get_environ (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), NULL);

  return (const char * const *) self->recipe.env;
}

/**
 * parallel_worker_task_set_environ: (set-property environ)
 * @self: a worker task
 * @env: (nullable) (array zero-terminated=1) (element-type filename): a list of `NAME=value`, or %NULL
 *
 * Sets the environment of the workers.
 */
void
parallel_worker_task_set_environ (ParallelWorkerTask *self,
                                  const char * const *env)
{
  char **previous;

  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));

  previous = self->recipe.env;
  self->recipe.env = g_strdupv ((char **) env);
  g_strfreev (previous);
  g_object_notify (G_OBJECT (self), "environ");
}

/**
 * parallel_worker_task_get_cwd: (get-property cwd)
 * @self: a worker task
 *
 * The working directory of the workers.
 *
 * Returns: (transfer none) (nullable) (type filename): a folder, or %NULL
 */
const char *
parallel_worker_task_get_cwd (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), NULL);

  return self->recipe.cwd;
}

/**
 * parallel_worker_task_set_cwd: (set-property cwd)
 * @self: a worker task
 * @cwd: (nullable) (type filename): a folder, or %NULL for that of this program
 *
 * Sets the working directory of the workers.
 */
void
parallel_worker_task_set_cwd (ParallelWorkerTask *self,
                              const char         *cwd)
{
  char *previous;

  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));

  previous = self->recipe.cwd;
  self->recipe.cwd = g_strdup (cwd);
  g_free (previous);
  g_object_notify (G_OBJECT (self), "cwd");
}

/**
 * parallel_worker_task_get_launcher: (get-property launcher)
 * @self: a worker task
 *
 * How the workers are started somewhere else.
 *
 * Returns: (transfer none) (nullable): the launcher, or %NULL for this machine
 */
ParallelLauncher *
parallel_worker_task_get_launcher (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), NULL);

  return self->recipe.launcher;
}

/**
 * parallel_worker_task_set_launcher: (set-property launcher)
 * @self: a worker task
 * @launcher: (nullable): a launcher, or %NULL for this machine
 *
 * Sets how the workers are started somewhere else. Other tasks may have the same launcher.
 */
void
parallel_worker_task_set_launcher (ParallelWorkerTask *self,
                                   ParallelLauncher   *launcher)
{
  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));
  g_return_if_fail (launcher == NULL || PARALLEL_IS_LAUNCHER (launcher));

  if (g_set_object (&self->recipe.launcher, launcher))
    g_object_notify (G_OBJECT (self), "launcher");
}

/**
 * parallel_worker_task_get_encoding: (get-property encoding)
 * @self: a worker task
 *
 * What the steps take and give.
 *
 * Returns: the encoding
 */
ParallelEncoding
parallel_worker_task_get_encoding (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), PARALLEL_ENCODING_VARIANT);

  return self->encoding;
}

/**
 * parallel_worker_task_set_encoding: (set-property encoding)
 * @self: a worker task
 * @encoding: the encoding
 *
 * Sets what the steps take and give.
 */
void
parallel_worker_task_set_encoding (ParallelWorkerTask *self,
                                   ParallelEncoding    encoding)
{
  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));

  self->encoding = encoding;
  g_object_notify (G_OBJECT (self), "encoding");
}

/**
 * parallel_worker_task_get_setup: (get-property setup)
 * @self: a worker task
 *
 * What each worker is given first.
 *
 * Returns: (transfer none) (nullable): the bytes, or %NULL
 */
GBytes *
parallel_worker_task_get_setup (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), NULL);

  return self->setup;
}

/**
 * parallel_worker_task_set_setup: (set-property setup)
 * @self: a worker task
 * @setup: (nullable): the bytes, or %NULL for none
 *
 * Sets what each worker is given before its first step.
 */
void
parallel_worker_task_set_setup (ParallelWorkerTask *self,
                                GBytes             *setup)
{
  GBytes *previous;

  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));

  previous = self->setup;
  self->setup = setup != NULL ? g_bytes_ref (setup) : NULL;
  g_clear_pointer (&previous, g_bytes_unref);
  g_object_notify (G_OBJECT (self), "setup");
}

/**
 * parallel_worker_task_set_setup_variant:
 * @self: a worker task
 * @setup: a value, which is consumed if it is floating
 *
 * Sets what the function that was given to [method@Worker.set_setup] is called with in each worker.
 */
void
parallel_worker_task_set_setup_variant (ParallelWorkerTask *self,
                                        GVariant           *setup)
{
  g_autoptr (GBytes) bytes = NULL;

  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));
  g_return_if_fail (setup != NULL);

  bytes = parallel_worker_task_serialise (setup);
  parallel_worker_task_set_setup (self, bytes);
}

/**
 * parallel_worker_task_get_has_onexit: (get-property has-onexit)
 * @self: a worker task
 *
 * Whether the workers do something at their end.
 *
 * Returns: whether they do
 */
gboolean
parallel_worker_task_get_has_onexit (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), FALSE);

  return self->has_onexit;
}

/**
 * parallel_worker_task_set_has_onexit: (set-property has-onexit)
 * @self: a worker task
 * @has_onexit: whether they do
 *
 * Sets whether the workers do something at their end.
 */
void
parallel_worker_task_set_has_onexit (ParallelWorkerTask *self,
                                     gboolean            has_onexit)
{
  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));

  self->has_onexit = has_onexit;
  g_object_notify (G_OBJECT (self), "has-onexit");
}

/**
 * parallel_worker_task_get_max_steps_per_worker: (get-property max-steps-per-worker)
 * @self: a worker task
 *
 * How many steps a worker does.
 *
 * Returns: the number, or 0 for no limit
 */
guint
parallel_worker_task_get_max_steps_per_worker (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), 0);

  return self->max_steps_per_worker;
}

/**
 * parallel_worker_task_set_max_steps_per_worker: (set-property max-steps-per-worker)
 * @self: a worker task
 * @max_steps_per_worker: a number, or 0 for no limit
 *
 * Sets how many steps a worker does.
 */
void
parallel_worker_task_set_max_steps_per_worker (ParallelWorkerTask *self,
                                               guint               max_steps_per_worker)
{
  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));

  self->max_steps_per_worker = max_steps_per_worker;
  g_object_notify (G_OBJECT (self), "max-steps-per-worker");
}

/**
 * parallel_worker_task_get_frame_limit: (get-property frame-limit)
 * @self: a worker task
 *
 * How big an input or a result may be.
 *
 * Returns: a number of bytes
 */
guint
parallel_worker_task_get_frame_limit (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), 0);

  return self->frame_limit;
}

/**
 * parallel_worker_task_set_frame_limit: (set-property frame-limit)
 * @self: a worker task
 * @frame_limit: a number of bytes, at least 65536
 *
 * Sets how big an input or a result may be.
 */
void
parallel_worker_task_set_frame_limit (ParallelWorkerTask *self,
                                      guint               frame_limit)
{
  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));
  g_return_if_fail (frame_limit >= PARALLEL_WORKER_TASK_MIN_FRAME);

  self->frame_limit = frame_limit;
  g_object_notify (G_OBJECT (self), "frame-limit");
}

/**
 * parallel_worker_task_get_start_timeout: (get-property start-timeout)
 * @self: a worker task
 *
 * How long a worker may take until it is ready.
 *
 * Returns: a number of seconds, or 0 for no limit
 */
double
parallel_worker_task_get_start_timeout (ParallelWorkerTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_TASK (self), 0);

  return self->start_timeout;
}

/**
 * parallel_worker_task_set_start_timeout: (set-property start-timeout)
 * @self: a worker task
 * @start_timeout: a number of seconds, or 0 for no limit
 *
 * Sets how long a worker may take until it is ready.
 */
void
parallel_worker_task_set_start_timeout (ParallelWorkerTask *self,
                                        double              start_timeout)
{
  g_return_if_fail (PARALLEL_IS_WORKER_TASK (self));
  g_return_if_fail (start_timeout >= 0);

  self->start_timeout = start_timeout;
  g_object_notify (G_OBJECT (self), "start-timeout");
}
