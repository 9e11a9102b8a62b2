/* parallel-worker-link.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-link.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-fd.h"

#define READ_SIZE   (64 * 1024)

/* At once, so that one worker does not keep the engine from the others. */
#define WRITE_SIZE  (256 * 1024)
#define MAX_VECTORS 64

/* In front of what a worker says, shown if it is no worker at all. */
#define MAX_SHOWN   200

struct _ParallelWorkerLink
{
  const ParallelWorkerLinkFuncs *funcs;
  gpointer             owner;
  int                  input_fd;      /* -1: closed */
  int                  answers_fd;
  int                  output_fd;
  GSource             *writer;        /* while there is something in the line and no room for it */
  GSource             *answers;
  GSource             *output;
  GQueue               line;          /* of GBytes */
  gsize                sent;          /* of the first of them */
  gboolean             closing;       /* the input is to be closed behind the line */
  gboolean             broken;
  gboolean             heard;         /* a frame has come */
  gboolean             reading;       /* the output */
  ParallelFrameReader *reader;
  ParallelMarkFinder   finder;
};

static GSource *
watch (ParallelWorkerLink *self,
       int                 fd,
       GIOCondition        condition,
       GUnixFDSourceFunc   func)
{
  GSource *source = g_unix_fd_source_new (fd, condition);

  g_source_set_static_name (source, "[parallel] worker");
  g_source_set_callback (source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());

  return source;
}

/* ---- the input ---- */

/* Not a close alone: a process that this program has forked may have the socket too. */
static void
shut_input (ParallelWorkerLink *self)
{
  parallel_source_clear (&self->writer);
  g_queue_clear_full (&self->line, (GDestroyNotify) g_bytes_unref);
  self->sent = 0;
  if (self->input_fd >= 0)
    shutdown (self->input_fd, SHUT_RDWR);
  parallel_fd_clear (&self->input_fd);
}

static guint
fill_vectors (ParallelWorkerLink *self,
              struct iovec       *vectors)
{
  guint n = 0;
  gsize total = 0;

  for (GList *l = self->line.head; l != NULL && n < MAX_VECTORS && total < WRITE_SIZE; l = l->next)
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (l->data, &size);
      gsize skipped = n == 0 ? self->sent : 0;

      vectors[n].iov_base = (guint8 *) data + skipped;
      vectors[n].iov_len = MIN (size - skipped, WRITE_SIZE - total);
      total += vectors[n].iov_len;
      n++;
    }

  return n;
}

static void
drop_sent (ParallelWorkerLink *self,
           gsize               n_bytes)
{
  self->sent += n_bytes;
  while (self->line.length > 0)
    {
      gsize size = g_bytes_get_size (g_queue_peek_head (&self->line));

      if (self->sent < size)
        return;
      self->sent -= size;
      g_bytes_unref (g_queue_pop_head (&self->line));
    }
}

static gboolean
writable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  ParallelWorkerLink *self = user_data;

  g_clear_pointer (&self->writer, g_source_unref);
  parallel_worker_link_flush (self);

  return G_SOURCE_REMOVE;
}

void
parallel_worker_link_flush (ParallelWorkerLink *self)
{
  gssize n = 0;

  if (self->writer != NULL)
    return;

  while (self->line.length > 0 && n >= 0)
    {
      struct iovec vectors[MAX_VECTORS];

      n = parallel_fd_send (self->input_fd, vectors, fill_vectors (self, vectors), NULL, 0);
      if (n > 0)
        drop_sent (self, n);
      if (n >= WRITE_SIZE)
        break;   /* the others' turn */
    }

  if (self->line.length == 0)
    {
      if (self->closing)
        shut_input (self);
    }
  else if (n >= 0 || errno == EAGAIN)
    self->writer = watch (self, self->input_fd, G_IO_OUT | G_IO_ERR | G_IO_HUP, writable_cb);
  else
    {
      shut_input (self);
      self->funcs->ended (self->owner);
    }
}

void
parallel_worker_link_send (ParallelWorkerLink *self,
                           GBytes             *bytes)
{
  if (self->input_fd >= 0 && !self->closing && g_bytes_get_size (bytes) > 0)
    g_queue_push_tail (&self->line, g_bytes_ref (bytes));
}

gboolean
parallel_worker_link_start (ParallelWorkerLink *self,
                            GByteArray         *head,
                            const int          *fds,
                            guint               n_fds)
{
  struct iovec vector = { head->data, head->len };
  gssize n = parallel_fd_send (self->input_fd, &vector, 1, fds, n_fds);

  /* The socket is empty, so there is room for it. One that has ended already is seen elsewhere, with how it
   * ended. */
  return n == (gssize) head->len || (n < 0 && (errno == EPIPE || errno == ECONNRESET));
}

void
parallel_worker_link_close_input (ParallelWorkerLink *self)
{
  self->closing = TRUE;
  if (self->input_fd >= 0)
    parallel_worker_link_flush (self);
}

/* ---- the answers ---- */

static void
stop_answers (ParallelWorkerLink *self)
{
  parallel_source_clear (&self->answers);
  parallel_fd_clear (&self->answers_fd);
}

/* Takes @error. */
static void
break_off (ParallelWorkerLink *self,
           GError             *error)
{
  gboolean first = !self->broken;

  self->broken = TRUE;
  stop_answers (self);
  if (first)
    self->funcs->broken (self->owner, error);
  else
    g_error_free (error);
}

/* Something in front of the worker has its say, or it is none. */
static char *
describe_start (const guint8 *data,
                gsize         size)
{
  g_autofree char *start = g_strndup ((const char *) data, MIN (size, MAX_SHOWN));
  g_autofree char *text = g_utf8_make_valid (start, -1);

  return g_strdup_printf (" (the first that came from its standard output was “%s”)", g_strstrip (text));
}

/* Returns whether frames may follow. */
static gboolean
take_frames (ParallelWorkerLink *self,
             const guint8       *data,
             gsize               size)
{
  g_autoptr (GError) error = NULL;
  guint kind = 0;

  while (!self->broken)
    {
      g_autoptr (GBytes) payload = parallel_frame_reader_take (self->reader, &kind, &error);
      gboolean sane = self->heard || kind == PARALLEL_FRAME_READY;

      if (payload == NULL && error == NULL)
        return TRUE;
      if (payload == NULL || !sane)
        {
          g_autofree char *start = self->heard ? g_strdup ("") : describe_start (data, size);

          break_off (self, g_error_new (G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s%s",
                                        error != NULL ? error->message : "it does not begin with READY", start));
          return FALSE;
        }
      self->heard = TRUE;
      self->funcs->frame (self->owner, kind, payload);
    }

  return FALSE;
}

/* Returns whether there may be more right now. */
static gboolean
read_answers (ParallelWorkerLink *self)
{
  gsize room;
  guint8 *data = parallel_frame_reader_reserve (self->reader, &room);
  gssize n = read (self->answers_fd, data, room);

  if (n > 0)
    {
      parallel_frame_reader_commit (self->reader, n);
      return take_frames (self, data, n) && self->answers_fd >= 0;
    }
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return FALSE;

  stop_answers (self);
  self->funcs->ended (self->owner);
  return FALSE;
}

static gboolean
answer_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  read_answers (user_data);
  return G_SOURCE_CONTINUE;
}

/* ---- the output ---- */

static void
output_cb (const guint8 *data,
           gsize         size,
           gpointer      user_data)
{
  ParallelWorkerLink *self = user_data;

  self->funcs->output (self->owner, data, size);
}

static void
mark_cb (guint64  serial,
         gpointer user_data)
{
  ParallelWorkerLink *self = user_data;

  self->funcs->mark (self->owner, serial);
}

static void
stop_output (ParallelWorkerLink *self)
{
  parallel_source_clear (&self->output);
  parallel_fd_clear (&self->output_fd);
}

/* Returns the number of bytes, or 0 when there are none now. */
static gsize
read_piece (ParallelWorkerLink *self)
{
  guint8 buffer[READ_SIZE];
  gssize n;

  if (self->output_fd < 0 || self->reading)
    return 0;

  self->reading = TRUE;
  n = read (self->output_fd, buffer, sizeof buffer);
  if (n > 0)
    parallel_mark_finder_feed (&self->finder, buffer, n, output_cb, mark_cb, self);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    {
      parallel_mark_finder_end (&self->finder, output_cb, self);
      stop_output (self);
    }
  self->reading = FALSE;

  return MAX (n, 0);
}

static gboolean
output_readable_cb (int          fd,
                    GIOCondition condition,
                    gpointer     user_data)
{
  read_piece (user_data);
  return G_SOURCE_CONTINUE;
}

void
parallel_worker_link_read_output (ParallelWorkerLink *self)
{
  read_piece (self);
}

void
parallel_worker_link_read_answers (ParallelWorkerLink *self)
{
  /* What was read before and not looked at yet comes first. */
  if (!take_frames (self, NULL, 0))
    return;
  while (self->answers_fd >= 0 && read_answers (self))
    ;
}

gboolean
parallel_worker_link_has_hung_up (ParallelWorkerLink *self)
{
  GPollFD poll_fd = { .fd = self->answers_fd };

  return self->answers_fd < 0 || (g_poll (&poll_fd, 1, 0) > 0 && (poll_fd.revents & G_IO_HUP) != 0);
}

/* What its descendants go on to write is not waited for. */
void
parallel_worker_link_drain (ParallelWorkerLink *self)
{
  int capacity = self->output_fd >= 0 ? fcntl (self->output_fd, F_GETPIPE_SZ) : 0;
  gsize limit = capacity > 0 ? capacity : READ_SIZE;
  gsize total = 0;
  gsize n;

  parallel_worker_link_read_answers (self);
  stop_answers (self);

  while (total < limit && (n = read_piece (self)) > 0)
    total += n;
  if (self->output_fd >= 0)
    parallel_mark_finder_end (&self->finder, output_cb, self);
  stop_output (self);
  shut_input (self);
}

/* ---- life ---- */

ParallelWorkerLink *
parallel_worker_link_new (int                            input_fd,
                          int                            answers_fd,
                          int                            output_fd,
                          const guint8                  *token,
                          const ParallelWorkerLinkFuncs *funcs,
                          gpointer                       owner)
{
  ParallelWorkerLink *self = g_new0 (ParallelWorkerLink, 1);

  self->funcs = funcs;
  self->owner = owner;
  self->input_fd = input_fd;
  self->answers_fd = answers_fd;
  self->output_fd = output_fd;
  self->reader = parallel_frame_reader_new (PARALLEL_FRAME_HANDSHAKE_LIMIT);
  memcpy (self->finder.token, token, PARALLEL_FRAME_TOKEN_SIZE);
  g_queue_init (&self->line);
  self->answers = watch (self, answers_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, answer_cb);
  self->output = watch (self, output_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, output_readable_cb);

  return self;
}

void
parallel_worker_link_free (ParallelWorkerLink *self)
{
  shut_input (self);
  stop_answers (self);
  stop_output (self);
  g_clear_pointer (&self->reader, parallel_frame_reader_free);
  g_free (self);
}

void
parallel_worker_link_set_limit (ParallelWorkerLink *self,
                                guint32             limit)
{
  parallel_frame_reader_set_limit (self->reader, limit);
}
