/* failures.c: what an application can learn of each step that failed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <locale.h>

#include <parallel-glib/parallel.h>

static void
print_failure (ParallelStep *step)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);
  g_autofree char *name = parallel_step_dup_name (step);
  g_autofree char *tail = parallel_step_dup_output_tail (step);

  if (g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT))
    g_print ("%s: took too long\n", name);
  else if (parallel_step_get_term_signal (step) != 0)
    g_print ("%s: killed by signal %d\n", name, parallel_step_get_term_signal (step));
  else if (g_error_matches (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
    g_print ("%s: could not be started\n", name);
  else
    g_print ("%s: exit status %d; it said: %s\n", name, parallel_step_get_exit_status (step), tail);
}

int
main (void)
{
  const char *missing[] = { "no-such-program", NULL };
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (NULL);
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GError) error = NULL;
  ParallelTask *tasks[] = {
    parallel_command_task_new_shell ("echo fine"),
    parallel_command_task_new_shell ("echo the disk is full >&2; exit 28"),
    parallel_command_task_new_shell ("kill -SEGV $$"),
    parallel_command_task_new (missing),
    parallel_command_task_new_shell ("sleep 600"),
  };

  setlocale (LC_ALL, "");

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      g_autoptr (ParallelStep) step = parallel_step_new (tasks[i], NULL);

      if (i == 4)
        parallel_step_set_timeout (step, 0.5);
      parallel_background_task_runner_put_step (runner, step, NULL);
    }
  parallel_background_task_runner_close (runner);

  if (parallel_background_task_runner_wait (runner, NULL, &error))
    return 0;

  failures = parallel_background_task_runner_dup_failures (runner);
  if (g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE))
    for (guint i = 0; i < failures->len; i++)
      print_failure (g_ptr_array_index (failures, i));

  return 1;
}
