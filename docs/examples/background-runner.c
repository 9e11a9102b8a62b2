/* background-runner.c: a C function in worker threads, fed while it runs; results in queue order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <locale.h>

#include <parallel-glib/parallel.h>

/* Called in a worker thread. */
static gboolean
checksum_file (ParallelStep  *step,
               GCancellable  *cancellable,
               gpointer       user_data,
               GError       **error)
{
  const char *path = g_value_get_string (parallel_step_get_input (step));
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GBytes) bytes = g_file_load_bytes (file, cancellable, NULL, error);
  g_auto (GValue) result = G_VALUE_INIT;

  if (bytes == NULL)
    return FALSE;

  g_value_init (&result, G_TYPE_STRING);
  g_value_take_string (&result, g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes));
  parallel_step_set_result (step, &result);
  return TRUE;
}

int
main (int    argc,
      char **argv)
{
  ParallelTask *task = parallel_function_task_new (checksum_file, NULL, NULL);
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (task);
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");

  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);

  /* The first steps run while the last inputs are still being put. */
  for (int i = 1; i < argc; i++)
    parallel_background_task_runner_put_string (runner, argv[i], NULL);
  parallel_background_task_runner_close (runner);

  if (!parallel_background_task_runner_wait (runner, NULL, &error))
    g_printerr ("%s\n", error->message);

  steps = parallel_background_task_runner_dup_steps (runner);
  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);
      g_autofree char *name = parallel_step_dup_name (step);

      if (parallel_step_get_state (step) == PARALLEL_STEP_STATE_SUCCEEDED)
        g_print ("%s  %s\n", g_value_get_string (parallel_step_get_result (step)), name);
    }

  return error != NULL;
}
