/* shell-runner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-runner.h"

#include <sys/resource.h>

/* How long something must be waited for until it is said, in milliseconds. */
#define STATUS_DELAY     1000

/* So many inputs are read ahead of the steps, for each step at a time, and at least MIN_PENDING. */
#define PENDING_PER_STEP 4
#define MIN_PENDING      64

/* Descriptors: what a running step takes at most, and what the program has besides. */
#define FDS_PER_STEP     5
#define FDS_BESIDES      64

/* The soft limit of open files may be too low for many steps, and can be raised. */
gboolean
shell_runner_check (ParallelBackgroundTaskRunner *runner)
{
  guint max_parallel = parallel_background_task_runner_get_max_parallel (runner);
  rlim_t needed = (rlim_t) max_parallel * FDS_PER_STEP + FDS_BESIDES;
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
    return TRUE;

  if (limit.rlim_max >= needed)
    {
      limit.rlim_cur = needed;
      return setrlimit (RLIMIT_NOFILE, &limit) == 0;
    }

  shell_message ("--max-parallel: %u steps at a time need %" G_GUINT64_FORMAT " open files, and "
                 "the limit is %" G_GUINT64_FORMAT " (ulimit -n)",
                 max_parallel, (guint64) needed, (guint64) limit.rlim_max);
  return FALSE;
}

static gboolean
status_lasts_cb (gpointer user_data)
{
  g_autofree char *status = parallel_launcher_dup_status (user_data);

  if (status != NULL)
    shell_message ("Slurm: %s", status);
  return G_SOURCE_REMOVE;
}

/* Only said when it takes its time. */
static void
status_cb (ParallelLauncher *launcher,
           GParamSpec       *pspec,
           gpointer          user_data)
{
  g_timeout_add_full (G_PRIORITY_DEFAULT, STATUS_DELAY, status_lasts_cb, g_object_ref (launcher), g_object_unref);
}

/* Where the steps run; NULL for this machine. */
static ParallelLauncher *
make_launcher (const ShellOptions *options)
{
  ParallelLauncher *launcher;
  g_auto (GStrv) words = NULL;
  g_autofree char *host = NULL;
  guint n;

  if (options->slurm != NULL)
    {
      launcher = parallel_launcher_new_slurm ((const char * const *) options->slurm);
      if (options->immediate >= 0)
        parallel_launcher_set_patience (launcher, options->immediate);
      g_signal_connect (launcher, "notify::status", G_CALLBACK (status_cb), NULL);
      return launcher;
    }
  if (options->ssh == NULL)
    return NULL;

  /* The last word is the host. */
  words = g_strdupv (options->ssh);
  n = g_strv_length (words);
  host = g_steal_pointer (&words[n - 1]);
  return parallel_launcher_new_ssh (host, (const char * const *) words);
}

static ParallelTask *
make_task (const ShellOptions *options)
{
  /* The input is the command line, and "--" keeps one that begins with a dash from being taken for
   * options of the shell. */
  static const char * const shell[] = { "/bin/sh", "-c", "--", "{}", NULL };
  g_autoptr (ParallelLauncher) launcher = make_launcher (options);
  ParallelTask *task;

  task = parallel_command_task_new (options->steps ? shell
                                                   : (const char * const *) options->command);
  if (options->launcher != NULL)
    parallel_command_task_set_launcher_prefix (PARALLEL_COMMAND_TASK (task),
                                               (const char * const *) options->launcher);
  if (launcher != NULL)
    parallel_command_task_set_launcher (PARALLEL_COMMAND_TASK (task), launcher);
  parallel_command_task_set_containment (PARALLEL_COMMAND_TASK (task), options->containment);
  return task;
}

ParallelBackgroundTaskRunner *
shell_runner_new (const ShellOptions *options)
{
  ParallelTask *task = make_task (options);
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (task);
  guint max_parallel;

  if (options->max_parallel > 0)
    parallel_background_task_runner_set_max_parallel (runner, options->max_parallel);
  max_parallel = parallel_background_task_runner_get_max_parallel (runner);
  parallel_background_task_runner_set_max_pending (runner, MAX (max_parallel * PENDING_PER_STEP,
                                                                MIN_PENDING));

  /* However many inputs there are, nothing of a finished step is kept but what the report needs. */
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_NONE);

  parallel_background_task_runner_set_halt_on_error (runner, options->halt_on_error);
  parallel_background_task_runner_set_output_mode (runner, options->output_mode);
  parallel_background_task_runner_set_hold_output (runner, options->hold);
  parallel_background_task_runner_set_max_attempts (runner, options->max_attempts);
  parallel_background_task_runner_set_timeout (runner, options->timeout);
  parallel_background_task_runner_set_silence_timeout (runner, options->silence_timeout);
  parallel_background_task_runner_set_exit_timeout (runner, options->exit_timeout);
  parallel_background_task_runner_set_backtraces (runner, options->backtraces);
  if (options->kill_grace >= 0)
    parallel_background_task_runner_set_kill_grace (runner, options->kill_grace);

  /* It was checked with the other options. */
  parallel_background_task_runner_set_stop_sequence (runner, options->term_seq, NULL);

  return runner;
}
