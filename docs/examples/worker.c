/* worker.c: a program that is its own worker; a crash costs one step.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>
#include <stdio.h>
#include <stdlib.h>

/* In a worker process, one step after the other. */
static GVariant *
square (ParallelWorker  *worker,
        GVariant        *input,
        gpointer         user_data,
        GError         **error)
{
  gint64 number = g_variant_get_int64 (input);

  printf ("squaring %" G_GINT64_FORMAT "\n", number);
  if (number < 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%" G_GINT64_FORMAT " is negative", number);
      return NULL;
    }
  if (number == 13)
    abort ();

  return g_variant_new_int64 (number * number);
}

static int
work (void)
{
  g_autoptr (ParallelWorker) worker = parallel_worker_new ();
  g_autoptr (GError) error = NULL;

  if (parallel_worker_run (worker, square, NULL, &error))
    return 0;

  g_printerr ("%s\n", error->message);
  return 1;
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  const char *worker[] = { program, "--parallel-worker", NULL };
  g_autoptr (GPtrArray) steps = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (ParallelTask) task = NULL;
  g_autoptr (GError) error = NULL;

  /* Before anything is printed. */
  if (parallel_worker_is_wanted (argc, argv))
    return work ();

  task = parallel_worker_task_new (worker);
  for (int i = 1; i < argc; i++)
    {
      g_auto (GValue) input = G_VALUE_INIT;

      g_value_init (&input, G_TYPE_VARIANT);
      g_value_set_variant (&input, g_variant_new_int64 (g_ascii_strtoll (argv[i], NULL, 10)));
      g_ptr_array_add (steps, parallel_step_new (g_object_ref (task), &input));
    }

  /* At most 2 workers. */
  if (!parallel_run_steps (steps, 2, FALSE, NULL, &error))
    g_printerr ("%s\n", error->message);

  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);

      if (parallel_step_get_state (step) == PARALLEL_STEP_STATE_SUCCEEDED)
        g_print ("%" G_GINT64_FORMAT "\n", g_variant_get_int64 (g_value_get_variant (parallel_step_get_result (step))));
    }

  return error != NULL;
}
