/* parallel-agent-io.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-io.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-fd.h"

#define READ_SIZE (64 * 1024)

/* What is told of one whose other side has gone, whatever there is still to read; GLib hands POLLRDHUP, for sockets, to
 * poll() as it is. */
#define GONE ((GIOCondition) (G_IO_HUP | G_IO_ERR | POLLRDHUP))

/* At once, so that one descriptor does not keep the others waiting. */
#define WRITE_SIZE (256 * 1024)

static GSource *
watch (int               fd,
       GIOCondition      condition,
       GUnixFDSourceFunc func,
       gpointer          user_data)
{
  GSource *source = g_unix_fd_source_new (fd, condition);

  g_source_set_static_name (source, "[parallel] agent");
  g_source_set_callback (source, G_SOURCE_FUNC (func), user_data, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());

  return source;
}

/* ---- reading ---- */

struct _ParallelAgentReader
{
  const ParallelAgentReaderFuncs *funcs;
  gpointer  owner;
  int       fd;         /* -1 after the end */
  GSource  *source;     /* for data or, while paused, for the end; or NULL */
  gboolean  paused;
};

static gboolean
readable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  ParallelAgentReader *self = user_data;
  guint8 buffer[READ_SIZE];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n > 0)
    self->funcs->data (self->owner, buffer, n);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    {
      parallel_source_clear (&self->source);
      parallel_fd_clear (&self->fd);
      self->funcs->ended (self->owner);
    }

  return G_SOURCE_CONTINUE;
}

static gboolean
gone_cb (int          fd,
         GIOCondition condition,
         gpointer     user_data)
{
  ParallelAgentReader *self = user_data;

  parallel_source_clear (&self->source);
  self->funcs->gone (self->owner);
  return G_SOURCE_CONTINUE;
}

ParallelAgentReader *
parallel_agent_reader_new (int                             fd,
                           const ParallelAgentReaderFuncs *funcs,
                           gpointer                        owner)
{
  ParallelAgentReader *self = g_new0 (ParallelAgentReader, 1);

  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  self->funcs = funcs;
  self->owner = owner;
  self->fd = fd;
  self->source = watch (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable_cb, self);

  return self;
}

void
parallel_agent_reader_free (ParallelAgentReader *self)
{
  parallel_source_clear (&self->source);
  parallel_fd_clear (&self->fd);
  g_free (self);
}

void
parallel_agent_reader_set_paused (ParallelAgentReader *self,
                                  gboolean             paused)
{
  if (self->paused == paused)
    return;

  self->paused = paused;
  parallel_source_clear (&self->source);
  if (self->fd < 0)
    return;

  if (paused && self->funcs->gone != NULL)
    self->source = watch (self->fd, GONE, gone_cb, self);
  else if (!paused)
    self->source = watch (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable_cb, self);
}

gboolean
parallel_agent_reader_is_paused (ParallelAgentReader *self)
{
  return self->paused;
}

void
parallel_agent_reader_drain (ParallelAgentReader *self)
{
  int capacity = self->fd >= 0 ? fcntl (self->fd, F_GETPIPE_SZ) : 0;
  gsize limit = capacity > 0 ? (gsize) capacity : READ_SIZE;
  gsize total = 0;
  guint8 buffer[READ_SIZE];
  gssize n;

  while (self->fd >= 0 && total < limit && (n = read (self->fd, buffer, sizeof buffer)) > 0)
    {
      total += n;
      self->funcs->data (self->owner, buffer, n);
    }
}

/* ---- writing ---- */

struct _ParallelAgentWriter
{
  const ParallelAgentWriterFuncs *funcs;
  gpointer    owner;
  int         fd;       /* -1: closed or broken */
  GSource    *source;   /* while something is pending */
  GByteArray *pending;
  gsize       written;  /* of what is pending */
  gboolean    closing;
};

static void
stop_writing (ParallelAgentWriter *self)
{
  parallel_source_clear (&self->source);
  if (self->closing && self->fd >= 0)
    shutdown (self->fd, SHUT_WR);   /* no socket: no harm */
  parallel_fd_clear (&self->fd);
  g_byte_array_set_size (self->pending, 0);
  self->written = 0;
}

/* Returns how many of the bytes it has written, or -1 when nobody reads them. */
static gssize
write_some (int           fd,
            const guint8 *data,
            gsize         size)
{
  gsize total = 0;

  while (total < size)
    {
      gssize n = write (fd, data + total, MIN (size - total, WRITE_SIZE));

      if (n > 0)
        total += n;
      else if (errno == EAGAIN)
        break;
      else if (errno != EINTR)
        return -1;
      if (total >= WRITE_SIZE)
        break;
    }

  return total;
}

static gboolean
writable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  ParallelAgentWriter *self = user_data;
  gssize n = write_some (fd, self->pending->data + self->written, self->pending->len - self->written);

  if (n < 0)
    {
      stop_writing (self);
      self->funcs->broken (self->owner);
      return G_SOURCE_CONTINUE;
    }

  self->written += n;
  if (self->written < self->pending->len)
    return G_SOURCE_CONTINUE;

  if (self->closing)
    stop_writing (self);
  else
    {
      g_byte_array_set_size (self->pending, 0);
      self->written = 0;
      parallel_source_clear (&self->source);
    }
  self->funcs->drained (self->owner);
  return G_SOURCE_CONTINUE;
}

ParallelAgentWriter *
parallel_agent_writer_new (int                             fd,
                           const ParallelAgentWriterFuncs *funcs,
                           gpointer                        owner)
{
  ParallelAgentWriter *self = g_new0 (ParallelAgentWriter, 1);

  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  self->funcs = funcs;
  self->owner = owner;
  self->fd = fd;
  self->pending = g_byte_array_new ();

  return self;
}

void
parallel_agent_writer_free (ParallelAgentWriter *self)
{
  stop_writing (self);
  g_byte_array_unref (self->pending);
  g_free (self);
}

void
parallel_agent_writer_write (ParallelAgentWriter *self,
                             const void          *data,
                             gsize                size)
{
  gssize n = 0;

  if (self->fd < 0 || self->closing)
    return;

  /* What the first write finds out of a reader that has gone is told by the source. */
  if (self->source == NULL)
    n = write_some (self->fd, data, size);
  if (n < 0)
    n = 0;
  if ((gsize) n == size)
    return;

  /* Where it is never quite empty, what is written goes now and then. */
  if (self->written > PARALLEL_AGENT_FULL)
    {
      g_byte_array_remove_range (self->pending, 0, self->written);
      self->written = 0;
    }
  g_byte_array_append (self->pending, (const guint8 *) data + n, size - n);
  if (self->source == NULL)
    self->source = watch (self->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, writable_cb, self);
}

void
parallel_agent_writer_close (ParallelAgentWriter *self)
{
  self->closing = TRUE;
  if (self->source == NULL)
    stop_writing (self);
}

gsize
parallel_agent_writer_get_pending (ParallelAgentWriter *self)
{
  return self->pending->len - self->written;
}

gsize
parallel_agent_writer_get_memory (ParallelAgentWriter *self)
{
  return self->pending->len;
}
