/* output.c: where the output of steps can go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>

static void
output_cb (ParallelBackgroundTaskRunner *runner,
           ParallelStep                 *step,
           ParallelOutputStream          stream,
           GBytes                       *bytes,
           gpointer                      user_data)
{
  GString *log = user_data;
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  g_string_append_len (log, data, size);
}

int
main (void)
{
  const char *argv[] = { "sh", "-c", "sleep 0.$1; echo out $1; echo err $1 >&2", "say", "{}", NULL };
  ParallelTask *task = parallel_command_task_new (argv);
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;
  g_autoptr (GOutputStream) sink = g_memory_output_stream_new_resizable ();
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (ParallelStep) last = NULL;
  g_autoptr (GBytes) own = NULL;
  g_autoptr (GError) error = NULL;

  parallel_command_task_set_merge_stderr (PARALLEL_COMMAND_TASK (task), TRUE);
  runner = parallel_background_task_runner_new (g_object_ref (task));
  parallel_background_task_runner_set_max_parallel (runner, 3);
  /* Instead of standard output: anything that can be written to. */
  parallel_background_task_runner_set_sink (runner, sink);
  /* And a copy for this program, in the same order. */
  g_signal_connect (runner, "output", G_CALLBACK (output_cb), log);

  parallel_background_task_runner_put_string (runner, "3", NULL);
  parallel_background_task_runner_put_string (runner, "2", NULL);
  last = parallel_step_new_string (task, "1");
  parallel_background_task_runner_put_step (runner, last, NULL);
  parallel_background_task_runner_close (runner);
  if (!parallel_background_task_runner_wait (runner, NULL, &error))
    g_error ("%s", error->message);

  g_print ("%s", log->str);
  g_print ("%" G_GSIZE_FORMAT " bytes in the sink\n",
           g_memory_output_stream_get_data_size (G_MEMORY_OUTPUT_STREAM (sink)));

  /* A step keeps its own output for as long as it is alive. */
  own = parallel_step_dup_output (last, PARALLEL_OUTPUT_STREAM_STDOUT, &error);
  g_print ("the last one: %.5s\n", (const char *) g_bytes_get_data (own, NULL));

  return 0;
}
