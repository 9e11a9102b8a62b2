/* parallel-command-task.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-launcher.h>
#include <parallel-glib/parallel-task.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_COMMAND_TASK (parallel_command_task_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelCommandTask, parallel_command_task, PARALLEL, COMMAND_TASK, ParallelTask)

PARALLEL_AVAILABLE_IN_ALL
ParallelTask       *parallel_command_task_new                 (const char * const  *argv) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelTask       *parallel_command_task_new_shell           (const char          *command_line) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
const char * const *parallel_command_task_get_argv            (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
const char * const *parallel_command_task_get_environ         (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_environ         (ParallelCommandTask *self,
                                                               const char * const  *env);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_setenv              (ParallelCommandTask *self,
                                                               const char          *variable,
                                                               const char          *value);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_unsetenv            (ParallelCommandTask *self,
                                                               const char          *variable);

PARALLEL_AVAILABLE_IN_ALL
const char         *parallel_command_task_get_cwd             (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_cwd             (ParallelCommandTask *self,
                                                               const char          *cwd);

PARALLEL_AVAILABLE_IN_ALL
const char * const *parallel_command_task_get_launcher_prefix (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_launcher_prefix (ParallelCommandTask *self,
                                                               const char * const  *prefix);

PARALLEL_AVAILABLE_IN_ALL
ParallelLauncher   *parallel_command_task_get_launcher        (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_launcher        (ParallelCommandTask *self,
                                                               ParallelLauncher    *launcher);

PARALLEL_AVAILABLE_IN_ALL
GBytes             *parallel_command_task_get_stdin_bytes     (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_stdin_bytes     (ParallelCommandTask *self,
                                                               GBytes              *bytes);

PARALLEL_AVAILABLE_IN_ALL
const char         *parallel_command_task_get_stdin_path      (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_stdin_path      (ParallelCommandTask *self,
                                                               const char          *path);

PARALLEL_AVAILABLE_IN_ALL
gboolean            parallel_command_task_get_merge_stderr    (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_merge_stderr    (ParallelCommandTask *self,
                                                               gboolean             merge_stderr);

PARALLEL_AVAILABLE_IN_ALL
gboolean            parallel_command_task_get_measure_usage   (ParallelCommandTask *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_measure_usage   (ParallelCommandTask *self,
                                                               gboolean             measure_usage);

PARALLEL_AVAILABLE_IN_ALL
ParallelContainment parallel_command_task_get_containment     (ParallelCommandTask  *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_command_task_set_containment     (ParallelCommandTask  *self,
                                                               ParallelContainment   containment);

G_END_DECLS
