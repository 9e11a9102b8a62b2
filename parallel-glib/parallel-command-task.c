/* parallel-command-task.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-command-task-private.h"

#include <string.h>
#include <unistd.h>

#include "parallel-task-private.h"

/**
 * ParallelCommandTask:
 *
 * A program that is started for each step.
 *
 * Each `{}` in the arguments stands for the step's input, also in the middle of an argument; where
 * there is none, the input is appended. An input is a string, any bytes but NUL, or a number.
 *
 * The program runs in a process group of its own, with default signal dispositions, with
 * descriptors 0, 1 and 2 and no others, and dies with this program. Its standard input is
 * `/dev/null` unless something else is set. Its output is the output of the step. It ends the step
 * when it ends itself: a daemon that it leaves behind is not waited for.
 *
 * The step succeeds when the program exits with status 0. Otherwise it fails with
 * %G_SPAWN_EXIT_ERROR and the exit status as the code, or with %G_SPAWN_ERROR_FAILED if a signal
 * ended the program. A program that cannot be started fails the step with the code of
 * [error@GLib.SpawnError] that says why.
 *
 * To stop it, SIGTERM is sent to its process group and to those of its descendants that have left
 * the group, and SIGKILL after the kill grace; [property@Step:stop-sequence] can change that.
 * Descendants are found as children of children, and by the variable `PARALLEL_GLIB_STEP` that each
 * program has in its environment. One that has neither is only stopped with
 * [property@CommandTask:containment] set to tree.
 *
 * ## Threads
 *
 * It is set up before it is used. The program is started by the library's own thread, whatever the
 * size of this program, without a fork of it.
 */

enum
{
  PROP_ARGV = 1,
  PROP_ENVIRON,
  PROP_CWD,
  PROP_LAUNCHER_PREFIX,
  PROP_LAUNCHER,
  PROP_STDIN_BYTES,
  PROP_STDIN_PATH,
  PROP_MERGE_STDERR,
  PROP_MEASURE_USAGE,
  PROP_CONTAINMENT,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (ParallelCommandTask, parallel_command_task, PARALLEL_TYPE_TASK)

static void
parallel_command_task_start (ParallelTask *task,
                             ParallelStep *step)
{
  parallel_command_run_start (PARALLEL_COMMAND_TASK (task), step);
}

static void
parallel_command_task_stop (ParallelTask *task,
                            ParallelStep *step)
{
  parallel_command_run_stop (step);
}

static void
parallel_command_task_finalize (GObject *object)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (object);

  if (self->stdin_fd >= 0)
    close (self->stdin_fd);
  g_clear_pointer (&self->stdin_bytes, g_bytes_unref);
  g_clear_pointer (&self->stdin_path, g_free);
  g_clear_pointer (&self->cwd, g_free);
  g_clear_pointer (&self->argv, g_strfreev);
  g_clear_pointer (&self->env, g_strfreev);
  g_clear_pointer (&self->launcher_prefix, g_strfreev);
  g_clear_object (&self->launcher);
  g_clear_object (&self->agents);

  G_OBJECT_CLASS (parallel_command_task_parent_class)->finalize (object);
}

static void
parallel_command_task_get_property (GObject    *object,
                                    guint       prop_id,
                                    GValue     *value,
                                    GParamSpec *pspec)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (object);

  switch (prop_id)
    {
    case PROP_ARGV:
      g_value_set_boxed (value, self->argv);
      break;
    case PROP_ENVIRON:
      g_value_set_boxed (value, self->env);
      break;
    case PROP_CWD:
      g_value_set_string (value, self->cwd);
      break;
    case PROP_LAUNCHER_PREFIX:
      g_value_set_boxed (value, self->launcher_prefix);
      break;
    case PROP_LAUNCHER:
      g_value_set_object (value, self->launcher);
      break;
    case PROP_STDIN_BYTES:
      g_value_set_boxed (value, self->stdin_bytes);
      break;
    case PROP_STDIN_PATH:
      g_value_set_string (value, self->stdin_path);
      break;
    case PROP_MERGE_STDERR:
      g_value_set_boolean (value, self->merge_stderr);
      break;
    case PROP_MEASURE_USAGE:
      g_value_set_boolean (value, self->measure_usage);
      break;
    case PROP_CONTAINMENT:
      g_value_set_enum (value, self->containment);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
parallel_command_task_set_property (GObject      *object,
                                    guint         prop_id,
                                    const GValue *value,
                                    GParamSpec   *pspec)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (object);

  switch (prop_id)
    {
    case PROP_ARGV:
      self->argv = g_value_dup_boxed (value);
      break;
    case PROP_ENVIRON:
      parallel_command_task_set_environ (self, g_value_get_boxed (value));
      break;
    case PROP_CWD:
      parallel_command_task_set_cwd (self, g_value_get_string (value));
      break;
    case PROP_LAUNCHER_PREFIX:
      parallel_command_task_set_launcher_prefix (self, g_value_get_boxed (value));
      break;
    case PROP_LAUNCHER:
      parallel_command_task_set_launcher (self, g_value_get_object (value));
      break;
    case PROP_STDIN_BYTES:
      parallel_command_task_set_stdin_bytes (self, g_value_get_boxed (value));
      break;
    case PROP_STDIN_PATH:
      parallel_command_task_set_stdin_path (self, g_value_get_string (value));
      break;
    case PROP_MERGE_STDERR:
      parallel_command_task_set_merge_stderr (self, g_value_get_boolean (value));
      break;
    case PROP_MEASURE_USAGE:
      parallel_command_task_set_measure_usage (self, g_value_get_boolean (value));
      break;
    case PROP_CONTAINMENT:
      parallel_command_task_set_containment (self, g_value_get_enum (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
install_program (void)
{
  /**
   * ParallelCommandTask:argv: (getter get_argv)
   *
   * The program and its arguments.
   */
  properties[PROP_ARGV] =
    g_param_spec_boxed ("argv", NULL, NULL, G_TYPE_STRV,
                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:environ: (getter get_environ) (setter set_environ)
   *
   * The environment of the program, each variable as `NAME=value`; `NULL` for the environment of
   * this program.
   */
  properties[PROP_ENVIRON] =
    g_param_spec_boxed ("environ", NULL, NULL, G_TYPE_STRV,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:cwd: (getter get_cwd) (setter set_cwd)
   *
   * The working directory of the program; `NULL` for that of this program.
   */
  properties[PROP_CWD] =
    g_param_spec_string ("cwd", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:launcher-prefix: (getter get_launcher_prefix) (setter set_launcher_prefix)
   *
   * A program and arguments that start the command on this machine: they are put in front of it, as
   * with `nice` or `flatpak-spawn --host`. `NULL` for none.
   *
   * It is part of the command, which is otherwise like any other: one process each step, which is
   * stopped with its process group, and whose exit status is that of the step. With a
   * [property@CommandTask:launcher], which it goes together with, the whole command, prefix
   * included, runs where that says.
   */
  properties[PROP_LAUNCHER_PREFIX] =
    g_param_spec_boxed ("launcher-prefix", NULL, NULL, G_TYPE_STRV,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:launcher: (getter get_launcher) (setter set_launcher)
   *
   * How the programs are started somewhere else; `NULL` for this machine. It is set before the first
   * step.
   */
  properties[PROP_LAUNCHER] =
    g_param_spec_object ("launcher", NULL, NULL, PARALLEL_TYPE_LAUNCHER,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
install_streams (void)
{
  /**
   * ParallelCommandTask:stdin-bytes: (getter get_stdin_bytes) (setter set_stdin_bytes)
   *
   * What each program can read from its standard input.
   */
  properties[PROP_STDIN_BYTES] =
    g_param_spec_boxed ("stdin-bytes", NULL, NULL, G_TYPE_BYTES,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:stdin-path: (getter get_stdin_path) (setter set_stdin_path)
   *
   * The file that is the standard input of each program.
   */
  properties[PROP_STDIN_PATH] =
    g_param_spec_string ("stdin-path", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:merge-stderr: (getter get_merge_stderr) (setter set_merge_stderr)
   *
   * Whether the program's standard error goes where its standard output goes, in the order in which
   * it is written.
   */
  properties[PROP_MERGE_STDERR] =
    g_param_spec_boolean ("merge-stderr", NULL, NULL, FALSE,
                          G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelCommandTask:measure-usage: (getter get_measure_usage) (setter set_measure_usage)
   *
   * Whether processor time and peak memory of the program are measured. It costs a second, tiny
   * process for as long as the program runs.
   */
  properties[PROP_MEASURE_USAGE] =
    g_param_spec_boolean ("measure-usage", NULL, NULL, FALSE,
                          G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
install_containment (void)
{
  /**
   * ParallelCommandTask:containment: (getter get_containment) (setter set_containment)
   *
   * How far what the program starts is kept together.
   */
  properties[PROP_CONTAINMENT] =
    g_param_spec_enum ("containment", NULL, NULL, PARALLEL_TYPE_CONTAINMENT, PARALLEL_CONTAINMENT_GROUP,
                       G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static const ParallelTaskFuncs remote_funcs =
{
  .place = PARALLEL_TASK_PLACE_ENGINE,
  .start = parallel_command_remote_hand,
  .stop = parallel_command_remote_stop,
  .describe = parallel_command_task_describe,
  .check = parallel_command_task_check,
  .get_pool = parallel_command_remote_get_pool,
};

static const ParallelTaskFuncs local_funcs =
{
  .place = PARALLEL_TASK_PLACE_ENGINE,
  .start = parallel_command_task_start,
  .stop = parallel_command_task_stop,
  .describe = parallel_command_task_describe,
  .check = parallel_command_task_check,
};

static const ParallelTaskFuncs *
choose_funcs (ParallelTask *task)
{
  return PARALLEL_COMMAND_TASK (task)->launcher != NULL ? &remote_funcs : &local_funcs;
}

static const ParallelTaskFuncs command_task_funcs = { .choose = choose_funcs };

static void
parallel_command_task_class_init (ParallelCommandTaskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = parallel_command_task_finalize;
  object_class->get_property = parallel_command_task_get_property;
  object_class->set_property = parallel_command_task_set_property;
  install_program ();
  install_streams ();
  install_containment ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
  PARALLEL_TASK_CLASS (klass)->funcs = &command_task_funcs;
}

static void
parallel_command_task_init (ParallelCommandTask *self)
{
  self->stdin_fd = -1;
}

/**
 * parallel_command_task_new:
 * @argv: (array zero-terminated=1) (element-type filename): the program, looked for in `PATH`, and
 *   its arguments
 *
 * Makes a task that starts a program.
 *
 * Returns: (transfer full): the new task
 */
ParallelTask *
parallel_command_task_new (const char * const *argv)
{
  g_return_val_if_fail (argv != NULL && argv[0] != NULL, NULL);

  return g_object_new (PARALLEL_TYPE_COMMAND_TASK, "argv", argv, NULL);
}

/**
 * parallel_command_task_new_shell:
 * @command_line: (type filename): a command line for `/bin/sh`
 *
 * Makes a task that runs a command line in a shell. `{}` means nothing in it; the input of a step
 * is `$1`.
 *
 * Returns: (transfer full): the new task
 */
ParallelTask *
parallel_command_task_new_shell (const char *command_line)
{
  ParallelTask *self;

  g_return_val_if_fail (command_line != NULL, NULL);

  self = parallel_command_task_new ((const char * const []) { "/bin/sh", "-c", command_line, NULL });
  PARALLEL_COMMAND_TASK (self)->shell = TRUE;

  return self;
}

/**
 * parallel_command_task_get_argv: (get-property argv)
 * @self: a command task
 *
 * The program and its arguments.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): the
 *   arguments
 */
const char * const *
parallel_command_task_get_argv (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return (const char * const *) self->argv;
}

/**
 * parallel_command_task_get_environ: (get-property environ)
 * @self: a command task
 *
 * The whole environment of the program.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): each
 *   variable as `NAME=value`, or %NULL for the environment of this program
 */
const char * const *
parallel_command_task_get_environ (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return (const char * const *) self->env;
}

/**
 * parallel_command_task_set_environ: (set-property environ)
 * @self: a command task
 * @env: (nullable) (array zero-terminated=1) (element-type filename): each variable as
 *   `NAME=value`, or %NULL for the environment of this program at the start of each step
 *
 * Sets the whole environment of the program.
 */
void
parallel_command_task_set_environ (ParallelCommandTask *self,
                                   const char * const  *env)
{
  char **previous;

  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  previous = self->env;
  self->env = g_strdupv ((char **) env);
  g_strfreev (previous);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ENVIRON]);
}

/**
 * parallel_command_task_setenv:
 * @self: a command task
 * @variable: (type filename): the name of a variable, without `=`
 * @value: (type filename): its value
 *
 * Sets one variable in the program's environment. The first such call takes a copy of the
 * environment of this program, if none was set.
 */
void
parallel_command_task_setenv (ParallelCommandTask *self,
                              const char          *variable,
                              const char          *value)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));
  g_return_if_fail (variable != NULL && variable[0] != '\0' && strchr (variable, '=') == NULL);
  g_return_if_fail (value != NULL);

  if (self->env == NULL)
    self->env = g_get_environ ();
  self->env = g_environ_setenv (self->env, variable, value, TRUE);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ENVIRON]);
}

/**
 * parallel_command_task_unsetenv:
 * @self: a command task
 * @variable: (type filename): the name of a variable
 *
 * Removes one variable from the program's environment, as [method@CommandTask.setenv] sets one.
 */
void
parallel_command_task_unsetenv (ParallelCommandTask *self,
                                const char          *variable)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));
  g_return_if_fail (variable != NULL && strchr (variable, '=') == NULL);

  if (self->env == NULL)
    self->env = g_get_environ ();
  self->env = g_environ_unsetenv (self->env, variable);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ENVIRON]);
}

/**
 * parallel_command_task_get_cwd: (get-property cwd)
 * @self: a command task
 *
 * The working directory of the program.
 *
 * Returns: (transfer none) (nullable) (type filename): the folder, or %NULL for that of this
 *   program
 */
const char *
parallel_command_task_get_cwd (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return self->cwd;
}

/**
 * parallel_command_task_set_cwd: (set-property cwd)
 * @self: a command task
 * @cwd: (nullable) (type filename): a folder, or %NULL for that of this program
 *
 * Sets the working directory of the program. A folder that does not exist fails the step with
 * %G_SPAWN_ERROR_CHDIR.
 */
void
parallel_command_task_set_cwd (ParallelCommandTask *self,
                               const char          *cwd)
{
  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  if (parallel_set_string (&self->cwd, cwd))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_CWD]);
}

/**
 * parallel_command_task_get_launcher_prefix: (get-property launcher-prefix)
 * @self: a command task
 *
 * What starts the command.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): a program
 *   and arguments, or %NULL for none
 */
const char * const *
parallel_command_task_get_launcher_prefix (ParallelCommandTask *self)
{
  g_return_val_if_fail (PARALLEL_IS_COMMAND_TASK (self), NULL);

  return (const char * const *) self->launcher_prefix;
}

/**
 * parallel_command_task_set_launcher_prefix: (set-property launcher-prefix)
 * @self: a command task
 * @prefix: (nullable) (array zero-terminated=1) (element-type filename): a program and arguments,
 *   or %NULL for none
 *
 * Sets what starts the command: it is put in front of it as it is, and `{}` means nothing in it.
 */
void
parallel_command_task_set_launcher_prefix (ParallelCommandTask *self,
                                           const char * const  *prefix)
{
  char **previous;

  g_return_if_fail (PARALLEL_IS_COMMAND_TASK (self));

  previous = self->launcher_prefix;
  self->launcher_prefix = g_strdupv ((char **) prefix);
  g_strfreev (previous);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_LAUNCHER_PREFIX]);
}
