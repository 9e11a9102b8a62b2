/* parallel-command-settings.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-command-task-private.h"

/* Where a program runs, what it reads, where its output goes, and how it is kept. */

/**
 * parallel_command_task_get_launcher: (get-property launcher)
 * @self: a command task
 *
 * How the programs are started somewhere else.
 *
 * Returns: (transfer none) (nullable): the launcher, or %NULL for this machine
 */
ParallelLauncher *
parallel_command_task_get_launcher (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return self->launcher;
}

/**
 * parallel_command_task_set_launcher: (set-property launcher)
 * @self: a command task
 * @launcher: (nullable): a launcher, or %NULL for this machine
 *
 * Sets how the programs are started somewhere else. Other tasks may have the same launcher.
 */
void
parallel_command_task_set_launcher (ParallelCommandTask *self,
                                    ParallelLauncher    *launcher)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));
  g_return_if_fail (launcher == NULL || PARALLEL_IS_LAUNCHER (launcher));

  if (g_set_object (&self->launcher, launcher))
    g_object_notify (G_OBJECT (self), "launcher");
}

/**
 * parallel_command_task_get_stdin_bytes: (get-property stdin-bytes)
 * @self: a command task
 *
 * What each program can read.
 *
 * Returns: (transfer none) (nullable): the bytes, or %NULL
 */
GBytes *
parallel_command_task_get_stdin_bytes (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return self->stdin_bytes;
}

/**
 * parallel_command_task_set_stdin_bytes: (set-property stdin-bytes)
 * @self: a command task
 * @bytes: (nullable): the bytes, or %NULL for none
 *
 * Sets what each program can read from its standard input. It comes before
 * [property@CommandTask:stdin-path].
 */
void
parallel_command_task_set_stdin_bytes (ParallelCommandTask *self,
                                       GBytes              *bytes)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  if (self->stdin_bytes == bytes)
    return;

  g_clear_pointer (&self->stdin_bytes, g_bytes_unref);
  if (bytes != NULL)
    self->stdin_bytes = g_bytes_ref (bytes);
  g_object_notify (G_OBJECT (self), "stdin-bytes");
}

/**
 * parallel_command_task_get_stdin_path: (get-property stdin-path)
 * @self: a command task
 *
 * The file that each program reads.
 *
 * Returns: (transfer none) (nullable) (type filename): the path, or %NULL
 */
const char *
parallel_command_task_get_stdin_path (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return self->stdin_path;
}

/**
 * parallel_command_task_set_stdin_path: (set-property stdin-path)
 * @self: a command task
 * @path: (nullable) (type filename): a path, relative to the working directory of this program, or
 *   %NULL for none
 *
 * Sets the file that is the standard input of each program. One that cannot be opened fails the
 * step.
 */
void
parallel_command_task_set_stdin_path (ParallelCommandTask *self,
                                      const char          *path)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  if (parallel_set_string (&self->stdin_path, path))
    g_object_notify (G_OBJECT (self), "stdin-path");
}

/**
 * parallel_command_task_get_merge_stderr: (get-property merge-stderr)
 * @self: a command task
 *
 * Whether both streams are one.
 *
 * Returns: %TRUE if they are merged
 */
gboolean
parallel_command_task_get_merge_stderr (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), FALSE);

  return self->merge_stderr;
}

/**
 * parallel_command_task_set_merge_stderr: (set-property merge-stderr)
 * @self: a command task
 * @merge_stderr: whether to merge the streams
 *
 * Sets whether the program's standard error goes where its standard output goes.
 */
void
parallel_command_task_set_merge_stderr (ParallelCommandTask *self,
                                        gboolean             merge_stderr)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  if (self->merge_stderr == merge_stderr)
    return;

  self->merge_stderr = merge_stderr;
  g_object_notify (G_OBJECT (self), "merge-stderr");
}

/**
 * parallel_command_task_get_measure_usage: (get-property measure-usage)
 * @self: a command task
 *
 * Whether processor time and memory are measured.
 *
 * Returns: %TRUE if they are
 */
gboolean
parallel_command_task_get_measure_usage (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), FALSE);

  return self->measure_usage;
}

/**
 * parallel_command_task_set_measure_usage: (set-property measure-usage)
 * @self: a command task
 * @measure_usage: whether to measure
 *
 * Sets whether processor time and peak memory of the program are measured, for
 * [method@Step.get_user_time] and its siblings.
 */
void
parallel_command_task_set_measure_usage (ParallelCommandTask *self,
                                         gboolean             measure_usage)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  if (self->measure_usage == measure_usage)
    return;

  self->measure_usage = measure_usage;
  g_object_notify (G_OBJECT (self), "measure-usage");
}

/**
 * parallel_command_task_get_containment: (get-property containment)
 * @self: a command task
 *
 * How far what the program starts is kept together.
 *
 * Returns: the containment
 */
ParallelContainment
parallel_command_task_get_containment (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), PARALLEL_CONTAINMENT_GROUP);

  return self->containment;
}

/**
 * parallel_command_task_set_containment: (set-property containment)
 * @self: a command task
 * @containment: the containment
 *
 * Sets how far what the program starts is kept together.
 */
void
parallel_command_task_set_containment (ParallelCommandTask *self,
                                       ParallelContainment  containment)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));
  g_return_if_fail (containment == PARALLEL_CONTAINMENT_GROUP || containment == PARALLEL_CONTAINMENT_TREE);

  if (self->containment == containment)
    return;

  self->containment = containment;
  g_object_notify (G_OBJECT (self), "containment");
}
