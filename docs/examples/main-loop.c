/* main-loop.c: a run in an application's main loop, which goes on meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <locale.h>

#include <parallel-glib/parallel.h>

/* All three are called in the main context in which the runner was made. */

static void
step_finished_cb (ParallelBackgroundTaskRunner *runner,
                  ParallelStep                 *step,
                  gpointer                      user_data)
{
  g_autofree char *name = parallel_step_dup_name (step);
  gboolean succeeded = parallel_step_get_state (step) == PARALLEL_STEP_STATE_SUCCEEDED;

  g_print ("%s: %s\n", name, succeeded ? "done" : "failed");
}

static void
progress_cb (ParallelBackgroundTaskRunner *runner,
             GParamSpec                   *pspec,
             gpointer                      user_data)
{
  double *progress = user_data;

  /* An application moves its progress bar here. */
  *progress = parallel_background_task_runner_get_progress (runner);
}

static void
waited_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  ParallelBackgroundTaskRunner *runner = PARALLEL_BACKGROUND_TASK_RUNNER (object);
  g_autoptr (GError) error = NULL;

  if (!parallel_background_task_runner_wait_finish (runner, result, &error))
    g_print ("%s\n", error->message);

  g_main_loop_quit (user_data);
}

int
main (void)
{
  const char *argv[] = { "sh", "-c", "sleep \"$1\"", "wait", "{}", NULL };
  ParallelTask *task = parallel_command_task_new (argv);
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (task);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  double progress = 0.0;

  setlocale (LC_ALL, "");

  g_signal_connect (runner, "step-finished", G_CALLBACK (step_finished_cb), NULL);
  g_signal_connect (runner, "notify::progress", G_CALLBACK (progress_cb), &progress);

  parallel_background_task_runner_set_max_parallel (runner, 3);
  parallel_background_task_runner_put_string (runner, "0.6", NULL);
  parallel_background_task_runner_put_string (runner, "0.3", NULL);
  parallel_background_task_runner_put_string (runner, "soon", NULL);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, NULL, waited_cb, loop);

  g_main_loop_run (loop);
  g_print ("%.0f %%\n", progress * 100.0);

  return 0;
}
