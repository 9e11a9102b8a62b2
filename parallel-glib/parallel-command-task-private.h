/* parallel-command-task-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-command-task.h"
#include "parallel-value.h"

G_BEGIN_DECLS

struct _ParallelCommandTask
{
  ParallelTask   parent_instance;

  /* Constant once the task is in use. */
  char         **argv;
  gboolean       shell;             /* argv is a shell with a command line, in which {} means nothing */
  gboolean       literal;           /* {} means nothing: an input has been put in its place elsewhere */
  char         **env;               /* NULL: that of the program */
  char          *cwd;
  char         **launcher_prefix;
  ParallelLauncher *launcher;       /* NULL: this machine */
  GBytes        *stdin_bytes;
  char          *stdin_path;
  gboolean       merge_stderr;
  gboolean       measure_usage;
  ParallelContainment containment;

  /* Engine thread only. */
  int            stdin_fd;          /* a memory file with stdin_bytes, or -1 */

  /* Guarded by a mutex of parallel-command-remote.c; constant once it is there. */
  ParallelTask  *agents;            /* the workers that run it where the launcher starts them; NULL until they are needed */
};

/* parallel-command-input.c; any thread. */
gboolean            parallel_command_task_check    (ParallelTask         *task,
                                                    const GValue         *input,
                                                    GError              **error);
char               *parallel_command_task_describe (ParallelTask         *task,
                                                    ParallelStep         *step);

/* What a command run needs of its task; constant once the task is in use. Engine thread. */

/* The launcher, the program and its arguments, with the input of @step in its place. */
char              **parallel_command_task_dup_argv (ParallelCommandTask  *self,
                                                    ParallelStep         *step);

/* Opens what the program reads: a descriptor of its own; -1 without an error for /dev/null, with
 * one if it fails. */
int                 parallel_command_task_open_stdin (ParallelCommandTask  *self,
                                                      GError              **error);

/* With a launcher, in parallel-command-remote.c. Engine thread. */
void                parallel_command_remote_hand   (ParallelTask         *task,
                                                    ParallelStep         *step);
void                parallel_command_remote_stop   (ParallelTask         *task,
                                                    ParallelStep         *step);

/* Any thread. */
ParallelTask       *parallel_command_remote_get_pool (ParallelTask       *task);

/* A running program, in parallel-command-run.c. Engine thread. */
void                parallel_command_run_start     (ParallelCommandTask  *task,
                                                    ParallelStep         *step);
void                parallel_command_run_stop      (ParallelStep         *step);

G_END_DECLS
