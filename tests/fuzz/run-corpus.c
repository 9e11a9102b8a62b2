/* run-corpus.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Gives each file of a folder to a fuzz target, as a test of its own. */

#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data,
                            gsize         size);

/* Each input lies at the end of memory of its own, so that a read beyond it is seen by a checker. */
static void
test_file (gconstpointer user_data)
{
  const char *path = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *content = NULL;
  g_autofree guint8 *data = NULL;
  gsize size = 0;

  g_file_get_contents (path, &content, &size, &error);
  g_assert_no_error (error);
  data = g_memdup2 (content, size);
  g_assert_cmpint (LLVMFuzzerTestOneInput (data, size), ==, 0);

  /* And all of its beginnings. */
  for (gsize cut = 0; cut < size && cut < 300; cut++)
    {
      g_autofree guint8 *part = g_memdup2 (content, cut);

      g_assert_cmpint (LLVMFuzzerTestOneInput (part, cut), ==, 0);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  GDir *dir;
  const char *name;

  g_test_init (&argc, &argv, NULL);
  if (argc != 2)
    g_error ("Usage: %s FOLDER", argv[0]);

  dir = g_dir_open (argv[1], 0, &error);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *test = g_strconcat ("/corpus/", name, NULL);

      g_ptr_array_add (paths, g_build_filename (argv[1], name, NULL));
      g_test_add_data_func (test, g_ptr_array_index (paths, paths->len - 1), test_file);
    }
  g_dir_close (dir);
  g_assert_cmpuint (paths->len, >, 0);

  return g_test_run ();
}
