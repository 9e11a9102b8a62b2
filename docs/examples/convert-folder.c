/* convert-folder.c SOURCE DEST: converts each file of a folder, by a program per file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>
#include <stdio.h>

static int
compare_strings (gconstpointer a,
                 gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

/* Of the regular files in a folder, sorted. */
static GPtrArray *
list_names (const char  *folder,
            GError     **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  if (dir == NULL)
    return NULL;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        g_ptr_array_add (names, g_strdup (name));
    }

  g_ptr_array_sort (names, compare_strings);
  return g_steal_pointer (&names);
}

/* One task for all of them: in it, each {} stands for the input of a step, which is a name. */
static GPtrArray *
make_steps (const char *source,
            const char *dest,
            GPtrArray  *names)
{
  g_autofree char *from = g_build_filename (source, "{}", NULL);
  g_autofree char *to = g_build_filename (dest, "{}", NULL);
  const char *argv[] = { "iconv", "-f", "UTF-8", "-t", "ISO-8859-15", "-o", to, from, NULL };
  g_autoptr (ParallelTask) task = parallel_command_task_new (argv);
  GPtrArray *steps = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < names->len; i++)
    g_ptr_array_add (steps, parallel_step_new_string (g_object_ref (task), names->pdata[i]));

  return steps;
}

static void
print_failure (ParallelStep *step,
               const char   *name)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);
  int exit_status = parallel_step_get_exit_status (step);

  /* A program that was killed, or could not be started, has none. */
  if (exit_status != -1)
    fprintf (stderr, "%s: exit status %d\n", name, exit_status);
  else
    fprintf (stderr, "%s: %s\n", name, error->message);
}

static void
print_outcome (GPtrArray *names,
               GPtrArray *steps)
{
  for (guint i = 0; i < steps->len; i++)
    {
      gboolean failed = parallel_step_get_state (steps->pdata[i]) == PARALLEL_STEP_STATE_FAILED;

      printf ("%s: %s\n", (char *) names->pdata[i], failed ? "failed" : "converted");
      if (failed)
        print_failure (steps->pdata[i], names->pdata[i]);
    }
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GError) error = NULL;

  if (argc != 3)
    {
      fprintf (stderr, "usage: convert-folder SOURCE DEST\n");
      return 2;
    }

  names = list_names (argv[1], &error);
  if (names != NULL)
    {
      /* As many at once as there are processors, and a failure does not stop the others. */
      steps = make_steps (argv[1], argv[2], names);
      parallel_run_steps (steps, 0, FALSE, NULL, &error);
    }

  /* With this error some of the steps have failed, and each of them says why. */
  if (error == NULL
      || g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE))
    print_outcome (names, steps);
  else
    fprintf (stderr, "%s\n", error->message);

  return error != NULL;
}
