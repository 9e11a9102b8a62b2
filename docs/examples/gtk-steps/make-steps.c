/* make-steps.c: where the steps come from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "make-steps.h"

#include <string.h>

#define MEGABYTE (1024 * 1024)

/* The two streams become one, in which everything stands in the order in which it was written. */
static ParallelTask *
merge_streams (ParallelTask *task)
{
  parallel_command_task_set_merge_stderr (PARALLEL_COMMAND_TASK (task), TRUE);

  return task;
}

ParallelStep *
make_step_for_command (const char *command)
{
  ParallelTask *task = merge_streams (parallel_command_task_new_shell (command));
  ParallelStep *step = parallel_step_new (task, NULL);

  parallel_step_set_name (step, command);

  return step;
}

/* A step is used once. */
ParallelStep *
make_step_again (ParallelStep *step)
{
  ParallelTask *task = g_object_ref (parallel_step_get_task (step));
  ParallelStep *again = parallel_step_new (task, parallel_step_get_input (step));
  g_autofree char *name = parallel_step_dup_name (step);

  parallel_step_set_name (again, name);

  return again;
}

/* Called in a worker thread. The input is a number of megabytes. */
static gboolean
hash_zeros (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  guint n = atoi (g_value_get_string (parallel_step_get_input (step)));
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guchar *zeros = g_malloc0 (MEGABYTE);
  g_autofree char *line = NULL;

  for (guint i = 0; i < n; i++)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_checksum_update (checksum, zeros, MEGABYTE);
      parallel_step_set_progress (step, (i + 1.0) / n);
    }

  line = g_strconcat (g_checksum_get_string (checksum), "\n", NULL);
  return parallel_step_write_text (step, line, error);
}

/* A function, which says how far it is, and the programs of demonstration.txt. */
GPtrArray *
make_demonstration (void)
{
  g_autoptr (GBytes) bytes = g_resources_lookup_data ("/org/example/GtkSteps/demonstration.txt",
                                                      G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  GPtrArray *steps = g_ptr_array_new_with_free_func (g_object_unref);
  ParallelTask *task = parallel_function_task_new (hash_zeros, NULL, NULL);
  ParallelStep *hash = parallel_step_new_string (task, "2000");

  parallel_step_set_name (hash, "Hash 2 GB of zeros, in a thread of this program");
  g_ptr_array_add (steps, hash);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *tab = strchr (lines[i], '\t');
      ParallelStep *step = make_step_for_command (tab + 1);
      g_autofree char *name = g_strndup (lines[i], tab - lines[i]);

      parallel_step_set_name (step, name);
      g_ptr_array_add (steps, step);
    }

  return steps;
}

/* All with one task and with inputs from 1 on. One of ten fails. */
GPtrArray *
make_quick_steps (guint n_steps)
{
  const char *argv[] = { "sh", "-c", "echo \"step $0\"; test $(($0 % 10)) -ne 0", "{}", NULL };
  g_autoptr (ParallelTask) task = merge_streams (parallel_command_task_new (argv));
  GPtrArray *steps = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 1; i <= n_steps; i++)
    {
      g_autofree char *input = g_strdup_printf ("%u", i);

      g_ptr_array_add (steps, parallel_step_new_string (g_object_ref (task), input));
    }

  return steps;
}
