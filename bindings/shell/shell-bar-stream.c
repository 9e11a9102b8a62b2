/* shell-bar-stream.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-bar-stream.h"

#include <errno.h>
#include <poll.h>

struct _ShellBarStream
{
  GOutputStream  parent_instance;

  /* Constant after construction. */
  ShellBar      *bar;
  int            fd;
};

G_DEFINE_FINAL_TYPE (ShellBarStream, shell_bar_stream, G_TYPE_OUTPUT_STREAM)

static gssize
shell_bar_stream_write (GOutputStream  *stream,
                        const void     *buffer,
                        gsize           count,
                        GCancellable   *cancellable,
                        GError        **error)
{
  ShellBarStream *self = SHELL_BAR_STREAM (stream);
  struct pollfd poll_fd = { .fd = self->fd, .events = POLLOUT };

  for (;;)
    {
      gssize n = shell_bar_write (self->bar, self->fd, buffer, count);
      int errsv = errno;

      if (n >= 0)
        return n;

      /* Whoever shares the terminal may have made it non-blocking. */
      if (errsv == EAGAIN)
        poll (&poll_fd, 1, -1);
      else if (errsv != EINTR)
        {
          g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errsv),
                               g_strerror (errsv));
          return -1;
        }
    }
}

static void
shell_bar_stream_finalize (GObject *object)
{
  ShellBarStream *self = SHELL_BAR_STREAM (object);

  g_clear_pointer (&self->bar, shell_bar_unref);

  G_OBJECT_CLASS (shell_bar_stream_parent_class)->finalize (object);
}

static void
shell_bar_stream_class_init (ShellBarStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = shell_bar_stream_finalize;
  G_OUTPUT_STREAM_CLASS (klass)->write_fn = shell_bar_stream_write;
}

static void
shell_bar_stream_init (ShellBarStream *self)
{
}

GOutputStream *
shell_bar_stream_new (ShellBar *bar,
                      int       fd)
{
  ShellBarStream *self = g_object_new (SHELL_TYPE_BAR_STREAM, NULL);

  self->bar = shell_bar_ref (bar);
  self->fd = fd;
  return G_OUTPUT_STREAM (self);
}
