/* test-sink.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-sink.h"

#include <fcntl.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define N_BYTES (4 * 1024 * 1024)

static void
write_text (ParallelSink *sink,
            const char   *text)
{
  g_autoptr (GError) error = NULL;
  gboolean res = parallel_sink_write (sink, text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_true (res);
}

static void
check_pipe (int         fd,
            const char *expected)
{
  char buffer[100];
  gssize n = read (fd, buffer, sizeof buffer);

  g_assert_cmpmem (buffer, MAX (n, 0), expected, strlen (expected));
}

static void
check_line_start (ParallelSink *sink)
{
  g_assert_true (parallel_sink_at_line_start (sink));
  write_text (sink, "");
  g_assert_true (parallel_sink_at_line_start (sink));
  write_text (sink, "a");
  g_assert_false (parallel_sink_at_line_start (sink));
  write_text (sink, "");
  g_assert_false (parallel_sink_at_line_start (sink));
  write_text (sink, "b\nc");
  g_assert_false (parallel_sink_at_line_start (sink));
  write_text (sink, "d\n");
  g_assert_true (parallel_sink_at_line_start (sink));
  write_text (sink, "\r");
  g_assert_false (parallel_sink_at_line_start (sink));
  write_text (sink, "\n");
  g_assert_true (parallel_sink_at_line_start (sink));
}

static void
test_fd (void)
{
  g_autoptr (GError) error = NULL;
  ParallelSink *sink;
  int fds[2];

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  sink = parallel_sink_new_for_fd (fds[1]);
  check_line_start (sink);
  g_assert_true (parallel_sink_write (sink, NULL, 0, &error));
  g_assert_true (parallel_sink_flush (sink, &error));
  g_assert_no_error (error);
  check_pipe (fds[0], "ab\ncd\n\r\n");

  g_assert_true (parallel_sink_write (sink, "x\0\xff", 3, &error));
  g_assert_no_error (error);

  g_assert_true (parallel_sink_ref (sink) == sink);
  parallel_sink_unref (sink);
  write_text (sink, "y");
  parallel_sink_unref (sink);

  /* The descriptor is still ours, and open. */
  g_assert_cmpint (write (fds[1], "z", 1), ==, 1);
  close (fds[1]);
  {
    char buffer[10];

    g_assert_cmpmem (buffer, read (fds[0], buffer, sizeof buffer), "x\0\xffyz", 5);
  }
  close (fds[0]);
}

static guint8
byte_at (gsize position)
{
  return position % 251 + position / 65521;
}

/* Reads all there is, slowly at first, and checks it. */
static gpointer
reader_thread (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  g_autofree guint8 *buffer = g_malloc (30011);
  gsize done = 0;
  sigset_t set;
  gssize n;

  /* Signals are for the writer. */
  sigfillset (&set);
  g_assert_cmpint (pthread_sigmask (SIG_BLOCK, &set, NULL), ==, 0);

  while ((n = read (fd, buffer, 30011)) > 0)
    {
      for (gssize i = 0; i < n; i++)
        {
          if (buffer[i] != byte_at (done + i))
            g_assert_cmpuint (buffer[i], ==, byte_at (done + i));
        }

      done += n;
      if (done < 1000000)
        g_usleep (2000);
    }

  g_assert_cmpint (n, ==, 0);
  g_assert_cmpuint (done, ==, N_BYTES);

  return NULL;
}

static void
write_all_to_reader (gboolean nonblocking)
{
  g_autofree guint8 *data = g_malloc (N_BYTES);
  g_autoptr (ParallelSink) sink = NULL;
  g_autoptr (GError) error = NULL;
  GThread *thread;
  gboolean res;
  int fds[2];

  for (gsize i = 0; i < N_BYTES; i++)
    data[i] = byte_at (i);

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (fds[1], nonblocking, NULL));
  thread = g_thread_new ("reader", reader_thread, GINT_TO_POINTER (fds[0]));

  sink = parallel_sink_new_for_fd (fds[1]);
  res = parallel_sink_write (sink, data, N_BYTES, &error);
  g_assert_no_error (error);
  g_assert_true (res);

  close (fds[1]);
  g_thread_join (thread);
  close (fds[0]);
}

static void
test_blocking (void)
{
  write_all_to_reader (FALSE);
}

static void
test_nonblocking (void)
{
  write_all_to_reader (TRUE);
}

static int n_signals;

static void
count_signal (int number)
{
  g_atomic_int_inc (&n_signals);
}

static gpointer
interrupt_thread (gpointer data)
{
  const pthread_t *writer = data;

  /* A certain number, as under valgrind an endless storm lets nothing else happen. */
  for (guint i = 0; i < 100; i++)
    {
      g_assert_cmpint (pthread_kill (*writer, SIGALRM), ==, 0);
      g_usleep (500);
    }

  return NULL;
}

/* Signals without SA_RESTART interrupt both the writes and the polls. */
static void
test_interrupted (void)
{
  struct sigaction action = { .sa_handler = count_signal };
  struct sigaction old;
  pthread_t self = pthread_self ();

  g_assert_no_errno (sigaction (SIGALRM, &action, &old));

  for (guint i = 0; i < 2; i++)
    {
      GThread *thread;

      g_atomic_int_set (&n_signals, 0);
      thread = g_thread_new ("interrupt", interrupt_thread, &self);
      write_all_to_reader (i);
      g_thread_join (thread);
      g_assert_cmpint (g_atomic_int_get (&n_signals), >, 0);
    }

  g_assert_no_errno (sigaction (SIGALRM, &old, NULL));
}

static gboolean
is_sigpipe (int (*get) (sigset_t *set))
{
  sigset_t set;

  g_assert_no_errno (get (&set));
  return sigismember (&set, SIGPIPE) == 1;
}

static int
get_mask (sigset_t *set)
{
  return pthread_sigmask (SIG_BLOCK, NULL, set);
}

static void
check_broken_pipe (ParallelSink *sink,
                   gboolean      blocked)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_assert_false (parallel_sink_write (sink, "x", 1, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
      g_assert_true (g_str_has_prefix (error->message, "Could not write the output: "));
      g_assert_true (g_str_has_suffix (error->message, "Broken pipe"));
      g_clear_error (&error);
      g_assert_false (parallel_sink_write (sink, "x", 1, NULL));
    }

  /* Nothing was written yet. */
  g_assert_true (parallel_sink_at_line_start (sink));

  /* The thread is as it was. */
  g_assert_true (is_sigpipe (get_mask) == blocked);
  if (!blocked)
    g_assert_false (is_sigpipe (sigpending));
}

static gpointer
broken_pipe_thread (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  g_autoptr (GOutputStream) stream = g_unix_output_stream_new (fd, FALSE);
  g_autoptr (ParallelSink) sink = parallel_sink_new_for_fd (fd);
  g_autoptr (ParallelSink) stream_sink = parallel_sink_new_for_stream (stream);
  g_autoptr (GOutputStream) buffered = g_buffered_output_stream_new (stream);
  g_autoptr (ParallelSink) buffered_sink = parallel_sink_new_for_stream (buffered);
  g_autoptr (GError) error = NULL;
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGPIPE);

  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpint (pthread_sigmask (i == 0 ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL), ==, 0);
      check_broken_pipe (sink, i);
      check_broken_pipe (stream_sink, i);

      write_text (buffered_sink, "x");
      g_assert_false (parallel_sink_flush (buffered_sink, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
      g_assert_true (g_str_has_prefix (error->message, "Could not write the output: "));
      g_clear_error (&error);
    }

  /* What the failed writes left pending must not come now. It is the thread's, which ends. */
  return NULL;
}

static void
test_broken_pipe (void)
{
  g_autoptr (ParallelSink) sink = NULL;
  g_autoptr (GError) error = NULL;
  void (*old) (int) = signal (SIGPIPE, SIG_DFL);
  int fds[2];

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  close (fds[0]);

  sink = parallel_sink_new_for_fd (fds[1]);
  g_assert_false (parallel_sink_write (sink, "x", 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  g_assert_cmpstr (error->message, ==, "Could not write the output: Broken pipe");

  g_thread_join (g_thread_new ("broken pipe", broken_pipe_thread, GINT_TO_POINTER (fds[1])));

  close (fds[1]);
  signal (SIGPIPE, old);
}

/* A reader that goes away while a write waits for it. */
static gpointer
close_thread (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  char buffer[5000];

  g_assert_cmpint (read (fd, buffer, sizeof buffer), >, 0);
  g_usleep (20000);
  close (fd);

  return NULL;
}

static void
test_reader_leaves (void)
{
  g_autofree char *data = g_malloc0 (N_BYTES);
  void (*old) (int) = signal (SIGPIPE, SIG_DFL);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (ParallelSink) sink = NULL;
      g_autoptr (GError) error = NULL;
      GThread *thread;
      int fds[2];

      g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
      g_assert_true (g_unix_set_fd_nonblocking (fds[1], i, NULL));
      thread = g_thread_new ("close", close_thread, GINT_TO_POINTER (fds[0]));

      sink = parallel_sink_new_for_fd (fds[1]);
      g_assert_false (parallel_sink_write (sink, data, N_BYTES, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
      g_assert_false (parallel_sink_at_line_start (sink));

      g_thread_join (thread);
      close (fds[1]);
    }

  signal (SIGPIPE, old);
}

static void
test_errors (void)
{
  g_autoptr (ParallelSink) sink = NULL;
  g_autoptr (GError) error = NULL;
  int fd = open ("/dev/full", O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, !=, -1);
  sink = parallel_sink_new_for_fd (fd);
  g_assert_false (parallel_sink_write (sink, "x", 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_cmpstr (error->message, ==, "Could not write the output: No space left on device");
  g_clear_error (&error);
  close (fd);

  g_assert_false (parallel_sink_write (sink, "x", 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "Could not write the output: Bad file descriptor");
}

static void
test_stream (void)
{
  GOutputStream *memory = g_memory_output_stream_new_resizable ();
  GOutputStream *buffered = g_buffered_output_stream_new (memory);
  ParallelSink *sink = parallel_sink_new_for_stream (buffered);
  GMemoryOutputStream *target = G_MEMORY_OUTPUT_STREAM (memory);
  g_autoptr (GError) error = NULL;

  check_line_start (sink);
  g_assert_true (parallel_sink_write (sink, "\0\xff", 2, &error));
  g_assert_cmpuint (g_memory_output_stream_get_data_size (target), ==, 0);
  g_assert_true (parallel_sink_flush (sink, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (g_memory_output_stream_get_data (target),
                   g_memory_output_stream_get_data_size (target), "ab\ncd\n\r\n\0\xff", 10);

  /* The sink does not close the stream. */
  parallel_sink_unref (sink);
  g_assert_false (g_output_stream_is_closed (buffered));

  sink = parallel_sink_new_for_stream (buffered);
  g_assert_true (g_output_stream_close (buffered, NULL, &error));
  g_assert_false (parallel_sink_write (sink, "x", 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_true (g_str_has_prefix (error->message, "Could not write the output: "));
  g_clear_error (&error);
  g_assert_false (parallel_sink_flush (sink, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_true (g_str_has_prefix (error->message, "Could not write the output: "));
  parallel_sink_unref (sink);

  g_assert_finalize_object (buffered);
  g_assert_finalize_object (memory);
}

/* What counts for the start of a line is what came out, also of a write that failed. */
static void
test_partial (void)
{
  char room[5];
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new (room, sizeof room, NULL, NULL);
  g_autoptr (ParallelSink) sink = parallel_sink_new_for_stream (stream);
  g_autoptr (GError) error = NULL;

  write_text (sink, "x");
  g_assert_false (parallel_sink_at_line_start (sink));
  g_assert_false (parallel_sink_write (sink, "abc\ndef", 7, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_true (parallel_sink_at_line_start (sink));
  g_assert_cmpmem (room, 5, "xabc\n", 5);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Where printed output goes.");

  g_test_add_func ("/sink/fd", test_fd);
  g_test_add_func ("/sink/blocking", test_blocking);
  g_test_add_func ("/sink/nonblocking", test_nonblocking);
  g_test_add_func ("/sink/interrupted", test_interrupted);
  g_test_add_func ("/sink/broken-pipe", test_broken_pipe);
  g_test_add_func ("/sink/reader-leaves", test_reader_leaves);
  g_test_add_func ("/sink/errors", test_errors);
  g_test_add_func ("/sink/stream", test_stream);
  g_test_add_func ("/sink/partial", test_partial);

  return g_test_run ();
}
