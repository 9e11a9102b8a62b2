/* output-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "output-support.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

guint
count_fds (struct stat *file)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  struct rlimit limit;
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  memset (file, 0, sizeof *file);

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      int fd = g_ascii_strtoull (name, NULL, 10);
      struct stat st;

      /* Beyond the limit are valgrind's own. */
      if ((rlim_t) fd >= limit.rlim_cur)
        continue;

      n++;
      if (fd > 2 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_nlink == 0)
        *file = st;
    }

  return n;
}

void
check_file_empty (void)
{
  struct stat st;

  count_fds (&st);
  g_assert_cmpint (st.st_ino, !=, 0);
  g_assert_cmpint (st.st_size, ==, 0);
  g_assert_cmpint (st.st_blocks, ==, 0);
}

guint8
byte_at (guint64 position)
{
  return position % 257 + (position / 257) % 251 + position / 64507;
}

guint8 *
make_bytes (guint64 position,
            gsize   length)
{
  guint8 *data = g_malloc (MAX (length, 1));

  for (gsize i = 0; i < length; i++)
    data[i] = byte_at (position + i);

  return data;
}

void
append (ParallelOutput *output,
        const void     *data,
        gsize           length)
{
  g_autoptr (GError) error = NULL;
  gboolean res = parallel_output_append (output, data, length, &error);

  g_assert_no_error (error);
  g_assert_true (res);
}

void
make_pipe (int *fds)
{
  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (fds[0], TRUE, NULL));
  g_assert_cmpint (fcntl (fds[0], F_SETPIPE_SZ, 1024 * 1024), >=, PIPE_SIZE);
}

void
append_piped (ParallelOutput *output,
              int            *fds,
              const void     *data,
              gsize           length)
{
  g_autoptr (GError) error = NULL;
  gssize n;

  while (length > 0)
    {
      gsize piece = MIN (length, PIPE_SIZE);
      gsize taken = 0;

      g_assert_cmpint (write (fds[1], data, piece), ==, piece);
      while (taken < piece)
        {
          n = parallel_output_append_pipe (output, fds[0], &error);
          g_assert_no_error (error);
          g_assert_cmpint (n, >, 0);
          g_assert_cmpint (n, <=, PIPE_SIZE);
          taken += n;
        }

      g_assert_cmpuint (taken, ==, piece);
      data = (const char *) data + piece;
      length -= piece;
    }

  n = parallel_output_append_pipe (output, fds[0], &error);
  g_assert_cmpint (n, ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

void
check_text (char       *text,
            const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

void
check_reads (ParallelOutput *output,
             const void     *expected,
             gsize           length)
{
  const gsize pieces[] = { 1, 5000, 65536 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *copy = g_malloc (length + 1);

  g_assert_cmpuint (parallel_output_get_size (output), ==, length);

  bytes = parallel_output_dup_bytes (output, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected, length);

  for (guint i = length > 20000; i < G_N_ELEMENTS (pieces); i++)
    {
      gsize offset = 0;
      gssize n;

      while ((n = parallel_output_read (output, offset, copy + offset,
                                        MIN (pieces[i], length + 1 - offset), &error)) > 0)
        {
          g_assert_cmpint (n, ==, MIN (pieces[i], length - offset));
          offset += n;
        }

      g_assert_no_error (error);
      g_assert_cmpint (n, ==, 0);
      g_assert_cmpmem (copy, offset, expected, length);
    }

  g_assert_cmpint (parallel_output_read (output, length, copy, 1, &error), ==, 0);
  g_assert_cmpint (parallel_output_read (output, G_MAXUINT64, copy, 1, &error), ==, 0);
  g_assert_no_error (error);
}
