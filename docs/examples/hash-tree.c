/* hash-tree.c FOLDER: prints what sha256sum prints of every file below a folder, hashed in threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>
#include <stdio.h>

/* Called in a worker thread. */
static gboolean
hash_file (ParallelStep  *step,
           GCancellable  *cancellable,
           gpointer       user_data,
           GError       **error)
{
  const char *path = g_value_get_string (parallel_step_get_input (step));
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, cancellable, error);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *line = NULL;
  guint8 buffer[65536];
  gssize n_read;

  if (stream == NULL)
    return FALSE;

  /* Each read looks at the cancellable first, so that a step that is stopped ends soon. */
  while ((n_read = g_input_stream_read (G_INPUT_STREAM (stream), buffer, sizeof buffer,
                                        cancellable, error)) > 0)
    g_checksum_update (checksum, buffer, n_read);
  if (n_read < 0)
    return FALSE;

  /* What steps write comes out in the order of the inputs, whichever of them ends first. */
  line = g_strdup_printf ("%s  %s\n", g_checksum_get_string (checksum), path);
  return parallel_step_write_text (step, line, error);
}

static gboolean
add_files_below (const char  *folder,
                 GPtrArray   *paths,
                 GError     **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  const char *name;

  if (dir == NULL)
    return FALSE;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        continue;
      if (g_file_test (path, G_FILE_TEST_IS_DIR) && !add_files_below (path, paths, error))
        return FALSE;
      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        g_ptr_array_add (paths, g_steal_pointer (&path));
    }

  return TRUE;
}

static int
compare_strings (gconstpointer a,
                 gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

static gboolean
hash_all (ParallelBackgroundTaskRunner  *runner,
          GPtrArray                     *paths,
          GError                       **error)
{
  g_ptr_array_sort (paths, compare_strings);
  for (guint i = 0; i < paths->len; i++)
    if (!parallel_background_task_runner_put_string (runner, paths->pdata[i], error))
      return FALSE;

  parallel_background_task_runner_close (runner);
  return parallel_background_task_runner_wait (runner, NULL, error);
}

static void
print_failures (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GPtrArray) failures = parallel_background_task_runner_dup_failures (runner);

  for (guint i = 0; i < failures->len; i++)
    {
      g_autoptr (GError) error = parallel_step_dup_error (failures->pdata[i]);
      g_autofree char *path = parallel_step_dup_input_text (failures->pdata[i]);

      fprintf (stderr, "%s: %s\n", path, error->message);
    }
}

int
main (int    argc,
      char **argv)
{
  ParallelTask *task = parallel_function_task_new (hash_file, NULL, NULL);
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (task);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;

  if (argc != 2)
    {
      fprintf (stderr, "usage: hash-tree FOLDER\n");
      return 2;
    }

  if (!add_files_below (argv[1], paths, &error) || !hash_all (runner, paths, &error))
    {
      if (g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE))
        print_failures (runner);
      else
        fprintf (stderr, "%s\n", error->message);
      return 1;
    }

  return 0;
}
