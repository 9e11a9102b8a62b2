/* own-context.c: a runner that belongs to another thread than the main one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>

static void
step_finished_cb (ParallelBackgroundTaskRunner *runner,
                  ParallelStep                 *step,
                  gpointer                      user_data)
{
  GThread **seen = user_data;

  *seen = g_thread_self ();
}

static void
list_folder (const char *folder)
{
  const char *argv[] = { "ls", "-d", "{}", NULL };
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    parallel_background_task_runner_new (parallel_command_task_new (argv));
  GThread *seen = NULL;
  g_autoptr (GError) error = NULL;

  g_signal_connect (runner, "step-finished", G_CALLBACK (step_finished_cb), &seen);
  parallel_background_task_runner_put_string (runner, folder, NULL);
  parallel_background_task_runner_close (runner);
  if (!parallel_background_task_runner_wait (runner, NULL, &error))
    g_printerr ("%s\n", error->message);

  g_print ("its signals came in this thread: %s\n", seen == g_thread_self () ? "yes" : "no");
}

static gpointer
thread_func (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  list_folder (data);
  g_main_context_pop_thread_default (context);

  return NULL;
}

int
main (void)
{
  GThread *thread = g_thread_new ("counter", thread_func, (gpointer) "/");

  g_thread_join (thread);
  return 0;
}
