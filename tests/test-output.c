/* test-output.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "output-support.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static gboolean
has_file (void)
{
  struct stat st;

  count_fds (&st);
  return st.st_ino != 0;
}

static void
test_empty (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (GError) error = NULL;
  ParallelOutput *output = parallel_output_new (spool, 0, KEEP);
  int fds[2];

  g_assert_false (parallel_output_is_closed (output));
  check_reads (output, NULL, 0);
  append (output, NULL, 0);
  g_assert_null (parallel_output_dup_tail (output, 100, 10));

  /* Neither an empty pipe nor its end makes a file. */
  make_pipe (fds);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  close (fds[1]);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, 0);
  g_assert_no_error (error);
  close (fds[0]);

  parallel_output_close (output);
  g_assert_true (parallel_output_is_closed (output));
  g_assert_cmpuint (parallel_output_get_written (output), ==, 0);
  check_reads (output, NULL, 0);
  g_assert_false (has_file ());

  g_assert_true (parallel_output_ref (output) == output);
  parallel_output_unref (output);
  parallel_output_unref (output);
}

static void
test_bytes (void)
{
  const char text[] = "a\0b\xff\xfe\xc3\n\r\n\x80";
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelOutput *output = parallel_output_new (spool, 0, STOP);

  append (output, text, 3);
  check_reads (output, text, 3);
  append (output, text + 3, sizeof text - 3);
  check_reads (output, text, sizeof text);

  parallel_output_close (output);
  check_reads (output, text, sizeof text);
  g_assert_cmpuint (parallel_output_get_written (output), ==, sizeof text);

  /* The output needs no reference of ours to the spool. */
  parallel_output_ref (output);
  parallel_output_unref (output);
  g_clear_pointer (&spool, parallel_spool_unref);
  check_reads (output, text, sizeof text);
  parallel_output_unref (output);
  g_assert_false (has_file ());
}

/* Through every size of extent, several of the largest, with two outputs growing side by side. */
static void
test_big (void)
{
  const gsize length = 21 * 1024 * 1024 + 12345;
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) a = parallel_output_new (spool, 0, KEEP);
  g_autoptr (ParallelOutput) b = parallel_output_new (spool, 0, KEEP);
  g_autofree guint8 *data = make_bytes (0, length + 1);
  gsize done = 0;
  int fds[2];

  make_pipe (fds);
  while (done < length)
    {
      gsize n = g_test_rand_int_range (1, 300000);

      n = MIN (n, length - done);
      append (a, data + done, n);
      append_piped (b, fds, data + done + 1, n);
      done += n;
    }
  close (fds[0]);
  close (fds[1]);

  check_reads (a, data, length);
  check_reads (b, data + 1, length);
  g_clear_pointer (&a, parallel_output_unref);
  check_reads (b, data + 1, length);
  g_clear_pointer (&b, parallel_output_unref);
  check_file_empty ();
}

static void
test_pipe (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
  g_autofree guint8 *data = make_bytes (0, 1024 * 1024);
  g_autoptr (GError) error = NULL;
  gsize done = 0;
  gssize n;
  int fds[2];

  /* A full pipe is not taken in one go, and what is in it when its writer is gone is not lost. */
  make_pipe (fds);
  g_assert_cmpint (write (fds[1], data, 1024 * 1024), ==, 1024 * 1024);
  close (fds[1]);

  while ((n = parallel_output_append_pipe (output, fds[0], &error)) > 0)
    {
      g_assert_cmpint (n, <=, PIPE_SIZE);
      done += n;
      g_assert_cmpuint (parallel_output_get_size (output), ==, done);
    }

  g_assert_no_error (error);
  g_assert_cmpint (n, ==, 0);
  close (fds[0]);
  check_reads (output, data, 1024 * 1024);
}

static void
test_socket (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);

  g_assert_cmpint (write (fds[1], "x\0y", 3), ==, 3);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, 3);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);

  close (fds[1]);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, 0);
  g_assert_no_error (error);
  close (fds[0]);
  check_reads (output, "x\0y", 3);
}

/* A step can end while a thread of it still writes; that is an error for the thread and no bug
 * of ours. */
static void
test_closed (void)
{
  const guint64 limits[] = { 0, 4 };
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autoptr (ParallelOutput) output = parallel_output_new (spool, limits[i], i ? STOP : KEEP);
      g_autoptr (GError) error = NULL;
      char byte;
      int fds[2];

      append (output, "abcd", 4);
      parallel_output_close (output);
      parallel_output_close (output);
      g_assert_false (parallel_output_append (output, "x", 1, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
      g_clear_error (&error);

      make_pipe (fds);
      g_assert_cmpint (write (fds[1], "x", 1), ==, 1);
      g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
      g_assert_cmpint (read (fds[0], &byte, 1), ==, 1);
      close (fds[0]);
      close (fds[1]);

      g_assert_cmpuint (parallel_output_get_written (output), ==, 4);
      check_reads (output, "abcd", 4);
    }
}

static void
test_tail (void)
{
  const struct
  {
    const char *text;
    gsize       length;       /* 0: up to the NUL */
    gsize       bytes;
    guint       lines;
    const char *tail;
  } cases[] = {
    { "one\ntwo\nthree\n", 0, 100, 10, "one\ntwo\nthree" },
    { "one\ntwo\nthree\n", 0, 100, 3, "one\ntwo\nthree" },
    { "one\ntwo\nthree\n", 0, 100, 2, "two\nthree" },
    { "one\ntwo\nthree\n", 0, 100, 1, "three" },
    { "one\ntwo\nthree", 0, 100, 1, "three" },
    { "one\ntwo\nthree", 0, 100, 2, "two\nthree" },
    { "one\ntwo\nthree\n", 0, 100, 0, NULL },
    { "one\ntwo\nthree\n", 0, 0, 10, NULL },
    { "one\ntwo\nthree\n", 0, 9, 10, "two\nthree" },
    { "one\ntwo\nthree\n", 0, 8, 10, "wo\nthree" },
    { "one\ntwo\nthree\n", 0, 5, 10, "three" },
    { "one\ntwo\nthree\n", 0, 4, 10, "hree" },
    { "one\ntwo\nthree\n", 0, 1, 10, "e" },
    { "one\ntwo\nthree\n", 0, G_MAXSIZE, G_MAXUINT, "one\ntwo\nthree" },
    { "a\n\n", 0, 100, 10, "a\n" },
    { "\n", 0, 100, 10, NULL },
    { "\n\nx", 0, 100, 10, "\n\nx" },

    /* NUL and what is no UTF-8. */
    { "a\0b", 3, 100, 10, "a\357\277\275b" },
    { "a\xff\xfe" "b\n", 0, 100, 10, "a\357\277\275\357\277\275b" },
    { "\x80\x80", 0, 100, 10, "\357\277\275\357\277\275" },
    { "h\xc3\xa9\n", 0, 100, 10, "h\xc3\xa9" },

    /* Not yet whole at the end. */
    { "h\xc3", 0, 100, 10, "h\357\277\275" },

    /* Never more than asked for, and whole characters: of two, three and four bytes. */
    { "h\xc3\xa9", 0, 2, 10, "\xc3\xa9" },
    { "h\xc3\xa9", 0, 1, 10, NULL },
    { "\xc3\xa9\xc3\xa9\xc3\xa9\n", 0, 5, 10, "\xc3\xa9\xc3\xa9" },
    { "abcdef\xe2\x82\xac" "x", 0, 4, 10, "\xe2\x82\xac" "x" },
    { "abcdef\xe2\x82\xac" "x", 0, 3, 10, "x" },
    { "abcdef\xe2\x82\xac" "x", 0, 2, 10, "x" },
    { "abcdef\xf0\x9f\x98\x80xyz", 0, 7, 10, "\xf0\x9f\x98\x80xyz" },
    { "abcdef\xf0\x9f\x98\x80xyz", 0, 6, 10, "xyz" },
    { "abcdef\xf0\x9f\x98\x80xyz\n", 0, 4, 10, "xyz" },
    { "abc\xff\xff", 0, 5, 10, "\357\277\275" },
    { "abc\xff\xff", 0, 7, 10, "c\357\277\275\357\277\275" },
    { "abc\xff\xff", 0, 2, 10, NULL },
  };
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
      gsize length = cases[i].length != 0 ? cases[i].length : strlen (cases[i].text);

      g_test_message ("case %u", i);
      append (output, cases[i].text, length);
      check_text (parallel_output_dup_tail (output, cases[i].bytes, cases[i].lines), cases[i].tail);
      parallel_output_close (output);
      check_text (parallel_output_dup_tail (output, cases[i].bytes, cases[i].lines), cases[i].tail);
    }
}

static gpointer
bytes_thread (gpointer data)
{
  Writer *writer = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint64 done = 0; done < writer->length; )
    {
      gsize n = g_rand_int_range (rand, 1, 30000);
      g_autofree guint8 *bytes = make_bytes (done, n);

      n = MIN (n, writer->length - done);
      append (writer->output, bytes, n);
      done += n;
    }

  parallel_output_close (writer->output);
  return NULL;
}

static gpointer
bytes_reader_thread (gpointer data)
{
  Writer *writer = data;
  g_autoptr (GRand) rand = g_rand_new ();
  g_autofree guint8 *buffer = g_malloc (50000);
  gboolean closed = FALSE;
  guint64 size = 0;

  while (!closed)
    {
      g_autoptr (GError) error = NULL;
      guint64 offset, new_size;
      gssize n;

      /* In this order: a closed output does not grow. */
      closed = parallel_output_is_closed (writer->output);
      new_size = parallel_output_get_size (writer->output);
      g_assert_cmpuint (new_size, >=, size);
      g_assert_cmpuint (parallel_output_get_written (writer->output), >=, new_size);
      size = new_size;

      offset = size * g_rand_double (rand);
      n = parallel_output_read (writer->output, offset, buffer,
                                g_rand_int_range (rand, 1, 50000), &error);
      g_assert_no_error (error);
      g_assert_cmpint (n, >=, 0);
      for (gssize i = 0; i < n; i++)
        {
          if (buffer[i] != byte_at (offset + i))
            g_assert_cmpuint (buffer[i], ==, byte_at (offset + i));
        }
    }

  g_assert_cmpuint (size, ==, writer->length);
  return NULL;
}

static void
test_readers (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
  Writer writer = { output, 8 * 1024 * 1024, TRUE };
  GThread *threads[4];

  threads[0] = g_thread_new ("writer", bytes_thread, &writer);
  for (guint i = 1; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("reader", bytes_reader_thread, &writer);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  check_text (g_strdup_printf ("%" G_GUINT64_FORMAT, parallel_output_get_size (output)),
              "8388608");
}

static void
check_seek (GInputStream *stream,
            goffset       offset,
            GSeekType     type,
            goffset       expected)
{
  g_autoptr (GError) error = NULL;
  gboolean res = g_seekable_seek (G_SEEKABLE (stream), offset, type, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (res);
  g_assert_cmpint (g_seekable_tell (G_SEEKABLE (stream)), ==, expected);
}

static void
check_stream_read (GInputStream *stream,
                   const char   *expected)
{
  g_autoptr (GError) error = NULL;
  char buffer[100];
  gssize n = g_input_stream_read (stream, buffer, sizeof buffer, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (buffer, n, expected, strlen (expected));
}

static void
test_stream (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  ParallelOutput *output = parallel_output_new (spool, 0, KEEP);
  g_autoptr (GError) error = NULL;
  GInputStream *stream = parallel_output_open (output);

  check_stream_read (stream, "");
  append (output, "hello", 5);
  check_stream_read (stream, "hello");
  check_stream_read (stream, "");
  append (output, " world", 6);

  /* The stream alone keeps the output. */
  parallel_output_ref (output);
  parallel_output_unref (output);
  g_assert_cmpint (g_input_stream_skip (stream, 3, NULL, &error), ==, 3);
  check_stream_read (stream, "rld");
  g_assert_cmpint (g_input_stream_skip (stream, 3, NULL, &error), ==, 0);

  g_assert_true (g_seekable_can_seek (G_SEEKABLE (stream)));
  check_seek (stream, 1, G_SEEK_SET, 1);
  check_seek (stream, 3, G_SEEK_CUR, 4);
  check_seek (stream, -1, G_SEEK_CUR, 3);
  g_assert_cmpint (g_input_stream_skip (stream, 1000, NULL, &error), ==, 8);
  check_seek (stream, -5, G_SEEK_END, 6);
  check_stream_read (stream, "world");

  g_assert_false (g_seekable_seek (G_SEEKABLE (stream), -1, G_SEEK_SET, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_false (g_seekable_seek (G_SEEKABLE (stream), G_MAXINT64, G_SEEK_CUR, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_cmpint (g_seekable_tell (G_SEEKABLE (stream)), ==, 11);

  /* After the end there is nothing yet. */
  check_seek (stream, 2, G_SEEK_END, 13);
  check_stream_read (stream, "");
  g_assert_cmpint (g_input_stream_skip (stream, 3, NULL, &error), ==, 0);
  append (output, "12345", 5);
  check_stream_read (stream, "345");

  g_assert_false (g_seekable_can_truncate (G_SEEKABLE (stream)));
  g_assert_false (g_seekable_truncate (G_SEEKABLE (stream), 0, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_clear_error (&error);

  parallel_output_unref (output);
  check_seek (stream, 0, G_SEEK_SET, 0);
  check_stream_read (stream, "hello world12345");

  /* Closing gives the room back, though the stream is still there. */
  g_assert_true (g_input_stream_close (stream, NULL, &error));
  check_file_empty ();
  g_assert_cmpint (g_input_stream_read (stream, &error, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_false (g_seekable_seek (G_SEEKABLE (stream), 0, G_SEEK_END, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_finalize_object (stream);
}

static void
test_stream_cancelled (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
  g_autoptr (GInputStream) stream = parallel_output_open (output);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  char byte;

  append (output, "hello", 5);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (g_input_stream_read (stream, &byte, 1, cancellable, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpint (g_input_stream_skip (stream, 1, cancellable, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_false (g_seekable_seek (G_SEEKABLE (stream), 1, G_SEEK_SET, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  check_stream_read (stream, "hello");
}

static void
line_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  char **line = user_data;
  g_autoptr (GError) error = NULL;

  *line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (*line);
}

static void
test_stream_async (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
  g_autoptr (GInputStream) stream = parallel_output_open (output);
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (stream);
  g_autofree char *line = NULL;

  append (output, "one\ntwo\n", 8);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, line_cb, &line);
  while (line == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (line, ==, "one");
}

static void
test_many (void)
{
  const guint n_outputs = 10000;
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autofree ParallelOutput **outputs = g_new (ParallelOutput *, n_outputs);
  struct stat st;
  guint before;

  before = count_fds (&st);

  for (guint i = 0; i < n_outputs; i++)
    {
      g_autofree char *text = g_strdup_printf ("output %u\n", i);

      outputs[i] = parallel_output_new (spool, 1000000, KEEP);
      append (outputs[i], text, strlen (text));
      parallel_output_close (outputs[i]);
    }

  g_assert_cmpuint (count_fds (&st), ==, before + 1);

  for (guint i = 0; i < n_outputs; i++)
    {
      g_autofree char *text = g_strdup_printf ("output %u\n", i);

      check_reads (outputs[i], text, strlen (text));
      parallel_output_unref (outputs[i]);
    }

  check_file_empty ();
}

/* One after the other, they use the same room. */
static void
test_reuse (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) other = parallel_output_new (spool, 0, KEEP);
  g_autofree guint8 *data = make_bytes (0, 500000);
  goffset size = 0;
  struct stat st;

  append (other, "x", 1);
  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (ParallelOutput) output = parallel_output_new (spool, i % 2 * 100000, KEEP);

      append (output, data, 500000);
      count_fds (&st);
      if (i == 1)
        size = st.st_size;
      else if (i > 1)
        g_assert_cmpint (st.st_size, <=, size);
    }
  check_reads (other, "x", 1);
}

static void
test_full_subprocess (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 0, KEEP);
  g_autofree guint8 *data = make_bytes (0, 200000);
  const struct rlimit limit = { 100000, 100000 };
  g_autoptr (GError) error = NULL;
  guint64 size;
  int fds[2];

  signal (SIGXFSZ, SIG_IGN);
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &limit));

  append (output, data, 1000);
  make_pipe (fds);
  g_assert_cmpint (write (fds[1], data + 1000, 199000), ==, 199000);

  /* What there is room for, then the error, and again the error. */
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), >, 0);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
      g_assert_nonnull (strstr (error->message, g_get_tmp_dir ()));
      g_clear_error (&error);
    }

  g_assert_false (parallel_output_append (output, data, 200000, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);

  /* What was written before is there. */
  size = parallel_output_get_size (output);
  g_assert_cmpuint (size, >, 50000);
  g_assert_cmpuint (size, <=, 100000);
  check_reads (output, data, size);
  parallel_output_close (output);
  check_reads (output, data, size);
}

static void
test_full (void)
{
  g_test_trap_subprocess ("/output/full/subprocess", 0, 0);
  g_test_trap_assert_passed ();
}

static void
test_bad_folder_subprocess (void)
{
  g_autoptr (ParallelSpool) spool = NULL;
  g_autoptr (ParallelOutput) output = NULL;
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_setenv ("TMPDIR", "/nonexistent/folder", TRUE);
  spool = parallel_spool_new ();
  output = parallel_output_new (spool, 0, KEEP);

  g_assert_false (parallel_output_append (output, "x", 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "/nonexistent/folder"));
  g_clear_error (&error);

  /* A program that writes nothing does not need it. */
  make_pipe (fds);
  g_assert_cmpint (write (fds[1], "x", 1), ==, 1);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_cmpint (read (fds[0], &fds, 1), ==, 1);
}

static void
test_bad_folder (void)
{
  g_test_trap_subprocess ("/output/bad-folder/subprocess", 0, 0);
  g_test_trap_assert_passed ();
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What an attempt of a step wrote to one stream.");

  g_test_add_func ("/output/empty", test_empty);
  g_test_add_func ("/output/bytes", test_bytes);
  g_test_add_func ("/output/big", test_big);
  g_test_add_func ("/output/pipe", test_pipe);
  g_test_add_func ("/output/socket", test_socket);
  g_test_add_func ("/output/closed", test_closed);
  g_test_add_func ("/output/tail", test_tail);
  g_test_add_func ("/output/readers", test_readers);
  g_test_add_func ("/output/stream", test_stream);
  g_test_add_func ("/output/stream-cancelled", test_stream_cancelled);
  g_test_add_func ("/output/stream-async", test_stream_async);
  g_test_add_func ("/output/many", test_many);
  g_test_add_func ("/output/reuse", test_reuse);
  g_test_add_func ("/output/full", test_full);
  g_test_add_func ("/output/full/subprocess", test_full_subprocess);
  g_test_add_func ("/output/bad-folder", test_bad_folder);
  g_test_add_func ("/output/bad-folder/subprocess", test_bad_folder_subprocess);

  return g_test_run ();
}
