/* client.c: a small program as a user of the library has it. It is compiled against the installed library, and in a
 * project that has the library as a subproject.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>

static gboolean
check_step (ParallelStep *step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) output = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, &error);
  g_autofree char *expected = parallel_step_dup_input_text (step);

  if (output == NULL)
    {
      g_printerr ("No output: %s\n", error->message);
      return FALSE;
    }
  if (g_bytes_get_size (output) != strlen (expected)
      || memcmp (g_bytes_get_data (output, NULL), expected, strlen (expected)) != 0)
    {
      g_printerr ("The output is not \"%s\"\n", expected);
      return FALSE;
    }

  return TRUE;
}

int
main (void)
{
  const char *argv[] = { "printf", "%s", "{}", NULL };
  g_autoptr (ParallelTask) task = parallel_command_task_new (argv);
  g_autoptr (GPtrArray) steps = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (steps, parallel_step_new_string (g_object_ref (task), "one "));
  g_ptr_array_add (steps, parallel_step_new_string (g_object_ref (task), "two "));

  if (!parallel_run_steps (steps, 2, FALSE, NULL, &error))
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  for (guint i = 0; i < steps->len; i++)
    {
      if (!check_step (g_ptr_array_index (steps, i)))
        return 1;
    }

  g_print ("%s\n", PARALLEL_VERSION_S);
  return 0;
}
