/* test-output-limit.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "output-support.h"

#include <string.h>
#include <unistd.h>

#include "parallel-run-error.h"

/* What must be readable in the end of @length bytes under KEEP_ENDS. */
static GString *
make_kept (const guint8 *data,
           gsize         length,
           gsize         limit)
{
  GString *res = g_string_new (NULL);
  gsize head = limit / 2;
  gsize tail = limit - head;

  if (length <= limit)
    return g_string_append_len (res, (const char *) data, length);

  g_string_append_len (res, (const char *) data, head);
  g_string_append_printf (res, "\n[... %" G_GSIZE_FORMAT " bytes left out ...]\n", length - limit);
  g_string_append_len (res, (const char *) data + length - tail, tail);

  return res;
}

static void
check_keep_ends (ParallelSpool *spool,
                 const guint8  *data,
                 gsize          length,
                 gsize          limit,
                 gsize          piece,
                 gboolean       piped)
{
  ParallelOutput *output = parallel_output_new (spool, limit, KEEP);
  GString *kept = make_kept (data, length, limit);
  int fds[2];

  if (piped)
    make_pipe (fds);

  for (gsize done = 0; done < length; done += piece)
    {
      gsize n = MIN (piece, length - done);

      if (piped)
        append_piped (output, fds, data + done, n);
      else
        append (output, data + done, n);

      /* Readable is what will stay so. */
      g_assert_cmpuint (parallel_output_get_size (output), ==, MIN (done + n, limit / 2));
      g_assert_cmpuint (parallel_output_get_written (output), ==, done + n);
    }

  check_reads (output, data, MIN (length, limit / 2));
  parallel_output_close (output);
  check_reads (output, kept->str, kept->len);
  g_assert_cmpuint (parallel_output_get_written (output), ==, length);

  if (piped)
    {
      close (fds[0]);
      close (fds[1]);
    }

  g_string_free (kept, TRUE);
  parallel_output_unref (output);
}

static void
test_keep_ends (void)
{
  const gsize limits[] = { 1, 2, 3, 100, 8191, 8192, 150001, 500000 };
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autofree guint8 *data = make_bytes (0, 2 * 1024 * 1024);

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      gsize limit = limits[i];
      const gsize lengths[] = { limit / 2, limit / 2 + 1, limit, limit + 1, limit * 2,
                                limit * 3 + 1, limit + 65537, limit + 200000 };
      const gsize pieces[] = { 1, 7, 4093, 65536, 2 * 1024 * 1024 };

      for (guint j = 0; j < G_N_ELEMENTS (lengths); j++)
        for (guint k = 0; k < G_N_ELEMENTS (pieces); k++)
          {
            if (lengths[j] / pieces[k] > 500)
              continue;

            check_keep_ends (spool, data, lengths[j], limit, pieces[k], FALSE);
            if (lengths[j] / pieces[k] < 30)
              check_keep_ends (spool, data, lengths[j], limit, pieces[k], TRUE);
          }
    }

  check_file_empty ();
}

/* A limit bounds what is on the disk, however much is written. */
static void
test_keep_ends_room (void)
{
  const gsize limit = 1024 * 1024;
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, limit, KEEP);
  g_autofree guint8 *data = make_bytes (0, 100000);
  struct stat st;

  for (guint i = 0; i < 500; i++)
    append (output, data, 100000);

  count_fds (&st);
  g_assert_cmpint ((goffset) st.st_blocks * 512, <=, 2 * limit);
}

static void
check_over_limit (ParallelOutput *output,
                  GError         *error,
                  gsize           limit)
{
  g_autofree char *message = g_strdup_printf ("The output is longer than its limit of %"
                                              G_GSIZE_FORMAT " bytes", limit);

  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_OUTPUT_LIMIT);
  g_assert_cmpstr (error->message, ==, message);
  g_error_free (error);
}

static void
check_stop (ParallelSpool *spool,
            const guint8  *data,
            gsize          limit)
{
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, limit, STOP);
  GError *error = NULL;

  append (output, data, limit - 1);
  check_reads (output, data, limit - 1);
  g_assert_false (parallel_output_append (output, data + limit - 1, 11, &error));
  check_over_limit (output, error, limit);
  check_reads (output, data, limit);
  g_assert_cmpuint (parallel_output_get_written (output), ==, limit + 10);

  error = NULL;
  g_assert_false (parallel_output_append (output, data, 1, &error));
  check_over_limit (output, error, limit);
  g_assert_false (parallel_output_append (output, data, 1, NULL));
  append (output, data, 0);
  g_assert_cmpuint (parallel_output_get_written (output), ==, limit + 12);

  parallel_output_close (output);
  check_reads (output, data, limit);
}

static void
check_stop_piped (ParallelSpool *spool,
                  const guint8  *data,
                  gsize          limit)
{
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, limit, STOP);
  GError *error = NULL;
  int fds[2];

  /* Exactly the limit is no error, at the end of the pipe neither. */
  make_pipe (fds);
  append_piped (output, fds, data, limit);
  g_assert_cmpint (write (fds[1], data, 3), ==, 3);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
  check_over_limit (output, error, limit);
  g_assert_cmpuint (parallel_output_get_written (output), ==, limit + 3);

  error = NULL;
  close (fds[1]);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, 0);
  g_assert_no_error (error);
  close (fds[0]);
  check_reads (output, data, limit);

  /* And in one go: what fits first, then the error. */
  g_clear_pointer (&output, parallel_output_unref);
  output = parallel_output_new (spool, limit, STOP);
  make_pipe (fds);
  g_assert_cmpint (write (fds[1], data, limit + 5), ==, limit + 5);
  for (gsize done = 0; done < limit; )
    {
      gssize n = parallel_output_append_pipe (output, fds[0], &error);

      g_assert_no_error (error);
      g_assert_cmpint (n, >, 0);
      done += n;
    }
  check_reads (output, data, limit);
  g_assert_cmpint (parallel_output_append_pipe (output, fds[0], &error), ==, -1);
  check_over_limit (output, error, limit);
  close (fds[0]);
  close (fds[1]);
}

static void
test_stop (void)
{
  const gsize limits[] = { 1, 2, 100, 4095, 4096, 4097, 12288, 100000, 300000 };
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autofree guint8 *data = make_bytes (0, 400000);

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      check_stop (spool, data, limits[i]);
      check_stop_piped (spool, data, limits[i]);
    }
}

/* What is not readable yet is seen, with the line that says what is left out. */
static void
test_tail_of_ring (void)
{
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();
  g_autoptr (ParallelOutput) output = parallel_output_new (spool, 8, KEEP);

  append (output, "abcdef", 6);
  g_assert_cmpuint (parallel_output_get_size (output), ==, 4);
  check_text (parallel_output_dup_tail (output, 100, 10), "abcdef");
  append (output, "gh", 2);
  check_text (parallel_output_dup_tail (output, 100, 10), "abcdefgh");
  append (output, "i\n", 2);
  check_text (parallel_output_dup_tail (output, 100, 10), "abcd\n[... 2 bytes left out ...]\nghi");
  check_text (parallel_output_dup_tail (output, 100, 1), "ghi");
  check_text (parallel_output_dup_tail (output, 2, 1), "hi");

  parallel_output_close (output);
  check_text (parallel_output_dup_tail (output, 100, 10), "abcd\n[... 2 bytes left out ...]\nghi");
  check_reads (output, "abcd\n[... 2 bytes left out ...]\nghi\n", 36);
}

#define N_LINES 100000

/* Writes numbered lines again and again, in pieces of all sizes that keep no line whole. */
static gpointer
lines_thread (gpointer data)
{
  Writer *writer = data;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (guint i = 0; i < N_LINES; i++)
    g_string_append_printf (text, "line %u\n", i);

  for (guint64 i = 0; i < writer->length; i++)
    {
      for (gsize done = 0, n; done < text->len; done += n)
        {
          n = g_rand_int_range (rand, 1, 1 << g_rand_int_range (rand, 8, 21));
          n = MIN (n, text->len - done);
          append (writer->output, text->str + done, n);
        }
    }

  g_atomic_int_set (&writer->running, FALSE);
  return NULL;
}

static void
check_lines (const char *text)
{
  const char *line = strchr (text, '\n');
  guint expected = N_LINES;      /* not known yet */

  /* Without the first line and the last one, which may be cut. */
  for (const char *end; line != NULL && (end = strchr (line + 1, '\n')) != NULL; line = end)
    {
      char *number_end = NULL;
      guint number;

      g_assert_cmpint (strncmp (line, "\nline ", 6), ==, 0);
      number = g_ascii_strtoull (line + 6, &number_end, 10);
      g_assert_true (number_end == end);

      if (expected != N_LINES)
        g_assert_cmpuint (number, ==, expected);
      expected = (number + 1) % N_LINES;
    }
}

/* Whatever of the tail is seen while the ring turns is one piece of what was written, up to some
 * moment. */
static void
test_moving_tail (void)
{
  const guint64 limits[] = { 64, 5000, 70000, 1000000, 4000000 };
  g_autoptr (ParallelSpool) spool = parallel_spool_new ();

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autoptr (ParallelOutput) output = parallel_output_new (spool, limits[i], KEEP);
      Writer writer = { output, 100, TRUE };
      GThread *thread = g_thread_new ("writer", lines_thread, &writer);
      gboolean running;

      do
        {
          g_autofree char *tail = NULL;

          /* Not back to the line about what is left out. */
          running = g_atomic_int_get (&writer.running);
          tail = parallel_output_dup_tail (output, limits[i] / 2 - 8, G_MAXUINT);
          if (tail != NULL)
            check_lines (tail);
        }
      while (running);

      g_thread_join (thread);
      parallel_output_close (output);
      check_text (parallel_output_dup_tail (output, 100, 1), "line 99999");
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What is kept of an output with a limit, and of its end.");

  g_test_add_func ("/output/keep-ends", test_keep_ends);
  g_test_add_func ("/output/keep-ends-room", test_keep_ends_room);
  g_test_add_func ("/output/stop", test_stop);
  g_test_add_func ("/output/tail-of-ring", test_tail_of_ring);
  g_test_add_func ("/output/moving-tail", test_moving_tail);

  return g_test_run ();
}
