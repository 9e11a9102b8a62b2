/* parallel-sink.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-sink.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

struct _ParallelSink
{
  /* Constant after construction. */
  int            fd;              /* -1 for a stream */
  GOutputStream *stream;          /* NULL for a descriptor */

  /* Writer thread only. */
  gboolean       at_line_start;
};

/* Keeps SIGPIPE from the program in a thread that does not block it already. Returns whether it
 * was blocked. */
static gboolean
block_sigpipe (sigset_t *old)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &set, old);

  return sigismember (old, SIGPIPE) == 1;
}

static void
unblock_sigpipe (const sigset_t *old,
                 gboolean        failed)
{
  const struct timespec no_time = { 0, 0 };
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGPIPE);

  /* The signal of a failed write is pending for this thread, and would come with the old mask. */
  while (failed && sigtimedwait (&set, NULL, &no_time) == -1 && errno == EINTR)
    ;

  pthread_sigmask (SIG_SETMASK, old, NULL);
}

static void
wait_writable (int fd)
{
  struct pollfd poll_fd = { fd, POLLOUT, 0 };

  /* Whatever comes, the next write tells more about it. */
  while (poll (&poll_fd, 1, -1) == -1 && errno == EINTR)
    ;
}

static gboolean
write_to_fd (int          fd,
             const char  *data,
             gsize        length,
             gsize       *written,
             GError     **error)
{
  *written = 0;

  while (*written < length)
    {
      gssize n = write (fd, data + *written, length - *written);
      int errsv = n == 0 ? EIO : errno;

      if (n > 0)
        *written += n;
      else if (errsv == EAGAIN || errsv == EWOULDBLOCK)
        wait_writable (fd);
      else if (errsv != EINTR)
        {
          g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errsv),
                               g_strerror (errsv));
          return FALSE;
        }
    }

  return TRUE;
}

static void
parallel_sink_clear (ParallelSink *self)
{
  g_clear_object (&self->stream);
}

static ParallelSink *
parallel_sink_new (int            fd,
                   GOutputStream *stream)
{
  ParallelSink *self = g_atomic_rc_box_new0 (ParallelSink);

  self->fd = fd;
  g_set_object (&self->stream, stream);
  self->at_line_start = TRUE;

  return self;
}

ParallelSink *
parallel_sink_new_for_fd (int fd)
{
  g_return_val_if_fail (fd >= 0, NULL);

  return parallel_sink_new (fd, NULL);
}

ParallelSink *
parallel_sink_new_for_stream (GOutputStream *stream)
{
  g_return_val_if_fail (G_IS_OUTPUT_STREAM (stream), NULL);

  return parallel_sink_new (-1, stream);
}

ParallelSink *
parallel_sink_ref (ParallelSink *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_atomic_rc_box_acquire (self);
}

void
parallel_sink_unref (ParallelSink *self)
{
  g_return_if_fail (self != NULL);

  g_atomic_rc_box_release_full (self, (GDestroyNotify) parallel_sink_clear);
}

gboolean
parallel_sink_write (ParallelSink  *self,
                     const void    *data,
                     gsize          length,
                     GError       **error)
{
  gsize written = 0;
  gboolean blocked;
  gboolean res;
  sigset_t old;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (data != NULL || length == 0, FALSE);

  if (length == 0)
    return TRUE;

  blocked = block_sigpipe (&old);
  if (self->stream != NULL)
    res = g_output_stream_write_all (self->stream, data, length, &written, NULL, error);
  else
    res = write_to_fd (self->fd, data, length, &written, error);
  if (!blocked)
    unblock_sigpipe (&old, !res);

  if (!res)
    g_prefix_error_literal (error, "Could not write the output: ");

  if (written > 0)
    self->at_line_start = ((const char *) data)[written - 1] == '\n';

  return res;
}

gboolean
parallel_sink_flush (ParallelSink  *self,
                     GError       **error)
{
  gboolean blocked;
  gboolean res;
  sigset_t old;

  g_return_val_if_fail (self != NULL, FALSE);

  if (self->stream == NULL)
    return TRUE;

  blocked = block_sigpipe (&old);
  res = g_output_stream_flush (self->stream, NULL, error);
  if (!blocked)
    unblock_sigpipe (&old, !res);

  if (!res)
    g_prefix_error_literal (error, "Could not write the output: ");

  return res;
}

gboolean
parallel_sink_at_line_start (ParallelSink *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->at_line_start;
}
