/* run-steps.c: three commands at once; what they print comes out in the order of the list.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <locale.h>

#include <parallel-glib/parallel.h>

int
main (void)
{
  const char *commands[] = { "sleep 1; echo first", "echo second", "echo third; exit 7" };
  g_autoptr (GPtrArray) steps = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      ParallelTask *task = parallel_command_task_new_shell (commands[i]);

      g_ptr_array_add (steps, parallel_step_new (task, NULL));
    }

  /* At most 3 at once, and a failure does not stop the others. */
  if (!parallel_run_steps (steps, 3, FALSE, NULL, &error))
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }

  return 0;
}
